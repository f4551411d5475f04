"""Intervals against published values, independent implementations, laws and simulation."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from edgequant.validation.statistics import (
    examples_to_settle,
    mean_drop_interval,
    paired_drop_interval,
    right_or_wrong,
    wilson_interval,
)

_CONFIDENCES = st.sampled_from([0.6, 0.8, 0.9, 0.95, 0.975, 0.99])


@st.composite
def _tables(draw: st.DrawFn) -> tuple[int, int, int]:
    """Draws (lost, gained, count) with 0 ≤ lost + gained ≤ count."""
    count = draw(st.integers(1, 20000))
    lost = draw(st.integers(0, count))
    return lost, draw(st.integers(0, count - lost)), count


def _differences(lost: int, gained: int, count: int) -> NDArray[np.float64]:
    return np.repeat([1.0, -1.0, 0.0], [lost, gained, count - lost - gained])


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "count"), [(0, 1), (1, 1), (0, 50), (50, 50), (7, 50), (8719, 10000)])
def test_wilson_is_statsmodels(successes: int, count: int, confidence: float) -> None:
    """The interval of a proportion is statsmodels' Wilson interval."""
    expected = proportion_confint(successes, count, alpha=1 - confidence, method="wilson")
    assert wilson_interval(successes, count, confidence) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("lost", "gained", "count", "confidence", "expected", "places"),
    [
        pytest.param(0, 1, 44, 0.95, (-0.096, 0.037), 3, id="Tango 1998, contact lenses, 90%"),
        pytest.param(9, 3, 32, 0.975, (-0.027, 0.390), 3, id="Tango 1998, 32 pairs, 95%"),
        pytest.param(1, 7, 21, 0.975, (-0.517, -0.026), 3, id="Fagerland et al. 2014, airway reactivity, 95%"),
        pytest.param(28, 25, 618, 0.95, (-0.0148, 0.0247), 4, id="R's PropCIs::scoreci.mp(25, 28, 618), 90%"),
    ],
)
def test_tango_gives_the_published_intervals(
    lost: int, gained: int, count: int, confidence: float, expected: tuple[float, float], places: int
) -> None:
    """Two one-sided intervals are the published two-sided interval of twice the error."""
    found = paired_drop_interval(lost, gained, count, confidence)
    assert tuple(round(end, places) for end in found) == expected


def _score(lost: int, gained: int, count: int, drop: float) -> float:
    """The score statistic at `drop`, its nuisance parameter found by search over the multinomial likelihood."""
    low, high = max(0.0, -drop), (1 - drop) / 2

    def log_likelihood(q: NDArray[np.float64]) -> NDArray[np.float64]:
        cells = [(lost, q + drop), (gained, q), (count - lost - gained, 1 - 2 * q - drop)]
        with np.errstate(divide="ignore"):
            terms = [n * np.log(np.maximum(p, 0.0)) for n, p in cells if n]
        return np.asarray(sum(terms))

    for _ in range(8):
        grid = np.linspace(low, high, 2001)
        best = int(np.argmax(log_likelihood(grid)))
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, 2000)])
    q = (low + high) / 2
    return (lost - gained - count * drop) / math.sqrt(count * (2 * q + drop - drop**2))


@pytest.mark.parametrize(
    ("lost", "gained", "count"),
    [(0, 0, 10), (0, 0, 10000), (5, 0, 100), (0, 5, 100), (9, 3, 32), (30, 12, 10000), (60, 40, 100), (99, 1, 100)],
)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_ends_solve_the_score_equation(lost: int, gained: int, count: int, confidence: float) -> None:
    """At each end the score statistic, maximized over the nuisance parameter by brute force, is the normal quantile."""
    lower, upper = paired_drop_interval(lost, gained, count, confidence)
    z = stats.norm.ppf(confidence)
    assert _score(lost, gained, count, lower) == pytest.approx(z, abs=2e-3)
    assert _score(lost, gained, count, upper) == pytest.approx(-z, abs=2e-3)


@given(_tables(), _CONFIDENCES)
@settings(max_examples=300, deadline=None)
def test_an_interval_contains_its_estimate_and_only_possible_drops(
    table: tuple[int, int, int], confidence: float
) -> None:
    """For any table -1 ≤ lower ≤ estimate ≤ upper ≤ 1."""
    lost, gained, count = table
    lower, upper = paired_drop_interval(lost, gained, count, confidence)
    estimate = (lost - gained) / count
    assert -1 <= lower <= estimate + 1e-9
    assert estimate - 1e-9 <= upper <= 1


@given(_tables(), _CONFIDENCES)
@settings(max_examples=200, deadline=None)
def test_swapping_lost_and_gained_mirrors_the_interval(table: tuple[int, int, int], confidence: float) -> None:
    """A gain is a negative drop: the interval of the swapped table is the mirror image."""
    lost, gained, count = table
    lower, upper = paired_drop_interval(lost, gained, count, confidence)
    assert paired_drop_interval(gained, lost, count, confidence) == pytest.approx((-upper, -lower), abs=1e-7)


@given(_tables(), st.integers(2, 50), _CONFIDENCES)
@settings(max_examples=200, deadline=None)
def test_more_of_the_same_narrows_the_interval(table: tuple[int, int, int], times: int, confidence: float) -> None:
    """The same shares over more examples give an interval inside of the first."""
    lower, upper = paired_drop_interval(*table, confidence)
    lost, gained, count = (times * value for value in table)
    narrower = paired_drop_interval(lost, gained, count, confidence)
    assert narrower[0] >= lower - 1e-7
    assert narrower[1] <= upper + 1e-7


@given(_tables(), st.tuples(_CONFIDENCES, _CONFIDENCES))
@settings(max_examples=200, deadline=None)
def test_more_confidence_widens_the_interval(table: tuple[int, int, int], confidences: tuple[float, float]) -> None:
    """An interval of more confidence contains that of less."""
    less, more = sorted(confidences)
    inner, outer = paired_drop_interval(*table, less), paired_drop_interval(*table, more)
    assert outer[0] <= inner[0] + 1e-7
    assert outer[1] >= inner[1] - 1e-7


def test_every_small_table_has_an_interval() -> None:
    """No table of up to 12 examples makes the search fail, whatever the confidence."""
    for count in range(1, 13):
        for lost in range(count + 1):
            for gained in range(count - lost + 1):
                for confidence in (0.51, 0.95, 0.999999):
                    lower, upper = paired_drop_interval(lost, gained, count, confidence)
                    assert -1 <= lower <= (lost - gained) / count + 1e-9 <= upper + 2e-9 <= 1 + 4e-9


_interval = cache(paired_drop_interval)


def _simulated(drop: float, gained: float, count: int, sets: int) -> list[tuple[int, int]]:
    """Returns (lost, gained) of paired data sets whose true drop is `drop`."""
    random = np.random.default_rng([17, count, round(drop * 1e4), round(gained * 1e4)])
    shares = [drop + gained, gained, 1 - drop - 2 * gained]
    return [(int(row[0]), int(row[1])) for row in random.multinomial(count, shares, size=sets)]


@pytest.mark.parametrize("count", [1000, 5000])
@pytest.mark.parametrize(
    ("accuracy", "drop", "gained"),
    [(0.6, 0.0, 0.05), (0.9, 0.0, 0.01), (0.9, 0.01, 0.01), (0.99, 0.01, 0.002), (0.87, 0.03, 0.02), (0.6, 0.03, 0.08)],
)
def test_a_one_sided_interval_covers_as_often_as_it_says(
    accuracy: float, drop: float, gained: float, count: int
) -> None:
    """Over 4,000 simulated sets each end is on its side of the true drop at least 94% of the time at 95% confidence."""
    assert drop + gained <= accuracy
    tables = _simulated(drop, gained, count, 4000)
    ends = [_interval(lost, won, count, 0.95) for lost, won in tables]
    assert np.mean([upper >= drop for _, upper in ends]) >= 0.94
    assert np.mean([lower <= drop for lower, _ in ends]) >= 0.94


@pytest.mark.parametrize(("drop", "gained", "count"), [(0.01, 0.01, 1000), (0.01, 0.03, 5000), (0.03, 0.02, 1000)])
def test_a_variant_exactly_at_the_limit_is_seldom_blessed(drop: float, gained: float, count: int) -> None:
    """With the true drop at the limit the upper end is within it in at most 6% of 4,000 simulated sets."""
    tables = _simulated(drop, gained, count, 4000)
    assert np.mean([_interval(lost, won, count, 0.95)[1] <= drop for lost, won in tables]) <= 0.06


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_mean_drop_is_scipys_paired_t_interval(confidence: float) -> None:
    """Two one-sided ends are the ends of SciPy's two-sided interval of twice the error."""
    random = np.random.default_rng(3)
    baseline, variant = random.normal(size=50), random.normal(0.1, 1.2, size=50)
    expected = stats.ttest_rel(baseline, variant).confidence_interval(1 - 2 * (1 - confidence))
    found = mean_drop_interval(baseline - variant, confidence)
    assert found == pytest.approx((expected.low, expected.high))


def test_one_example_has_no_spread() -> None:
    """The spread of a single difference is not known, so there is no interval."""
    assert mean_drop_interval(np.array([0.3]), 0.95) is None


def test_right_and_wrong_answers_are_told_from_other_scores() -> None:
    """Differences of -1, 0 and 1 are those of right and wrong answers; any other value is not."""
    assert right_or_wrong(np.array([-1.0, 0.0, 1.0]))
    assert not right_or_wrong(np.array([0.0, 0.5]))


@pytest.mark.parametrize(
    ("drop", "gained", "limit"), [(0.0, 0.01, 0.01), (0.0, 0.0, 0.01), (0.02, 0.01, 0.01), (0.005, 0.02, 0.02)]
)
def test_the_examples_asked_for_settle_it_most_of_the_time(drop: float, gained: float, limit: float) -> None:
    """Evaluated on the number that it asks for, at least 7 of 10 simulated sets are blessed or rejected, as they should."""
    count = 1000
    found = _differences(round((drop + gained) * count), round(gained * count), count)
    needed = examples_to_settle(found, limit, 0.95)
    assert needed is not None
    ends = [_interval(lost, won, needed, 0.95) for lost, won in _simulated(drop, gained, needed, 2000)]
    settled = [upper <= limit if drop < limit else lower > limit for lower, upper in ends]
    assert np.mean(settled) >= 0.7
    fewer = needed // 3
    ends = [_interval(lost, won, fewer, 0.95) for lost, won in _simulated(drop, gained, fewer, 2000)]
    assert np.mean([upper <= limit if drop < limit else lower > limit for lower, upper in ends]) < 0.6


def test_without_a_difference_the_number_is_exact() -> None:
    """Equal answers are blessed from z²(1-limit)/limit examples on: 268 for one point at 95%."""
    needed = examples_to_settle(np.zeros(100), 0.01, 0.95)
    assert needed == 268
    assert paired_drop_interval(0, 0, 268, 0.95)[1] <= 0.01 < paired_drop_interval(0, 0, 267, 0.95)[1]


def test_scores_settle_most_of_the_time_too() -> None:
    """The number for scores that are not right or wrong gives Student's interval the power it promises."""
    random = np.random.default_rng(11)
    needed = examples_to_settle(random.normal(0.0, 0.1, size=500) * 1.0, 0.02, 0.95)
    assert needed is not None
    settled = 0
    for _ in range(500):
        interval = mean_drop_interval(random.normal(0.0, 0.1, size=needed), 0.95)
        assert interval is not None
        settled += interval[1] <= 0.02
    assert settled >= 300


def test_a_drop_at_the_limit_is_never_settled() -> None:
    """When the estimate is the limit itself no number of examples would do."""
    assert examples_to_settle(_differences(2, 1, 100), 0.01, 0.95) is None
