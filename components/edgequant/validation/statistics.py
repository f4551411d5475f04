"""Intervals for one proportion and for the difference of two that were measured on the same examples."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

_EDGE = 1e-12
# How likely the number of examples asked for is to settle a verdict.
_POWER = 0.8


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


def right_or_wrong(differences: NDArray[np.float64]) -> bool:
    """Tells whether differences are those of right and wrong answers: -1, 0 or 1."""
    return bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())


def examples_to_settle(differences: NDArray[np.float64], limit: float, confidence: float) -> int | None:
    """Returns about how many examples would put a drop on one side of a limit in four of five runs, were the estimates true.

    By the normal approximation of a test's sample size, n = ((z_confidence·σ₀ + z_power·σ₁) / distance)²: σ₁ is the spread
    found, and σ₀ the spread were the drop at the limit, which for right and wrong answers is no less than √(limit·(1-limit)).

    Source: Lachin 1981, "Introduction to sample size determination and power analysis for clinical trials", Controlled
    Clinical Trials 2, equation 2.

    Returns:
        The number, or None when the drop is at the limit and no number would do.
    """
    distance = abs(limit - float(differences.mean()))
    if distance < _EDGE:
        return None
    spread = float(differences.std())
    at_limit = max(spread, math.sqrt(max(limit * (1 - limit), 0.0))) if right_or_wrong(differences) else spread
    sure, power = NormalDist().inv_cdf(confidence), NormalDist().inv_cdf(_POWER)
    return math.ceil(((sure * at_limit + power * spread) / distance) ** 2)
