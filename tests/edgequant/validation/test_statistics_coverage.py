"""How often the interval of a drop holds what it says: summed over every table, and simulated.

SciPy's multinomial and NumPy's generator make the tables; of our own there is the interval alone.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from scipy import stats

from edgequant.validation.statistics import paired_drop_interval

_DROPS = (0.0, 0.005, 0.01, 0.03)
# Numbers at which one end or the other is least or most sure are among them: 577 and 2048 for small drops, 681 for large.
_COUNTS = (20, 50, 100, 200, 240, 289, 340, 400, 527, 577, 681, 820, 1000, 1500, 2048, 4106, 10_000)
# What share of examples is both lost by one model and gained by the other, on top of those that make the drop.
_DISCORDANT = (0.0, 0.0002, 0.001, 0.002, 0.01, 0.03, 0.1, 0.2)
_interval = cache(paired_drop_interval)


def _ruled_out(drop: float, gained_share: float, count: int) -> float:
    """Returns the exact probability that the lower end at 95% is above the true drop.

    With more lost examples the lower end only rises, so for each number of gained ones there is a least number of lost ones
    from which it is above; it is walked along. The upper end is the mirror image: that of the drop with the other sign.
    """
    lost_share = drop + gained_share
    low, high = (int(stats.binom.ppf(p, count, gained_share)) if gained_share else 0 for p in (1e-7, 1 - 1e-7))
    probability = 0.0
    least = max(0, round(count * lost_share))
    for gained in range(max(low, 0), high + 1):
        least = min(least, count - gained + 1)
        while least > 0 and _interval(least - 1, gained, count, 0.95)[0] > drop:
            least -= 1
        while least + gained <= count and _interval(least, gained, count, 0.95)[0] <= drop:
            least += 1
        beyond = stats.binom.sf(least - 1, count - gained, lost_share / (1 - gained_share))
        probability += float(stats.binom.pmf(gained, count, gained_share) * beyond)
    return probability


def _cells(count: int) -> Iterator[tuple[float, float, float]]:
    """Yields (drop, share of gained examples, discordant pairs expected) of both signs of each drop."""
    for drop in sorted({sign * drop for drop in _DROPS for sign in (1, -1)}):
        for both in _DISCORDANT:
            if drop or both:
                yield drop, both / 2 + max(-drop, 0.0), count * (both + abs(drop))


@pytest.mark.parametrize("count", _COUNTS)
def test_each_end_covers_94_percent_of_the_time_and_97_at_most_from_20_pairs_on(count: int) -> None:
    """At 95% each end covers the true drop at least 94% of the time, at most 97% where 20 discordant pairs are expected."""
    for drop, gained, discordant in _cells(count):
        covers = 1 - _ruled_out(drop, gained, count)
        assert covers >= 0.94, (drop, gained, covers)
        assert discordant < 20 or covers <= 0.97, (drop, gained, covers)


@pytest.mark.parametrize("limit", [0.005, 0.01, 0.03])
@pytest.mark.parametrize("count", _COUNTS)
def test_a_variant_exactly_at_the_limit_is_blessed_in_at_most_6_percent(count: int, limit: float) -> None:
    """With the true drop at the limit the upper end is within it, as the gate asks, 6% of the time at most."""
    for both in _DISCORDANT:
        # The upper end of a table is minus the lower end of the swapped one.
        assert _ruled_out(-limit, both / 2 + limit, count) <= 0.06


@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_other_confidences_hold_as_well(confidence: float) -> None:
    """At 90% and 99% an end errs at most a fifth more often than it says, over 6,000 simulated sets of 200 and 2,000."""
    for count in (200, 2000):
        for drop, gained in [(0.0, 0.01), (0.01, 0.0), (0.01, 0.01), (0.03, 0.02), (-0.03, 0.03), (-0.01, 0.02)]:
            random = np.random.default_rng([5, count, round(1e4 * gained)])
            tables, sets = np.unique(
                random.multinomial(count, [drop + gained, gained, 1 - drop - 2 * gained], size=6000)[:, :2],
                axis=0,
                return_counts=True,
            )
            ends = np.array([_interval(int(lost), int(won), count, confidence) for lost, won in tables])
            for outside in (ends[:, 0] > drop, ends[:, 1] < drop):
                error = (1 - confidence) * 1.2
                assert sets[outside].sum() / 6000 <= error + 2 * np.sqrt(error / 6000)


def _simulated(accuracy: float, drop: float, count: int) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int64]], int]:
    """Returns paired data sets as rows of (lost, gained, times drawn), and how many there are.

    One in five of the baseline's mistakes is put right, and as many right answers more are lost as make the drop.
    """
    gained = (1 - accuracy) / 5
    assert drop + gained <= accuracy
    sets = 20_000 if count * (drop + 2 * gained) < 50 else 4000
    random = np.random.default_rng([18, count, round(1e4 * drop), round(1e4 * accuracy)])
    rows = random.multinomial(count, [drop + gained, gained, 1 - drop - 2 * gained], size=sets)
    tables, times = np.unique(rows[:, :2], axis=0, return_counts=True)
    return np.column_stack([tables, times]), sets


@pytest.mark.parametrize("count", [200, 1000, 10_000])
@pytest.mark.parametrize("drop", _DROPS)
@pytest.mark.parametrize("accuracy", [0.6, 0.9, 0.99])
def test_simulated_sets_are_covered_as_often_as_it_says(accuracy: float, drop: float, count: int) -> None:
    """Of thousands of simulated sets each end covers 94% or more; 97% or less where 20 discordant pairs are expected.

    Half a point is allowed above for what 4,000 sets cannot tell; a variant at the limit is blessed in at most 6%.
    """
    tables, sets = _simulated(accuracy, drop, count)
    ends = np.array([_interval(int(lost), int(gained), count, 0.95) for lost, gained, _ in tables])
    lower = tables[ends[:, 0] <= drop, 2].sum() / sets
    upper = tables[ends[:, 1] >= drop, 2].sum() / sets
    blessed = tables[ends[:, 1] <= drop, 2].sum() / sets
    assert min(lower, upper) >= 0.94
    assert blessed <= 0.06
    if count * (drop + 2 * (1 - accuracy) / 5) >= 20:
        assert max(lower, upper) <= 0.975
