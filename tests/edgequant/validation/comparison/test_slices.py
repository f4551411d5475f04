"""Drops by class and by feature."""

import time

import numpy as np
import pytest

from edgequant.validation.comparison.compare import ComparisonSettings, Run, compare
from edgequant.validation.comparison.flips import confusion
from edgequant.validation.comparison.slices import by_class_of_many, grouped, sliced
from edgequant.validation.statistics import class_drops, mean_drop_interval


def test_each_class_has_its_drop_and_the_worst_comes_first() -> None:
    """Intervals are those of class_drops over the same tables, and the worst is the class with the greatest drop."""
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    reference = np.ones(100)
    variant = np.ones(100)
    variant[:2], variant[50:56], reference[80:81] = 0.0, 0.0, 0.0
    result = sliced("class", grouped(labels, reference, variant), 0.95, len(labels)).slice
    expected = class_drops([(2, 0, 50), (6, 0, 30), (0, 1, 20)], 0.95)
    assert (result.name, result.total) == ("class", 3)
    assert [value.value for value in result.values] == ["1", "0", "2"]
    for value in result.values:
        drop = expected.drops[int(value.value)]
        assert drop is not None
        assert value.drop_points == pytest.approx(100 * drop.drop)
        assert value.drop_interval_points == pytest.approx(tuple(100 * end for end in drop.interval))
    assert (result.values[0].reference, result.values[0].variant, result.values[0].examples) == (1.0, 0.8, 30)
    assert result.worst_interval_points == pytest.approx(tuple(100 * end for end in expected.worst_interval))


def test_the_group_that_leaves_most_open_is_known() -> None:
    """A class of two examples has a wider interval than one of two hundred."""
    keys = np.repeat(["many", "few"], [200, 2])
    result = sliced("kind", grouped(keys, np.ones(202), np.ones(202)), 0.95, 202)
    assert [group.value for group in result.open_past(5.0)] == ["few"]
    assert [group.value for group in result.open_past(1.0)] == ["few", "many"]


def test_scores_that_are_not_right_or_wrong_get_the_interval_of_a_mean() -> None:
    """Errors by feature get the skewness-corrected interval of a mean, corrected for the number of groups."""
    random = np.random.default_rng(4)
    keys = np.repeat(["a", "b"], 30)
    reference, variant = random.normal(size=60), random.normal(size=60)
    result = sliced("kind", grouped(keys, reference, variant), 0.95, len(keys)).slice
    for value in result.values:
        rows = keys == value.value
        ends = mean_drop_interval(reference[rows] - variant[rows], 0.95 ** (1 / 2))
        assert ends is not None
        assert value.drop_interval_points == pytest.approx((100 * ends[0], 100 * ends[1]))
    assert result.worst_interval_points is not None


def test_a_group_of_one_number_leaves_the_worst_open() -> None:
    """A single error has no interval, so that the worst of all groups is not bounded."""
    keys = np.array(["a", "a", "b"])
    result = sliced("kind", grouped(keys, np.array([0.1, 0.2, 0.3]), np.zeros(3)), 0.95, 3).slice
    assert [value.drop_interval_points is None for value in result.values] == [True, False]
    assert result.worst_interval_points is None


def test_a_class_of_many_is_looked_for_with_and_without_it() -> None:
    """A multilabel class has two groups: the examples with it, and those without it."""
    labels = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0]])
    variant = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    result = by_class_of_many(labels, (labels, variant), ["cat", "dog", "owl"])
    assert [(group.value, group.reference.tolist(), group.variant.tolist()) for group in result] == [
        ("cat", [1.0, 1.0], [1.0, 0.0]),
        ("without cat", [1.0], [1.0]),
        ("dog", [1.0, 1.0], [0.0, 1.0]),
        ("without dog", [1.0], [1.0]),
        ("without owl", [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]),
    ]


def test_a_class_of_many_that_is_found_everywhere_is_the_worst() -> None:
    """One of 100 classes that a variant assigns to every example costs little on average, but all examples without it."""
    random = np.random.default_rng(7)
    labels = (random.uniform(size=(2000, 100)) < 0.05).astype(np.int64)
    outputs = labels.astype(np.float64)
    spoilt = outputs.copy()
    spoilt[:, 0] = 1.0
    settings = ComparisonSettings(task="multilabel", metric="accuracy", labels=labels)
    result = compare(settings, Run({"y": outputs}, "probabilities"), Run({"y": spoilt}, "probabilities"))
    assert result.drops["accuracy"].drop.points == pytest.approx(100 * (1 - labels[:, 0].mean()) / 100)
    (classes,) = (item.slice for item in result.slices)
    assert (classes.values[0].value, classes.values[0].drop_points) == ("without 0", 100.0)
    assert classes.total == 200


def test_ten_thousand_classes_are_bounded_and_quick() -> None:
    """The worst 50 of many classes are kept, in less time than a conversion takes."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 10_000, 50_000)
    reference, variant = ((random.uniform(size=50_000) < 0.8).astype(np.float64) for _ in range(2))
    start = time.process_time()
    result = sliced("class", grouped(labels, reference, variant), 0.95, len(labels)).slice
    assert time.process_time() - start < 10
    assert len(result.values) == 50
    assert result.total > 9_900
    assert result.values[0].drop_points == 100.0


def test_the_confusion_matrix_is_what_is_taken_for_what() -> None:
    """Rows are labels, columns decisions; mistakes are listed, the most frequent first."""
    result = confusion(np.array([0, 1, 1, 2, 1]), np.array([0, 0, 0, 1, 1]), 3)
    assert result.counts == ((1, 2, 0), (0, 1, 1), (0, 0, 0))
    assert result.mistakes == ((0, 1, 2), (1, 2, 1))
    assert result.examples == 5


def test_a_matrix_of_many_classes_is_left_out() -> None:
    """With 1,000 classes the mistakes are listed, and there is no matrix of a million numbers."""
    labels = np.arange(1000)
    result = confusion(np.where(labels < 60, labels + 1, labels), labels, 1000)
    assert result.counts == ()
    assert len(result.mistakes) == 50
    assert result.mistakes[0] == (0, 1, 1)
    assert confusion(labels, labels, 1000).mistakes == ()
