"""The example set: model inputs and labels drawn by the sample step (sample → convert, evaluate, benchmark, track)."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.directory import (
    file_name,
    inside,
    load_array,
    manifest_digest,
    new_directory,
    read_manifest,
    write_manifest,
)
from edgequant.errors import ArtifactError, ExamplesError

SCHEMA = "edgequant/example-set/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """How many examples of one class were wanted, were there, and were taken."""

    wanted: int
    available: int
    taken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file the examples were drawn from."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an example set comes from, and by which rule.

    Attributes:
        purpose: ``calibration`` or ``evaluation``.
        signature: The key of the signature that the inputs belong to.
        seed: The seed of the draw.
        rule: The sampling rule in words.
        asked: How many examples were asked for.
        records_read: Records read from the sources, duplicates included.
        duplicates: Records left out because an equal one had been counted.
        skipped: Reasons to leave a sampled record out, and how many were left out for each.
        classes: Counts by label, when the draw was stratified.
        sources: The files read.
    """

    purpose: str
    signature: str
    seed: int
    rule: str
    asked: int
    records_read: int
    duplicates: int
    skipped: dict[str, int] = field(default_factory=dict)
    classes: dict[str, ClassCount] = field(default_factory=dict)
    sources: tuple[SourceFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The dtype and the shape (of one example) of an input."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    provenance: Provenance
    inputs: dict[str, Input]
    labelled: bool
    identities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleSet:
    """A loaded example set.

    Attributes:
        path: Its directory.
        digest: The SHA-256 of its manifest.
        provenance: Where it comes from.
        inputs: Memory-mapped arrays by input name; the first axis is the example, in sampled order.
        labels: One label (or vector of labels) per example, or None.
        identities: The identity digest of every example.
    """

    path: Path
    digest: str
    provenance: Provenance
    inputs: dict[str, NDArray[Any]]
    labels: NDArray[Any] | None
    identities: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.identities)


def load_example_set(path: Path, *, verify: bool = True) -> ExampleSet:
    """Returns the example set in a directory.

    Raises:
        ArtifactError: It is missing, damaged or not an example set.
    """
    content = read_manifest(path, SCHEMA, _Content, verify=verify)
    inputs = {name: load_array(inside(path, f"inputs/{file_name(name)}")) for name in content.inputs}
    labels = load_array(path / "labels.npy") if content.labelled else None
    for name, array in {**inputs, **({} if labels is None else {"labels": labels})}.items():
        if len(array) != len(content.identities):
            raise ArtifactError(
                f"{path}: {name} has {len(array)} rows; the manifest names {len(content.identities)} examples"
            )
    return ExampleSet(
        path=path,
        digest=manifest_digest(path),
        provenance=content.provenance,
        inputs=inputs,
        labels=labels,
        identities=content.identities,
    )


class ExampleSetWriter:
    """Writes an example set row by row, so that it never has to fit in memory.

    Args:
        path: The directory to make.
        capacity: The most examples that will be added.
    """

    def __init__(self, path: Path, capacity: int) -> None:
        self._capacity = capacity
        self._path = path
        self._open = ExitStack()
        # Written row by row rather than memory-mapped: a full disk is then an OSError, not a SIGBUS.
        self._streams: dict[str, IO[bytes]] = {}
        self._first: dict[str, NDArray[Any]] = {}
        self._labels: list[NDArray[Any]] = []
        self._identities: list[str] = []

    def __enter__(self) -> Self:
        self._draft = self._open.enter_context(new_directory(self._path))
        (self._draft / "inputs").mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def add(self, identity: str, inputs: dict[str, NDArray[Any]], label: NDArray[Any] | None) -> None:
        """Adds one example; every example has the inputs, dtypes and shapes of the first.

        Raises:
            ExamplesError: It has not.
        """
        if not self._identities:
            self._first = dict(inputs)
            for name in inputs:
                path = self._draft / "inputs" / file_name(name)
                self._streams[name] = self._open.enter_context(path.open("wb"))
                self._write_header(name, self._capacity)
        _check_like(self._first, inputs)
        if label is not None and self._labels:
            _check_like({"label": self._labels[0]}, {"label": label})
        for name, value in inputs.items():
            self._streams[name].write(np.ascontiguousarray(value).tobytes())
        if label is not None:
            self._labels.append(label)
        self._identities.append(identity)

    def finish(self, provenance: Provenance) -> None:
        """Writes the labels and the manifest."""
        inputs = {name: Input(dtype=str(value.dtype), shape=tuple(value.shape)) for name, value in self._first.items()}
        for name, stream in self._streams.items():
            # NumPy leaves room in a header for a first axis that changes.
            self._write_header(name, len(self._identities))
            stream.close()
        if self._labels:
            np.save(self._draft / "labels.npy", np.stack(self._labels))
        write_manifest(
            self._draft,
            SCHEMA,
            _Content(
                provenance=provenance,
                inputs=inputs,
                labelled=bool(self._labels),
                identities=tuple(self._identities),
            ),
        )

    def _write_header(self, name: str, rows: int) -> None:
        value = self._first[name]
        header = {
            "descr": np.lib.format.dtype_to_descr(value.dtype),
            "fortran_order": False,
            "shape": (rows, *value.shape),
        }
        self._streams[name].seek(0)
        np.lib.format.write_array_header_1_0(self._streams[name], header)


def _check_like(first: dict[str, NDArray[Any]], other: dict[str, NDArray[Any]]) -> None:
    for name, value in other.items():
        if value.dtype != first[name].dtype or value.shape != first[name].shape:
            raise ExamplesError(
                f"{name!r} is {value.dtype} {list(value.shape)}; in the first example it is"
                f" {first[name].dtype} {list(first[name].shape)}, and all must be alike"
            )
