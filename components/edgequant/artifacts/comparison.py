"""The results of comparing two models on the same examples: metrics, drops, flips, drift, and slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Ends: TypeAlias = tuple[float, float]


def class_name(number: int, names: Sequence[str]) -> str:
    """Returns the name of a class, or its number where it has none."""
    return names[number] if 0 <= number < len(names) else str(number)


def class_order(name: str, names: Sequence[str] = ()) -> tuple[int, float, str]:
    """Returns the key that sorts classes by their number: that of their name, or the number that they are; others by their text."""
    if name in names:
        return 0, names.index(name), name
    return (0, float(name), name) if name.isdecimal() else (1, 0.0, name)


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
class ChannelDrift:
    """How far the values of one channel of an output are from the reference's.

    Attributes:
        number: Its number on the axis, from 0.
        axis: The axis: -1 for the last, 1 for channels first.
        channels: How many channels the axis has.
        spread: The root mean square distance of the reference's values from their means over the examples.
        sqnr_db: As that of the output.
        cosine: The cosine similarity of all its values as one vector.
        agreement: The mean over the examples of 1 minus the error relative to the channel's own scale, at least 0.
    """

    number: int
    axis: int
    channels: int
    spread: float
    sqnr_db: float | None
    cosine: float
    agreement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The channels of an output that are constant over the examples where the reference's are not.

    Attributes:
        axis: The axis: -1 for the last, 1 for channels first.
        channels: How many channels the axis has.
        lost: How many of them vary in the reference by more than a step of an 8-bit tensor of their unit.
        lost_numbers: Their numbers, such as ``4 to 6 and 9``; "" for none.
        faint: How many vary in the reference, but by less than such a step.
        faint_numbers: Their numbers.
    """

    axis: int
    channels: int
    lost: int = 0
    lost_numbers: str = ""
    faint: int = 0
    faint_numbers: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDrift:
    """How far the values of one output are from the reference's.

    Attributes:
        sqnr_db: The signal-to-quantization-noise ratio in dB: the energy of the reference's values over that of the errors; None
            when they are equal, or all zero.
        cosine: The mean over examples of the cosine similarity; for outputs of one value per example, that of all values as one
            vector; 1 is the same direction.
        largest_error: The largest absolute difference of all values.
        agreement: The mean over the channels of their agreement; None where it was not computed.
        worst: The channel that agrees least; None where it was not computed.
        constants: The channels that are constant where the reference's are not; None where there are none.
    """

    sqnr_db: float | None
    cosine: float
    largest_error: float
    agreement: float | None = None
    worst: ChannelDrift | None = None
    constants: Constants | None = None


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
