"""Metrics and scores of every task, against scikit-learn."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, mean_absolute_error, mean_squared_error

from edgequant.errors import ConfigError, EvaluationError
from edgequant.signature import ModelSignature, TensorSpec
from edgequant.task import (
    check_outputs,
    check_task_name,
    decide,
    load_function,
    main_metric,
    measure,
    read,
)

_RANDOM = np.random.default_rng(5)
_LABELS = _RANDOM.integers(0, 4, 200)
_BINARY_LABELS = _RANDOM.integers(0, 2, 200)


def _signature(*shapes: tuple[int | None, ...]) -> ModelSignature:
    outputs = tuple(TensorSpec(name=f"y{i}", dtype="float32", shape=shape) for i, shape in enumerate(shapes))
    return ModelSignature(key="serving_default", inputs=(), outputs=outputs)


@pytest.mark.parametrize("shape", [(200, 4), (200, 1, 1, 4)])
def test_classification_is_top_1_accuracy(shape: tuple[int, ...]) -> None:
    """A model's class is its highest score; accuracy is scikit-learn's, and a score is 1 where it is right."""
    output = _RANDOM.normal(size=shape)
    metrics, scores = measure("classification", {"y": output}, _LABELS)
    classes = output.reshape(200, 4).argmax(axis=1)
    assert metrics == {"accuracy": accuracy_score(_LABELS, classes)}
    assert scores is not None
    assert scores.tolist() == (classes == _LABELS).astype(float).tolist()


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
    metrics, _ = measure("binary", {"y": output}, labels)
    assert metrics == {"accuracy": accuracy_score(labels, yes)}


def test_binary_on_random_logits_is_scikit_learns_accuracy() -> None:
    """Logits of one unit give the accuracy of their signs."""
    logits = _RANDOM.normal(size=(200, 1))
    metrics, _ = measure("binary", {"y": logits}, _BINARY_LABELS)
    assert metrics == {"accuracy": accuracy_score(_BINARY_LABELS, logits[:, 0] >= 0)}


def test_multilabel_is_the_share_of_right_classes() -> None:
    """Accuracy is over all examples and classes, and a score is the share of an example's classes that are right."""
    labels = _RANDOM.integers(0, 2, (200, 5))
    output = _RANDOM.uniform(size=(200, 5))
    metrics, scores = measure("multilabel", {"y": output}, labels)
    decisions = (output >= 0.5).astype(int)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(labels.ravel(), decisions.ravel()))
    assert scores == pytest.approx([accuracy_score(labels[i], decisions[i]) for i in range(200)])


@pytest.mark.parametrize(("label_shape", "output_shape"), [((200,), (200, 1)), ((200,), (200,)), ((200, 3), (200, 3))])
def test_regression_measures_errors(label_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
    """MAE and RMSE are scikit-learn's for scalars and vectors; a score is minus the error in standard deviations."""
    labels = _RANDOM.normal(3.0, 2.0, size=label_shape)
    output = labels.reshape(output_shape) + _RANDOM.normal(size=output_shape)
    metrics, scores = measure("regression", {"y": output}, labels)
    flat = labels.reshape(200, -1), output.reshape(200, -1)
    assert metrics["mae"] == pytest.approx(mean_absolute_error(*flat))
    assert metrics["rmse"] == pytest.approx(np.sqrt(mean_squared_error(*flat)))
    assert scores == pytest.approx(-np.abs(flat[0] - flat[1]).mean(axis=1) / labels.std())


def test_a_score_does_not_depend_on_how_many_examples_were_run() -> None:
    """A variant that ran out of time has the same scores for its examples as the baseline that did not."""
    labels = np.array([0.0, 0.1, 50.0, -50.0])
    output = labels + 1.0
    _, all_scores = measure("regression", {"y": output}, labels)
    _, first_scores = measure("regression", {"y": output[:2]}, labels)
    assert all_scores is not None
    assert first_scores is not None
    assert first_scores.tolist() == all_scores[:2].tolist()


@pytest.mark.parametrize("task", ["classification", "binary", "multilabel", "regression", "none", "somewhere:metric"])
def test_without_labels_there_are_no_metrics(task: str) -> None:
    """Unlabelled examples give no metric and no score, and agreement stands in."""
    assert measure(task, {"y": np.zeros((3, 2))}, None) == ({}, None)
    assert main_metric(task, {}) == "agreement"


def test_the_task_none_ignores_labels() -> None:
    """With the task none there is nothing to score, whatever the labels and outputs are."""
    assert measure("none", {"a": np.zeros((3, 2)), "b": np.zeros(3)}, np.arange(3)) == ({}, None)


@pytest.mark.parametrize(
    ("task", "metric"), [("classification", "accuracy"), ("regression", "mae"), ("some.module:function", "first")]
)
def test_the_main_metric_is_the_tasks_or_the_users_first(task: str, metric: str) -> None:
    """Drops are measured on the task's own metric, or on the first that a user's function returns."""
    assert main_metric(task, {"first": 1.0, "accuracy": 0.5, "mae": 2.0}) == metric


@pytest.mark.parametrize(
    ("task", "output", "labels", "message"),
    [
        ("classification", np.zeros((2, 3)), np.array([0, 3]), "label 3 is out of range; the output has 3 classes"),
        ("classification", np.zeros((2, 7, 7, 3)), np.array([0, 1]), r"an output is \[7, 7, 3\]"),
        ("binary", np.zeros((2, 3)), np.array([0, 1]), "an output has 3 units; binary takes one or two"),
        ("multilabel", np.zeros((2, 3)), np.zeros((2, 4), int), r"outputs decide \[2, 3\]; the labels are \[2, 4\]"),
        ("regression", np.zeros((2, 3)), np.zeros(2), r"outputs are \[2, 3\]; the labels are \[2, 1\]"),
    ],
)
def test_labels_that_do_not_fit_the_outputs_are_refused(
    task: str, output: NDArray[Any], labels: NDArray[Any], message: str
) -> None:
    """A mismatch of labels and outputs is an error that gives both shapes, never a number."""
    with pytest.raises(EvaluationError, match=message):
        measure(task, {"y": output}, labels)


def test_two_outputs_have_no_accuracy() -> None:
    """A task that scores one output names the outputs when there are more."""
    with pytest.raises(EvaluationError, match="'classification' scores one output; the model gave a, b"):
        measure("classification", {"a": np.zeros((1, 2)), "b": np.zeros((1, 2))}, np.array([0]))


@pytest.fixture
def metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Returns the name of a function with this body in a module that can be imported."""

    def write(body: str) -> str:
        (tmp_path / "their_metric.py").write_text(f"import numpy as np\ndef metric(outputs, labels):\n    {body}\n")
        return "their_metric:metric"

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_metric", raising=False)
    yield write
    sys.modules.pop("their_metric", None)


def test_a_custom_metric_of_floats_has_no_scores(metric: Callable[[str], str]) -> None:
    """One number for all examples is a metric; nothing is paired."""
    task = metric("return {'f1': 0.25, 'other': 3}")
    assert measure(task, {"y": np.zeros((3, 2))}, np.arange(3)) == ({"f1": 0.25, "other": 3.0}, None)


def test_a_custom_metric_per_example_is_averaged_and_paired(metric: Callable[[str], str]) -> None:
    """An array with a value per example gives its mean as the metric, and itself as the scores."""
    task = metric("return {'hit': (outputs.argmax(axis=1) == labels).astype(float)}")
    metrics, scores = measure(task, {"y": np.eye(3)}, np.array([0, 1, 0]))
    assert metrics == {"hit": pytest.approx(2 / 3)}
    assert scores is not None
    assert scores.tolist() == [1.0, 1.0, 0.0]


def test_a_custom_metric_gets_the_labels_of_the_examples_that_were_run(metric: Callable[[str], str]) -> None:
    """When fewer examples were run than there are labels, the function sees as many labels as outputs."""
    task = metric("return {'count': float(len(labels)), 'rows': float(len(outputs))}")
    assert measure(task, {"y": np.zeros((2, 2))}, np.arange(5))[0] == {"count": 2.0, "rows": 2.0}


def test_a_custom_metric_of_several_outputs_gets_them_by_name(metric: Callable[[str], str]) -> None:
    """A model of several outputs hands its function a mapping."""
    task = metric("return {'sum': float(outputs['a'].sum() + outputs['b'].sum())}")
    assert measure(task, {"a": np.ones((2, 2)), "b": np.ones(2)}, np.arange(2))[0] == {"sum": 6.0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError('score')", "task their_metric:metric: raised KeyError: 'score'"),
        ("return None", "returned None; a dict of floats is needed"),
        ("return {}", "returned {}; a dict of floats is needed"),
        ("return 0.5", "returned 0.5; a dict of floats is needed"),
        ("return {'a': 'high'}", "its values are not numbers"),
        ("return {'a': float('nan')}", "metric 'a' is nan; metrics are finite numbers"),
        ("return {'a': np.array([1.0, np.inf, 0.0])}", "metric 'a' is inf"),
    ],
)
def test_a_custom_metric_that_fails_says_so_in_its_own_words(
    metric: Callable[[str], str], body: str, message: str
) -> None:
    """What a user's function raises or wrongly returns is reported with the function's name."""
    with pytest.raises(EvaluationError, match=message):
        measure(metric(body), {"y": np.zeros((3, 2))}, np.arange(3))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:f", "module 'no_such_module' cannot be imported"),
        ("math:no_such_function", "module 'math' has no function 'no_such_function'"),
        ("math:pi", "module 'math' has no function 'pi'"),
    ],
)
def test_a_function_that_is_not_there_is_a_wrong_config(name: str, message: str) -> None:
    """A task names a module that can be imported and a function in it."""
    with pytest.raises(ConfigError, match=message):
        load_function(name)


def test_an_unknown_task_names_the_nearest() -> None:
    """A typo in the task's name is an error with a suggestion."""
    with pytest.raises(ConfigError, match=r"unknown task 'clasification'.*did you mean 'classification'"):
        check_task_name("clasification")


@pytest.mark.parametrize(
    ("task", "shapes", "message"),
    [
        ("classification", [(None, 1)], "needs two or more classes"),
        ("binary", [(None, 3)], "needs one or two units"),
        ("regression", [(None, 1), (None, 2)], "scores one output; the model has 2: y0, y1"),
    ],
)
def test_outputs_that_do_not_suit_the_task_are_found_before_anything_runs(
    task: str, shapes: list[tuple[int | None, ...]], message: str
) -> None:
    """The signature is enough to refuse a task that the model cannot have."""
    with pytest.raises(ConfigError, match=message):
        check_outputs(task, _signature(*shapes))


@pytest.mark.parametrize(
    ("task", "shapes"),
    [
        ("classification", [(None, 10)]),
        ("classification", [(None, None)]),
        ("binary", [(None, 1)]),
        ("binary", [(None,)]),
        ("binary", [(64,)]),
        ("binary", [(None, 2)]),
        ("none", [(None, 1), (None, 2)]),
        ("a.b:c", [(None, 1), (None, 2)]),
    ],
)
def test_outputs_that_suit_the_task_pass(task: str, shapes: list[tuple[int | None, ...]]) -> None:
    """What may suit is not refused."""
    check_outputs(task, _signature(*shapes))
