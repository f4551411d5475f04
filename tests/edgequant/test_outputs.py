"""What a model answers, against scikit-learn."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, mean_absolute_error

from edgequant.outputs import decide, glance, read

_RANDOM = np.random.default_rng(5)
_LABELS = _RANDOM.integers(0, 4, 200)
_BINARY_LABELS = _RANDOM.integers(0, 2, 200)


@pytest.mark.parametrize("shape", [(200, 4), (200, 1, 1, 4)])
def test_classification_is_top_1_accuracy(shape: tuple[int, ...]) -> None:
    """A model's class is its highest score; accuracy is scikit-learn's."""
    output = _RANDOM.normal(size=shape)
    classes = output.reshape(200, 4).argmax(axis=1)
    assert glance("classification", {"y": output}, _LABELS) == {"accuracy": accuracy_score(_LABELS, classes)}


@pytest.mark.parametrize(
    ("output", "yes"),
    [
        (np.array([[0.2], [0.5], [0.9]]), [0, 1, 1]),
        (np.array([0.2, 0.5, 0.9]), [0, 1, 1]),
        (np.array([[-3.0], [0.0], [0.4]]), [0, 1, 1]),
        (np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]]), [0, 1, 0]),
        (np.array([[-2.0, 4.0], [3.0, -1.0], [9.0, 8.0]]), [1, 0, 0]),
    ],
    ids=["one probability", "a scalar probability", "one logit", "two probabilities", "two logits"],
)
def test_binary_decides_by_probability_logit_or_the_higher_of_two(output: NDArray[Any], yes: list[int]) -> None:
    """One unit is compared with 0.5, or 0 for logits; of two units the higher wins."""
    labels = np.array([0, 1, 0])
    assert decide("binary", output, read("binary", output)).tolist() == yes
    assert glance("binary", {"y": output}, labels) == {"accuracy": accuracy_score(labels, yes)}


def test_binary_on_random_logits_is_scikit_learns_accuracy() -> None:
    """Logits of one unit give the accuracy of their signs."""
    logits = _RANDOM.normal(size=(200, 1))
    expected = accuracy_score(_BINARY_LABELS, logits[:, 0] >= 0)
    assert glance("binary", {"y": logits}, _BINARY_LABELS) == {"accuracy": expected}


def test_multilabel_is_the_share_of_right_classes() -> None:
    """Accuracy is over all examples and classes."""
    labels = _RANDOM.integers(0, 2, (200, 5))
    output = _RANDOM.uniform(size=(200, 5))
    expected = accuracy_score(labels.ravel(), (output >= 0.5).astype(int).ravel())
    assert glance("multilabel", {"y": output}, labels)["accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize(("label_shape", "output_shape"), [((200,), (200, 1)), ((200,), (200,)), ((200, 3), (200, 3))])
def test_regression_measures_errors(label_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
    """MAE is scikit-learn's for scalars and vectors."""
    labels = _RANDOM.normal(3.0, 2.0, size=label_shape)
    output = labels.reshape(output_shape) + _RANDOM.normal(size=output_shape)
    expected = mean_absolute_error(labels.reshape(200, -1), output.reshape(200, -1))
    assert glance("regression", {"y": output}, labels) == {"mae": pytest.approx(expected)}


def test_more_labels_than_outputs_are_of_examples_that_were_not_run() -> None:
    """A model that ran out of time is measured by the labels of the examples that it was run on."""
    assert glance("classification", {"y": np.eye(3)}, np.array([0, 1, 0, 9, 9])) == {"accuracy": pytest.approx(2 / 3)}


@pytest.mark.parametrize("task", ["classification", "binary", "multilabel", "regression", "none", "somewhere:metric"])
def test_without_labels_there_are_no_metrics(task: str) -> None:
    """Unlabelled examples give no metric, and agreement stands in."""
    assert glance(task, {"y": np.zeros((3, 2))}, None) == {}


def test_the_task_none_ignores_labels() -> None:
    """With the task none there is nothing to measure, whatever the labels and outputs are."""
    assert glance("none", {"a": np.zeros((3, 2)), "b": np.zeros(3)}, np.arange(3)) == {}
