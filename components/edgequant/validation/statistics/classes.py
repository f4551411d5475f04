"""Drops by class, with Šidák's correction for multiple comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgequant.validation.statistics.proportions import paired_drop_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDrop:
    """The drop in one class.

    Attributes:
        lost: Examples of the class that only the reference gets right.
        gained: Examples of the class that only the variant gets right.
        count: The number of examples of the class.
        drop: (lost - gained) / count.
        interval: The ends of the two one-sided intervals, simultaneous for all classes.
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
        drops: The drop of each class; None for a class without examples.
        worst: The class with the greatest drop; ties go to the greatest lower end, then to the first class.
        worst_interval: The ends of the two one-sided intervals of the greatest true drop, whichever class has it. A limit on
            every class is compared with these.
    """

    drops: tuple[ClassDrop | None, ...]
    worst: int
    worst_interval: tuple[float, float]


def class_drops(tables: Sequence[tuple[int, int, int]], confidence: float) -> ClassDrops:
    """Returns the drop of each class with simultaneous bounds (Šidák), and the worst class.

    All lower ends hold simultaneously at the confidence level, and so do all upper ends. Each is computed at
    confidence^(1 / classes), Šidák's correction. It is exact for independent tables, and the tables are independent because
    each example has one class. A step-down correction such as Holm's has more power to decide which classes have dropped,
    but gives no bound for each class.

    The greatest drop is at least the greatest lower end. Its upper bound needs no correction: it is too low only if the bound of
    the worst class is too low, and that is one class (an intersection-union test). So the upper end of `worst_interval` is
    the greatest of the uncorrected upper ends.

    Source: Šidák 1967, "Rectangular confidence regions for the means of multivariate normal distributions", JASA 62; for the
    upper end Berger 1982, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24.

    Args:
        tables: (lost, gained, count) by class.
        confidence: The simultaneous confidence level of all lower ends, and of all upper ends.

    Raises:
        ValueError: No class has examples.
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
