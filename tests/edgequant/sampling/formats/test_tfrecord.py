"""TFRecord files, whole and damaged."""

import io
import struct
import tracemalloc
from collections.abc import Callable, Iterator

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgequant.errors import ExamplesError
from edgequant.sampling.formats.tfrecord import parse_example, read_batches

Frame = Callable[[bytes], bytes]


def read(data: bytes) -> list[tuple[str, bytes]]:
    """Returns all records of a file's content."""
    return list(records(data))


def records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields where each record of a file's content is, and its payload."""
    for batch in read_batches(io.BytesIO(data), "a.tfrecord"):
        assert batch.checksums.tolist() == [google_crc32c.value(payload) for payload in batch.payloads]
        yield from ((batch.where(position), payload) for position, payload in enumerate(batch.payloads))


def test_reads_known_bytes() -> None:
    """A file as TensorFlow 2.21 wrote it, of the one record b"hello", is read."""
    known = bytes.fromhex("0500000000000000eab2043e68656c6c6fbb1f1c19")
    assert read(known) == [("a.tfrecord: record 0 at byte 0", b"hello")]


def test_records_know_where_they_are(frame: Frame) -> None:
    """Every record carries its number and its byte offset: 16 bytes frame a payload; an empty payload is a record."""
    assert read(frame(b"abc") + frame(b"") + frame(b"de")) == [
        ("a.tfrecord: record 0 at byte 0", b"abc"),
        ("a.tfrecord: record 1 at byte 19", b""),
        ("a.tfrecord: record 2 at byte 35", b"de"),
    ]


def test_large_records_are_read(frame: Frame) -> None:
    """A record larger than the buffer is read whole."""
    payload = bytes(range(256)) * 12_000
    assert read(frame(payload))[0][1] == payload


@settings(deadline=None)
@given(payloads=st.lists(st.binary(max_size=40), min_size=1, max_size=4), data=st.data())
def test_no_prefix_is_taken_for_the_whole(frame: Frame, payloads: list[bytes], data: st.DataObject) -> None:
    """A file cut anywhere inside a record is an error that names the record and its offset; the records before are read."""
    framed = [frame(payload) for payload in payloads]
    number = data.draw(st.integers(0, len(framed) - 1))
    start = sum(map(len, framed[:number]))
    cut = start + data.draw(st.integers(1, len(framed[number]) - 1))
    complete: list[tuple[str, bytes]] = []
    with pytest.raises(
        ExamplesError, match=f"^a.tfrecord: record {number} at byte {start}: the file ends .* truncated$"
    ):
        complete.extend(records(b"".join(framed)[:cut]))
    assert [payload for _, payload in complete] == payloads[:number]


@settings(deadline=None)
@given(payloads=st.lists(st.binary(max_size=40), min_size=1, max_size=3), data=st.data())
def test_no_changed_byte_goes_unseen(frame: Frame, payloads: list[bytes], data: st.DataObject) -> None:
    """A file with any one byte changed is an error that names the record it is in."""
    content = bytearray(b"".join(map(frame, payloads)))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ExamplesError, match=r"^a.tfrecord: record \d at byte \d+: the checksum of the .* is wrong"):
        read(bytes(content))


def test_truncated_in_the_header(frame: Frame) -> None:
    """A file that ends inside a record's header says so."""
    with pytest.raises(
        ExamplesError,
        match=r"^a.tfrecord: record 1 at byte 19: the file ends inside the record's header; it is truncated$",
    ):
        read(frame(b"abc") + frame(b"abc")[:7])


def test_truncated_in_the_payload(frame: Frame) -> None:
    """A file that ends inside a payload says how much of it there is."""
    with pytest.raises(
        ExamplesError,
        match=r"^a.tfrecord: record 1 at byte 19: the file ends after 2 of the record's 7 bytes; it is truncated$",
    ):
        read(frame(b"abc") + frame(b"abc")[:14])


def test_corrupted_payload(frame: Frame) -> None:
    """A payload that is not the one its checksum is of says so."""
    content = bytearray(frame(b"abc") + frame(b"abc"))
    content[19 + 12] ^= 1
    with pytest.raises(
        ExamplesError, match=r"^a.tfrecord: record 1 at byte 19: the checksum of the payload is wrong; it is corrupted$"
    ):
        read(bytes(content))


def peak_bytes(data: bytes) -> int:
    """Returns how much memory reading a damaged file takes at most."""
    tracemalloc.start()
    try:
        with pytest.raises(ExamplesError):
            read(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_corrupted_length_allocates_nothing(frame: Frame) -> None:
    """A length of 1 GB with a wrong checksum is an error before any of it is allocated."""
    content = struct.pack("<Q", 10**9) + frame(b"abc")[8:]
    with pytest.raises(
        ExamplesError,
        match=r"record 0 at byte 0: the checksum of the length is wrong; it is corrupted or not a TFRecord",
    ):
        read(content)
    assert peak_bytes(content) < 2_000_000


def test_claimed_length_allocates_nothing() -> None:
    """A length of 1 GB with its right checksum, in a file of a few bytes, allocates no more than a buffer."""
    length = struct.pack("<Q", 10**9)
    crc = google_crc32c.value(length)
    content = length + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF) + b"abc"
    with pytest.raises(ExamplesError, match=r"the file ends after 3 of the record's 1000000004 bytes; it is truncated"):
        read(content)
    assert peak_bytes(content) < 4_000_000


def test_empty_file() -> None:
    """An empty file is an error, not a source of no records."""
    with pytest.raises(ExamplesError, match=r"^a.tfrecord: record 0 at byte 0: the file is empty; a TFRecord file"):
        read(b"")


def test_text_file() -> None:
    """A text file under a TFRecord's name is found out by its first record."""
    with pytest.raises(ExamplesError, match=r"record 0 at byte 0: .* it is corrupted or not a TFRecord file"):
        read(b"label,image\n1,cat.png\n")


def test_parses_every_kind(example: Callable[..., bytes]) -> None:
    """An Example's lists become int64 and float32 arrays and byte strings, negative numbers and empty bytes included."""
    features = parse_example(
        example({"ints": [1, -2, 2**40], "floats": [0.5, -1.25], "bytes": [b"\x00\xff", b""], "é": [b"x"]})
    )
    ints, floats = features["ints"], features["floats"]
    assert isinstance(ints, np.ndarray)
    assert isinstance(floats, np.ndarray)
    assert (ints.dtype, ints.tolist()) == (np.dtype(np.int64), [1, -2, 2**40])
    assert (floats.dtype, floats.tolist()) == (np.dtype(np.float32), [0.5, -1.25])
    assert features["bytes"] == (b"\x00\xff", b"")
    assert features["é"] == (b"x",)


def test_parses_what_tensorflow_wrote() -> None:
    """An Example as TensorFlow 2.21 serialized it, x: 1.5 and label: 3, is parsed."""
    known = bytes.fromhex("0a1f0a0e0a056c6162656c12051a030a01030a0d0a0178120812060a040000c03f")
    features = parse_example(known)
    assert {name: np.asarray(value).tolist() for name, value in features.items()} == {"x": [1.5], "label": [3]}


def test_not_an_example() -> None:
    """A payload of another kind is an error."""
    with pytest.raises(ExamplesError, match=r"^is not a tf.train.Example \("):
        parse_example(b"hello")
