"""Exact (Clopper-Pearson) intervals of one proportion, whose coverage is at least nominal for every sample size."""

import math
from statistics import NormalDist

from scipy import stats

from edgequant.validation.statistics.sample_size import POWER, least

_EDGE = 1e-12


def exact_ends(successes: int, count: int, confidence: float) -> tuple[float, float]:
    """Returns the ends of the two one-sided Clopper-Pearson intervals of a proportion; each covers at least at the confidence level.

    Source: Clopper & Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26.
    """
    low = stats.beta.ppf(1 - confidence, successes, count - successes + 1) if successes else 0.0
    high = stats.beta.ppf(confidence, successes + 1, count - successes) if successes < count else 1.0
    return float(low), float(high)


def examples_for_share(share: float, limit: float, confidence: float) -> int | None:
    """Returns the sample size at which the exact end of a proportion is on the proportion's side of a limit with power `POWER`.

    The search starts at the normal approximation and ends at a number that has the power where one less does not.

    Args:
        share: The proportion as measured, 0 to 1; it is assumed to be the true one.
        limit: The least value allowed.
        confidence: The confidence level of each end.

    Returns:
        The number of examples; None when the proportion is at the limit, or when no number of examples settles it.
    """
    if abs(share - limit) < _EDGE or (share > limit and limit >= 1) or (share < limit and limit <= 0):
        return None
    if not 0 < limit < 1:
        return 1
    z = NormalDist().inv_cdf(confidence)
    spread = z * math.sqrt(limit * (1 - limit)) + NormalDist().inv_cdf(POWER) * math.sqrt(share * (1 - share))
    start = max(math.ceil((spread / (share - limit)) ** 2), 2)
    return least(lambda count: _settled(share, limit, count, confidence) >= POWER, start)


def _settled(share: float, limit: float, count: int, confidence: float) -> float:
    """Returns the power: the probability that the exact end of `count` examples is on the same side of the limit as the share."""
    if share > limit:
        # The fewest successes that are significantly more than the limit.
        enough = stats.binom.isf(1 - confidence, count, limit) + 1
        return float(stats.binom.sf(enough - 1, count, share))
    few = stats.binom.ppf(1 - confidence, count, limit)
    if stats.binom.cdf(few, count, limit) > 1 - confidence:
        few -= 1
    return float(stats.binom.cdf(few, count, share))
