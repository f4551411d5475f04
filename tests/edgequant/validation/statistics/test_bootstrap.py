"""The paired bootstrap against SciPy's, by simulation, and with too few influential examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from edgequant.validation.statistics import (
    BootstrapDrop,
    Resampled,
    Resampling,
    one_by_one,
    paired_bootstrap_interval,
)


def _auc(labels: NDArray[Any], scores: NDArray[Any]) -> float:
    """The share of pairs of a positive and a negative that are in order; scores of different examples must differ."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = np.flatnonzero(labels[np.argsort(scores)]) + 1
    return float((ranks.sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _f1(labels: NDArray[Any], decisions: NDArray[Any]) -> float:
    hits = np.count_nonzero(labels & decisions)
    total = np.count_nonzero(labels) + np.count_nonzero(decisions)
    return 2 * hits / total if total else float("nan")


def _resampled(metric: Callable[..., float], labels: NDArray[Any], outputs: NDArray[Any]) -> Resampled:
    """A metric of labels and outputs, taken over each example as often as it is drawn."""

    def over(weights: NDArray[np.float64]) -> float:
        rows = np.repeat(np.arange(len(labels)), weights.astype(np.int64))
        return metric(labels[rows], outputs[rows])

    return Resampled(one_by_one(over), len(labels))


def _interval(
    metric: Callable[..., float],
    reference: NDArray[Any],
    variant: NDArray[Any],
    labels: NDArray[Any],
    resampling: Resampling,
) -> BootstrapDrop:
    reference_metric, variant_metric = (_resampled(metric, labels, outputs) for outputs in (reference, variant))
    return paired_bootstrap_interval(reference_metric, variant_metric, resampling)


def _scored(random: np.random.Generator, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Reference scores of N(0, 1) for negatives and N(1.5, 1) for positives, a variant with noise added, and labels."""
    labels = random.random(count) < 0.4
    reference = 1.5 * labels + random.normal(size=count)
    return reference, reference + random.normal(0.0, 0.5, count), labels


def _decided(random: np.random.Generator, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Decisions of which 10% are wrong, a variant that turns 6% of them over, and labels, 30% positive."""
    labels = random.random(count) < 0.3
    reference = labels ^ (random.random(count) < 0.1)
    return reference, reference ^ (random.random(count) < 0.06), labels


def _two_sided(influential: float) -> float:
    """The two-sided confidence whose normal quantile is √(n/(n - 1)) times Student's at a one-sided 95%."""
    quantile = stats.t.ppf(0.95, influential - 1) * np.sqrt(influential / (influential - 1))
    return float(2 * stats.norm.cdf(quantile) - 1)


@pytest.mark.parametrize("count", [60, 150])
def test_it_is_scipys_paired_bca_interval(count: int) -> None:
    """With the same draws the ends are those of SciPy's bootstrap over the examples' numbers, at the widened confidence."""
    reference, variant, labels = _scored(np.random.default_rng(1), count)

    def drop(rows: NDArray[np.intp]) -> float:
        return _auc(labels[rows], reference[rows]) - _auc(labels[rows], variant[rows])

    result = _interval(_auc, reference, variant, labels, Resampling(confidence=0.95, seed=9, resamples=500))
    expected = stats.bootstrap(
        (np.arange(count),),
        drop,
        vectorized=False,
        n_resamples=500,
        confidence_level=_two_sided(result.influential),
        method="BCa",
        rng=np.random.default_rng(9),
    ).confidence_interval
    assert result.drop == drop(np.arange(count))
    assert result.interval == pytest.approx((expected.low, expected.high))


def test_leaving_out_groups_of_a_large_set_is_nearly_leaving_out_single_examples() -> None:
    """Of 1,000 examples, left out by fives, the ends are within a twentieth of the interval of SciPy's."""
    reference, variant, labels = _decided(np.random.default_rng(2), 1000)

    def drop(rows: NDArray[np.intp]) -> float:
        return _f1(labels[rows], reference[rows]) - _f1(labels[rows], variant[rows])

    result = _interval(_f1, reference, variant, labels, Resampling(confidence=0.95, seed=9, resamples=2000))
    expected = stats.bootstrap(
        (np.arange(1000),),
        drop,
        vectorized=False,
        n_resamples=2000,
        confidence_level=_two_sided(result.influential),
        method="BCa",
        rng=np.random.default_rng(9),
    ).confidence_interval
    assert result.interval == pytest.approx((expected.low, expected.high), abs=(expected.high - expected.low) / 20)


def test_the_same_seed_gives_the_same_interval() -> None:
    """The same seed gives the same interval, and another seed another one."""
    data = _scored(np.random.default_rng(3), 100)
    first, again, other = (
        _interval(_auc, *data, Resampling(confidence=0.95, seed=seed, resamples=200)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.drop == other.drop
    assert first.interval != other.interval


def test_swapping_the_two_mirrors_the_interval() -> None:
    """A gain is a negative drop."""
    reference, variant, labels = _scored(np.random.default_rng(4), 100)
    resampling = Resampling(confidence=0.95, seed=1, resamples=200)
    result = _interval(_auc, reference, variant, labels, resampling)
    mirrored = _interval(_auc, variant, reference, labels, resampling)
    assert result.interval is not None
    assert mirrored.interval == pytest.approx((-result.interval[1], -result.interval[0]))


def _covered(drops: list[BootstrapDrop], truth: float) -> tuple[float, float]:
    intervals = np.array([drop.interval for drop in drops], np.float64)
    return float(np.mean(intervals[:, 0] <= truth)), float(np.mean(intervals[:, 1] >= truth))


def _resampled_auc(labels: NDArray[Any], scores: NDArray[Any]) -> Resampled:
    """AUC over many resamples at once, as `_auc` has it; an example drawn twice is level with itself, which counts half."""
    order = np.argsort(scores)
    yes = labels[order].astype(np.float64)

    def over(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        positive, negative = weights[:, order] * yes, weights[:, order] * (1 - yes)
        return np.asarray(
            (positive * np.cumsum(negative, axis=1)).sum(axis=1) / positive.sum(axis=1) / negative.sum(axis=1)
        )

    return Resampled(over, len(labels))


def _resampled_f1(labels: NDArray[Any], decisions: NDArray[Any]) -> Resampled:
    hits, either = (labels & decisions).astype(np.float64), labels.astype(np.float64) + decisions
    return Resampled(lambda weights: 2 * (weights @ hits) / (weights @ either), len(labels))


def _simulated(
    weighted: Callable[[NDArray[Any], NDArray[Any]], Resampled],
    draw: Callable[[np.random.Generator, int], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]],
    count: int,
    seed: int,
) -> list[BootstrapDrop]:
    """The drops of 2,000 simulated sets of so many examples, a hundred of them with the same resamples."""
    random, drops = np.random.default_rng(seed), []
    for number in range(2000):
        reference, variant, labels = draw(random, count)
        reference_metric, variant_metric = (weighted(labels, outputs) for outputs in (reference, variant))
        resampling = Resampling(confidence=0.95, seed=number // 100, resamples=1000)
        drops.append(paired_bootstrap_interval(reference_metric, variant_metric, resampling))
    return drops


def test_many_resamples_at_once_are_as_one_by_one() -> None:
    """The metrics of the simulations below are those of the examples above."""
    random = np.random.default_rng(11)
    for metric, weighted, (reference, _, labels) in (
        (_auc, _resampled_auc, _scored(random, 50)),
        (_f1, _resampled_f1, _decided(random, 50)),
    ):
        once = np.ones((1, 50))
        once[0, 7] = 0.0
        one = _resampled(metric, labels, reference).over(once)
        assert weighted(labels, reference).over(once) == pytest.approx(one)


@pytest.mark.long
@pytest.mark.parametrize("count", [200, 500])
def test_the_ends_cover_the_true_drop_in_auc(count: int) -> None:
    """Of 2,000 simulated sets each end at 95% covers the known difference at least 94% of the time.

    The AUC of N(1.5, s²) against N(0, s²) is Φ(1.5 / (s√2)): s is 1 for the reference, √1.25 for the variant.
    """
    truth = float(stats.norm.cdf(1.5 / np.sqrt(2)) - stats.norm.cdf(1.5 / np.sqrt(2.5)))
    coverage = _covered(_simulated(_resampled_auc, _scored, count, 5), truth)
    assert min(coverage) >= 0.94, coverage


@pytest.mark.long
@pytest.mark.parametrize("count", [400, 1000])
def test_the_ends_cover_the_true_drop_in_f1(count: int) -> None:
    """Of 2,000 simulated sets, 6% of each decided differently, at least 94% are covered at each end.

    Of 0.3 positives the reference finds 0.27 and takes 0.07 for positive: F1 = 0.54/0.64. The variant is wrong in
    0.1·0.94 + 0.9·0.06 = 0.148 of either kind: 0.2556 found, 0.1036 taken for positive.
    """
    truth = 2 * 0.27 / (0.3 + 0.27 + 0.07) - 2 * 0.2556 / (0.3 + 0.2556 + 0.1036)
    coverage = _covered(_simulated(_resampled_f1, _decided, count, 6), truth)
    assert min(coverage) >= 0.94, coverage


def test_resamples_without_the_metric_are_drawn_again_and_counted() -> None:
    """One example is in no resample of n with probability (1 - 1/n)^n; a metric that needs it is redrawn as often.

    Of 200 examples that is 36.7%: for 1,000 resamples that have it, 580 without.
    """
    random = np.random.default_rng(7)
    reference = random.normal(size=200)
    variant = reference + random.normal(size=200)

    def mean_with_the_first(numbers: NDArray[Any], scores: NDArray[Any]) -> float:
        return float(scores.mean()) if (numbers == 0).any() else float("nan")

    resampling = Resampling(confidence=0.95, seed=1, resamples=1000)
    result = _interval(mean_with_the_first, reference, variant, np.arange(200), resampling)
    assert result.redrawn == pytest.approx(580, rel=0.1)
    assert result.interval is not None


def test_a_metric_seldom_defined_has_no_interval() -> None:
    """If more resamples are undefined than requested, there is a drop and no interval."""
    reference, variant, labels = _scored(np.random.default_rng(8), 100)

    def with_the_first(model: NDArray[Any]) -> Resampled:
        whole = _resampled(_auc, labels, model)
        # Of four examples all are in a resample, and none of a group left out, one time in six.
        return Resampled(lambda weights: np.where(weights[:, :4].all(axis=1), whole.over(weights), np.nan), 100)

    models = with_the_first(reference), with_the_first(variant)
    result = paired_bootstrap_interval(*models, Resampling(confidence=0.95, seed=1, resamples=100))
    assert (result.interval, result.redrawn) == (None, 101)


@pytest.mark.parametrize(("different", "known"), [(0, False), (1, False), (3, False), (30, True)])
def test_where_hardly_an_example_counts_there_is_no_interval(different: int, known: bool) -> None:
    """With fewer than five influential examples there is no interval."""
    labels = np.arange(1000) % 2 == 0
    reference = labels ^ (np.arange(1000) % 10 < 2)
    variant = reference.copy()
    variant[: 7 * different : 7] ^= True
    result = _interval(_f1, reference, variant, labels, Resampling(confidence=0.95, seed=1, resamples=100))
    assert (result.interval is not None) == known
    assert result.influential == pytest.approx(different, rel=0.25)


@pytest.mark.parametrize(("confidence", "known"), [(0.995, True), (0.996, False), (0.999, False), (0.99999, False)])
def test_an_end_that_no_resample_is_beyond_is_none(confidence: float, known: bool) -> None:
    """Of 1,000 resamples 5 lie beyond an end at 99.5%; above that there is no interval, also with few influential examples."""
    labels = np.arange(1000) % 10 == 0
    variant = labels.copy()
    variant[:50:10] = False
    result = _interval(_f1, labels, variant, labels, Resampling(confidence=confidence, seed=1))
    assert 5 < result.influential < 10
    assert (result.interval is not None, result.too_few_resamples) == (known, not known)


def test_one_class_and_arrays_that_do_not_match_are_refused() -> None:
    """AUC of positives alone is not defined, and a comparison takes the same examples."""
    scores = np.arange(5.0)
    resampling = Resampling(confidence=0.95, seed=1)
    with pytest.raises(ValueError, match="not defined on these 5 examples"):
        _interval(_auc, scores, scores, np.ones(5, bool), resampling)
    whole, part = (_resampled(_auc, np.arange(count) > 1, scores[:count]) for count in (5, 4))
    with pytest.raises(ValueError, match="5 and 4 examples"):
        paired_bootstrap_interval(whole, part, resampling)


@pytest.mark.parametrize("count", [300, 40_000])
def test_what_is_kept_is_what_would_be_drawn_again(count: int) -> None:
    """A second metric over the same examples has the same resamples, cached or drawn again."""
    rows = np.random.default_rng(3)
    expected = [np.bincount(rows.integers(0, count, count), minlength=count)[:2].tolist() for _ in range(1000)]
    for column in (0, 1):
        taken = Resampled(lambda weights, column=column: weights[:, column], count).drawn(3, 1000)  # type: ignore[misc]
        assert taken.tolist() == [row[column] for row in expected]


def test_a_metric_is_taken_once_for_all_comparisons() -> None:
    """The reference's metric is computed once for all variants, because a call may be expensive."""
    reference, variant, labels = _decided(np.random.default_rng(9), 300)
    calls = 0

    def counted(known: NDArray[Any], decided: NDArray[Any]) -> float:
        nonlocal calls
        calls += 1
        return _f1(known, decided)

    first, second = _resampled(counted, labels, reference), _resampled(_f1, labels, variant)
    resampling = Resampling(confidence=0.95, seed=1, resamples=100)
    once = paired_bootstrap_interval(first, second, resampling)
    taken = calls
    assert paired_bootstrap_interval(first, second, resampling) == once
    assert calls == taken + 1
