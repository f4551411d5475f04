"""Intervals of one proportion (Wilson), and of the difference of two paired proportions (Tango, with Laud's corrections)."""

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

# In pairs. Lost minus gained changes in steps of one pair, so 0.5 is the full continuity correction, and 0 is close to a mid-p
# interval. `benchmarks/coverage.py --corrections` computes the coverage of other corrections, too.
CORRECTION = 0.375
# The grid on which the first change of sign is searched: from -1 (1) to the estimate (0), dense near the estimate.
_GRID = np.linspace(1.0, 0.0, 193) ** 3
_TINY = 1e-300


def wilson_interval(successes: int, count: int, confidence: float) -> tuple[float, float]:
    """Returns the two-sided Wilson score interval of a proportion.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    interval = stats.binomtest(successes, count).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def paired_drop_interval(
    lost: int, gained: int, count: int, confidence: float, correction: float = CORRECTION
) -> tuple[float, float]:
    """Returns the ends of the two one-sided intervals of a drop in accuracy, as fractions.

    The drop is (lost - gained) / count over paired examples. Each end is one-sided: the true drop is below the upper end at the
    confidence level. The interval is Tango's score interval with Laud's corrections for skewness and for the bias of the
    variance, and a continuity correction of 3/8 of a pair.

    Coverage at 95%, by exact summation (`benchmarks/coverage.py`): with 200 to 10,000 examples and drops of -3 to 3 points an
    end covers the true drop in 94.7% to 97.0% of the cases if at least 20 discordant pairs are expected. With fewer, coverage
    is at least 94.4% and up to 100%: few tables are possible then, and a conservative interval must over-cover. With 20, 50
    and 100 examples it is at least 95.2%. For a single pair the interval is [-1, 1].

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17, equations 9 to 13; Laud 2017, "Equal-tailed confidence intervals for comparison of
    rates", Pharmaceutical Statistics 16, with appendix S2 on the continuity correction, after Gart & Nam 1990, Biometrics 46;
    for pairs: R's ``ratesci::scorepairci``.

    Args:
        lost: The number of examples that only the reference gets right.
        gained: The number of examples that only the variant gets right.
        count: The number of all examples.
        confidence: The confidence level of each end, such as 0.95.
        correction: The continuity correction, in pairs; 0 for the published intervals.

    Raises:
        ValueError: The counts are not a valid table.
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
        ValueError: The counts are not a valid table.
    """
    if min(lost, gained) < 0 or lost + gained > count or count < 1:
        raise ValueError(
            f"lost {lost} and gained {gained} of {count} examples: each must be 0 or more, their sum at most all"
        )
    return _lower_end(lost, gained, count, NormalDist().inv_cdf(confidence), correction)


def score_excess(
    drop: NDArray[np.float64] | float, lost: NDArray[Any] | float, gained: NDArray[Any] | float, count: float, z: float
) -> NDArray[np.float64]:
    """Returns the score test's excess, in pairs: a drop is rejected as too small when it exceeds the continuity correction.

    Arguments broadcast. The excess is lost - gained - count·drop minus the quantile of that difference under the hypothesis that
    `drop` is true: its standard deviation times z, plus the Cornish-Fisher term for its skewness, (z² - 1)/6 times its third
    central moment over its variance. The share of gained examples is the maximum likelihood estimate under the hypothesis;
    the variance is multiplied by count / (count - 1).

    Args:
        drop: The hypothetical drop, a fraction.
        lost: The number of examples that only the reference gets right.
        gained: The number of examples that only the variant gets right.
        count: The number of all examples, at least 2.
        z: The normal quantile of the confidence level.
    """
    share = gained_share(drop, lost, gained, count)
    variance = np.maximum(2 * share + drop * (1 - drop), _TINY) * count / (count - 1)
    third = (share + drop) * (1 - drop) ** 3 - share * (1 + drop) ** 3 - (1 - 2 * share - drop) * drop**3
    skew = (z**2 - 1) / 6 * third / variance
    return np.asarray(lost - gained - count * drop - z * np.sqrt(count * variance) - skew)


def gained_share(
    drop: NDArray[np.float64] | float, lost: NDArray[Any] | float, gained: NDArray[Any] | float, count: float
) -> NDArray[np.float64]:
    """Returns the maximum likelihood estimate of the share of gained examples under a hypothetical drop; arguments broadcast.

    Source: Tango 1998, see `paired_drop_interval`.
    """
    linear = -lost - gained + (2 * count - lost + gained) * drop
    root = np.sqrt(np.maximum(linear**2 + 8 * count * gained * drop * (1 - drop), 0.0))
    return np.asarray(np.maximum((root - linear) / (4 * count), np.maximum(0.0, -np.asarray(drop))))


def _lower_end(lost: int, gained: int, count: int, z: float, correction: float) -> float:
    """Returns the least drop that the score test does not reject; the upper end is minus that of the swapped table.

    From -1 upwards, it is the first change from rejected to not rejected. With few discordant pairs the Cornish-Fisher
    expansion may cross zero again near the estimate, and at -1; these crossings are artefacts.
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
