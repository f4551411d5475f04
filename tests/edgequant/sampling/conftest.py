"""Examples on disk, written by a small writer that shares nothing with the code under test."""

import gzip
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest

from edgequant.artifacts.example_set import ExampleSet, load_example_set
from edgequant.signature import ModelSignature, TensorSpec

FeatureLists = Mapping[str, Sequence[int] | Sequence[float] | Sequence[bytes]]


def _varint(number: int) -> bytes:
    number &= 2**64 - 1
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _nested(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _feature(values: Sequence[int] | Sequence[float] | Sequence[bytes]) -> bytes:
    if isinstance(values[0], bytes):
        return _nested(1, b"".join(_nested(1, value) for value in values if isinstance(value, bytes)))
    if isinstance(values[0], float):
        return _nested(2, _nested(1, struct.pack(f"<{len(values)}f", *values)))
    return _nested(3, _nested(1, b"".join(_varint(int(value)) for value in values)))


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@pytest.fixture(scope="session")
def example() -> Callable[[FeatureLists], bytes]:
    """Returns features as a serialized tf.train.Example, by the protocol buffer wire format."""

    def make(features: FeatureLists) -> bytes:
        entries = [
            _nested(1, _nested(1, name.encode()) + _nested(2, _feature(values))) for name, values in features.items()
        ]
        return _nested(1, b"".join(entries))

    return make


@pytest.fixture(scope="session")
def frame() -> Callable[[bytes], bytes]:
    """Returns a payload as one TFRecord: length, its checksum, payload, its checksum."""

    def make(payload: bytes) -> bytes:
        length = struct.pack("<Q", len(payload))
        return length + _masked_crc(length) + payload + _masked_crc(payload)

    return make


@pytest.fixture(scope="session")
def write_tfrecord(frame: Callable[[bytes], bytes]) -> Callable[[Path, Iterable[bytes]], Path]:
    """Writes payloads to a TFRecord file, gzipped when its name ends in .gz, and returns its path."""

    def write(path: Path, payloads: Iterable[bytes]) -> Path:
        data = b"".join(frame(payload) for payload in payloads)
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return write


@pytest.fixture(scope="session")
def signature() -> ModelSignature:
    """A classifier: x, float32 [N, 2] → scores of four classes."""
    return ModelSignature(
        key="serving_default",
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 2)),),
        outputs=(TensorSpec(name="scores", dtype="float32", shape=(None, 4)),),
    )


@pytest.fixture
def points(example: Callable[[FeatureLists], bytes]) -> Callable[[int], list[bytes]]:
    """Returns the serialized points 0, 1, …: x is [number, -number], label is the number modulo 4."""

    def make(count: int) -> list[bytes]:
        return [
            example({"x": [float(number), -float(number)], "label": [number % 4], "number": [number]})
            for number in range(count)
        ]

    return make


@pytest.fixture
def draw_sets(tmp_path: Path, signature: ModelSignature) -> Callable[..., tuple[ExampleSet, ExampleSet]]:
    """Runs the whole step with some settings changed, and returns the calibration set and the evaluation set.

    `to` names the directory that both are written to.
    """
    from edgequant.sampling.settings import ExampleSources
    from edgequant.sampling.step import sample

    def run(*, to: str = "sets", **changes: Any) -> tuple[ExampleSet, ExampleSet]:
        settings: dict[str, Any] = {
            "signature": signature,
            "calibration": [str(tmp_path / "*.tfrecord")],
            "label": "label",
            "task": "classification",
            "calibration_count": 8,
            "evaluation_count": 20,
            "stratify": "auto",
            "seed": 17,
            "beam_options": ["--runner=FnApiRunner"],
        }
        target = tmp_path / to
        sample(ExampleSources(**{**settings, **changes}), target / "calibration", target / "evaluation")
        return load_example_set(target / "calibration"), load_example_set(target / "evaluation")

    return run


@pytest.fixture(scope="session")
def rows_of() -> Callable[[ExampleSet], set[tuple[float, ...]]]:
    """Returns the rows of an example set's input x."""

    def rows(examples: ExampleSet) -> set[tuple[float, ...]]:
        return {tuple(map(float, np.asarray(row))) for row in examples.inputs["x"]}

    return rows
