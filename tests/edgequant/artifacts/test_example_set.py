"""The example set, written row by row and loaded whole."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgequant.artifacts.directory import write_manifest
from edgequant.artifacts.example_set import (
    ClassCount,
    ExampleSetWriter,
    Provenance,
    SourceFile,
    load_example_set,
)
from edgequant.errors import ArtifactError, ExamplesError

PROVENANCE = Provenance(
    purpose="calibration",
    signature="serving_default",
    seed=17,
    rule="lowest seeded content hashes",
    requested=5,
    records_read=9,
    duplicates=1,
    skipped={"NaN or infinity": 1},
    classes={"cat": ClassCount(wanted=3, available=2, taken=2)},
    sources=(SourceFile(path="train.tfrecord", size_bytes=99),),
)


def rows(count: int) -> list[tuple[str, dict[str, NDArray[Any]], NDArray[Any]]]:
    """Returns examples of two inputs with their identities and labels."""
    return [
        (
            f"{number:032x}",
            {
                "pixels": np.full((2, 3), number, np.uint8),
                "a/b:0": np.array([number, -number], np.float32),
            },
            np.asarray(number % 3),
        )
        for number in range(count)
    ]


def write(path: Path, count: int, capacity: int, *, labelled: bool = True) -> Path:
    """Writes an example set."""
    with ExampleSetWriter(path, capacity) as writer:
        for identity, inputs, label in rows(count):
            writer.add(identity, inputs, label if labelled else None)
        writer.finish(PROVENANCE)
    return path


@pytest.mark.parametrize("capacity", [12, 100_000], ids=["full", "short"])
def test_loads_what_was_written(tmp_path: Path, capacity: int) -> None:
    """Inputs, labels, identities and provenance come back, though fewer examples were added than might have been."""
    examples = load_example_set(write(tmp_path / "set", 12, capacity))
    expected = rows(12)
    assert examples.identities == tuple(identity for identity, _, _ in expected)
    assert examples.provenance == PROVENANCE
    for name, dtype in (("pixels", np.uint8), ("a/b:0", np.float32)):
        assert examples.inputs[name].dtype == np.dtype(dtype)
        assert np.array_equal(examples.inputs[name], np.stack([inputs[name] for _, inputs, _ in expected]))
        assert isinstance(examples.inputs[name], np.memmap)
    assert examples.labels is not None
    assert examples.labels.tolist() == [number % 3 for number in range(12)]


def test_the_files_are_plain(tmp_path: Path) -> None:
    """Every file is one that NumPy and JSON read by themselves, and no other is there."""
    path = write(tmp_path / "set", 3, 5)
    assert sorted(item.relative_to(path).as_posix() for item in path.rglob("*") if item.is_file()) == [
        "inputs/a%2Fb%3A0.npy",
        "inputs/pixels.npy",
        "labels.npy",
        "manifest.json",
    ]
    assert np.load(path / "inputs" / "pixels.npy").shape == (3, 2, 3)
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["schema"] == "edgequant/example-set/1"
    assert manifest["content"]["inputs"]["pixels"] == {"dtype": "uint8", "shape": [2, 3]}


def test_capacity_leaves_no_trace(tmp_path: Path) -> None:
    """The same examples give the same bytes whatever the capacity was."""
    one, other = write(tmp_path / "one", 12, 12), write(tmp_path / "other", 12, 10**9)
    assert load_example_set(one).digest == load_example_set(other).digest


def test_without_labels(tmp_path: Path) -> None:
    """A set without labels has none, and no file for them."""
    path = write(tmp_path / "set", 2, 2, labelled=False)
    assert load_example_set(path).labels is None
    assert not (path / "labels.npy").exists()


def test_the_digest_identifies_the_content(tmp_path: Path) -> None:
    """Equal sets have equal digests; another example is another digest."""
    digests = [load_example_set(write(tmp_path / str(n), count, 9)).digest for n, count in enumerate((3, 3, 4))]
    assert digests[0] == digests[1] != digests[2]


def write_two(path: Path, pixels: NDArray[Any], label: NDArray[Any]) -> None:
    """Writes the first of `rows`, and one with other pixels and another label."""
    identity, inputs, first_label = rows(1)[0]
    with ExampleSetWriter(path, 2) as writer:
        writer.add(identity, inputs, first_label)
        writer.add("b", {**inputs, "pixels": pixels}, label)


@pytest.mark.parametrize(
    ("pixels", "label", "message"),
    [
        (np.zeros((2, 4), np.uint8), np.asarray(0), r"'pixels' is uint8 \[2, 4\]; in the first .* uint8 \[2, 3\]"),
        (np.zeros((1, 3), np.uint8), np.asarray(0), r"'pixels' is uint8 \[1, 3\]; in the first .* uint8 \[2, 3\]"),
        (np.zeros((2, 3), np.int8), np.asarray(0), r"'pixels' is int8 \[2, 3\]; in the first .* uint8 \[2, 3\]"),
        (np.zeros((2, 3), np.uint8), np.zeros(2, np.int64), r"'label' is int64 \[2\]; in the first .* int64 \[\]"),
    ],
    ids=["shape", "broadcastable", "dtype", "label"],
)
def test_examples_must_be_alike(tmp_path: Path, pixels: NDArray[Any], label: NDArray[Any], message: str) -> None:
    """An example whose shapes or dtypes are not the first one's is an error, and nothing is left."""
    with pytest.raises(ExamplesError, match=rf"^{message}, and all must be alike$"):
        write_two(tmp_path / "set", pixels, label)
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from edgequant.artifacts.example_set import ExampleSetWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with ExampleSetWriter(Path(sys.argv[1]), 1000) as writer:
    for number in range(1000):
        writer.add(str(number), {"x": np.zeros(100, np.float32)}, None)
"""


def test_nothing_when_the_disk_is_full(tmp_path: Path) -> None:
    """A set whose file may not grow is an OSError, not a signal from a memory map, and leaves nothing."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "set")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_changed_examples_are_refused(tmp_path: Path) -> None:
    """An input that changed after it was written is refused by name."""
    path = write(tmp_path / "set", 3, 3)
    array = np.load(path / "inputs" / "pixels.npy")
    np.save(path / "inputs" / "pixels.npy", array + 1)
    with pytest.raises(ArtifactError, match=r"inputs/pixels.npy: is not the file that its manifest describes"):
        load_example_set(path)


def test_pickled_labels_are_refused(tmp_path: Path) -> None:
    """Labels that are pickled objects are refused, though the manifest names them."""
    path = write(tmp_path / "set", 3, 3)
    content = json.loads((path / "manifest.json").read_text())["content"]
    np.save(path / "labels.npy", np.array(["a", None, 3], dtype=object), allow_pickle=True)
    (path / "manifest.json").unlink()
    write_manifest(path, "edgequant/example-set/1", content)
    with pytest.raises(ArtifactError, match=r"labels.npy: is not a plain .npy file \(.*Python objects"):
        load_example_set(path)


def test_rows_must_be_as_many_as_identities(tmp_path: Path) -> None:
    """Arrays with more or fewer rows than the manifest names examples are refused."""
    path = write(tmp_path / "set", 3, 3)
    content = json.loads((path / "manifest.json").read_text())["content"]
    np.save(path / "labels.npy", np.zeros(2))
    (path / "manifest.json").unlink()
    write_manifest(path, "edgequant/example-set/1", content)
    with pytest.raises(ArtifactError, match=rf"^{path}: labels has 2 rows; the manifest names 3 examples$"):
        load_example_set(path)
