"""The example set: model inputs and labels drawn by the sample step (sample → convert, evaluate, benchmark, track)."""

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
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
# Beside the inputs in the set's directory: whether each example starts a sequence.
STARTS = "starts.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """How many examples of one class were requested, available, and taken."""

    wanted: int
    available: int
    taken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file the examples were drawn from."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpread:
    """The values of one input in a calibration set, and in a larger reservoir of the same source.

    Attributes:
        range: The minimum and maximum in the set.
        halves: Those of its two halves, every other example in the order of the draw.
        reservoir_range: Those in the reservoir.
        outside_share: The share of the reservoir's values outside of the set's range.
        edges: The edges of the histograms' bins, from the least to the greatest value in the set.
        counts: How many values of the set each bin holds.
        reservoir_counts: How many of the reservoir.
    """

    range: tuple[float, float]
    halves: tuple[tuple[float, float], tuple[float, float]]
    reservoir_range: tuple[float, float]
    outside_share: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    reservoir_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Representativeness:
    """How well a calibration set represents its source.

    Attributes:
        reservoir: How many examples the set is compared with.
        inputs: The values of each input.
        balance: By class, its share of the source and of the set; empty when classes are not known.
        sentence: What speaks against its size, by the ranges of its inputs.
        enough: Whether nothing does. That it is enough is said only after a comparison with the evaluation set.
    """

    reservoir: int
    inputs: dict[str, InputSpread]
    balance: dict[str, tuple[float, float]]
    sentence: str
    enough: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an example set comes from, and the rule of the draw.

    Attributes:
        purpose: ``calibration`` or ``evaluation``.
        signature: The key of the signature that the inputs belong to.
        seed: The seed of the draw.
        rule: The sampling rule in words.
        requested: How many examples were requested.
        records_read: Records read from the sources, duplicates included.
        duplicates: Records left out because an equal one was counted already.
        skipped: Reasons to leave a record out, and how many were left out for each.
        classes: Counts by label, when the draw was stratified.
        extremes: How many examples were taken because they hold the minimum or maximum of an input.
        sources: The files read.
        representativeness: How well a calibration set represents its source; None for an evaluation set.
        recipe: The settings of this set as in the configuration's sections ``examples`` and ``sampling``: of an evaluation set,
            its files and number.
        names_in_file: The names in the file that the recipe names as ``classes_file``; empty where it names none.
    """

    purpose: str
    signature: str
    seed: int
    rule: str
    requested: int
    records_read: int
    duplicates: int
    skipped: dict[str, int] = field(default_factory=dict)
    classes: dict[str, ClassCount] = field(default_factory=dict)
    extremes: int = 0
    sources: tuple[SourceFile, ...] = ()
    representativeness: Representativeness | None = None
    recipe: dict[str, dict[str, Any]] = field(default_factory=dict)
    names_in_file: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the model's outputs; none where labels are numbers."""
        return self.names_in_file or tuple(self.recipe.get("examples", {}).get("classes", ()))


def recipe_of_both(calibration: Provenance, evaluation: Provenance) -> dict[str, dict[str, Any]]:
    """Returns the sections ``examples`` and ``sampling`` of a draw, of which each set records its own; empty if unrecorded."""
    if not calibration.recipe:
        return {}
    sections = {}
    for name, section in calibration.recipe.items():
        values = {**section, **evaluation.recipe.get(name, {})}
        # In the configuration's order.
        first = [key for key in ("calibration", "evaluation") if key in values]
        sections[name] = {key: values[key] for key in (*first, *(key for key in values if key not in first))}
    return sections


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The dtype and the shape (of one example) of an input."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExampleSetContent:
    provenance: Provenance
    inputs: dict[str, Input]
    labelled: bool
    slices: tuple[str, ...] = ()
    grouped: bool = False
    features: tuple[str, ...] = ()
    sequential: bool = False
    identities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """What is recorded of an example set.

    Attributes:
        digest: The SHA-256 of its manifest.
        examples: How many examples it holds.
        provenance: Where they come from.
    """

    digest: str
    examples: int
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleSet:
    """A loaded example set.

    Attributes:
        path: Its directory.
        digest: The SHA-256 of its manifest.
        provenance: Where it comes from.
        inputs: Memory-mapped arrays by input name; the first axis is the example, in sampled order.
        labels: One label (or vector of labels) per example, or None.
        slices: By feature, the text of its value in each example: what metrics can be broken down by.
        groups: The group of each example, such as its speaker, whose examples are not independent; None if they are.
        features: Features that are kept for a metric of one's own, memory-mapped, by name.
        starts: Whether each example starts a sequence, and does not continue that of the one before; None without sequences.
        identities: The identity digest of every example.
    """

    path: Path
    digest: str
    provenance: Provenance
    inputs: dict[str, NDArray[Any]]
    labels: NDArray[Any] | None
    slices: dict[str, NDArray[np.str_]]
    groups: NDArray[np.str_] | None = None
    features: dict[str, NDArray[Any]] = field(default_factory=dict)
    starts: NDArray[np.bool_] | None = None
    identities: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.identities)

    def first(self, count: int) -> Self:
        """Returns the set without the examples after the first ones; path and digest stay those of the whole set."""
        return replace(
            self,
            inputs={name: values[:count] for name, values in self.inputs.items()},
            labels=None if self.labels is None else self.labels[:count],
            slices={name: texts[:count] for name, texts in self.slices.items()},
            groups=None if self.groups is None else self.groups[:count],
            features={name: values[:count] for name, values in self.features.items()},
            starts=None if self.starts is None else self.starts[:count],
            identities=self.identities[:count],
        )

    def facts(self) -> DatasetFacts:
        """Returns what is recorded of it."""
        return DatasetFacts(digest=self.digest, examples=len(self), provenance=self.provenance)


def load_example_set(path: Path, *, verify: bool = True) -> ExampleSet:
    """Returns the example set in a directory.

    Raises:
        ArtifactError: It is missing, damaged or not an example set.
    """
    content = read_manifest(path, SCHEMA, _ExampleSetContent, verify=verify)
    inputs = {name: load_array(inside(path, f"inputs/{file_name(name)}")) for name in content.inputs}
    labels = load_array(path / "labels.npy") if content.labelled else None
    slices = {name: load_array(inside(path, f"slices/{file_name(name)}")) for name in content.slices}
    groups = load_array(path / "groups.npy") if content.grouped else None
    features = {name: load_array(inside(path, f"features/{file_name(name)}")) for name in content.features}
    starts = load_array(path / STARTS) if content.sequential else None
    others = {
        name: array for name, array in (("labels", labels), ("groups", groups), ("starts", starts)) if array is not None
    }
    for name, array in {**inputs, **slices, **features, **others}.items():
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
        slices=slices,
        groups=groups,
        features=features,
        starts=starts,
        identities=content.identities,
    )


def check_groups_disjoint(calibration: ExampleSet, evaluation: ExampleSet) -> None:
    """Checks that no group has examples in both sets.

    Raises:
        ArtifactError: One has.
    """
    if calibration.groups is None or evaluation.groups is None:
        return
    both = sorted(set(calibration.groups.tolist()) & set(evaluation.groups.tolist()))
    if both:
        raise ArtifactError(
            f"{evaluation.path}: {len(both):,} of its groups were calibrated on, the first is {both[0]!r}; figures measured on"
            " them would flatter the model"
        )


def check_disjoint(calibration: Collection[str], evaluation: ExampleSet) -> None:
    """Checks by identity that no example is in both the calibration set and the evaluation set.

    Args:
        calibration: The identities of the calibration examples.
        evaluation: The evaluation set.

    Raises:
        ArtifactError: An example is in both.
    """
    both = sorted(set(calibration) & set(evaluation.identities))
    if both:
        raise ArtifactError(
            f"{evaluation.path}: {len(both):,} of its examples were calibrated on, the first with the identity {both[0]};"
            " figures measured on them would flatter the model"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of an example beside inputs and label.

    Attributes:
        group: The group that it belongs to; None if examples are independent.
        features: Features for a metric of one's own, by name: numbers, or text.
        sequence: The key of the sequence that it belongs to, whose examples are added in order; None without sequences.
    """

    group: str | None = None
    features: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    sequence: str | None = None


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
        self._slices: dict[str, list[str]] = {}
        self._groups: list[str] = []
        self._features: dict[str, list[NDArray[Any]]] = {}
        self._sequences: list[str] = []
        self._identities: list[str] = []

    def __enter__(self) -> Self:
        self._draft = self._open.enter_context(new_directory(self._path, SCHEMA))
        (self._draft / "inputs").mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def add(
        self,
        identity: str,
        inputs: dict[str, NDArray[Any]],
        label: NDArray[Any] | None,
        slices: Mapping[str, str] = MappingProxyType({}),
        kept: Kept = Kept(),
    ) -> None:
        """Adds one example; every example has the inputs, dtypes and shapes of the first.

        Args:
            identity: The digest of the record.
            inputs: The model inputs.
            label: The label; None without one.
            slices: By feature, the text of its value.
            kept: What else is kept of it.

        Raises:
            ExamplesError: Its dtypes or shapes differ.
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
        for name, text in slices.items():
            self._slices.setdefault(name, []).append(text)
        self._keep(kept)
        self._identities.append(identity)

    def _keep(self, kept: Kept) -> None:
        if kept.group is not None:
            self._groups.append(kept.group)
        if kept.sequence is not None:
            self._sequences.append(kept.sequence)
        for name, value in kept.features.items():
            values = self._features.setdefault(name, [])
            if values and (value.dtype.kind, value.shape) != (values[0].dtype.kind, values[0].shape):
                raise ExamplesError(
                    f"feature {name!r} is {value.dtype} {list(value.shape)}; in the first example it is"
                    f" {values[0].dtype} {list(values[0].shape)}, and kept features must be alike (examples.keep)"
                )
            values.append(value)

    def close_inputs(self) -> dict[str, NDArray[Any]]:
        """Closes the files of the inputs, and returns the inputs as written, memory-mapped."""
        for name, stream in self._streams.items():
            if not stream.closed:
                # NumPy reserves space in a header for a first axis that grows.
                self._write_header(name, len(self._identities))
                stream.close()
        return {name: load_array(self._draft / "inputs" / file_name(name)) for name in self._first}

    def label_counts(self) -> dict[str, int]:
        """Returns how many examples of each label were added, for labels that are one number."""
        return dict(Counter(str(label) for label in self._labels if label.ndim == 0))

    def finish(self, provenance: Provenance) -> int:
        """Writes the labels and the manifest, and returns how many examples there are."""
        self.close_inputs()
        inputs = {name: Input(dtype=str(value.dtype), shape=tuple(value.shape)) for name, value in self._first.items()}
        if self._labels:
            np.save(self._draft / "labels.npy", np.stack(self._labels))
        if self._slices:
            (self._draft / "slices").mkdir()
        for name, texts in self._slices.items():
            np.save(self._draft / "slices" / file_name(name), np.array(texts))
        if self._sequences:
            keys = np.array(self._sequences)
            np.save(self._draft / STARTS, np.append(True, keys[1:] != keys[:-1]))
        if self._features:
            (self._draft / "features").mkdir()
        for name, values in self._features.items():
            np.save(self._draft / "features" / file_name(name), np.stack(values))
        if self._groups:
            np.save(self._draft / "groups.npy", np.array(self._groups))
        write_manifest(
            self._draft,
            SCHEMA,
            _ExampleSetContent(
                provenance=provenance,
                inputs=inputs,
                labelled=bool(self._labels),
                slices=tuple(self._slices),
                grouped=bool(self._groups),
                features=tuple(self._features),
                sequential=bool(self._sequences),
                identities=tuple(self._identities),
            ),
        )
        return len(self._identities)

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
