"""Drops by class and by feature, so that a variant that is fine on average and bad on one of them is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Ends, Slice, SliceValue
from edgequant.validation.comparison.drop_intervals import mean_drop_ends
from edgequant.validation.statistics import class_drops, paired_drop_interval, right_or_wrong

CLASS = "class"
# Begins the value of the examples that a class of several at once is not one of.
WITHOUT = "without "
# How many of the worst are kept.
_KEPT = 50
_POINTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The examples that share a value.

    Attributes:
        value: The class, or the feature's text.
        reference: The reference's score of each, [examples].
        variant: The variant's, higher being better.
    """

    value: str
    reference: NDArray[np.float64]
    variant: NDArray[np.float64]

    @property
    def differences(self) -> NDArray[np.float64]:
        """The drop of each example."""
        return np.asarray(self.reference - self.variant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliced:
    """A slice, and how great the drop of each group may be.

    Attributes:
        slice: The slice.
        groups: Its groups.
        upper: The upper end of each group's drop alone, a fraction.
        examples: How many examples there are.
        shared: Whether an example is in several groups: with some classes, and without the others.
    """

    slice: Slice
    groups: tuple[Group, ...]
    upper: tuple[float, ...]
    examples: int
    shared: bool = False

    def open_past(self, limit_points: float) -> list[Group]:
        """Returns the groups that may lose more than a limit, the one that may lose most first."""
        order = sorted(range(len(self.groups)), key=lambda index: -self.upper[index])
        return [self.groups[index] for index in order if _POINTS * self.upper[index] > limit_points]


def grouped(keys: NDArray[Any], reference: NDArray[np.float64], variant: NDArray[np.float64]) -> list[Group]:
    """Returns examples told apart by a key of each, such as their label.

    Args:
        keys: [examples].
        reference: The reference's score of each example, [examples].
        variant: The variant's.
    """
    values, groups = np.unique(keys, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    edges = np.cumsum(np.bincount(groups, minlength=len(values)))[:-1]
    return [
        Group(value=str(value), reference=reference[rows], variant=variant[rows])
        for value, rows in zip(values, np.split(order, edges), strict=True)
    ]


def by_class_of_many(
    labels: NDArray[np.int64], reference: NDArray[Any], variant: NDArray[Any], names: Sequence[str]
) -> list[Group]:
    """Returns, for labels of a 0 or 1 per class, the examples with each class and those without, and how often that is told.

    A variant that finds a class everywhere misses none of its examples: those without it show what that is worth.

    Args:
        labels: [examples, classes].
        reference: The reference's decisions, [examples, classes].
        variant: The variant's.
        names: The classes' names.
    """
    groups = []
    for column, name in enumerate(names):
        for answer, value in ((1, name), (0, f"{WITHOUT}{name}")):
            rows = labels[:, column] == answer
            if rows.any():
                right = [
                    np.asarray(decisions[rows, column] == answer, np.float64) for decisions in (reference, variant)
                ]
                groups.append(Group(value=value, reference=right[0], variant=right[1]))
    return groups


def sliced(name: str, groups: Sequence[Group], confidence: float, examples: int, *, shared: bool = False) -> Sliced:
    """Returns the drop of every group, the worst first, with bounds that hold in all groups at once.

    Args:
        name: What the groups are told apart by.
        groups: One or more.
        confidence: That all lower ends hold, and that all upper ends do.
        examples: How many examples there are in all.
        shared: Whether an example is in several groups.
    """
    if all(right_or_wrong(group.differences) for group in groups):
        ends, own_upper = _ends_of_tables(groups, confidence)
    else:
        ends, own_upper = _ends_of_means(groups, confidence)
    drops = [float(group.differences.mean()) for group in groups]
    lowest = [-np.inf if interval is None else interval[0] for interval in ends]
    worst_first = sorted(range(len(groups)), key=lambda index: (-drops[index], -lowest[index], index))
    values = tuple(
        SliceValue(
            value=groups[index].value,
            examples=len(groups[index].reference),
            reference=float(groups[index].reference.mean()),
            variant=float(groups[index].variant.mean()),
            drop_points=_POINTS * drops[index],
            drop_interval_points=_points(ends[index]),
        )
        for index in worst_first[:_KEPT]
    )
    worst = None
    if all(interval is not None for interval in ends):
        worst = (max(lowest), max(own_upper))
    return Sliced(
        slice=Slice(name=name, total=len(groups), values=values, worst_interval_points=_points(worst)),
        groups=tuple(groups),
        upper=tuple(own_upper),
        examples=examples,
        shared=shared,
    )


def _ends_of_tables(groups: Sequence[Group], confidence: float) -> tuple[list[Ends | None], list[float]]:
    """Returns each group's interval, corrected for their number, and its upper end alone; for right and wrong answers.

    Of thousands of classes most have the same few counts, and equal counts have equal intervals: each is taken once, at the
    confidence that it has among all.
    """
    tables = [
        (int((group.differences > 0).sum()), int((group.differences < 0).sum()), len(group.reference))
        for group in groups
    ]
    distinct = list(dict.fromkeys(tables))
    drops = class_drops(distinct, confidence ** (len(distinct) / len(tables)))
    ends = {table: drop.interval for table, drop in zip(distinct, drops.drops, strict=True) if drop is not None}
    upper = {table: paired_drop_interval(*table, confidence)[1] for table in distinct}
    return [ends[table] for table in tables], [upper[table] for table in tables]


def _ends_of_means(groups: Sequence[Group], confidence: float) -> tuple[list[Ends | None], list[float]]:
    """Returns the same for other scores; None, and no bound, for a group of one example."""
    each = confidence ** (1 / len(groups))
    ends = [mean_drop_ends(group.differences, each) for group in groups]
    alone = [mean_drop_ends(group.differences, confidence) for group in groups]
    return ends, [np.inf if interval is None else interval[1] for interval in alone]


def _points(ends: Ends | None) -> Ends | None:
    return None if ends is None else (_POINTS * ends[0], _POINTS * ends[1])
