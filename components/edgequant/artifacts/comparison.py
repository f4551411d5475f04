"""The results of comparing two models on the same examples: metrics, drops, flips, drift, and slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Ends: TypeAlias = tuple[float, float]


def class_name(number: int, names: Sequence[str]) -> str:
    """Returns the name of a class, or its number where it has none."""
    return names[number] if 0 <= number < len(names) else str(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """How much worse a metric is than another model's, over the same examples.

    Attributes:
        points: In percentage points of the metric: 100 times the difference, positive when worse; for errors in units of the
            labels' standard deviation; None when it is not known.
        interval: The ends of the two one-sided intervals of it, in points, at the gate's confidence; or None.
        method: How the interval was made: ``paired proportions``, ``paired mean``, ``paired bootstrap`` or ``unseen changes``.
        note: Why there is no interval, or another remark; "" for none.
    """

    points: float | None
    interval: Ends | None = None
    method: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric of one model.

    Attributes:
        value: The metric, as a fraction where it is one.
        interval: Its two-sided interval at the gate's confidence; None when it has none.
        method: How the interval was made: ``wilson``, ``mean`` or ``bootstrap``; "" without one.
        higher_is_better: False for errors.
        drop: How much worse than the reference's; None for the reference.
    """

    value: float
    interval: Ends | None = None
    method: str = ""
    higher_is_better: bool = True
    drop: Drop | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An example that only one of the two models answers right.

    Attributes:
        example: Its row in the evaluation set.
        label: Its label.
        reference: The decision of the reference.
        variant: The decision of the variant.
    """

    example: int
    label: str
    reference: str
    variant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Examples that the variant decides differently from the reference.

    Attributes:
        changed: How many.
        right_to_wrong: How many of them only the reference gets right; None without labels.
        wrong_to_right: How many only the variant gets right; None without labels.
        lost: The first of those that only the reference gets right.
        gained: The first of those that only the variant gets right.
    """

    changed: int
    right_to_wrong: int | None = None
    wrong_to_right: int | None = None
    lost: tuple[Flip, ...] = ()
    gained: tuple[Flip, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDrift:
    """How far the values of one output are from the reference's.

    Attributes:
        sqnr_db: The signal-to-quantization-noise ratio in dB: the energy of the reference's values over that of the errors; None
            when they are equal, or all zero.
        cosine: The mean over examples of the cosine similarity; for outputs of one value per example, that of all values as one
            vector; 1 is the same direction.
        largest_error: The largest absolute difference of all values.
    """

    sqnr_db: float | None
    cosine: float
    largest_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """The confusion matrix.

    Attributes:
        examples: How many examples are counted.
        counts: By label, how many examples of it are decided as each class, [label][decision]; empty for more than 50
            classes.
        mistakes: The most frequent ones: (label, decision, how many), at most 50.
    """

    examples: int
    counts: tuple[tuple[int, ...], ...] = ()
    mistakes: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceValue:
    """The main score among the examples that share a class or a feature's value.

    Attributes:
        value: The class, or the feature's text; for multilabel tasks also `without CLASS`, the examples that do not have it.
        examples: How many.
        reference: The reference's mean score among them; for classes the recall.
        variant: The variant's.
        drop_points: The difference, in percentage points.
        drop_interval_points: The ends of its two one-sided intervals, at the gate's confidence in all values of the slice
            together (simultaneous); None when it is not known.
    """

    value: str
    examples: int
    reference: float
    variant: float
    drop_points: float
    drop_interval_points: Ends | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The evaluation set divided by class or by a feature.

    Attributes:
        name: ``class``, or the feature.
        total: How many values it has among the examples.
        values: Those with the greatest drops, at most 50, the worst first.
        worst_interval_points: The ends of the two one-sided intervals of the greatest drop of all values; None when it
            is not known.
    """

    name: str
    total: int
    values: tuple[SliceValue, ...]
    worst_interval_points: Ends | None
