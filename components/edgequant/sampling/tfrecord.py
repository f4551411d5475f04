"""Reads TFRecord files of ``tf.train.Example``, plain or gzipped, without TensorFlow.

Source of the framing: tensorflow/core/lib/io/record_writer.h: length (uint64), masked CRC-32C of the length (uint32),
payload, masked CRC-32C of the payload (uint32), all little-endian.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import IO, Any

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError

from edgequant.errors import ExamplesError
from edgequant.protos import message_class
from edgequant.sampling.features import Features

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_BUFFER_BYTES = 1 << 20
# Source: tensorflow/core/example/example.proto and feature.proto
_MESSAGES = {
    "Example": {1: "features FeatureMap"},
    "FeatureMap": {1: "feature map Feature"},
    "Feature": {1: "bytes_list BytesList", 2: "float_list FloatList", 3: "int64_list Int64List"},
    "BytesList": {1: "value repeated bytes"},
    "FloatList": {1: "value repeated float"},
    "Int64List": {1: "value repeated int64"},
}


def read_payloads(stream: IO[bytes], path: str) -> Iterator[tuple[str, bytes]]:
    """Yields where each record is, for messages, and its payload.

    Raises:
        ExamplesError: The file is empty, truncated or corrupted; the message names the record and its byte offset.
    """
    offset = 0
    number = 0
    while True:
        where = f"{path}: record {number} at byte {offset}"
        header = _read(stream, _HEADER.size, where)
        if not header:
            break
        if len(header) < _HEADER.size:
            raise ExamplesError(f"{where}: the file ends inside the record's header; it is truncated")
        length, length_crc = _HEADER.unpack(header)
        if _masked_crc(header[:8]) != length_crc:
            raise ExamplesError(f"{where}: the checksum of the length is wrong; it is corrupted or not a TFRecord file")
        body = _read(stream, length + _FOOTER.size, where)
        if len(body) < length + _FOOTER.size:
            raise ExamplesError(
                f"{where}: the file ends after {len(body)} of the record's {length + _FOOTER.size} bytes; it is truncated"
            )
        payload = body[:length]
        if _masked_crc(payload) != _FOOTER.unpack(body[length:])[0]:
            raise ExamplesError(f"{where}: the checksum of the payload is wrong; it is corrupted")
        yield where, payload
        offset += _HEADER.size + length + _FOOTER.size
        number += 1
    if number == 0:
        raise ExamplesError(f"{path}: record 0 at byte 0: the file is empty; a TFRecord file with records is needed")


def _read(stream: IO[bytes], size: int, where: str) -> bytes:
    """Returns up to `size` bytes, fewer only at the end; memory grows with what is there, not with what is claimed."""
    try:
        data = stream.read(min(size, _BUFFER_BYTES))
        if len(data) == size:
            return data
        parts = [data]
        left = size - len(data)
        while left and parts[-1]:
            parts.append(stream.read(min(left, _BUFFER_BYTES)))
            left -= len(parts[-1])
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ExamplesError(f"{where}: the gzip data is damaged or truncated ({error})") from error
    return b"".join(parts)


def _masked_crc(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def parse_example(payload: bytes) -> Features:
    """Returns the features of a serialized ``tf.train.Example``: int64 or float32 arrays [values], or bytes.

    Raises:
        ExamplesError: The payload is not an Example.
    """
    try:
        example = _example_class().FromString(payload)
    except DecodeError as error:
        raise ExamplesError(f"is not a tf.train.Example ({error})") from error
    features: Features = {}
    for name, feature in example.features.feature.items():
        if feature.HasField("bytes_list"):
            features[name] = tuple(feature.bytes_list.value)
        elif feature.HasField("float_list"):
            features[name] = np.array(feature.float_list.value, np.float32)
        elif feature.HasField("int64_list"):
            features[name] = np.array(feature.int64_list.value, np.int64)
    return features


@cache
def _example_class() -> Any:
    return message_class("edgequant.example", _MESSAGES, "Example")
