"""Tasks: their names, a user's own metric, and what labels and outputs they take."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgequant.errors import ConfigError, EvaluationError
from edgequant.own_metric import own_metrics
from edgequant.signature import ModelSignature, TensorSpec
from edgequant.task import (
    check_fit,
    check_outputs,
    check_task_name,
    load_function,
)


def _signature(*shapes: tuple[int | None, ...]) -> ModelSignature:
    outputs = tuple(TensorSpec(name=f"y{i}", dtype="float32", shape=shape) for i, shape in enumerate(shapes))
    return ModelSignature(key="serving_default", inputs=(), outputs=outputs)


@pytest.mark.parametrize(
    ("task", "output", "labels", "message"),
    [
        (
            "classification",
            np.zeros((2, 3)),
            np.array([0, 3]),
            "label 3 is out of range; the output has 3 classes; it is that of example 1 of the evaluation set",
        ),
        ("classification", np.zeros((2, 3)), np.array([0, -1]), "label -1 is out of range; the output has 3 classes"),
        (
            "classification",
            np.zeros((2, 3)),
            np.zeros((2, 1)),
            r"the labels are \[2, 1\]; classification takes one per",
        ),
        ("binary", np.zeros((2, 1)), np.array([0, 2]), "label 2 is out of range; the output has 2 classes"),
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
        check_fit(task, {"y": output}, labels)


def test_two_outputs_have_no_accuracy() -> None:
    """A task that scores one output names the outputs when there are more."""
    with pytest.raises(EvaluationError, match="'classification' scores one output; the model gave a, b"):
        check_fit("classification", {"a": np.zeros((1, 2)), "b": np.zeros((1, 2))}, np.array([0]))


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


def test_a_custom_metric_is_a_number_or_one_per_example(metric: Callable[[str], str]) -> None:
    """One number for all examples stays one; an array with a value per example stays an array, so that it can be paired."""
    task = metric("return {'hit': (outputs.argmax(axis=1) == labels).astype(float), 'f1': 0.25, 'other': 3}")
    metrics = own_metrics(task, {"y": np.eye(3)}, np.array([0, 1, 0]))
    assert {name: value.tolist() for name, value in metrics.items()} == {
        "hit": [1.0, 1.0, 0.0],
        "f1": 0.25,
        "other": 3.0,
    }


def test_a_custom_metric_of_several_outputs_gets_them_by_name(metric: Callable[[str], str]) -> None:
    """A model of several outputs hands its function a mapping."""
    task = metric("return {'sum': float(outputs['a'].sum() + outputs['b'].sum())}")
    assert own_metrics(task, {"a": np.ones((2, 2)), "b": np.ones(2)}, np.arange(2)) == {"sum": 6.0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError('score')", "task their_metric:metric: raised KeyError: 'score'"),
        ("raise SystemExit('no data')", "task their_metric:metric: raised SystemExit: no data"),
        ("return None", "returned None; a dict of floats is needed"),
        ("return {}", "returned {}; a dict of floats is needed"),
        ("return 0.5", "returned 0.5; a dict of floats is needed"),
        ("return {'a': 'high'}", "its values are not numbers"),
        ("return {'a': float('nan')}", "metric 'a' is nan; metrics are finite numbers"),
        ("return {'a': np.array([1.0, np.inf, 0.0])}", "metric 'a' is inf"),
        (
            "return {'a': np.ones(2)}",
            "metric 'a' has the shape .2.; a number is needed, or one for each of the 3 examples",
        ),
        ("return {'a': np.ones((3, 1))}", "metric 'a' has the shape .3, 1.;"),
    ],
)
def test_a_custom_metric_that_fails_says_so_in_its_own_words(
    metric: Callable[[str], str], body: str, message: str
) -> None:
    """What a user's function raises or wrongly returns is reported with the function's name."""
    with pytest.raises(EvaluationError, match=message):
        own_metrics(metric(body), {"y": np.zeros((3, 2))}, np.arange(3))


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


def test_a_module_that_fails_is_a_wrong_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a user's module raises when it is imported is told in its words."""
    monkeypatch.syspath_prepend(tmp_path)
    for name, text, message in (
        ("ends_here", "import sys; sys.exit(3)", r"module 'ends_here' cannot be imported \(SystemExit: 3\)"),
        ("not_python", "def (", r"module 'not_python' cannot be imported \(SyntaxError: "),
    ):
        (tmp_path / f"{name}.py").write_text(text)
        with pytest.raises(ConfigError, match=message):
            load_function(f"{name}:metric")


@pytest.mark.parametrize("name", [":f", "module:", "a..b:f", "a b:f", "a:f()", "a:b:c", "1a:f"])
def test_a_task_that_can_name_no_function_is_unknown(name: str) -> None:
    """A module's path and a function's name are Python's; anything else is a typo, told before anything is run."""
    with pytest.raises(ConfigError, match=r"task: unknown task .* or package\.module:function"):
        check_task_name(name)


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
