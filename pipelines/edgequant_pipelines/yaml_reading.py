"""YAML's text, read safely and without surprises: what only a mistake can mean is refused, with its line."""

import re
from typing import Any

import yaml

from edgequant.errors import ConfigError

_DEEPEST = 50
_MOST_DIGITS = 18
# As long as one of so many digits may be, in any base.
_LONGEST_NUMBER = 100
# NUL ends a path, and one half of a surrogate pair cannot be written to any file.
_NO_CHARACTER = re.compile("[\\0\\ud800-\\udfff]")
_BOOLEAN, _NULL, _INTEGER = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:int"


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, but for what it would take in silence, or fail at without a word.

    Of a key that a mapping holds twice it would take the last value, and `on` and `no` as keys for true and false. What is within
    itself or nested a thousand deep ends every walk through it, and a number of a thousand digits every sum.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._within: list[str | None] = []

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._within:
            raise ConfigError(f"line {line}: *{event.anchor} stands for what it is part of; it may be anywhere else")
        if len(self._within) >= _DEEPEST:
            raise ConfigError(f"line {line}: is nested more than {_DEEPEST} deep; no key is")
        self._within.append(None if isinstance(event, yaml.AliasEvent) else event.anchor)
        node = super().compose_node(parent, index)
        self._within.pop()
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        found = _NO_CHARACTER.search(node.value)
        if found:
            line = node.start_mark.line + 1
            raise ConfigError(
                f"line {line}: a text holds the character {found[0]!a}, which no name, path or address does"
            )
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # When mappings are made of nodes, what `<<` merges in is among their keys; now it is not.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in lines:
                first = lines[key.tag, key.value]
                raise ConfigError(f"line {line}: the key {key.value!r} is there already, on line {first}; keep one")
            if key.tag in (_BOOLEAN, _NULL):
                read_as = "null" if key.tag == _NULL else str(self.construct_yaml_bool(key)).lower()
                raise ConfigError(
                    f'line {line}: the key {key.value!r} is read as {read_as}, and keys are texts; write it in quotes: "{key.value}"'
                )
            lines[key.tag, key.value] = line
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        # Python itself refuses thousands of digits.
        value: int = super().construct_yaml_int(node) if len(node.value) <= _LONGEST_NUMBER else 10**_MOST_DIGITS
        if abs(value) >= 10**_MOST_DIGITS:
            line = node.start_mark.line + 1
            # It may be a secret in a wrong place: it is not repeated.
            raise ConfigError(
                f"line {line}: a whole number has more than {_MOST_DIGITS} digits, and none that is allowed has; write it in quotes if it is a text"
            )
        return value


_Loader.add_constructor(_INTEGER, _Loader.construct_yaml_int)


def read_yaml(text: str) -> Any:
    """Returns what YAML's text stands for.

    Raises:
        ConfigError: It is not YAML, or holds what no file needs: a key twice or one that is true, false or null, what is within itself
            or very deep, a NUL or half a character, or a number of very many digits.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"is not YAML ({' '.join(str(error).split())})") from error
