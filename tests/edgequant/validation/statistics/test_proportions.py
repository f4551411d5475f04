"""Intervals of proportions against published values, independent implementations and laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from edgequant.validation.statistics import paired_drop_interval, wilson_interval

_CONFIDENCES = st.sampled_from([0.6, 0.8, 0.9, 0.95, 0.975, 0.99, 0.9995])


@st.composite
def _tables(draw: st.DrawFn) -> tuple[int, int, int]:
    """Draws (lost, gained, count) with 0 ≤ lost + gained ≤ count."""
    count = draw(st.integers(1, 20000))
    lost = draw(st.integers(0, count))
    return lost, draw(st.integers(0, count - lost)), count


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "count"), [(0, 1), (1, 1), (0, 50), (50, 50), (7, 50), (8719, 10000)])
def test_wilson_is_statsmodels(successes: int, count: int, confidence: float) -> None:
    """The interval of a proportion is statsmodels' Wilson interval."""
    expected = proportion_confint(successes, count, alpha=1 - confidence, method="wilson")
    assert wilson_interval(successes, count, confidence) == pytest.approx(expected, abs=1e-12)


def test_without_a_correction_it_is_the_published_interval() -> None:
    """Two one-sided ends are the published two-sided interval of twice the error: airway reactivity, Fagerland et al. 2014.

    The skewness-corrected values are those that R's ratesci documents for ``scorepairci(x = c(1, 1, 7, 12))``.
    """
    interval = paired_drop_interval(1, 7, 21, 0.975, correction=0)
    assert tuple(round(end, 4) for end in interval) == (-0.5281, -0.0184)


@pytest.mark.parametrize(
    ("lost", "gained", "count", "confidence", "published", "places"),
    [
        pytest.param(0, 1, 44, 0.95, (-0.096, 0.037), 3, id="Tango 1998, contact lenses, 90%"),
        pytest.param(9, 3, 32, 0.975, (-0.027, 0.390), 3, id="Tango 1998, 32 pairs, 95%"),
        pytest.param(1, 7, 21, 0.975, (-0.517, -0.026), 3, id="Fagerland et al. 2014, airway reactivity, 95%"),
        pytest.param(16, 8, 86, 0.975, (-0.020, 0.207), 3, id="Agresti & Min 2005, 95%"),
        pytest.param(25, 2, 102, 0.975, (0.139, 0.321), 3, id="Chang et al. 2024, 95%"),
        pytest.param(28, 25, 618, 0.95, (-0.0148, 0.0247), 4, id="R's PropCIs::scoreci.mp(25, 28, 618), 90%"),
    ],
)
def test_it_is_tangos_published_interval_but_for_the_corrections(
    lost: int, gained: int, count: int, confidence: float, published: tuple[float, float], places: int
) -> None:
    """The score equation of the tests gives Tango's published ends; the ends of ours solve it with the corrections on top."""
    z = stats.norm.ppf(confidence)
    slack = 0.6 * 10.0**-places
    assert _score(lost, gained, count, published[0] - slack) > z > _score(lost, gained, count, published[0] + slack)
    assert _score(lost, gained, count, published[1] - slack) > -z > _score(lost, gained, count, published[1] + slack)
    lower, upper = paired_drop_interval(lost, gained, count, confidence)
    assert _corrected_score(lost, gained, count, lower, z) == pytest.approx(z, abs=2e-3)
    assert _corrected_score(lost, gained, count, upper, -z) == pytest.approx(-z, abs=2e-3)


def _most_likely_share(lost: int, gained: int, count: int, drop: float) -> float:
    """The share of gained examples at `drop`, by search over the multinomial likelihood."""
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
    return (low + high) / 2


def _score(lost: int, gained: int, count: int, drop: float) -> float:
    """Tango's statistic at `drop`."""
    share = _most_likely_share(lost, gained, count, drop)
    return (lost - gained - count * drop) / math.sqrt(count * (2 * share + drop - drop**2))


def _corrected_score(lost: int, gained: int, count: int, drop: float, z: float) -> float:
    """The statistic less what the three corrections change at the normal quantile z, from the three-point distribution."""
    share = _most_likely_share(lost, gained, count, drop)
    values = stats.rv_discrete(values=([-1, 0, 1], [share, 1 - 2 * share - drop, share + drop]))
    variance = values.var() * count / (count - 1)
    skewness = float(values.stats(moments="s")) * values.std() ** 3 / variance**1.5 / math.sqrt(count)
    difference = lost - gained - count * drop - math.copysign(0.375, z)
    return float(difference / math.sqrt(count * variance) - skewness * (z**2 - 1) / 6)


@pytest.mark.parametrize(("lost", "gained", "count"), [(30, 12, 10000), (9, 3, 32), (60, 40, 100), (210, 160, 5000)])
def test_the_end_that_is_nought_is_where_mcnemars_test_is_significant(lost: int, gained: int, count: int) -> None:
    """Where statsmodels' McNemar statistic is just significant, the lower end of the drop is 0."""
    table = [[0, lost], [gained, 0]]
    chi2 = mcnemar(table, exact=False, correction=False).statistic * (count - 1) / count
    lower, _ = paired_drop_interval(lost, gained, count, float(stats.norm.cdf(math.sqrt(chi2))), correction=0)
    assert lower == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("count", [300, 2000, 10000])
@pytest.mark.parametrize("lost", [10, 50, 150])
def test_where_nothing_is_gained_it_is_nearly_scipys_exact_interval(lost: int, count: int) -> None:
    """With lost examples only the drop is one proportion: the upper end is just within Clopper and Pearson's, the lower beside it."""
    lower, upper = paired_drop_interval(lost, 0, count, 0.95)
    exact = stats.binomtest(lost, count).proportion_ci(0.9, "exact")
    assert lower == pytest.approx(exact.low, rel=0.02)
    assert upper == pytest.approx(exact.high, rel=0.01)
    assert upper < exact.high


def test_equal_answers_bless_a_point_from_288_examples_on() -> None:
    """Of n equal answers the upper end is about 2.9/n, where Clopper and Pearson's is 3/n and 2.8/n would err 6% of the time."""
    assert paired_drop_interval(0, 0, 288, 0.95)[1] <= 0.01 < paired_drop_interval(0, 0, 287, 0.95)[1]
    assert 0.05 < 0.99**288 < 0.06


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
    assert paired_drop_interval(gained, lost, count, confidence) == pytest.approx((-upper, -lower), abs=1e-12)


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


@given(_tables(), _CONFIDENCES)
@settings(max_examples=300, deadline=None)
def test_another_lost_example_raises_both_ends(table: tuple[int, int, int], confidence: float) -> None:
    """Were one more example lost, neither end would be lower."""
    lost, gained, count = table
    if lost + gained == count:
        return
    before, after = (paired_drop_interval(lost + more, gained, count, confidence) for more in (0, 1))
    assert after[0] >= before[0] - 1e-9
    assert after[1] >= before[1] - 1e-9


@pytest.mark.parametrize(
    ("table", "expected"), [((1, 0, 1), (-1.0, 1.0)), ((0, 0, 1), (-1.0, 1.0)), ((0, 9, 9), (-1.0, None))]
)
def test_what_is_not_known_is_everything(table: tuple[int, int, int], expected: tuple[float, float | None]) -> None:
    """One pair tells nothing; where all are gained the drop may be -1."""
    lower, upper = paired_drop_interval(*table, 0.95)
    assert lower == expected[0]
    assert upper == expected[1] or (expected[1] is None and -1 < upper < 0)


@pytest.mark.parametrize("table", [(-1, 0, 5), (0, -1, 5), (3, 3, 5), (0, 0, 0)])
def test_counts_that_are_no_table_are_refused(table: tuple[int, int, int]) -> None:
    """Negative counts, more discordant pairs than pairs, and no pair at all."""
    with pytest.raises(ValueError, match="each must be 0 or more, their sum at most all"):
        paired_drop_interval(*table, 0.95)
