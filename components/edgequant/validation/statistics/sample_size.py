"""Sample sizes: the number of examples that settles a check."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edgequant.validation.statistics.proportions import CORRECTION, gained_share, score_excess

# The probability that a recommended number of examples settles a check.
POWER = 0.8
_EDGE = 1e-12
# With more discordant pairs, the normal approximation is as good as the sum over all tables, and fast.
_MANY_DISCORDANT = 300
# The tail probability that the sum over all tables leaves out on each side.
_LEFT_OUT = 1e-5


def right_or_wrong(differences: NDArray[np.float64]) -> bool:
    """Tells whether differences are those of right and wrong answers: -1, 0 or 1."""
    return bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())


def examples_to_settle(
    differences: NDArray[np.float64], limit: float, confidence: float, power: float = POWER
) -> int | None:
    """Returns the sample size at which the interval of a drop is on one side of a limit with a given power.

    The measured shares are assumed to be the true ones. The normal approximation is n = ((z_confidence·σ₀ + z_power·σ₁) /
    distance)², where σ₁ is the measured standard deviation, and σ₀ the one under a drop at the limit. For right and wrong
    answers with few discordant pairs the number is searched for: one that has the power where one example less does not, with
    the power as the sum of the probabilities of all tables whose interval settles it.

    Source: Lachin 1981, "Introduction to sample size determination and power analysis for clinical trials", Controlled
    Clinical Trials 2, equation 2.

    Args:
        differences: Reference score minus variant score, [examples].
        limit: The greatest drop allowed, in the same unit.
        confidence: The confidence level of each end of the interval.
        power: The probability that the interval settles it: 0.8, or more where several drops must be settled at once.

    Returns:
        The number of examples; None when the drop is at the limit, where no number settles it.
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
    """Returns the sample size by the normal approximation, from the quantile of the confidence level and the power."""
    z, power = sure
    return math.ceil(((z * at_limit + NormalDist().inv_cdf(power) * spread) / distance) ** 2)


def _settled(shares: tuple[float, float], limit: float, count: int, z: float) -> float:
    """Returns the power: the probability that the interval of `count` examples is on the drop's side of the limit.

    Args:
        shares: The true shares of lost and gained examples.
        limit: The greatest drop allowed.
        count: The number of examples.
        z: The normal quantile of the confidence level.
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
    """Returns the range of binomial counts, without tails of probability `_LEFT_OUT`."""
    low, high = stats.binom.ppf([_LEFT_OUT, 1 - _LEFT_OUT], count, share)
    return np.arange(max(int(low), 0), int(high) + 1)


def least(enough: Callable[[int], bool], start: int) -> int:
    """Returns a number that is enough where one less is not, by doubling `start` and bisection."""
    low, high = 1, start
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
