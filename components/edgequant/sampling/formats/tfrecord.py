"""Reads TFRecord files of ``tf.train.Example``, plain or gzipped, without TensorFlow.

Source of the framing: tensorflow/core/lib/io/record_writer.h: length (uint64), masked CRC-32C of the length (uint32),
payload, masked CRC-32C of the payload (uint32), all little-endian.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import IO, Any

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from edgequant.errors import ExamplesError
from edgequant.protos import message_class
from edgequant.sampling.formats.features import Batch, Features

_HEADER = struct.Struct("<QI")
_HEADER_BYTES, _FOOTER_BYTES = 12, 4
# How much is read at a time: enough for array operations to pay off, and about the size of a processor's cache.
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
    """Yields a file's records, some at a time, each with its CRC-32C, which is verified.

    Raises:
        ExamplesError: The file is empty, truncated or corrupted; the message names the record and its byte offset.
    """
    reader = _Reader(stream, path)
    while batch := reader.next_batch():
        yield batch
    if reader.number == 0:
        raise ExamplesError(f"{path}: record 0 at byte 0: the file is empty; a TFRecord file with records is needed")


class _Reader:
    """Reads the records of a file in order, a block at a time; only records that are needed are copied out of it."""

    def __init__(self, stream: IO[bytes], path: str) -> None:
        self._read = stream.read
        self._path = path
        # The lengths of headers whose checksum was verified.
        self._lengths: dict[bytes, int] = {}
        self._error: ExamplesError | None = None
        self.number = 0
        self.offset = 0

    def next_batch(self) -> Batch | None:
        """Returns the next records; None at the end of the file.

        Raises:
            ExamplesError: There are no complete ones before the end of the file or before damage.
        """
        payloads = _Payloads()
        checksums: list[int] = []
        if self._error is None:
            try:
                payloads.block = self._read(_BATCH_BYTES)
                rest = self._find(payloads, checksums)
                if rest:
                    self._complete(rest, payloads, checksums)
            except ExamplesError as error:
                self._error = error  # The complete records before it come first.
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                self._error = ExamplesError(
                    f"{self._path}: the gzip data is damaged or truncated, {self.number:,} whole records or more into it"
                    f" ({error})"
                )
        self._check(payloads, checksums)
        if not len(payloads):
            if self._error is not None:
                raise self._error
            return None
        size = payloads.size_bytes()
        where = _RecordPlaces(self._path, self.number, self.offset, payloads)
        self.number += len(payloads)
        self.offset += size + len(payloads) * (_HEADER_BYTES + _FOOTER_BYTES)
        return Batch(payloads, np.array(checksums, np.uint32), where, size)

    def _find(self, payloads: "_Payloads", checksums: list[int]) -> bytes:
        """Finds the complete records of a block, and returns the rest: the beginning of another record."""
        block, lengths = payloads.block, self._lengths
        size, value = len(block), google_crc32c.value
        at = 0
        while True:
            header = block[at : at + _HEADER_BYTES]
            length = lengths.get(header)
            if length is None:
                if len(header) < _HEADER_BYTES:
                    break
                length = self._length(header, payloads)
            start = at + _HEADER_BYTES
            stop = start + length
            if stop + _FOOTER_BYTES > size:
                break
            checksums.append(value(block[start:stop]))
            payloads.starts.append(start)
            payloads.stops.append(stop)
            at = stop + _FOOTER_BYTES
        return block[at:]

    def _complete(self, beginning: bytes, payloads: "_Payloads", checksums: list[int]) -> None:
        """Reads the rest of a record whose beginning is in the block."""
        header = beginning[:_HEADER_BYTES]
        if len(header) < _HEADER_BYTES:
            header += self._read(_HEADER_BYTES - len(header))
        length = self._length(header, payloads)
        body_size = length + _FOOTER_BYTES
        body = beginning[_HEADER_BYTES:]
        body += self._read_on(body_size - len(body))
        if len(body) < body_size:
            raise self._damage(
                payloads, f"the file ends after {len(body)} of the record's {body_size} bytes; it is truncated"
            )
        payloads.last, payloads.footer = body[:length], body[length:]
        checksums.append(google_crc32c.value(payloads.last))

    def _length(self, header: bytes, payloads: "_Payloads") -> int:
        """Returns the length that a header holds."""
        cached = self._lengths.get(header)
        if cached is not None:
            return cached
        if len(header) < _HEADER_BYTES:
            raise self._damage(payloads, "the file ends inside the record's header; it is truncated")
        length, checksum = _HEADER.unpack(header)
        if _masked(np.array([google_crc32c.value(header[:8])], np.uint32))[0] != checksum:
            raise self._damage(payloads, "the checksum of the length is wrong; it is corrupted or not a TFRecord file")
        if len(self._lengths) >= _MOST_LENGTHS:
            self._lengths.clear()
        self._lengths[header] = length
        return int(length)

    def _read_on(self, size: int) -> bytes:
        """Returns up to `size` bytes, fewer only at the end; memory grows with the data that exists, not with the size that a header claims."""
        parts = []
        while size and (part := self._read(min(size, _BATCH_BYTES))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _check(self, payloads: "_Payloads", checksums: list[int]) -> None:
        """Verifies the records' checksums; records from the first wrong one on are dropped."""
        wrong = np.flatnonzero(_masked(np.array(checksums, np.uint32)) != payloads.footers())
        if len(wrong):
            first = int(wrong[0])
            del checksums[first:]
            payloads.keep(first)
            self._error = self._damage(payloads, "the checksum of the payload is wrong; it is corrupted")

    def _damage(self, payloads: "_Payloads", reason: str) -> ExamplesError:
        """Returns an error about the record that follows the payloads."""
        where = _RecordPlaces(self._path, self.number, self.offset, payloads)(len(payloads))
        return ExamplesError(f"{where}: {reason}")


class _Payloads(Sequence[bytes]):
    """The payloads of a batch: parts of a block, and one that extends past its end. They are copied on access."""

    __slots__ = ("block", "footer", "last", "starts", "stops")

    def __init__(self) -> None:
        self.block = b""
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.last: bytes | None = None
        self.footer = b""

    def __len__(self) -> int:
        return len(self.starts) + (self.last is not None)

    def __getitem__(self, position: Any) -> Any:
        if position < len(self.starts):
            return self.block[self.starts[position] : self.stops[position]]
        if position >= len(self) or self.last is None:
            raise IndexError(position)
        return self.last

    def sizes(self) -> list[int]:
        """Returns the size of each payload."""
        sizes = [stop - start for start, stop in zip(self.starts, self.stops, strict=True)]
        return sizes if self.last is None else [*sizes, len(self.last)]

    def size_bytes(self) -> int:
        """Returns the size of all payloads."""
        return sum(self.stops) - sum(self.starts) + len(self.last or b"")

    def footers(self) -> NDArray[np.uint32]:
        """Returns the checksum that follows each payload."""
        data = np.frombuffer(self.block, np.uint8)
        places = np.array(self.stops, np.intp)[:, np.newaxis] + np.arange(_FOOTER_BYTES)
        stored = data[places].reshape(-1).tobytes() if self.stops else b""
        return np.frombuffer(stored + self.footer, "<u4")

    def keep(self, count: int) -> None:
        """Drops all but the first payloads."""
        del self.starts[count:], self.stops[count:]
        if len(self) > count:
            self.last, self.footer = None, b""


class _RecordPlaces:
    """Maps a position in a batch to the place of that record, for messages."""

    def __init__(self, path: str, number: int, offset: int, payloads: _Payloads) -> None:
        self._path, self._number, self._offset, self._payloads = path, number, offset, payloads
        self._offsets: list[int] = []

    def __call__(self, position: int) -> str:
        if not self._offsets:
            sizes = (size + _HEADER_BYTES + _FOOTER_BYTES for size in self._payloads.sizes())
            self._offsets = list(accumulate(sizes, initial=self._offset))
        return f"{self._path}: record {self._number + position} at byte {self._offsets[position]}"


def _masked(checksums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Returns masked checksums, as the format stores them, so that data which contains checksums can be checksummed."""
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
