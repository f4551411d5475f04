"""Intervals for one proportion, and for the difference of two that were measured on the same examples."""

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

# Lost minus gained moves in steps of one pair, so half a pair is the full continuity correction, and none is close to a mid-p
# interval. `benchmarks/coverage.py --corrections` sums for others, too.
CORRECTION = 0.375
# From -1 (1) to the estimate (0), dense beside the estimate: where a first change of sign is looked for.
_GRID = np.linspace(1.0, 0.0, 193) ** 3
_TINY = 1e-300


def wilson_interval(successes: int, count: int, confidence: float) -> tuple[float, float]:
    """Returns the two-sided interval of a proportion.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    interval = stats.binomtest(successes, count).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def paired_drop_interval(
    lost: int, gained: int, count: int, confidence: float, correction: float = CORRECTION
) -> tuple[float, float]:
    """Returns the ends of the two one-sided intervals of a drop in accuracy, as fractions.

    The drop is (lost - gained) / count over paired examples. Each end is one-sided: the true drop is below the upper end
    with the confidence given. It is Tango's score interval with Laud's correction for skewness and for the bias of the
    variance, and a continuity correction of 3/8 of a pair.

    How sure that is, by exact summation at 95% (`benchmarks/coverage.py`): over 200 to 10,000 examples and drops of -3 to 3
    points an end covers the true drop 94.7% to 97.0% of the time where 20 or more discordant pairs are expected. With fewer it
    covers at least 94.4%, and often more, up to always where hardly a pair differs: few tables can occur then, and any
    interval that keeps its word must cover more than it says. At 20, 50 and 100 examples it covers at least 95.2%. Of one
    pair it knows nothing.

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17, equations 9 to 13; Laud 2017, "Equal-tailed confidence intervals for comparison of
    rates", Pharmaceutical Statistics 16, with appendix S2 on the continuity correction, after Gart & Nam 1990, Biometrics 46;
    for pairs: R's ``ratesci::scorepairci``.

    Args:
        lost: Examples that only the reference gets right.
        gained: Examples that only the variant gets right.
        count: All examples.
        confidence: Of each end, such as 0.95.
        correction: The continuity correction, in pairs; 0 for the published intervals.

    Raises:
        ValueError: When the counts are no such table.
    """
    return (
        paired_drop_lower_end(lost, gained, count, confidence, correction),
        -paired_drop_lower_end(gained, lost, count, confidence, correction),
    )


def paired_drop_lower_end(
    lost: int, gained: int, count: int, confidence: float, correction: float = CORRECTION
) -> float:
    """Returns the lower end of `paired_drop_interval`, with the same arguments.

    Raises:
        ValueError: When the counts are no such table.
    """
    if min(lost, gained) < 0 or lost + gained > count or count < 1:
        raise ValueError(
            f"lost {lost} and gained {gained} of {count} examples: each must be 0 or more, their sum at most all"
        )
    return _lower_end(lost, gained, count, NormalDist().inv_cdf(confidence), correction)


def score_excess(
    drop: NDArray[np.float64] | float, lost: NDArray[Any] | float, gained: NDArray[Any] | float, count: float, z: float
) -> NDArray[np.float64]:
    """Returns by how many pairs the lost exceed what a drop explains: past the correction the drop is too small, and ruled out.

    Arguments broadcast. The excess is lost - gained - count·drop, less the quantile of that difference, were `drop` the true
    one: its standard deviation times z, plus what its skewness adds by the expansion of Cornish and Fisher, (z² - 1)/6
    times its third central moment over its variance. The share of gained examples is its most likely one, were `drop`
    true; the variance is multiplied by count / (count - 1).

    Args:
        drop: The drop asked about, a fraction.
        lost: Examples that only the reference gets right.
        gained: Examples that only the variant gets right.
        count: All examples, two or more.
        z: The normal quantile of the confidence.
    """
    share = gained_share(drop, lost, gained, count)
    variance = np.maximum(2 * share + drop * (1 - drop), _TINY) * count / (count - 1)
    third = (share + drop) * (1 - drop) ** 3 - share * (1 + drop) ** 3 - (1 - 2 * share - drop) * drop**3
    skew = (z**2 - 1) / 6 * third / variance
    return np.asarray(lost - gained - count * drop - z * np.sqrt(count * variance) - skew)


def gained_share(
    drop: NDArray[np.float64] | float, lost: NDArray[Any] | float, gained: NDArray[Any] | float, count: float
) -> NDArray[np.float64]:
    """Returns the most likely share of gained examples, were `drop` the true one; arguments broadcast.

    Source: Tango 1998, as of `paired_drop_interval`.
    """
    linear = -lost - gained + (2 * count - lost + gained) * drop
    root = np.sqrt(np.maximum(linear**2 + 8 * count * gained * drop * (1 - drop), 0.0))
    return np.asarray(np.maximum((root - linear) / (4 * count), np.maximum(0.0, -np.asarray(drop))))


def _lower_end(lost: int, gained: int, count: int, z: float, correction: float) -> float:
    """Returns the least drop that the table does not rule out; the upper end is minus that of the swapped table.

    Seen from -1, that is the first change from ruled out to not. Nearer to the estimate of a handful of pairs, and at -1
    itself, the expansion of Cornish and Fisher may cross once more, where it means nothing.
    """
    if count == 1 or gained - lost == count:
        return -1.0

    def excess(drop: NDArray[np.float64]) -> NDArray[np.float64]:
        return score_excess(drop, lost, gained, count, z) - correction

    estimate = (lost - gained) / count
    drops = estimate - (estimate + 1) * _GRID
    ruled_out = excess(drops) > 0
    crossings = np.flatnonzero(ruled_out[:-1] & ~ruled_out[1:])
    if not len(crossings):
        return -1.0
    first = int(crossings[0])
    return float(optimize.brentq(excess, drops[first], drops[first + 1], xtol=1e-12))
