"""Drops class by class, with a correction for looking at many of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgequant.validation.statistics.proportions import paired_drop_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDrop:
    """The drop in one class.

    Attributes:
        lost: Its examples that only the reference gets right.
        gained: Its examples that only the variant gets right.
        count: All its examples.
        drop: (lost - gained) / count.
        interval: The ends of its two one-sided intervals, at the confidence asked for in all classes together.
    """

    lost: int
    gained: int
    count: int
    drop: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDrops:
    """The drops of all classes.

    Attributes:
        drops: By class; None for a class without examples, of which nothing is known.
        worst: The class with the greatest drop; of equal ones the one whose lower end is greatest, then the first.
        worst_interval: The ends of the two one-sided intervals of the greatest true drop, whichever class it is in. Each
            holds with the confidence asked for, and is the one to hold against a limit on every class.
    """

    drops: tuple[ClassDrop | None, ...]
    worst: int
    worst_interval: tuple[float, float]


def class_drops(tables: Sequence[tuple[int, int, int]], confidence: float) -> ClassDrops:
    """Returns each class's drop with bounds that hold in all classes at once, and the worst class.

    All lower ends together are below their true drops with the confidence given, and so are all upper ends above: each is
    taken at confidence^(1 / classes), which is exact as no example is of two classes, so that the tables are independent.
    A step-down correction such as Holm's decides which classes have dropped, and is sharper at that; but the bound it would
    give for a class depends on what the others were rejected for, and those that are not rejected get none. To name a drop
    for each class takes one step.

    The greatest drop of all is at least the greatest lower end. To be sure that it is at most a bound, the correction is
    not needed: the bound must be too low in the worst class itself, one class, whichever it is. So the upper end of
    `worst_interval` is the greatest of the uncorrected ones.

    Source: Šidák 1967, "Rectangular confidence regions for the means of multivariate normal distributions", JASA 62; on the
    upper end Berger 1982, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24.

    Args:
        tables: (lost, gained, count) by class.
        confidence: That all lower ends hold, and that all upper ends do.

    Raises:
        ValueError: When no class has examples.
    """
    filled = sum(1 for _, _, count in tables if count)
    if not filled:
        raise ValueError(f"classes: none of {len(tables)} has examples; need one or more")
    each = confidence ** (1 / filled)
    drops = tuple(
        ClassDrop(
            lost=lost,
            gained=gained,
            count=count,
            drop=(lost - gained) / count,
            interval=paired_drop_interval(lost, gained, count, each),
        )
        if count
        else None
        for lost, gained, count in tables
    )
    known = {index: drop for index, drop in enumerate(drops) if drop is not None}
    worst = max(known, key=lambda index: (known[index].drop, known[index].interval[0]))
    lower = max(drop.interval[0] for drop in known.values())
    upper = max(paired_drop_interval(*tables[index], confidence)[1] for index in known)
    return ClassDrops(drops=drops, worst=worst, worst_interval=(lower, upper))
