"""The interval of a mean difference: Student's without skewness, and its coverage with skewness."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from edgequant.validation.statistics import mean_drop_interval


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_of_symmetric_differences_it_is_scipys_paired_t_interval(confidence: float) -> None:
    """Two one-sided ends are the ends of SciPy's two-sided interval of twice the error."""
    half = np.random.default_rng(3).normal(size=25)
    differences = 0.1 + np.concatenate([half, -half])
    expected = stats.ttest_1samp(differences, 0.0).confidence_interval(1 - 2 * (1 - confidence))
    assert mean_drop_interval(differences, confidence) == pytest.approx((expected.low, expected.high))


def test_the_ends_solve_halls_equation() -> None:
    """Hall's transformation of the t statistic at either end is the quantile of Student's t."""
    differences = np.random.default_rng(4).exponential(size=60)
    ends = mean_drop_interval(differences, 0.95)
    assert ends is not None
    root, skewness = math.sqrt(60), float(stats.skew(differences))
    for end, quantile in zip(ends, stats.t.ppf([0.95, 0.05], 59), strict=True):
        t = (differences.mean() - end) / (differences.std(ddof=1) / root)
        transformed = t + skewness * t**2 / (3 * root) + skewness**2 * t**3 / (27 * 60) + skewness / (6 * root)
        assert transformed == pytest.approx(quantile)


def test_mirrored_differences_have_the_mirrored_interval() -> None:
    """A gain is a negative drop."""
    differences = np.random.default_rng(5).exponential(size=40)
    interval, mirrored = mean_drop_interval(differences, 0.95), mean_drop_interval(-differences, 0.95)
    assert interval is not None
    assert mirrored == pytest.approx((-interval[1], -interval[0]))


def test_one_example_has_no_spread() -> None:
    """A single difference has no standard deviation and no interval; equal ones have a standard deviation of 0."""
    assert mean_drop_interval(np.array([0.3]), 0.95) is None
    assert mean_drop_interval(np.array([0.25, 0.25, 0.25]), 0.95) == (0.25, 0.25)


_Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]
_SKEWED: dict[str, tuple[_Draw, float]] = {
    "normal": (lambda random, size: random.normal(0.2, 1.0, size), 0.2),
    "exponential": (lambda random, size: random.exponential(1.0, size), 1.0),
    "chi-squared": (lambda random, size: random.chisquare(1, size), 1.0),
    "log-normal": (lambda random, size: random.lognormal(0.0, 0.5, size), math.exp(0.125)),
    "5% outliers": (lambda random, size: random.normal(0.0, 0.1, size) + (random.random(size) < 0.05), 0.05),
}


@pytest.mark.parametrize("count", [200, 1000])
@pytest.mark.parametrize("name", list(_SKEWED))
def test_both_ends_cover_the_mean_of_moderately_skewed_differences(name: str, count: int) -> None:
    """Of 4,000 simulated sets each end at 95% covers the true mean 94% of the time, whichever way the tail points."""
    draw, mean = _SKEWED[name]
    sets = draw(np.random.default_rng([7, count]), (4000, count))
    ends = np.array([mean_drop_interval(row, 0.95) for row in sets])
    assert np.mean(ends[:, 0] <= mean) >= 0.94
    assert np.mean(ends[:, 1] >= mean) >= 0.94


def test_where_students_interval_fails_it_does_not() -> None:
    """Of 200 exponential differences Student's upper end falls short of 94%: the correction is what the ends above owe it to."""
    sets = np.random.default_rng(8).exponential(size=(4000, 200))
    student = sets.mean(axis=1) + stats.t.ppf(0.95, 199) * sets.std(axis=1, ddof=1) / math.sqrt(200)
    assert np.mean(student >= 1.0) < 0.94
