"""The settings of the sample step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgequant.errors import ConfigError
from edgequant.sampling.decode.preprocessing import input_sources
from edgequant.sampling.draw.rule import CALIBRATION, EVALUATION
from edgequant.sampling.draw.selection import AUTO, EQUAL, FALSE, PROPORTIONAL, DrawPlan
from edgequant.signature import ModelSignature
from edgequant.task import BINARY, CLASSIFICATION, class_count

STRATIFY = (AUTO, EQUAL, PROPORTIONAL, FALSE)
# The tasks whose label is one class, which calibration examples can be drawn from.
_WITH_CLASSES = (CLASSIFICATION, BINARY)
_MOST_EXTREMES = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleSources:
    """What to sample, and how.

    Attributes:
        signature: The model's signature.
        calibration: Patterns of the files to draw calibration examples from.
        evaluation: Patterns of the files to draw evaluation examples from; none: a disjoint split of the former.
        inputs: How model inputs are made (see `edgequant.sampling.decode.preprocessing.input_sources`).
        label: The feature that holds the label, or "".
        classes: The names that a label in text may have, in the order of the model's outputs.
        classes_file: A text file with these names, one on each line, or "".
        slices: Features whose text is kept beside the examples, so that metrics can be broken down by them.
        group: The feature whose values are groups of dependent examples, such as the speaker; "" for independent examples.
        sequence: The features ``key`` and ``order`` of sequences, whose examples run in order; empty for none.
        keep: Features that are kept for a metric of one's own.
        preprocess: The user's function, which gets a record's features and the declared inputs, or "".
        preprocess_source: The text of the file it is in, or "".
        task: The task, which determines the form of a label.
        calibration_count: How many calibration examples to draw.
        evaluation_count: How many evaluation examples to draw.
        stratify: How calibration examples are divided among classes: ``equal``, ``proportional``, ``false``, or ``auto``:
            equal where the task has classes.
        minimum_per_class: With ``proportional``, the least of each class.
        weight: The feature by which calibration examples are weighted, or "".
        extremes: The share of calibration examples taken because they hold the minimum or maximum of an input.
        seed: The seed.
        beam_options: Options for Beam.
    """

    signature: ModelSignature
    calibration: list[str]
    evaluation: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    classes: list[str] = field(default_factory=list)
    classes_file: str = ""
    slices: list[str] = field(default_factory=list)
    group: str = ""
    sequence: dict[str, str] = field(default_factory=dict)
    keep: list[str] = field(default_factory=list)
    preprocess: str = ""
    preprocess_source: str = ""
    task: str
    calibration_count: int
    evaluation_count: int
    stratify: str = AUTO
    minimum_per_class: int = 1
    weight: str = ""
    extremes: float = 0.0
    seed: int
    beam_options: list[str]

    def counts(self) -> dict[str, int]:
        """Returns how many examples to draw, by purpose."""
        return {CALIBRATION: self.calibration_count, EVALUATION: self.evaluation_count}

    def plan(self) -> DrawPlan:
        """Returns how calibration examples are chosen.

        Raises:
            ConfigError: The settings conflict.
        """
        check_settings(
            stratify=self.stratify,
            weight=self.weight,
            minimum=self.minimum_per_class,
            extremes=self.extremes,
            label=self.label,
            task=self.task,
        )
        check_sequence(self.sequence, stratify=self.stratify, weight=self.weight, extremes=self.extremes)
        stratify = self.stratify
        if stratify == AUTO:
            stratify = EQUAL if not self.sequence and self.label and self.task in _WITH_CLASSES else FALSE
        expected = class_count(self.signature)
        if self.classes and self.task == CLASSIFICATION and expected not in (None, len(self.classes)):
            raise ConfigError(
                f"examples.classes: {len(self.classes)} names are given; the model's output has {expected} classes"
            )
        return DrawPlan(
            wanted=self.calibration_count, stratify=stratify, minimum=self.minimum_per_class, seed=self.seed
        )

    def recipe(self, purpose: str) -> dict[str, dict[str, Any]]:
        """Returns the settings of one set as in the configuration: its sections ``examples`` and ``sampling``.

        What belongs to the other set is left out: a set's digest must not change with the files or the number of the other.
        """
        if purpose == EVALUATION:
            own = {"evaluation": self.evaluation} if self.evaluation else {}
            return {"examples": own, "sampling": {"evaluation": self.evaluation_count}}
        examples = {
            "calibration": self.calibration,
            "inputs": self.inputs,
            "label": self.label,
            # Names from a file are recorded separately in the manifest.
            "classes": [] if self.classes_file else self.classes,
            "classes_file": self.classes_file,
            "slice": self.slices,
            "group": self.group,
            "sequence": self.sequence,
            "keep": self.keep,
            "preprocess": self.preprocess,
        }
        sampling = {
            "calibration": self.calibration_count,
            "stratify": self.stratify,
            "minimum_per_class": self.minimum_per_class,
            "weight": self.weight,
            "extremes": self.extremes,
            "seed": self.seed,
        }
        return {
            name: {key: value for key, value in section.items() if value not in ("", [], {})}
            for name, section in (("examples", examples), ("sampling", sampling))
        }

    def columns(self) -> tuple[str, ...] | None:
        """Returns the columns that are needed; None for all, when a user's function may use any."""
        if self.preprocess:
            return None
        sources = input_sources(self.inputs, self.signature).values()
        named = [
            *(source.feature for source in sources),
            self.label,
            self.weight,
            self.group,
            *self.sequence.values(),
            *self.keep,
            *self.slices,
        ]
        return tuple(sorted(set(filter(None, named))))


def check_sequence(sequence: Mapping[str, str], *, stratify: str, weight: str, extremes: float) -> None:
    """Checks the features of sequences, and that sequences can be drawn as a whole.

    Raises:
        ConfigError: A key is missing or unknown, or a setting of the choice of single examples is given.
    """
    if not sequence:
        return
    if sorted(sequence) != ["key", "order"] or not all(sequence.values()):
        raise ConfigError(f"examples.sequence: {dict(sequence)!r} is not a mapping of key and order to features")
    for key, value, default in (
        ("stratify", stratify if stratify not in (AUTO, FALSE) else "", ""),
        ("weight", weight, ""),
        ("extremes", extremes, 0.0),
    ):
        if value != default:
            raise ConfigError(
                f"sampling.{key}: {value!r} does not go with examples.sequence, whose sequences are drawn as a whole"
            )


def check_settings(*, stratify: str, weight: str, minimum: int, extremes: float, label: str, task: str) -> None:
    """Checks the settings of the choice of calibration examples.

    Raises:
        ConfigError: A setting is not allowed, or conflicts with another.
    """
    if stratify not in STRATIFY:
        raise ConfigError(f"sampling.stratify: {stratify!r} is unknown; choose from {', '.join(STRATIFY)}")
    if stratify in (EQUAL, PROPORTIONAL) and not (label and task in _WITH_CLASSES):
        raise ConfigError(
            f"sampling.stratify: {stratify!r} needs classes: examples.label, and the task {' or '.join(_WITH_CLASSES)};"
            f" the label is {label!r}, the task {task!r}"
        )
    if stratify == PROPORTIONAL and weight:
        raise ConfigError(
            f"sampling.weight: {weight!r} does not go with stratify: proportional, which takes each class by its number of"
            " records; choose equal or false"
        )
    if minimum != 1 and stratify != PROPORTIONAL:
        raise ConfigError(
            f"sampling.minimum_per_class: {minimum} goes with stratify: proportional; stratify is {stratify!r}"
        )
    if minimum < 0:
        raise ConfigError(f"sampling.minimum_per_class: {minimum} is negative; 0 or more is allowed")
    if not 0 <= extremes <= _MOST_EXTREMES:
        raise ConfigError(
            f"sampling.extremes: {extremes:g} is not a share of the calibration set from 0 to {_MOST_EXTREMES:g}"
        )
