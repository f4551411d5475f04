"""A variant against the baseline, on arrays that can be checked by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from edgequant.validation.comparison import accuracy_interval, agreement, compare, drop_interval
from edgequant.validation.statistics import paired_drop_interval

_EYE = np.eye(4)


def test_a_drop_is_the_difference_of_accuracies_in_points() -> None:
    """Of four examples the baseline gets three right and the variant two, one of them another: 25 points."""
    baseline = {"y": _EYE[[0, 1, 2, 0]]}, np.array([1.0, 1.0, 1.0, 0.0])
    variant = {"y": _EYE[[0, 2, 3, 3]]}, np.array([1.0, 0.0, 0.0, 1.0])
    found = compare("classification", baseline, variant, labelled=True, confidence=0.95)
    assert found.examples == 4
    assert found.drop_points == 25.0
    assert found.agreement == 0.25
    lower, upper = paired_drop_interval(2, 1, 4, 0.95)
    assert found.drop_interval_points == pytest.approx((100 * lower, 100 * upper))


def test_examples_that_only_one_was_run_on_do_not_count() -> None:
    """A variant that ran out of time is compared over its own first examples."""
    baseline = {"y": _EYE[[0, 1, 2, 3]]}, np.array([1.0, 0.0, 1.0, 1.0])
    variant = {"y": _EYE[[0, 1]]}, np.array([1.0, 0.0])
    found = compare("classification", baseline, variant, labelled=True, confidence=0.95)
    assert (found.examples, found.drop_points, found.agreement) == (2, 0.0, 1.0)


def test_without_labels_agreement_stands_in() -> None:
    """An example on which the variant decides otherwise counts as lost."""
    found = compare(
        "classification",
        ({"y": _EYE[[0, 1, 2, 3]]}, None),
        ({"y": _EYE[[0, 1, 2, 0]]}, None),
        labelled=False,
        confidence=0.95,
    )
    assert found.drop_points == 25.0
    assert found.agreement == 0.75
    assert found.drop_interval_points == pytest.approx(tuple(100 * end for end in paired_drop_interval(1, 0, 4, 0.95)))


def test_a_metric_of_one_number_has_no_drop() -> None:
    """With labels and no score per example there is nothing to pair; agreement is still there."""
    found = compare("a:b", ({"y": _EYE}, None), ({"y": _EYE}, None), labelled=True, confidence=0.95)
    assert (found.differences, found.drop_points, found.drop_interval_points) == (None, None, None)
    assert found.agreement == 1.0


@pytest.mark.parametrize(
    ("task", "baseline", "variant", "expected"),
    [
        ("classification", _EYE[[0, 1]], _EYE[[0, 2]], [1.0, 0.0]),
        ("binary", np.array([[0.6], [0.4]]), np.array([[0.9], [0.5]]), [1.0, 0.0]),
        ("multilabel", np.array([[0.9, 0.1], [0.9, 0.9]]), np.array([[0.8, 0.7], [0.7, 0.6]]), [0.5, 1.0]),
        ("regression", np.array([[4.0], [-2.0]]), np.array([[3.0], [2.0]]), [0.75, 0.0]),
        ("regression", np.array([[3.0, 4.0]]), np.array([[3.0, 3.0]]), [0.8]),
        ("none", np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 0.25]]), [1.0, 0.75]),
    ],
)
def test_agreement_is_of_decisions_or_of_values(
    task: str, baseline: NDArray[Any], variant: NDArray[Any], expected: list[float]
) -> None:
    """Equal decisions where the task decides; one minus the relative error where it does not."""
    assert agreement(task, {"y": baseline}, {"y": variant}).tolist() == expected


def test_agreement_is_over_all_outputs_by_name() -> None:
    """Outputs are matched by name, and their errors taken together: ‖(0, 0, 1)‖ of ‖(3, 0, 4)‖ is a fifth."""
    baseline = {"a": np.array([[3.0, 0.0]]), "b": np.array([4.0])}
    variant = {"b": np.array([5.0]), "a": np.array([[3.0, 0.0]])}
    assert agreement("none", baseline, variant).tolist() == [pytest.approx(0.8)]


def test_scores_that_are_not_right_or_wrong_get_the_interval_of_a_mean() -> None:
    """Fractions of right classes, or errors, are compared by their mean: Student's interval where they are not skewed."""
    differences = np.array([0.5, 0.0, -0.25, 0.25, -0.5, 0.0])
    expected = stats.ttest_1samp(differences, 0.0).confidence_interval(0.9)
    assert drop_interval(differences, 0.95) == pytest.approx((expected.low, expected.high))


def test_right_or_wrong_scores_get_the_interval_of_paired_proportions() -> None:
    """Differences of right and wrong answers are counted."""
    assert drop_interval(np.array([1.0, 1.0, -1.0, 0.0]), 0.95) == paired_drop_interval(2, 1, 4, 0.95)


@pytest.mark.parametrize(
    ("scores", "known"),
    [(np.array([1.0, 0.0, 1.0]), True), (np.array([0.5, 1.0]), False), (np.array([]), False), (None, False)],
)
def test_only_a_share_of_right_answers_has_an_accuracy_interval(scores: NDArray[Any] | None, known: bool) -> None:
    """Wilson's interval is for right and wrong answers; other scores have none."""
    assert (accuracy_interval(scores, 0.95) is not None) == known
