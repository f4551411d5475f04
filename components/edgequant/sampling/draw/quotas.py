"""How a sample is divided among classes, and what must be kept of each class to divide it so."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from edgequant.errors import ExamplesError
from edgequant.sampling.draw.bottom_k import BottomK, Candidate
from edgequant.sampling.draw.ranks import class_rank

MAX_CLASSES = 10_000
# How many candidates beyond thrice the sample are let in before what cannot be taken is dropped.
_SLACK = 100


def level(wanted: int, available: Iterable[int]) -> int:
    """Returns the largest number that every class can give, or all it has, without exceeding what is wanted in all."""
    left = wanted
    counts = sorted(available)
    for position, count in enumerate(counts):
        share = left // (len(counts) - position)
        if count > share:
            return share
        left -= count
    return wanted


def equal_quotas(wanted: int, available: Mapping[str, int], seed: int) -> dict[str, int]:
    """Returns how many to take of each class: as equal as what is available allows, `wanted` in all if there are enough.

    Classes that hold less than an equal share give all they hold. What an uneven division leaves over goes, one each, to
    those of the others that come first in a seeded order.
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

    The minimum comes first, as equal as `wanted` allows when it is too little for all. The rest is divided in proportion to
    what each class's share of the whole exceeds its minimum by, by largest remainders (Hamilton's method); classes of equal
    remainders come in a seeded order. No class is to give more than is available.

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
        # What classes that have no more leave over is divided among the others.
        due = {label: part for label, part in due.items() if quotas[label] < available[label]}
    return quotas


class Shares:
    """Of every class, the candidates of lowest rank that an equal division of k among the classes may take.

    As classes and records come in, an equal share only gets smaller; so what is dropped would never be taken, whatever the
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
        """Drops what an equal division of k cannot take any more."""
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
        """Keeps nothing from now on that could not be taken beside what another set of shares holds."""
        other.prune()
        self.cap = min(self.cap, other.cap)
        self.thresholds.update(other.thresholds)

    @property
    def closed(self) -> list[str]:
        """The classes that come too late in the seeded order to get any."""
        return [label for label, kept in self.classes.items() if kept.k == 0]

    def close(self, labels: Iterable[str]) -> None:
        """Keeps none of some classes, and of the others what may be taken."""
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
    """Refuses more classes than a sample is divided among.

    Raises:
        ExamplesError: There are more.
    """
    if len(records) > MAX_CLASSES:
        raise ExamplesError(
            f"feature {feature!r} has more than {MAX_CLASSES:,} values; a class to stratify by has fewer"
            " (sampling.stratify: false draws without classes)"
        )
