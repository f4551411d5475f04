"""Reads a record's class without parsing the record, if an earlier record had the same layout.

The class of every record is needed, or a rare class could be missed; and parsing costs more than all other parts of
reading. Records of one writer mostly differ in values and not in layout. So parsed layouts are cached and compared byte by
byte, and only a record of an unknown layout or value is parsed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from edgequant.errors import ExamplesError
from edgequant.sampling.formats.features import Features, take

TO_STRATIFY = (
    "a class to stratify by is one value (sampling.stratify: false draws without classes; labels of several values are for"
    " task: multilabel or regression)"
)
_MOST_LAYOUTS = 1024
_MOST_VALUES = 16_384
# The wire format's tag of field 1 and of field 2, when they hold bytes or a message.
_FIELD_1, _FIELD_2 = 0x0A, 0x12


@dataclass(frozen=True, slots=True)
class Layout:
    """The position of a feature's value in serialized ``tf.train.Example`` messages of one length.

    Attributes:
        parts: The bytes of everything but values, by offset. A message with the same parts has its value at the same position.
        start: The value's first byte.
        stop: The byte after its last.
        kind: The tag of the feature's list type.
    """

    parts: tuple[tuple[int, bytes], ...]
    start: int
    stop: int
    kind: int


def class_reader(
    parse: Callable[[bytes], Features], feature: str, *, examples: bool, use: str = TO_STRATIFY
) -> Callable[[bytes], str]:
    """Returns the function that reads a record's class: the single value of a feature, as text.

    It raises an `ExamplesError` for a record that has no such feature, or not exactly one value of it.

    Args:
        parse: A payload → its features.
        feature: The feature.
        examples: Whether payloads are serialized ``tf.train.Example``.
        use: Why it must be one value, for messages.
    """
    memory = _Memory(feature.encode())
    layouts, names = memory.layouts, memory.names

    def read(payload: bytes) -> str:
        layout = layouts.get(len(payload))
        if layout is not None:
            for at, part in layout.parts:
                if not payload.startswith(part, at):
                    break
            else:
                name = names.get((layout.kind, payload[layout.start : layout.stop]))
                if name is not None:
                    return name
        name = class_name(parse(payload), feature, use)
        if examples:
            memory.learn(payload, name)
        return name

    return read


class _Memory:
    """A cache of the layouts of parsed records, by their length, and of the classes of values.

    Attributes:
        layouts: The latest layout, by length.
        names: The class, by list type and the bytes of the value.
    """

    def __init__(self, feature: bytes) -> None:
        self.layouts: dict[int, Layout] = {}
        self.names: dict[tuple[int, bytes], str] = {}
        self._feature = feature
        self._lengths: set[int] = set()

    def learn(self, payload: bytes, name: str) -> None:
        """Caches a layout when its length occurs for the second time, since unique lengths are not worth it."""
        size = len(payload)
        if size not in self._lengths:
            if len(self._lengths) >= _MOST_LAYOUTS:
                self._lengths.clear()
                self.layouts.clear()
            self._lengths.add(size)
            return
        layout = find_layout(payload, self._feature)
        if layout is not None and len(self.names) < _MOST_VALUES:
            self.layouts[size] = layout
            self.names[layout.kind, payload[layout.start : layout.stop]] = name


def class_name(features: Features, feature: str, use: str = TO_STRATIFY) -> str:
    """Returns the class of features: the single value of one of them, as text.

    Args:
        features: The features of a record.
        feature: The name of one.
        use: Why it must be one value, for messages.

    Raises:
        ExamplesError: There is no such feature, or it does not have exactly one value.
    """
    value = take(features, feature)
    values = value if isinstance(value, tuple) else value.reshape(-1)
    if len(values) != 1:
        raise ExamplesError(f"feature {feature!r} has {len(values)} values; {use}")
    return values[0].decode("utf-8", "replace") if isinstance(values[0], bytes) else str(values[0])


def find_layout(payload: bytes, feature: bytes) -> Layout | None:
    """Returns the layout of a feature's value in a serialized ``tf.train.Example``.

    Source: https://protobuf.dev/programming-guides/encoding/

    Returns:
        The layout; None when it is not the usual one: a single map of features, in each entry first the key, the feature
        once, its values in one run of bytes.
    """
    try:
        return _walk(payload, feature)
    except (IndexError, _UnusualError):
        return None


class _UnusualError(Exception):
    """A layout that is not supported here and needs the parser."""


def _walk(payload: bytes, feature: bytes) -> Layout | None:
    at, end = _inside(payload, 0, len(payload), _FIELD_1)
    parts = [(0, payload[:at])]
    place: tuple[int, int, int] | None = None
    while at < end:
        entry, stop = _open(payload, at, end, _FIELD_1)
        key, key_stop = _open(payload, entry, stop, _FIELD_1)
        value, _ = _inside(payload, key_stop, stop, _FIELD_2)
        if payload[key:key_stop] == feature:
            if place:
                raise _UnusualError
            kind = payload[value]
            values, _ = _inside(payload, value, stop, kind)
            value, _ = _inside(payload, values, stop, _FIELD_1)
            place = (value, stop, kind)
        parts.append((at, payload[at:value]))
        at = stop
    return Layout(_joined(parts), *place) if place else None


def _inside(payload: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Returns the start and the end of a field's content that reaches to `end`."""
    start, stop = _open(payload, at, end, tag)
    if stop != end:
        raise _UnusualError
    return start, stop


def _open(payload: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Returns the start and the end of a field's content: after a tag and a length in groups of seven bits."""
    if payload[at] != tag:
        raise _UnusualError
    length, shift = 0, 0
    while True:
        at += 1
        length |= (payload[at] & 0x7F) << shift
        shift += 7
        if payload[at] < 0x80:  # The eighth bit is set if more follow.
            break
    if at + 1 + length > end:
        raise _UnusualError
    return at + 1, at + 1 + length


def _joined(parts: list[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    """Returns the parts with adjacent ones joined."""
    joined: list[tuple[int, bytes]] = []
    for at, part in parts:
        if joined and joined[-1][0] + len(joined[-1][1]) == at:
            joined[-1] = (joined[-1][0], joined[-1][1] + part)
        else:
            joined.append((at, part))
    return tuple(joined)
