"""Intervals of examples that belong to groups: by hand, against statsmodels and SciPy, and simulated."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import f1_score

from edgequant.artifacts.comparison import Measured
from edgequant.artifacts.verdict import INCONCLUSIVE
from edgequant.task import BINARY
from edgequant.validation.comparison.drop_intervals import own_interval, paired_drop, paired_mean
from edgequant.validation.comparison.slices import grouped, sliced
from edgequant.validation.gate.checks import Limit, check_drop, check_least
from edgequant.validation.gate.class_check import check_worst_class
from edgequant.validation.metrics.compute import figures
from edgequant.validation.metrics.metric import Figure, mean_of
from edgequant.validation.statistics import Clusters


def _clusters(sizes: NDArray[Any]) -> Clusters:
    return Clusters(np.repeat(np.arange(len(sizes)), sizes))


def test_groups_of_one_example_are_independent_examples() -> None:
    """The score intervals remain where no two examples share a group."""
    assert Clusters.named(np.array(["b", "a", "c"])) is None
    named = Clusters.named(np.array(["b", "a", "b"]))
    assert named is not None
    assert (named.of.tolist(), len(named), named.effective) == ([1, 0, 1], 2, 1)


def test_equal_groups_give_students_interval_of_their_means() -> None:
    """Symmetric means of 20 groups of four: SciPy's t interval of the 20 means."""
    means = np.concatenate([np.linspace(-1, 1, 20)])
    each = np.repeat(means, 4) + np.tile([-0.3, -0.1, 0.1, 0.3], 20)
    figure = Figure(value=float(each.mean()), each=each)
    ends = own_interval(figure, 80, 0.9, _clusters(np.full(20, 4))).ends
    assert ends == pytest.approx(stats.t.interval(0.9, 19, means.mean(), stats.sem(means)))


def test_values_are_those_of_the_jackknife() -> None:
    """The mean without each group, recomputed: the pseudo-values' deviations are (G - 1) times its moves."""
    random = np.random.default_rng(3)
    clusters = _clusters(random.integers(1, 9, 30))
    each = random.standard_normal(len(clusters.of))
    without = np.array([each[clusters.of != group].mean() for group in range(30)])
    values = clusters.values(each)
    assert values.mean() == pytest.approx(each.mean())
    assert values - values.mean() == pytest.approx(-29 * (without - without.mean()))


def test_fewer_than_20_groups_have_no_interval() -> None:
    """The note says how many there are, and how many are needed."""
    drop = paired_mean(np.repeat([1.0, 0.0], [5, 90]), 0.95, _clusters(np.full(19, 5))).drop
    assert drop.interval is None
    assert drop.note == "the examples belong to 19 groups (examples.group), and an interval needs 20 or more"
    assert paired_mean(np.repeat([1.0, 0.0], [5, 95]), 0.95, _clusters(np.full(20, 5))).drop.interval is not None


@pytest.mark.parametrize("lost", [0, 5])
def test_a_check_stays_open_below_20_groups(lost: int) -> None:
    """Even where nothing changes, for the drop as for the metric itself."""
    clusters, limit = _clusters(np.full(19, 500)), Limit(name="max_drop_points", value=1.0, confidence=0.95)
    differences = np.repeat([1.0, 0.0], [lost, 9500 - lost])
    drop = check_drop(limit, paired_mean(differences, 0.95, clusters), "accuracy")
    own = own_interval(mean_of(1 - differences), 9500, 0.95, clusters)
    measured = Measured(value=1 - lost / 9500, interval=own.ends, method=own.method)
    least = check_least(Limit(name="min_metric", value=0.5, confidence=0.95), measured, "accuracy", 9500, own)
    for check in (drop, least):
        assert check.verdict == INCONCLUSIVE
        assert "the examples belong to 19 groups (examples.group), and an interval needs 20 or more" in check.sentence


def test_an_open_check_names_a_number_of_examples() -> None:
    """Of 50 groups of ten, none of which shows a change: 299 groups are needed for 1 point at 95% (the rule of three)."""
    limit = Limit(name="max_drop_points", value=1.0, confidence=0.95)
    check = check_drop(limit, paired_mean(np.zeros(500), 0.95, _clusters(np.full(50, 10))), "accuracy")
    assert check.verdict == INCONCLUSIVE
    assert check.need is not None
    assert check.need.examples == 2990


def test_a_class_of_few_groups_is_open() -> None:
    """The sentence names the class and its number of groups."""
    clusters = _clusters(np.full(40, 10))
    labels = np.where(clusters.of < 5, 1, 0)
    classes = sliced("class", grouped(labels, np.ones(400), np.ones(400), clusters), 0.95, 400)
    check = check_worst_class(Limit(name="max_worst_class_drop_points", value=5.0, confidence=0.95), classes)
    assert check.verdict == INCONCLUSIVE
    assert check.sentence.startswith("the drop by class has no interval: of 1, the examples belong to 5 groups")


def test_copies_of_examples_add_nothing() -> None:
    """Each of 200 examples five times, as one group: the interval of a bootstrapped metric does not shrink by more than noise."""
    random = np.random.default_rng(4)
    labels = random.integers(0, 2, 200)
    models = [np.where(random.random(200) < right, labels, 1 - labels) for right in (0.9, 0.8)]

    def drop(times: int, clusters: Clusters | None) -> Any:
        runs = [
            figures(
                BINARY,
                "probabilities",
                {"y": np.repeat(model, times)[:, np.newaxis].astype(float)},
                np.repeat(labels, times),
            )["f1"]
            for model in models
        ]
        return paired_drop(runs[0].by(clusters), runs[1].by(clusters), 200 * times, 0.95, clusters).drop

    plain, copied = drop(1, None), drop(5, _clusters(np.full(200, 5)))
    assert copied.method == "paired cluster bootstrap"
    expected = 100 * (f1_score(labels, models[0]) - f1_score(labels, models[1]))
    assert copied.points == pytest.approx(expected) == plain.points
    assert copied.interval == pytest.approx(plain.interval, abs=1e-6)


def _correlated(random: np.random.Generator, of: NDArray[np.intp], correlation: float, shares: list[float]) -> Any:
    """Returns outcomes of examples with an intra-group correlation: each has that of its group with probability √correlation."""
    groups, own = (random.choice(len(shares), size, p=shares) for size in (of.max() + 1, len(of)))
    return np.where(random.random(len(of)) < np.sqrt(correlation), groups[of], own)


@pytest.mark.long
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("groups", [20, 50, 200, 1000])
def test_each_end_of_a_drop_covers_94_percent_of_the_time(groups: int, correlation: float) -> None:
    """Of right and wrong answers, many and few that change, in groups of one size and of sizes that differ by a factor of ten."""
    sets = 600
    for lost, gained in ((0.3, 0.2), (0.05, 0.02)):
        for spread in (0.0, 0.7):
            random = np.random.default_rng([29, groups, round(10 * correlation), round(100 * lost), round(10 * spread)])
            covered = np.zeros(2)
            for _ in range(sets):
                sizes = np.maximum(1, np.round(random.lognormal(np.log(5), spread, groups))).astype(int)
                clusters = _clusters(sizes)
                kinds = _correlated(random, clusters.of, correlation, [lost, gained, 1 - lost - gained])
                low, high = paired_mean(np.array([1.0, -1.0, 0.0])[kinds], 0.95, clusters).drop.interval or (1, 0)
                covered += [low <= 100 * (lost - gained), high >= 100 * (lost - gained)]
            assert (covered / sets + 2 * np.sqrt(0.06 * 0.94 / sets) >= 0.94).all(), (lost, spread, covered / sets)


@pytest.mark.long
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("groups", [20, 100])
def test_each_end_of_a_bootstrapped_drop_covers_94_percent_of_the_time(groups: int, correlation: float) -> None:
    """The drop in F1 of binary decisions, by whole groups of five."""
    shares = [0.4, 0.1, 0.05, 0.25, 0.1, 0.1]  # right-right 1, lost 1, gained 1, right-right 0, lost 0, gained 0
    labels, first, second = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1], [1, 0, 1, 0, 1, 0]])
    random = np.random.default_rng([31, groups, round(10 * correlation)])
    everyone = np.repeat(np.arange(6), np.round(1000 * np.array(shares)).astype(int))
    truth = 100 * (f1_score(labels[everyone], first[everyone]) - f1_score(labels[everyone], second[everyone]))
    clusters, sets, covered = _clusters(np.full(groups, 5)), 200, np.zeros(2)
    for _ in range(sets):
        kinds = _correlated(random, clusters.of, correlation, shares)
        runs = [
            figures(BINARY, "probabilities", {"y": model[kinds][:, np.newaxis].astype(float)}, labels[kinds])["f1"].by(
                clusters
            )
            for model in (first, second)
        ]
        low, high = paired_drop(runs[0], runs[1], len(kinds), 0.95, clusters).drop.interval or (-np.inf, np.inf)
        covered += [low <= truth, high >= truth]
    assert (covered / sets + 2 * np.sqrt(0.06 * 0.94 / sets) >= 0.94).all(), covered / sets


@pytest.mark.long
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("groups", [20, 50, 200])
def test_both_ends_of_an_accuracy_cover_94_percent_of_the_time(groups: int, correlation: float) -> None:
    """The two-sided interval at 95% of a share of 0.8."""
    random = np.random.default_rng([37, groups, round(10 * correlation)])
    clusters, sets, covered = _clusters(np.full(groups, 5)), 1000, 0
    for _ in range(sets):
        right = _correlated(random, clusters.of, correlation, [0.2, 0.8]).astype(np.float64)
        ends = own_interval(mean_of(right), len(right), 0.95, clusters).ends
        assert ends is not None
        covered += ends[0] <= 0.8 <= ends[1]
    assert covered / sets + 2 * np.sqrt(0.06 * 0.94 / sets) >= 0.94, covered / sets
