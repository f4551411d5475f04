"""The interval of a ratio of medians, against ratios that are known."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from edgequant.benchmarking.ratio import median_ratio

_Trials = list[NDArray[np.float64]]


def _times(
    random: np.random.Generator, ratio: float, between: float, trials: int = 8, within: float = 0.05
) -> tuple[_Trials, _Trials]:
    """Returns a model's and the reference's times in several trials of 25 runs.

    In each trial both are slowed alike by the moment, and each by what its process gave it: caches, pages, a neighbour.
    """
    own: _Trials = []
    base: _Trials = []
    for _ in range(trials):
        moment = random.lognormal(0.0, 0.2)
        for times, middle in ((own, ratio), (base, 1.0)):
            process = random.lognormal(0.0, between)
            times.append(middle * moment * process * random.lognormal(0.0, within, 25))
    return own, base


def test_the_interval_is_students_of_the_logarithms() -> None:
    """Trials of 0.5, 0.52, 0.51, 0.5 and 0.49: their geometric mean, and SciPy's interval of the mean of their logarithms."""
    ratios = [0.5, 0.52, 0.51, 0.5, 0.49]
    result = median_ratio([np.full(3, ratio) for ratio in ratios], [np.ones(3)] * 5)
    test = stats.ttest_1samp(np.log(ratios), 0.0).confidence_interval(0.95)
    assert (result.value, result.low, result.high) == pytest.approx(
        (math.prod(ratios) ** 0.2, math.exp(test.low), math.exp(test.high))
    )
    assert (result.confidence, result.trials, result.noisy) == (0.95, 5, False)


def test_equal_times_leave_half_a_percent_of_doubt() -> None:
    """A model that takes exactly a quarter of the reference's time in every trial: 0.25, give or take 0.5%."""
    base = [np.array([4.0, 8.0, 4.0, 8.0, 4.0])] * 8
    ratio = median_ratio([times / 4 for times in base], base)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.25, 0.25 / 1.005, 0.25 * 1.005))
    assert not ratio.noisy


@pytest.mark.parametrize("between", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("trials", [5, 8])
def test_the_interval_covers_the_ratio_as_often_as_it_says(between: float, trials: int) -> None:
    """Of 2,000 simulated benchmarks whose processes differ, the interval of 95% holds the true ratio in 93% and more.

    That of the invocations alone, as if one process were like the next, holds it in few.
    """
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        ratio = median_ratio(*_times(random, 0.4, between, trials))
        covered += ratio.low <= 0.4 <= ratio.high
    assert covered >= 0.93 * 2000


def test_runs_of_one_benchmark_hold_each_other() -> None:
    """Of 1,000 pairs of benchmarks of one file, the intervals are apart in at most 2%, as two of 95% should be."""
    random = np.random.default_rng(9)
    apart = 0
    for _ in range(1000):
        first, second = (median_ratio(*_times(random, 0.56, 0.02)) for _ in range(2))
        apart += first.high < second.low or second.high < first.low
    assert apart <= 20


def test_a_noisy_node_is_noticed() -> None:
    """Where trials differ widely the interval says so; where they do not, or are many, it does not."""
    random = np.random.default_rng(6)
    assert not median_ratio(*_times(random, 0.4, 0.02)).noisy
    assert median_ratio(*_times(random, 0.4, 0.3)).noisy
    assert not median_ratio(*_times(random, 0.4, 0.3, trials=200)).noisy


def test_a_busy_machine_settles_nothing() -> None:
    """However alike the trials, a machine with more to do than it has processors is noisy."""
    base = [np.ones(25)] * 8
    assert median_ratio(base, base, busy=True).noisy
    assert not median_ratio(base, base).noisy


def test_few_trials_settle_nothing() -> None:
    """Of four trials, or one, however alike, no interval is believed."""
    for trials, noisy in ((1, True), (4, True), (5, False)):
        base = [np.ones(25)] * trials
        ratio = median_ratio(base, base)
        assert (ratio.noisy, ratio.trials) == (noisy, trials)
