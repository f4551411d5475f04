"""How many examples a verdict takes."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edgequant.validation.statistics.proportions import CORRECTION, gained_share, score_excess

# How likely the number of examples asked for is to settle a verdict.
POWER = 0.8
_EDGE = 1e-12
# With more discordant pairs than these the normal approximation is as good as the sum over all tables, and at once.
_MANY_DISCORDANT = 300
# The share of tables that the sum may leave out at each end.
_LEFT_OUT = 1e-5


def right_or_wrong(differences: NDArray[np.float64]) -> bool:
    """Tells whether differences are those of right and wrong answers: -1, 0 or 1."""
    return bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())


def examples_to_settle(
    differences: NDArray[np.float64], limit: float, confidence: float, power: float = POWER
) -> int | None:
    """Returns about how many examples would put a drop on one side of a limit in four of five runs, were the estimates true.

    By the normal approximation of a test's sample size, n = ((z_confidence·σ₀ + z_power·σ₁) / distance)²: σ₁ is the spread
    found, and σ₀ the spread were the drop at the limit. For right and wrong answers with few discordant pairs among that many
    examples the number is searched for instead: the least that settles it in four of five runs, or more where one
    example less does not, by summing the probabilities of all tables whose interval does.

    Source: Lachin 1981, "Introduction to sample size determination and power analysis for clinical trials", Controlled
    Clinical Trials 2, equation 2.

    Args:
        differences: Reference score minus variant score, [examples].
        limit: The drop allowed, in the same unit.
        confidence: Of each end of the interval.
        power: How likely the number is to settle it: four of five runs, or more where several are to be settled at once.

    Returns:
        The number, or None when the drop is at the limit and no number would do.
    """
    distance = limit - float(differences.mean())
    if abs(distance) < _EDGE:
        return None
    z = NormalDist().inv_cdf(confidence)
    spread = float(differences.std())
    if not right_or_wrong(differences):
        return _approximate(spread, spread, distance, (z, power))
    lost, gained = float((differences > 0).mean()), float((differences < 0).mean())
    at_limit = math.sqrt(2 * float(gained_share(limit, lost, gained, 1)) + limit * (1 - limit))
    approximate = _approximate(at_limit, spread, distance, (z, power))
    if approximate * (lost + gained) > _MANY_DISCORDANT:
        return approximate
    return least(lambda count: _settled((lost, gained), limit, count, z) >= power, max(approximate, 2))


def _approximate(at_limit: float, spread: float, distance: float, sure: tuple[float, float]) -> int:
    """Returns the number by the normal approximation, for the quantile of a confidence and a power."""
    z, power = sure
    return math.ceil(((z * at_limit + NormalDist().inv_cdf(power) * spread) / distance) ** 2)


def _settled(shares: tuple[float, float], limit: float, count: int, z: float) -> float:
    """Returns how likely `count` examples are to put the drop on the side of the limit that it is on.

    Args:
        shares: The true shares of lost and gained examples.
        limit: The drop allowed.
        count: The number of examples.
        z: The normal quantile of the confidence.
    """
    (lost, lost_share), (gained, won_share) = ((_likely(share, count), share) for share in shares)
    first = stats.binom.pmf(lost, count, lost_share)[:, None]
    second = stats.binom.pmf(gained[None, :], count - lost[:, None], won_share / max(1 - lost_share, _EDGE))
    if lost_share - won_share > limit:
        settled = score_excess(limit, lost[:, None], gained[None, :], count, z) > CORRECTION
    else:
        settled = score_excess(-limit, gained[None, :], lost[:, None], count, z) > CORRECTION
    return float((first * second)[settled].sum())


def _likely(share: float, count: int) -> NDArray[np.int64]:
    """Returns the numbers of examples that a share of all is likely to give."""
    low, high = stats.binom.ppf([_LEFT_OUT, 1 - _LEFT_OUT], count, share)
    return np.arange(max(int(low), 0), int(high) + 1)


def least(enough: Callable[[int], bool], start: int) -> int:
    """Returns a number that is enough where one less is not, from `start` by doubling and halving."""
    low, high = 1, start
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
