"""How often the interval of a drop holds what it says, summed over every table that can occur: what tests and the benchmark rest on.

No verdict needs it. SciPy's binomials make the tables; of our own there is the interval alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from scipy import stats

from edgequant.validation.statistics.proportions import CORRECTION, paired_drop_lower_end

DROPS = (0.0, 0.005, 0.01, 0.03)
# Numbers at which one end or the other is least or most sure are among them: 577 and 2048 for small drops, 681 for large.
COUNTS = (20, 50, 100, 200, 240, 289, 340, 400, 527, 577, 681, 820, 1000, 1500, 2048, 4106, 10_000)
# What share of examples is both lost by one model and gained by the other, on top of those that make the drop.
DISCORDANT = (0.0, 0.0002, 0.001, 0.002, 0.01, 0.03, 0.1, 0.2)
# Tables that are rarer than this, at either end, are left out.
_LEFT_OUT = 1e-7
_lower_end = cache(paired_drop_lower_end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of two models on all examples there could be.

    Attributes:
        drop: The share that the reference gets right less that of the variant.
        gained: The share that only the variant gets right.
    """

    drop: float
    gained: float

    @property
    def lost(self) -> float:
        """The share that only the reference gets right."""
        return self.drop + self.gained

    def discordant(self, count: int) -> float:
        """Returns how many of so many examples are expected to be right in one model and wrong in the other."""
        return count * (self.lost + self.gained)


def truths() -> Iterator[Truth]:
    """Yields all truths of the grid: each drop with both signs, and with each share that is discordant on top."""
    for drop in sorted({sign * drop for drop in DROPS for sign in (1, -1)}):
        for both in DISCORDANT:
            if drop or both:
                yield Truth(drop=drop, gained=both / 2 + max(-drop, 0.0))


def covered(truth: Truth, count: int, confidence: float = 0.95, correction: float = CORRECTION) -> float:
    """Returns the probability that the lower end is not above the true drop.

    The upper end is the mirror image: that of the drop with the other sign. With more lost examples the lower end only rises, so
    for each number of gained ones there is a least number of lost ones from which it is above; it is walked along.

    Args:
        truth: What is true.
        count: How many examples are drawn.
        confidence: Of the end.
        correction: Of the interval, as of `paired_drop_interval`.
    """
    low, high = (int(stats.binom.ppf(p, count, truth.gained)) for p in (_LEFT_OUT, 1 - _LEFT_OUT))
    if not truth.gained:
        low = high = 0
    above = 0.0
    least = max(0, round(count * truth.lost))
    for gained in range(max(low, 0), high + 1):
        least = min(least, count - gained + 1)
        while least > 0 and _lower_end(least - 1, gained, count, confidence, correction) > truth.drop:
            least -= 1
        while least + gained <= count and _lower_end(least, gained, count, confidence, correction) <= truth.drop:
            least += 1
        beyond = stats.binom.sf(least - 1, count - gained, truth.lost / (1 - truth.gained))
        above += float(stats.binom.pmf(gained, count, truth.gained) * beyond)
    return 1 - above
