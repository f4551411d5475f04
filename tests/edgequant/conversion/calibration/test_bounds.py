"""Bounds on what honest draws differ by, against SciPy and by hand."""

import numpy as np
import pytest
from scipy import stats

from edgequant.conversion.calibration.bounds import ClassRatios, Draws, all_beyond, distance


@pytest.mark.parametrize(("beyond", "examples", "others"), [(1, 10, 32), (5, 40, 60), (32, 32, 32), (3, 3000, 500)])
def test_all_beyond_is_hypergeometric(beyond: int, examples: int, others: int) -> None:
    """That the k greatest values of two samples of one source are all of the first is drawing k without replacement."""
    expected = stats.hypergeom(examples + others, examples, beyond).pmf(beyond)
    assert all_beyond(beyond, examples, others) == pytest.approx(expected, rel=1e-9)


def test_nothing_beyond_is_certain() -> None:
    """No example beyond, or nothing to be beyond of, speaks against no set."""
    assert all_beyond(0, 10, 10) == all_beyond(5, 10, 0) == 1.0


def test_distance_is_kolmogorov_and_smirnovs() -> None:
    """Ties included."""
    random = np.random.default_rng(1)
    first, second = random.poisson(2.0, 70).astype(float), random.poisson(3.0, 300).astype(float)
    assert distance(first, second) == pytest.approx(stats.ks_2samp(first, second).statistic)


@pytest.mark.parametrize(("calibration", "evaluation"), [(32, 32), (32, 1000), (500, 2000)])
def test_the_limit_of_the_distance_is_beyond_scipys_exact_quantile(calibration: int, evaluation: int) -> None:
    """SciPy's exact distribution gives a distance at the limit at most the probability of the limit."""
    error = 1e-4
    limit = Draws(calibration=calibration, evaluation=evaluation).distance_limit(error, calibration, evaluation)
    sizes = np.lcm(calibration, evaluation)
    at_least = np.ceil(limit * sizes) / sizes
    chance = stats.ks_2samp(*_samples_at(at_least, calibration, evaluation), method="exact").pvalue
    assert chance <= error


def _samples_at(least: float, first: int, second: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two samples whose distance is at least so much and hardly more."""
    below = int(np.ceil(least * second))
    return np.zeros(first), np.concatenate([np.full(below, 1.0), np.full(second - below, -1.0)])


def test_draws_that_are_unlike_by_intention() -> None:
    """By hand: 100 examples that bound classes twice as common in the evaluation set count as 50; weighted ones as 10."""
    draws = Draws(calibration=100, evaluation=200)
    halved = Draws(calibration=100, evaluation=200, classes=ClassRatios(rarest=2.0))
    assert draws.evaluation_exceeds(0.1) == pytest.approx(all_beyond(20, 200, 100))
    assert halved.evaluation_exceeds(0.1) == pytest.approx(all_beyond(20, 200, 50))
    assert draws.by_weight().evaluation_exceeds(0.1) == pytest.approx(all_beyond(20, 200, 10))
    unmatched = Draws(calibration=100, evaluation=200, classes=ClassRatios(unmatched=0.1))
    assert unmatched.evaluation_exceeds(0.1) == 1.0
    extreme = Draws(calibration=100, evaluation=200, extreme=10)
    assert extreme.calibration_exceeds(0.1) == 1.0
    assert draws.by_weight().distance_limit(1e-3, 100, 200) > 0.9
