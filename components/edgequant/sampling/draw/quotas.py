"""The quotas of classes in a sample, and the candidates of each class that they need."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from edgequant.errors import ExamplesError
from edgequant.sampling.draw.bottom_k import BottomK, Candidate
from edgequant.sampling.draw.ranks import class_rank

MAX_CLASSES = 10_000
# How many candidates beyond three times the sample are held before those that cannot be taken are dropped.
_SLACK = 100


def level(wanted: int, available: Iterable[int]) -> int:
    """Returns the largest equal quota: taking it, or all it has, of every class does not exceed the wanted total."""
    left = wanted
    counts = sorted(available)
    for position, count in enumerate(counts):
        share = left // (len(counts) - position)
        if count > share:
            return share
        left -= count
    return wanted


def equal_quotas(wanted: int, available: Mapping[str, int], seed: int) -> dict[str, int]:
    """Returns how many to take of each class: as equal as the available numbers allow, `wanted` in all if there are enough.

    Classes that hold less than an equal share contribute all of it. The remainder of the division goes, one each, to the
    other classes that come first in a seeded order.
    """
    share = level(wanted, available.values())
    quotas = {label: min(count, share) for label, count in available.items()}
    left = wanted - sum(quotas.values())
    more = sorted((label for label, count in available.items() if count > share), key=lambda x: class_rank(x, seed))
    for label in more[:left]:
        quotas[label] += 1
    return dict(sorted(quotas.items()))


def proportional_quotas(
    wanted: int, records: Mapping[str, int], available: Mapping[str, int], minimum: int, seed: int
) -> dict[str, int]:
    """Returns how many to take of each class: in proportion to its records, but at least a minimum of each.

    The minimum comes first, as equal as `wanted` allows when it is not enough for all. The rest is divided in proportion to
    the excess of each class's proportional share over its minimum, by the largest remainder method (Hamilton); classes of
    equal remainders come in a seeded order. No class contributes more than is available.

    Args:
        wanted: How many to take in all.
        records: Records by class, copies included.
        available: Different records by class.
        minimum: The least of each class, or all it has.
        seed: The seed.
    """
    quotas = equal_quotas(wanted, {label: min(count, minimum) for label, count in available.items()}, seed)
    total = sum(records[label] for label in available)
    due = {label: max(Fraction(wanted * records[label], total) - quotas[label], Fraction(0)) for label in available}
    while (left := wanted - sum(quotas.values())) > 0 and any(due.values()):
        scale = left / sum(due.values())
        parts = {label: min(part * scale, available[label] - quotas[label]) for label, part in due.items() if part}
        rest = sorted(parts, key=lambda label: (-(parts[label] % 1), class_rank(label, seed)))
        taken = {label: int(part) for label, part in parts.items()}
        for label in [label for label in rest if parts[label] % 1][: left - sum(taken.values())]:
            taken[label] += 1
        for label, count in taken.items():
            quotas[label] += count
        # What exhausted classes leave is divided among the others.
        due = {label: part for label, part in due.items() if quotas[label] < available[label]}
    return quotas


class Shares:
    """Of every class, the candidates of lowest rank that an equal division of k among the classes may take.

    As classes and records are added, an equal share only decreases; so a dropped candidate would never be taken, whatever the
    order, and no more than about three times k candidates are held at a time.

    Attributes:
        k: How many to divide.
        cap: The most to keep of one class.
        classes: The candidates by class.
    """

    __slots__ = ("_count", "_seed", "cap", "classes", "k", "thresholds")

    def __init__(self, k: int, cap: int, seed: int) -> None:
        self.k = k
        self.cap = cap
        self.classes: dict[str, BottomK] = {}
        # By class, the rank above which a candidate would not be kept; one that is not in it keeps all.
        self.thresholds: dict[str, float] = {}
        self._seed = seed
        self._count = 0

    def add(self, candidate: Candidate) -> None:
        """Adds one candidate, if it may be taken."""
        kept = self.classes.get(candidate.label)
        if kept is None:
            kept = self.classes[candidate.label] = BottomK(self.cap)
            kept.threshold = min(kept.threshold, self.thresholds.get(candidate.label, math.inf))
        kept.add(candidate)
        self.thresholds[candidate.label] = kept.threshold
        self._count += 1
        if self._count > 3 * self.k + _SLACK:
            self.prune()

    def prune(self) -> None:
        """Drops candidates that an equal division of k can no longer take."""
        counts = {label: len(kept) for label, kept in self.classes.items() if kept}
        self.cap = min(self.cap, level(self.k, counts.values()) + 1)
        if len(counts) > self.k:
            for label in sorted(counts, key=lambda label: class_rank(label, self._seed))[self.k :]:
                self.classes[label].shrink(0)
        for label, kept in self.classes.items():
            kept.shrink(self.cap)
            self.thresholds[label] = kept.threshold
        self._count = sum(map(len, self.classes.values()))

    def tighten(self, other: "Shares") -> None:
        """Excludes candidates that could not be taken in addition to those of another set of shares."""
        other.prune()
        self.cap = min(self.cap, other.cap)
        self.thresholds.update(other.thresholds)

    @property
    def closed(self) -> list[str]:
        """The classes that come too late in the seeded order to get a quota."""
        return [label for label, kept in self.classes.items() if kept.k == 0]

    def close(self, labels: Iterable[str]) -> None:
        """Drops all candidates of some classes, and of the others those that cannot be taken."""
        for label in labels:
            self.classes[label] = BottomK(0)
        self.prune()

    def merge(self, others: Iterable["Shares"]) -> "Shares":
        """Merges others into this one, and returns it."""
        for other in others:
            self.cap = min(self.cap, other.cap)
            for label, kept in other.classes.items():
                self.classes.setdefault(label, BottomK(self.cap)).merge([kept])
        self.prune()
        return self

    def __iter__(self) -> Iterator[Candidate]:
        for kept in self.classes.values():
            yield from kept


def check_classes(records: Counter[str], feature: str) -> None:
    """Checks that there are no more classes than a sample can be divided among.

    Raises:
        ExamplesError: There are more.
    """
    if len(records) > MAX_CLASSES:
        raise ExamplesError(
            f"feature {feature!r} has more than {MAX_CLASSES:,} values; a class to stratify by has fewer"
            " (sampling.stratify: false draws without classes)"
        )
