"""The interval of a ratio of medians, against ratios that are known."""

import numpy as np
from numpy.typing import NDArray

from edgequant.benchmarking.ratio import median_ratio


def _times(random: np.random.Generator, ratio: float, spread: float, rounds: int) -> tuple[NDArray[np.float64], ...]:
    """Returns a model's and the baseline's times: noise of their own, and moments in which a neighbour slows both by half."""
    slow = np.repeat(random.random(rounds // 10) < 0.2, 10) * 0.5 + 1.0
    return (
        ratio * slow * random.lognormal(0.0, spread, rounds),
        slow * random.lognormal(0.0, spread, rounds),
    )


def test_equal_times_leave_no_doubt() -> None:
    """A model that takes exactly a quarter of the baseline's time in every round: 0.25, without an interval."""
    base = np.array([4.0, 8.0, 4.0, 8.0, 4.0] * 8)
    found = median_ratio(base / 4, base)
    assert (found.value, found.low, found.high, found.confidence, found.noisy) == (0.25, 0.25, 0.25, 0.95, False)


def test_the_interval_covers_the_ratio_as_often_as_it_says() -> None:
    """Of 100 simulated benchmarks with noisy neighbours, the interval of 95% holds the true ratio in nearly that many."""
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(100):
        found = median_ratio(*_times(random, 0.4, 0.1, 200))
        covered += found.low <= 0.4 <= found.high
    assert 90 <= covered <= 100


def test_a_noisy_node_is_noticed() -> None:
    """Where times spread widely the interval says so; where they do not, or runs are many, it does not."""
    random = np.random.default_rng(6)
    assert not median_ratio(*_times(random, 0.4, 0.05, 200)).noisy
    assert median_ratio(*_times(random, 0.4, 1.0, 200)).noisy
    assert not median_ratio(*_times(random, 0.4, 1.0, 20_000)).noisy


def test_few_rounds_settle_nothing() -> None:
    """Of nineteen rounds, however alike, no interval is believed."""
    base = np.ones(19)
    assert median_ratio(base / 2, base).noisy
    assert not median_ratio(np.ones(20) / 2, np.ones(20)).noisy


def test_the_interval_is_the_same_each_time() -> None:
    """The bootstrap is seeded: the same times give the same interval."""
    times, base = _times(np.random.default_rng(7), 0.8, 0.2, 100)
    assert median_ratio(times, base) == median_ratio(times, base)
