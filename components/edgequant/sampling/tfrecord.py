"""Reads TFRecord files of ``tf.train.Example``, plain or gzipped, without TensorFlow.

Source of the framing: tensorflow/core/lib/io/record_writer.h: length (uint64), masked CRC-32C of the length (uint32),
payload, masked CRC-32C of the payload (uint32), all little-endian.
"""

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate
from typing import IO, Any

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from edgequant.errors import ExamplesError
from edgequant.protos import message_class
from edgequant.sampling.features import Batch, Features

_HEADER = struct.Struct("<QI")
_HEADER_BYTES, _FOOTER_BYTES = 12, 4
_BUFFER_BYTES = 1 << 20
# How much is read at a time: enough that looking at it as arrays pays, and about what a processor's cache holds.
_BATCH_BYTES = 1 << 20
_MOST_LENGTHS = 4096
# Source: tensorflow/core/example/example.proto and feature.proto
_MESSAGES = {
    "Example": {1: "features FeatureMap"},
    "FeatureMap": {1: "feature map Feature"},
    "Feature": {1: "bytes_list BytesList", 2: "float_list FloatList", 3: "int64_list Int64List"},
    "BytesList": {1: "value repeated bytes"},
    "FloatList": {1: "value repeated float"},
    "Int64List": {1: "value repeated int64"},
}


def read_batches(stream: IO[bytes], path: str) -> Iterator[Batch]:
    """Yields a file's records, some at a time, each with the CRC-32C that it carries, which is found right.

    Raises:
        ExamplesError: The file is empty, truncated or corrupted; the message names the record and its byte offset.
    """
    reader = _Reader(stream, path)
    while batch := reader.next_batch():
        yield batch
    if reader.number == 0:
        raise ExamplesError(f"{path}: record 0 at byte 0: the file is empty; a TFRecord file with records is needed")


class _Reader:
    """Reads the records of a file in order.

    A record's header is read together with the footer of the one before: two reads a record, and one look-up of a length
    whose checksum was found right before.
    """

    def __init__(self, stream: IO[bytes], path: str) -> None:
        self._read = stream.read
        self._path = path
        # By header, the length it holds, once its checksum was found right.
        self._lengths: dict[bytes, int] = {}
        self._header: bytes | None = None
        self._error: ExamplesError | None = None
        self.number = 0
        self.offset = 0

    def next_batch(self) -> Batch | None:
        """Returns the next records; None at the end of the file.

        Raises:
            ExamplesError: There are no whole ones before the file ends, or before damage.
        """
        payloads: list[bytes] = []
        footers: list[bytes] = []
        checksums: list[int] = []
        try:
            self._fill(payloads, footers, checksums)
        except ExamplesError as error:
            self._error = error  # What is whole before it comes first.
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self._error = ExamplesError(f"{self._where(payloads)}: the gzip data is damaged or truncated ({error})")
        self._check(payloads, footers, checksums)
        if not payloads:
            if self._error is not None:
                raise self._error
            return None
        batch = Batch(payloads, np.array(checksums, np.uint32), self._describe(self.number, self.offset, payloads))
        self._advance(payloads)
        return batch

    def _fill(self, payloads: list[bytes], footers: list[bytes], checksums: list[int]) -> None:
        if self._error is not None:
            raise self._error
        read, value, lengths = self._read, google_crc32c.value, self._lengths
        header = self._header
        if header is None:
            header = read(_HEADER_BYTES)
        left = _BATCH_BYTES
        while left > 0 and header:
            length = lengths.get(header)
            if length is None:
                length = self._length(header, payloads)
            payload = read(length) if length <= _BUFFER_BYTES else self._read_large(length)
            footer = read(_FOOTER_BYTES + _HEADER_BYTES)
            if len(payload) < length or len(footer) < _FOOTER_BYTES:
                found, whole = len(payload) + len(footer), length + _FOOTER_BYTES
                raise ExamplesError(
                    f"{self._where(payloads)}: the file ends after {found} of the record's {whole} bytes; it is truncated"
                )
            payloads.append(payload)
            footers.append(footer)
            checksums.append(value(payload))
            header = footer[_FOOTER_BYTES:]
            left -= length + _FOOTER_BYTES + _HEADER_BYTES
        self._header = header

    def _length(self, header: bytes, payloads: list[bytes]) -> int:
        """Returns the length that a header holds."""
        if len(header) < _HEADER_BYTES:
            raise ExamplesError(f"{self._where(payloads)}: the file ends inside the record's header; it is truncated")
        length, checksum = _HEADER.unpack(header)
        if _masked(np.array([google_crc32c.value(header[:8])], np.uint32))[0] != checksum:
            raise ExamplesError(
                f"{self._where(payloads)}: the checksum of the length is wrong; it is corrupted or not a TFRecord file"
            )
        if len(self._lengths) >= _MOST_LENGTHS:
            self._lengths.clear()
        self._lengths[header] = length
        return int(length)

    def _read_large(self, size: int) -> bytes:
        """Returns up to `size` bytes, fewer only at the end; memory grows with what is there, not with what is claimed."""
        parts = []
        while size and (part := self._read(min(size, _BUFFER_BYTES))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _check(self, payloads: list[bytes], footers: list[bytes], checksums: list[int]) -> None:
        """Compares the records' checksums with those they carry; those from the first wrong one on are dropped."""
        carried = np.frombuffer(b"".join(footer[:_FOOTER_BYTES] for footer in footers), "<u4")
        wrong = np.flatnonzero(_masked(np.array(checksums, np.uint32)) != carried)
        if len(wrong):
            first = int(wrong[0])
            for values in (payloads, checksums):
                del values[first:]
            self._error = ExamplesError(
                f"{self._where(payloads)}: the checksum of the payload is wrong; it is corrupted"
            )

    def _where(self, payloads: list[bytes]) -> str:
        """Returns where the record after some of a batch is."""
        return self._describe(self.number, self.offset, payloads)(len(payloads))

    def _describe(self, number: int, offset: int, payloads: list[bytes]) -> Callable[[int], str]:
        offsets: list[int] = []

        def where(position: int) -> str:
            if not offsets:
                sizes = (len(payload) + _HEADER_BYTES + _FOOTER_BYTES for payload in payloads)
                offsets.extend(accumulate(sizes, initial=offset))
            return f"{self._path}: record {number + position} at byte {offsets[position]}"

        return where

    def _advance(self, payloads: list[bytes]) -> None:
        self.number += len(payloads)
        self.offset += sum(map(len, payloads)) + len(payloads) * (_HEADER_BYTES + _FOOTER_BYTES)


def _masked(checksums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Returns checksums as the format stores them, so that the checksum of data that holds checksums is a good one."""
    turned = (checksums >> np.uint32(15)) | (checksums << np.uint32(17))
    return np.asarray(turned + np.uint32(0xA282EAD8), np.uint32)


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
