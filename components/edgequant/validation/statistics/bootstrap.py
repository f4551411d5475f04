"""The BCa bootstrap interval of a drop in a metric without a value per example, such as AUC or F1."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edgequant.validation.statistics.clusters import Clusters

# Maps the weight of each example in each resample (how often it is drawn), [resamples, examples], to the metric of each
# resample, [resamples]; NaN where the metric is not defined.
WeightedMetric: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# Groups of the delete-group jackknife. More groups hardly improve the acceleration, and each costs two metrics.
_GROUPS = 200
# With fewer influential examples, resamples say next to nothing about examples that were not observed.
_FEWEST_INFLUENTIAL = 5
# Resamples that are computed at once.
_BLOCK = 64
# Resamples that must lie beyond each end of an interval.
_FEWEST_BEYOND = 5
# Metrics of two resamples that differ by less are equal.
_ROUNDING = 1e-12
# The most weights that are cached for the next metric: 32 MB.
_CACHED = 2**25
# The greatest confidence level of an end: above it the normal quantile is infinite.
_MOST_CONFIDENCE = 1 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """The settings of a bootstrap.

    Attributes:
        confidence: The confidence level of each one-sided end.
        seed: The seed of the resamples: the same seed, examples and metric give the same interval.
        resamples: The number of resamples. With 1,000, the standard error of an error rate of 5% is about 0.7 points, with 4,000
            half as much. Each resample costs two metrics.
    """

    confidence: float
    seed: int
    resamples: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapDrop:
    """A drop in a metric, with its confidence interval.

    Attributes:
        drop: The metric of the reference minus that of the variant, in the metric's own unit.
        interval: The ends of the two one-sided intervals; None when too few examples are influential, or when the metric is
            undefined on more than half of the resamples.
        influential: The effective number of influential examples, (Σ u²)² / Σ u⁴ with the jackknife influences u; at most
            200. 0 when the drop is the same in all jackknife groups and resamples.
        redrawn: Resamples on which the metric is undefined, such as those with one class only; each is drawn again.
        too_few_resamples: Whether there are too few resamples for an end at this confidence level.
    """

    drop: float
    interval: tuple[float, float] | None
    influential: float
    redrawn: int
    too_few_resamples: bool = False


class Resampled:
    """A metric of one model over resamples of its examples; results are cached for the next comparison.

    Args:
        over: Computes the metric from weights of the examples.
        count: The number of examples.
        clusters: The groups that are drawn as a whole; None if all examples are independent.
    """

    def __init__(self, over: WeightedMetric, count: int, clusters: Clusters | None = None) -> None:
        self.over = over
        self.count = count
        self.clusters = clusters
        self._cache: dict[tuple[int, int], NDArray[np.float64]] = {}

    def by(self, clusters: Clusters | None) -> "Resampled":
        """Returns the metric over resamples of whole groups."""
        return Resampled(self.over, self.count, clusters)

    @property
    def units(self) -> int:
        """The number of what is drawn: examples, or groups of them."""
        return self.count if self.clusters is None else len(self.clusters)

    @property
    def groups(self) -> int:
        """The number of jackknife groups."""
        return min(self.units, _GROUPS)

    def weights(self, drawn: NDArray[Any]) -> NDArray[np.float64]:
        """Returns the weights of the examples, from how often each unit is drawn, [resamples, units]."""
        of_examples = drawn if self.clusters is None else drawn[:, self.clusters.of]
        return of_examples.astype(np.float64)

    def value(self) -> float:
        """Returns the metric over all examples."""
        return float(self.over(np.ones((1, self.count)))[0])

    def without(self) -> NDArray[np.float64]:
        """Returns the jackknife values: the metric without each group, [groups]."""
        if (0, 0) not in self._cache:
            left = np.arange(self.units) % self.groups
            kept = (np.where(left == group, 0.0, 1.0) for group in range(self.groups))
            self._cache[0, 0] = np.concatenate([self.over(self.weights(row[np.newaxis])) for row in kept])
        return self._cache[0, 0]

    def drawn(self, seed: int, resamples: int) -> NDArray[np.float64]:
        """Returns the metric of each resample, [resamples]; the same seed draws the same examples for every metric."""
        if (seed, resamples) not in self._cache:
            blocks = _blocks(self.units, seed, resamples)
            self._cache[seed, resamples] = np.concatenate([self.over(self.weights(block)) for block in blocks])
        return self._cache[seed, resamples]


def one_by_one(over: Callable[[NDArray[np.float64]], float]) -> WeightedMetric:
    """Returns a metric of the weights of one resample, [examples], as a metric of the weights of several."""
    return lambda weights: np.array([over(row) for row in weights])


def paired_bootstrap_interval(reference: Resampled, variant: Resampled | None, resampling: Resampling) -> BootstrapDrop:
    """Returns the drop in a metric from the reference to the variant, with the ends of its two one-sided BCa intervals.

    The bootstrap is paired: each resample has the same examples for both models. The ends are bias-corrected and accelerated
    (BCa). The acceleration is computed by a jackknife that leaves out one of 200 groups of examples at a time (every 200th
    example), or single examples if there are at most 200.

    A bootstrap interval of a small sample is too narrow: by the factor √((n - 1)/n), and because it treats the spread as known.
    The ends are therefore computed at the confidence level whose normal quantile is √(n/(n - 1)) times Student's, where n is
    the number of influential examples. At 95%, an end then covers the drop in F1 of simulated sets of 1,000 examples in 95.3% to
    96.9% of the cases if about 20, 50 or 100 decisions change, and in up to 99.3% if 10 change (`benchmarks/coverage.py`).
    If the examples belong to groups, whole groups are drawn and left out, and are the examples of this text.
    A bootstrap knows only observed examples: with fewer than 5 influential examples there is no interval. Nor is there one if
    fewer than 5 resamples lie beyond an end: with 1,000 resamples, above 99.5%.

    Source: Efron 1987, "Better bootstrap confidence intervals", JASA 82; Efron & Tibshirani 1993, "An
    Introduction to the Bootstrap", section 14.3; groups: Shao & Tu 1995, "The Jackknife and Bootstrap"; width: Hesterberg 2015,
    "What teachers should know about the bootstrap", The American Statistician 69, section 4.

    Args:
        reference: The reference's metric.
        variant: The variant's metric over the same examples in the same order; None for an interval of the reference's metric.
        resampling: The settings of the bootstrap.

    Raises:
        ValueError: The two differ in the number of examples, there are none, or the metric is undefined on all examples.
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
    if round((1 - resampling.confidence) * resampling.resamples, 6) < _FEWEST_BEYOND:
        return BootstrapDrop(drop=drop, interval=None, influential=influential, redrawn=0, too_few_resamples=True)
    drawn, redrawn = _drops(reference, variant, resampling)
    interval = None
    if drawn is not None:
        acceleration = float((influences**3).sum()) / (6 * squares**1.5)
        interval = _bca(drawn, drop, acceleration, _widened(resampling.confidence, influential))
    return BootstrapDrop(drop=drop, interval=interval, influential=influential, redrawn=redrawn)


def _influences(reference: Resampled, variant: Resampled | None) -> NDArray[np.float64]:
    """Returns the jackknife influences on the drop, [groups]; groups without which it is undefined are left out."""
    if reference.groups < 2:
        return np.zeros(0)
    without = reference.without() - (0.0 if variant is None else variant.without())
    without = without[np.isfinite(without)]
    return np.asarray(without.mean() - without) if len(without) else without


def _cancels(reference: Resampled, variant: Resampled | None, seed: int) -> bool:
    """Tells whether the drop varies between resamples although all jackknife influences are 0, as changes that cancel out do."""
    weights = reference.weights(_draw(np.random.default_rng(seed), reference.units, _BLOCK))
    drawn = reference.over(weights) - (0.0 if variant is None else variant.over(weights))
    drawn = drawn[np.isfinite(drawn)]
    return bool(len(drawn) and np.ptp(drawn) > _ROUNDING)


def _drops(
    reference: Resampled, variant: Resampled | None, resampling: Resampling
) -> tuple[NDArray[np.float64] | None, int]:
    """Returns the drops of the requested number of defined resamples, and how many were undefined.

    The drops are None when too many are undefined: twice the requested number of resamples is drawn at most.
    """
    requested = resampling.resamples
    for count in (requested, 2 * requested):
        drops = reference.drawn(resampling.seed, count)
        if variant is not None:
            drops = drops - variant.drawn(resampling.seed, count)
        defined = np.flatnonzero(np.isfinite(drops))
        if len(defined) >= requested:
            return drops[defined[:requested]], int(defined[requested - 1]) + 1 - requested
    return None, requested + 1


def _blocks(count: int, seed: int, resamples: int) -> Iterator[NDArray[np.uint8]]:
    """Yields the weights of the examples in blocks of resamples, [resamples, examples]."""
    if count * resamples <= _CACHED:
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
    # uint8 is enough: that one of n examples is drawn more than 255 times in n draws is less likely than 1 in 255!.
    drawn = np.empty((resamples, count), np.uint8)
    for row in drawn:
        row[:] = np.bincount(random.integers(0, count, count), minlength=count)
    return drawn


def _widened(confidence: float, influential: float) -> float:
    """Returns the confidence level at which a bootstrap with few influential examples is as wide as Student's interval."""
    quantile = stats.t.ppf(confidence, influential - 1) * np.sqrt(influential / (influential - 1))
    # With 5 examples, Student's quantile may be so large that the normal distribution function rounds to 1.
    return min(float(stats.norm.cdf(quantile)), _MOST_CONFIDENCE)


def _bca(drawn: NDArray[np.float64], drop: float, acceleration: float, confidence: float) -> tuple[float, float]:
    """Returns the ends of the bias-corrected and accelerated (BCa) interval."""
    below = (np.count_nonzero(drawn < drop) + np.count_nonzero(drawn <= drop)) / (2 * len(drawn))
    # If all resamples are on one side, the bias correction would be infinite.
    bias = stats.norm.ppf(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    shifted = bias + stats.norm.ppf([1 - confidence, confidence])
    low, high = np.quantile(drawn, stats.norm.cdf(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)
