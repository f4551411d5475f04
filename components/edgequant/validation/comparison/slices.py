"""Drops by class and by feature, which show a variant that is good on average and bad on one group of examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Ends, Slice, SliceValue
from edgequant.validation.comparison.drop_intervals import mean_drop_ends
from edgequant.validation.statistics import Clusters, class_drops, paired_drop_interval, right_or_wrong

CLASS = "class"
# The prefix of the group of examples without a class, for multilabel.
WITHOUT = "without "
# The number of the worst groups that are kept.
_KEPT = 50
_POINTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The examples that share a value.

    Attributes:
        value: The class, or the feature's value.
        reference: The reference's score of each example, the higher the better, [examples].
        variant: The variant's score.
        clusters: The clusters of the examples, such as their speakers; None if they are independent.
    """

    value: str
    reference: NDArray[np.float64]
    variant: NDArray[np.float64]
    clusters: Clusters | None = None

    @property
    def differences(self) -> NDArray[np.float64]:
        """The drop of each example."""
        return np.asarray(self.reference - self.variant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliced:
    """A slice with the upper bound of each group's drop.

    Attributes:
        slice: The slice.
        groups: Its groups.
        upper: The upper end of each group's drop without a correction for multiple comparisons, a fraction.
        examples: The number of examples.
        shared: Whether an example is in several groups, as for multilabel: with some classes, and without the others.
    """

    slice: Slice
    groups: tuple[Group, ...]
    upper: tuple[float, ...]
    examples: int
    shared: bool = False

    def open_past(self, limit_points: float) -> list[Group]:
        """Returns the groups whose upper end exceeds a limit, the greatest first."""
        order = sorted(range(len(self.groups)), key=lambda index: -self.upper[index])
        return [self.groups[index] for index in order if _POINTS * self.upper[index] > limit_points]


def grouped(
    keys: NDArray[Any],
    reference: NDArray[np.float64],
    variant: NDArray[np.float64],
    clusters: Clusters | None = None,
) -> list[Group]:
    """Returns examples grouped by a key, such as their label.

    Args:
        keys: The key of each example, [examples].
        reference: The reference's score of each example, [examples].
        variant: The variant's score.
        clusters: The clusters of the examples; None if they are independent.
    """
    values, groups = np.unique(keys, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    edges = np.cumsum(np.bincount(groups, minlength=len(values)))[:-1]
    return [
        Group(value=str(value), reference=reference[rows], variant=variant[rows], clusters=_of_rows(clusters, rows))
        for value, rows in zip(values, np.split(order, edges), strict=True)
    ]


def _of_rows(clusters: Clusters | None, rows: NDArray[Any]) -> Clusters | None:
    return None if clusters is None else clusters.of_rows(rows)


def by_class_of_many(
    labels: NDArray[np.int64],
    decided: tuple[NDArray[Any], NDArray[Any]],
    names: Sequence[str],
    clusters: Clusters | None = None,
) -> list[Group]:
    """Returns the multilabel examples with each class and those without it, scored by whether its decision is right.

    A variant that assigns a class to every example misses none of its examples; the group without the class shows the false
    alarms.

    Args:
        labels: 0 or 1, [examples, classes].
        decided: The decisions of the reference and of the variant, [examples, classes].
        names: The names of the classes.
        clusters: The clusters of the examples; None if they are independent.
    """
    groups = []
    for column, name in enumerate(names):
        for answer, value in ((1, name), (0, f"{WITHOUT}{name}")):
            rows = labels[:, column] == answer
            if rows.any():
                right = [np.asarray(decisions[rows, column] == answer, np.float64) for decisions in decided]
                groups.append(
                    Group(value=value, reference=right[0], variant=right[1], clusters=_of_rows(clusters, rows))
                )
    return groups


def sliced(name: str, groups: Sequence[Group], confidence: float, examples: int, *, shared: bool = False) -> Sliced:
    """Returns the drop of every group, the worst first, with simultaneous bounds (see `class_drops`).

    Args:
        name: ``class`` or the feature that the examples are grouped by.
        groups: One or more groups.
        confidence: The simultaneous confidence level of all lower ends, and of all upper ends.
        examples: The number of all examples.
        shared: Whether an example is in several groups.
    """
    if all(group.clusters is None and right_or_wrong(group.differences) for group in groups):
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
    """Returns each group's simultaneous interval, and its uncorrected upper end; for right and wrong answers.

    Most of thousands of classes share a few tables, and equal tables have equal intervals: each is computed once, with the
    confidence level corrected for the number of all groups.
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
    """Returns the same for other scores; None and an infinite upper end for a group of one example or of too few clusters."""
    each = confidence ** (1 / len(groups))
    ends = [mean_drop_ends(group.differences, each, group.clusters) for group in groups]
    alone = [mean_drop_ends(group.differences, confidence, group.clusters) for group in groups]
    return ends, [np.inf if interval is None else interval[1] for interval in alone]


def _points(ends: Ends | None) -> Ends | None:
    return None if ends is None else (_POINTS * ends[0], _POINTS * ends[1])
