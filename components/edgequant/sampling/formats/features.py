"""Records, their features, and the canonical bytes of features: equal features have equal bytes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import ExamplesError, did_you_mean

# A feature is an array of numbers, or one or more byte strings.
Feature = NDArray[Any] | tuple[bytes, ...]
Features = dict[str, Feature]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records of a file, in order.

    Attributes:
        payloads: The bytes of each.
        checksums: The CRC-32C of each, uint32 [records].
        where: A position in the batch → where that record is, for messages.
        size_bytes: The size of all payloads.
    """

    payloads: Sequence[bytes]
    checksums: NDArray[np.uint32]
    where: Callable[[int], str]
    size_bytes: int


def encode(features: Features) -> bytes:
    """Returns the features as bytes: a JSON header of names, dtypes and shapes, then the values in the header's order."""
    header: list[list[Any]] = []
    values: list[bytes] = []
    for name, feature in sorted(features.items()):
        if isinstance(feature, tuple):
            header.append([name, "bytes", [len(value) for value in feature]])
            values.extend(feature)
        else:
            header.append([name, feature.dtype.str, list(feature.shape)])
            values.append(np.ascontiguousarray(feature).tobytes())
    head = json.dumps(header).encode()
    return b"".join([len(head).to_bytes(4, "little"), head, *values])


def decode(data: bytes) -> Features:
    """Returns the features that `encode` wrote."""
    start = 4 + int.from_bytes(data[:4], "little")
    features: Features = {}
    for name, kind, sizes in json.loads(data[4:start]):
        if kind == "bytes":
            items = []
            for size in sizes:
                items.append(data[start : start + size])
                start += size
            features[name] = tuple(items)
        else:
            dtype = np.dtype(kind)
            size = int(np.prod(sizes, dtype=np.int64)) * dtype.itemsize
            # A copy, since a user's function may change it in place.
            features[name] = np.frombuffer(data[start : start + size], dtype).reshape(sizes).copy()
            start += size
    return features


def row(value: NDArray[Any]) -> Feature:
    """Returns one row of an array as a feature; text becomes UTF-8 bytes."""
    if value.dtype.kind == "U":
        return tuple(str(text).encode() for text in value.reshape(-1))
    if value.dtype.kind in "SO":
        return tuple(bytes(text) for text in value.reshape(-1))
    return value


def take(features: Features, name: str) -> Feature:
    """Returns the feature of a name.

    Raises:
        ExamplesError: There is none.
    """
    if name not in features:
        raise ExamplesError(
            f"has no feature {name!r}; it has {', '.join(sorted(features)) or 'none'}{did_you_mean(name, features)}"
        )
    return features[name]
