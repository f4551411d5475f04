"""Intervals for one proportion and for the difference of two that were measured on the same examples."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

_EDGE = 1e-12


def wilson_interval(successes: int, count: int, confidence: float) -> tuple[float, float]:
    """Returns the two-sided interval of a proportion.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    interval = stats.binomtest(successes, count).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def paired_drop_interval(lost: int, gained: int, count: int, confidence: float) -> tuple[float, float]:
    """Returns the ends of the two one-sided intervals of a drop in accuracy, as fractions.

    The drop is (lost - gained) / count over paired examples. Each end is one-sided: the true drop is below the upper end
    with the confidence given.

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17, equations 9 to 13.

    Args:
        lost: Examples that only the baseline gets right.
        gained: Examples that only the variant gets right.
        count: All examples.
        confidence: Of each end, such as 0.95.
    """
    z = NormalDist().inv_cdf(confidence)
    estimate = (lost - gained) / count

    def score(drop: float) -> float:
        # The maximum-likelihood share of gained examples, were `drop` the true one.
        linear = -lost - gained + (2 * count - lost + gained) * drop
        root = math.sqrt(max(linear**2 + 8 * count * gained * drop * (1 - drop), 0.0))
        share = max((root - linear) / (4 * count), 0.0)
        variance = count * (2 * share + drop * (1 - drop))
        difference = lost - gained - count * drop
        if variance <= _EDGE:
            return math.copysign(math.inf, difference) if abs(difference) > _EDGE else 0.0
        return difference / math.sqrt(variance)

    def end(target: float, low: float, high: float) -> float:
        bounded = [max(min(score(x), 1e9), -1e9) - target for x in (low, high)]
        if bounded[0] * bounded[1] > 0:
            return low if target > 0 else high
        root = optimize.brentq(lambda x: max(min(score(x), 1e9), -1e9) - target, low, high, xtol=1e-10)
        return float(root)

    lower = -1.0 if lost - gained == -count else end(z, -1 + _EDGE, estimate)
    upper = 1.0 if lost - gained == count else end(-z, estimate, 1 - _EDGE)
    return lower, upper


def mean_drop_interval(differences: NDArray[np.float64], confidence: float) -> tuple[float, float] | None:
    """Returns the ends of the two one-sided intervals of a mean paired difference, by Student's t.

    Args:
        differences: Baseline score minus variant score, [examples].
        confidence: Of each end.

    Returns:
        The ends, or None for fewer than two examples, whose spread is not known.
    """
    count = len(differences)
    if count < 2:
        return None
    mean = float(differences.mean())
    half = float(stats.t.ppf(confidence, count - 1) * differences.std(ddof=1) / math.sqrt(count))
    return mean - half, mean + half


def examples_to_settle(differences: NDArray[np.float64], limit: float, confidence: float) -> int | None:
    """Returns about how many examples would put a drop on one side of a limit, were the estimates the truth.

    By the normal approximation: the half width z·σ/√n must be no more than the distance to the limit.

    Returns:
        The number, or None when the drop is at the limit and no number would do.
    """
    distance = abs(limit - float(differences.mean()))
    if distance < _EDGE:
        return None
    z = NormalDist().inv_cdf(confidence)
    # No example has differed yet: one in `count` might, so the spread is not taken as nothing.
    variance = max(float(differences.var()), 1 / len(differences))
    return math.ceil(z**2 * variance / distance**2)
