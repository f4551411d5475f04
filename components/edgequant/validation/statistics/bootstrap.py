"""The interval of a drop in a metric that gives one number for all examples, such as AUC or F1."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# Maps the weight of each example, [resamples, examples], to the metric of each resample, [resamples]; NaN where it is
# undefined.
WeightedMetric: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# Groups of examples that are left out in turn: beyond, the acceleration hardly gains, and each costs two metrics.
_GROUPS = 200
# With fewer influential examples, resamples say next to nothing about the population.
_FEWEST_INFLUENTIAL = 5
# How many resamples are computed at once, and how many weights are kept for the next metric: 32 MB of them.
_BLOCK = 64
# How many resamples must lie beyond an end.
_BEYOND = 5
# Metrics of two resamples that differ by less than this are equal.
_ROUNDING = 1e-12
_KEPT = 2**25
# No resample is beyond an end of this confidence.
_ALL_BUT = 1 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How a bootstrap draws.

    Attributes:
        confidence: Of each end of the interval.
        seed: Of the draws: the same seed, examples and metric give the same interval.
        resamples: How many times all examples are drawn with replacement; at 1,000 the error rate of an end that is meant to
            be 5% is off by about 0.7 points, at 4,000 by half as much. Each costs two metrics.
    """

    confidence: float
    seed: int
    resamples: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapDrop:
    """A drop in a metric, with its interval.

    Attributes:
        drop: The metric of the reference minus that of the variant, in the metric's own unit.
        interval: The ends of its two one-sided intervals; None when too few examples make a difference, or when the metric
            is not defined on more than half of the resamples.
        influential: About how many examples the drop hangs on: the sum of squared influences, squared, over the sum of
            their fourth powers. 0 if neither leaving out nor resampling any example changes the drop; at most 200.
        redrawn: Resamples on which the metric was not defined, such as those of one class; each was drawn again.
        too_sure: Whether so few resamples have no bound at this confidence level.
    """

    drop: float
    interval: tuple[float, float] | None
    influential: float
    redrawn: int
    too_sure: bool = False


class Resampled:
    """A metric of one model over resamples of its examples: what has been computed once is kept for the next comparison.

    Args:
        over: Computes the metric.
        count: How many examples there are.
    """

    def __init__(self, over: WeightedMetric, count: int) -> None:
        self.over = over
        self.count = count
        self._taken: dict[tuple[int, int], NDArray[np.float64]] = {}

    @property
    def groups(self) -> int:
        """How many groups of examples are left out in turn."""
        return min(self.count, _GROUPS)

    def value(self) -> float:
        """Returns the metric over all examples."""
        return float(self.over(np.ones((1, self.count)))[0])

    def without(self) -> NDArray[np.float64]:
        """Returns the metric without each group, [groups]."""
        if (0, 0) not in self._taken:
            left = np.arange(self.count) % self.groups
            kept = (np.where(left == group, 0.0, 1.0) for group in range(self.groups))
            self._taken[0, 0] = np.concatenate([self.over(row[np.newaxis]) for row in kept])
        return self._taken[0, 0]

    def drawn(self, seed: int, resamples: int) -> NDArray[np.float64]:
        """Returns the metric of so many resamples, [resamples]; those of one seed are the same examples for every metric."""
        if (seed, resamples) not in self._taken:
            blocks = _blocks(self.count, seed, resamples)
            self._taken[seed, resamples] = np.concatenate([self.over(block.astype(np.float64)) for block in blocks])
        return self._taken[seed, resamples]


def one_by_one(over: Callable[[NDArray[np.float64]], float]) -> WeightedMetric:
    """Returns a metric of many resamples from one that accepts the weights of one resample, [examples]."""
    return lambda weights: np.array([over(row) for row in weights])


def paired_bootstrap_interval(reference: Resampled, variant: Resampled | None, resampling: Resampling) -> BootstrapDrop:
    """Returns the drop in a metric from the reference to the variant, with the ends of its two one-sided BCa intervals.

    Each resample takes the same examples of both, so that what the two have in common cancels. The ends are bias-corrected
    and accelerated; the acceleration is from a jackknife that leaves out one of 200 groups of examples at a time (every
    200th), of single examples when there are no more than that.

    A bootstrap is too narrow by the root of (n - 1)/n and for taking the spread for known, which shows where few examples make
    a difference; so the ends are taken at the confidence at which a normal quantile is √(n/(n - 1)) times Student's, n being
    the number of influential examples. At 95%, an end then covers the drop in F1 of simulated sets of 1,000 examples 95.3% to
    96.9% of the time where about 20, 50 or 100 are decided otherwise, and up to 99.3% where 10 are (`benchmarks/coverage.py`).
    It says nothing of what was not seen: with fewer than 5 influential examples there is no interval. Nor is there one that fewer
    than 5 resamples lie beyond: of 1,000, at more than 99.5%.

    Source: Efron 1987, "Better bootstrap confidence intervals", JASA 82; Efron & Tibshirani 1993, "An
    Introduction to the Bootstrap", section 14.3; groups: Shao & Tu 1995, "The Jackknife and Bootstrap"; width: Hesterberg 2015,
    "What teachers should know about the bootstrap", The American Statistician 69, section 4.

    Args:
        reference: The reference's metric.
        variant: The variant's, over the same examples in the same order; None for the interval of the reference's own.
        resampling: Confidence, seed and number of resamples.

    Raises:
        ValueError: When the two differ in the number of examples, hold none, or the metric is not defined on all of them.
    """
    if not reference.count or (variant is not None and variant.count != reference.count):
        other = reference.count if variant is None else variant.count
        raise ValueError(f"reference and variant: {reference.count} and {other} examples; need the same, 1 or more")
    drop = reference.value() - (0.0 if variant is None else variant.value())
    if not np.isfinite(drop):
        raise ValueError(f"the metric is not defined on these {reference.count} examples: the drop is {drop}")
    influences = _influences(reference, variant)
    squares = float((influences**2).sum())
    influential = squares**2 / float((influences**4).sum()) if squares > 0 else 0.0
    if not influential and _cancels(reference, variant, resampling.seed):
        influential = 1.0
    if influential < _FEWEST_INFLUENTIAL:
        return BootstrapDrop(drop=drop, interval=None, influential=influential, redrawn=0)
    if round((1 - resampling.confidence) * resampling.resamples, 6) < _BEYOND:
        return BootstrapDrop(drop=drop, interval=None, influential=influential, redrawn=0, too_sure=True)
    drawn, redrawn = _drops(reference, variant, resampling)
    interval = None
    if drawn is not None:
        acceleration = float((influences**3).sum()) / (6 * squares**1.5)
        interval = _bca(drawn, drop, acceleration, _widened(resampling.confidence, influential))
    return BootstrapDrop(drop=drop, interval=interval, influential=influential, redrawn=redrawn)


def _influences(reference: Resampled, variant: Resampled | None) -> NDArray[np.float64]:
    """Returns how far the drop moves with each group of examples, [groups]; groups without which it is not defined are left out."""
    if reference.groups < 2:
        return np.zeros(0)
    without = reference.without() - (0.0 if variant is None else variant.without())
    without = without[np.isfinite(without)]
    return np.asarray(without.mean() - without) if len(without) else without


def _cancels(reference: Resampled, variant: Resampled | None, seed: int) -> bool:
    """Tells whether examples matter that no group without which the metric was taken shows, as they cancel out in each."""
    weights = _draw(np.random.default_rng(seed), reference.count, _BLOCK).astype(np.float64)
    drawn = reference.over(weights) - (0.0 if variant is None else variant.over(weights))
    drawn = drawn[np.isfinite(drawn)]
    return bool(len(drawn) and np.ptp(drawn) > _ROUNDING)


def _drops(
    reference: Resampled, variant: Resampled | None, resampling: Resampling
) -> tuple[NDArray[np.float64] | None, int]:
    """Returns the drops of as many resamples as asked for, None when as many again are not defined; and how many are not."""
    asked = resampling.resamples
    for count in (asked, 2 * asked):
        drops = reference.drawn(resampling.seed, count)
        if variant is not None:
            drops = drops - variant.drawn(resampling.seed, count)
        defined = np.flatnonzero(np.isfinite(drops))
        if len(defined) >= asked:
            return drops[defined[:asked]], int(defined[asked - 1]) + 1 - asked
    return None, asked + 1


def _blocks(count: int, seed: int, resamples: int) -> Iterator[NDArray[np.uint8]]:
    """Yields how often each example is in each resample, some resamples at a time, [resamples, examples]."""
    if count * resamples <= _KEPT:
        kept = _counts(count, seed, resamples)
        yield from (kept[start : start + _BLOCK] for start in range(0, resamples, _BLOCK))
        return
    random = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        yield _draw(random, count, min(_BLOCK, resamples - start))


@lru_cache(maxsize=1)
def _counts(count: int, seed: int, resamples: int) -> NDArray[np.uint8]:
    return _draw(np.random.default_rng(seed), count, resamples)


def _draw(random: np.random.Generator, count: int, resamples: int) -> NDArray[np.uint8]:
    # That one of more than 255 examples is drawn more than 255 times is less likely than 1 in 255!.
    drawn = np.empty((resamples, count), np.uint8)
    for row in drawn:
        row[:] = np.bincount(random.integers(0, count, count), minlength=count)
    return drawn


def _widened(confidence: float, influential: float) -> float:
    """Returns the confidence at which the bootstrap of few examples has the width of Student's interval."""
    quantile = stats.t.ppf(confidence, influential - 1) * np.sqrt(influential / (influential - 1))
    # Of 5 examples Student's may be so wide that nothing of a normal distribution is beyond it.
    return min(float(stats.norm.cdf(quantile)), _ALL_BUT)


def _bca(drawn: NDArray[np.float64], drop: float, acceleration: float, confidence: float) -> tuple[float, float]:
    """Returns the ends of the bias-corrected and accelerated interval."""
    below = (np.count_nonzero(drawn < drop) + np.count_nonzero(drawn <= drop)) / (2 * len(drawn))
    # All resamples on one side would put the end at infinity.
    bias = stats.norm.ppf(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    shifted = bias + stats.norm.ppf([1 - confidence, confidence])
    low, high = np.quantile(drawn, stats.norm.cdf(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)
