"""Exact ends of one proportion, which hold their level however few the examples."""

import math
from statistics import NormalDist

from scipy import stats

from edgequant.validation.statistics.sample_size import POWER, least

_EDGE = 1e-12


def exact_ends(successes: int, count: int, confidence: float) -> tuple[float, float]:
    """Returns the ends of the two one-sided intervals of a proportion, each held with at least the confidence given.

    Source: Clopper & Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26.
    """
    low = stats.beta.ppf(1 - confidence, successes, count - successes + 1) if successes else 0.0
    high = stats.beta.ppf(confidence, successes + 1, count - successes) if successes < count else 1.0
    return float(low), float(high)


def examples_for_share(share: float, limit: float, confidence: float) -> int | None:
    """Returns about how many examples would put a proportion on one side of a limit in four of five runs, were it as measured.

    From the normal approximation on it is searched for: a number whose exact ends settle it where one less does not.

    Args:
        share: The proportion measured, 0 to 1.
        limit: The least that it may be.
        confidence: Of each end.

    Returns:
        The number, or None when the share is at the limit, or the limit is one that no number settles.
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
    """Returns how likely the exact ends of `count` examples are to be on the side of the limit that the share is on."""
    if share > limit:
        # The least number of successes that the limit gives with at most the probability left.
        enough = stats.binom.isf(1 - confidence, count, limit) + 1
        return float(stats.binom.sf(enough - 1, count, share))
    few = stats.binom.ppf(1 - confidence, count, limit)
    if stats.binom.cdf(few, count, limit) > 1 - confidence:
        few -= 1
    return float(stats.binom.cdf(few, count, share))
