"""The task a model is evaluated on: what its labels must be, and how one example scores."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import ConfigError, EvaluationError, ExamplesError, did_you_mean
from edgequant.signature import ModelSignature

CLASSIFICATION = "classification"
BINARY = "binary"
MULTILABEL = "multilabel"
REGRESSION = "regression"
NONE = "none"
TASKS = (CLASSIFICATION, BINARY, MULTILABEL, REGRESSION, NONE)


def check_task_name(task: str) -> str:
    """Returns the task once it is known or names a function as ``package.module:function``.

    Raises:
        ConfigError: It is neither.
    """
    if task not in TASKS and ":" not in task:
        raise ConfigError(
            f"task: unknown task {task!r}; choose from {', '.join(TASKS)}, or package.module:function{did_you_mean(task, TASKS)}"
        )
    return task


def is_custom(task: str) -> bool:
    """Tells whether the task is a user's own metric."""
    return task not in TASKS


def check_outputs(task: str, signature: ModelSignature) -> None:
    """Checks, as far as the signature tells, that the model's outputs suit the task.

    Raises:
        ConfigError: They do not.
    """
    if task == NONE or is_custom(task) or not signature.outputs:
        return
    if len(signature.outputs) != 1:
        names = ", ".join(spec.name for spec in signature.outputs)
        raise ConfigError(
            f"task: {task!r} scores one output; the model has {len(signature.outputs)}: {names}."
            " Use task: none, or package.module:function for a metric of your own"
        )
    classes = class_count(signature)
    if task == CLASSIFICATION and classes == 1:
        raise ConfigError(
            f"task: 'classification' needs two or more classes; the output is {signature.outputs[0]}. Use task: binary or regression"
        )
    if task == BINARY and classes is not None and len(signature.outputs[0].shape or ()) > 1 and classes > 2:
        raise ConfigError(
            f"task: 'binary' needs one or two units; the output is {signature.outputs[0]}. Use task: classification"
        )


def class_count(signature: ModelSignature) -> int | None:
    """Returns the size of the last dimension of the only output, or None when it is not known."""
    if len(signature.outputs) != 1 or not signature.outputs[0].shape:
        return None
    return signature.outputs[0].shape[-1]


def check_label(task: str, label: NDArray[Any], classes: int | None) -> NDArray[Any]:
    """Returns one example's label in the form its task needs.

    Args:
        task: The task.
        label: The label's values, any shape.
        classes: How many classes the model tells apart, or None when not known.

    Returns:
        int64 scalar for classification and binary, int64 [classes] for multilabel, float64 as given for regression,
        as given for any other task.

    Raises:
        ExamplesError: The label is not one that the task allows.
    """
    if task in (CLASSIFICATION, BINARY):
        limit = 2 if task == BINARY else classes
        value = _integers(task, label)
        if value.size != 1:
            raise ExamplesError(f"label has {value.size} values; {task} takes one")
        number = int(value.reshape(()))
        if number < 0 or (limit is not None and number >= limit):
            allowed = f"0 to {limit - 1}" if limit is not None else "0 or more"
            raise ExamplesError(f"label {number} is out of range; the model's output allows {allowed}")
        return value.reshape(())
    if task == MULTILABEL:
        value = _integers(task, label).reshape(-1)
        if classes is not None and value.size != classes:
            raise ExamplesError(f"label has {value.size} values; the model's output has {classes}")
        if not np.isin(value, (0, 1)).all():
            raise ExamplesError(f"label holds {sorted(set(value.tolist()))}; multilabel takes a 0 or a 1 per class")
        return value
    if task == REGRESSION:
        if label.dtype.kind not in "iuf" or not np.isfinite(label).all():
            raise ExamplesError(f"label {label!r} is not a finite number; regression takes numbers")
        return label.astype(np.float64).reshape(() if label.size == 1 else label.shape)
    return label


def _integers(task: str, label: NDArray[Any]) -> NDArray[np.int64]:
    if label.dtype.kind not in "iub" and not (label.dtype.kind == "f" and np.all(label == np.floor(label))):
        raise ExamplesError(f"label {label!r} is not an integer; {task} takes class numbers")
    return label.astype(np.int64)


def measure(
    task: str, outputs: Mapping[str, NDArray[Any]], labels: NDArray[Any] | None
) -> tuple[dict[str, float], NDArray[np.float64] | None]:
    """Returns the task's metrics over a set of examples, the main one first, and each example's score.

    Scores are such that their mean difference is a drop: higher is better, and 1.0 is 100 points. For regression a
    score is the negative absolute error in standard deviations of the labels.

    Args:
        task: The task.
        outputs: Float arrays by output name, the example first.
        labels: The labels in the form of `check_label`, or None. There may be more of them than outputs, whose examples
            are the first ones; what a score is measured in (the spread of the labels) is taken from all.

    Returns:
        The metrics by name (empty without labels), and the scores, float64 [examples], or None when there are none.

    Raises:
        EvaluationError: The outputs do not suit the labels, or a user's metric fails.
    """
    if labels is None or task == NONE:
        return {}, None
    labels = np.asarray(labels)
    count = len(next(iter(outputs.values())))
    if is_custom(task):
        return _measure_custom(task, outputs, labels[:count])
    if len(outputs) != 1:
        raise EvaluationError(f"task {task!r} scores one output; the model gave {', '.join(outputs)}")
    output = np.asarray(next(iter(outputs.values())), dtype=np.float64)
    if task == REGRESSION:
        return _measure_regression(output, labels)
    scores = correct(task, output, labels[:count]).astype(np.float64)
    return {"accuracy": float(scores.mean())}, scores


def main_metric(task: str, metrics: Mapping[str, float]) -> str:
    """Returns the name of the metric that drops are measured on."""
    if not metrics:
        return "agreement"
    return next(iter(metrics)) if is_custom(task) else {REGRESSION: "mae"}.get(task, "accuracy")


def decide(task: str, output: NDArray[Any]) -> NDArray[Any]:
    """Returns what a model decides for each example: a class, or a yes/no per class.

    Args:
        task: ``classification``, ``binary`` or ``multilabel``.
        output: Scores, [examples, …]; the last axis is the class. For yes/no decisions a probability of 0.5 or more is
            a yes; where any value is outside of 0..1, all are logits and 0 or more is a yes.
    """
    if task == CLASSIFICATION or (task == BINARY and output.reshape(len(output), -1).shape[1] == 2):
        decisions: NDArray[Any] = output.reshape(len(output), -1).argmax(axis=1)
        return decisions
    logits = bool(((output < 0) | (output > 1)).any())
    yes: NDArray[Any] = (output >= (0.0 if logits else 0.5)).astype(np.int64).reshape(len(output), -1)
    return yes[:, 0] if task == BINARY else yes


def correct(task: str, output: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Returns, per example, 1 where the decision is the label, 0 where not; for multilabel the share of right classes.

    Raises:
        EvaluationError: The labels are not classes of the output.
    """
    decisions = decide(task, output)
    units = output.reshape(len(output), -1).shape[1]
    if task in (CLASSIFICATION, BINARY) and output.ndim > 1 and units != output.shape[-1]:
        raise EvaluationError(f"an output is {list(output.shape[1:])}; {task} takes one score per class")
    if task == BINARY and units > 2:
        raise EvaluationError(f"an output has {units} units; binary takes one or two")
    if task == CLASSIFICATION and labels.size and int(labels.max()) >= units:
        raise EvaluationError(f"label {int(labels.max())} is out of range; the output has {units} classes")
    if decisions.shape != labels.shape:
        raise EvaluationError(f"outputs decide {list(decisions.shape)}; the labels are {list(labels.shape)}")
    same = decisions == labels
    share: NDArray[Any] = same.mean(axis=1) if task == MULTILABEL else same
    return share


def _measure_regression(
    output: NDArray[np.float64], labels: NDArray[Any]
) -> tuple[dict[str, float], NDArray[np.float64]]:
    found = output.reshape(len(output), -1)
    spread = float(labels.std()) or 1.0
    expected = labels.reshape(len(labels), -1)[: len(found)]
    if expected.shape != found.shape:
        raise EvaluationError(f"outputs are {list(found.shape)}; the labels are {list(expected.shape)}")
    errors = np.abs(found - expected).mean(axis=1)
    metrics = {"mae": float(errors.mean()), "rmse": float(np.sqrt(((found - expected) ** 2).mean()))}
    return metrics, -errors / spread


def _measure_custom(
    task: str, outputs: Mapping[str, NDArray[Any]], labels: NDArray[Any]
) -> tuple[dict[str, float], NDArray[np.float64] | None]:
    values = dict(outputs) if len(outputs) > 1 else next(iter(outputs.values()))
    try:
        found = load_function(task)(values, labels)
    except (ConfigError, EvaluationError):
        raise
    except Exception as error:  # The user's own code: whatever it raises is reported as its own message.
        raise EvaluationError(f"task {task}: raised {type(error).__name__}: {error}") from error
    if not isinstance(found, Mapping) or not found:
        raise EvaluationError(f"task {task}: returned {found!r}; a dict of floats is needed, the main metric first")
    try:
        results = {str(name): np.asarray(value, dtype=np.float64) for name, value in found.items()}
    except (TypeError, ValueError) as error:
        raise EvaluationError(f"task {task}: returned {found!r}; its values are not numbers ({error})") from error
    metrics = {name: float(value.mean()) for name, value in results.items()}
    for name, value in metrics.items():
        if not np.isfinite(value):
            raise EvaluationError(f"task {task}: metric {name!r} is {value}; metrics are finite numbers")
    main = next(iter(results.values()))
    return metrics, main if main.shape == (len(labels),) else None


def load_function(name: str) -> Callable[..., Any]:
    """Returns the function that ``package.module:function`` names.

    Raises:
        ConfigError: There is no such module or function.
    """
    module_name, _, function_name = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name, None)
    except ImportError as error:
        raise ConfigError(f"{name}: module {module_name!r} cannot be imported ({error})") from error
    if not callable(function):
        raise ConfigError(f"{name}: module {module_name!r} has no function {function_name!r}")
    return function  # type: ignore[no-any-return]
