"""The task a model is evaluated on: what its labels and outputs must be, and which metrics it has."""

import importlib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import ModuleType
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
# The tasks whose models decide on classes.
DECIDING = (CLASSIFICATION, BINARY, MULTILABEL)

PYTHON_FILE = ".py"
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def check_task_name(task: str) -> str:
    """Returns the task if it is known or names a function as ``FILE.py:function`` or ``package.module:function``.

    Raises:
        ConfigError: It is neither.
    """
    module, _, function = task.rpartition(":")
    is_file = module.endswith(PYTHON_FILE) and "://" not in module
    if task not in TASKS and not ((is_file or _PATH.fullmatch(module)) and function.isidentifier()):
        raise ConfigError(
            f"task: unknown task {task!r}; choose from {', '.join(TASKS)}, or FILE.py:function or"
            f" package.module:function{did_you_mean(task, TASKS)}"
        )
    return task


def is_custom(task: str) -> bool:
    """Returns whether the task is a custom function."""
    return task not in TASKS


def check_outputs(task: str, signature: ModelSignature) -> None:
    """Checks, as far as the signature allows, that the model's outputs fit the task.

    Raises:
        ConfigError: They do not fit.
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
        classes: The number of classes of the model, or None when not known.

    Returns:
        int64 scalar for classification and binary, int64 [classes] for multilabel, float64 of unchanged shape for regression,
        unchanged for any other task.

    Raises:
        ExamplesError: The task does not allow the label.
    """
    if task in (CLASSIFICATION, BINARY):
        limit = 2 if task == BINARY else classes
        value = _integers(task, label)
        if value.size != 1:
            raise ExamplesError(f"label has {value.size} values; {task} takes one")
        number = int(value.reshape(()))
        if number < 0 or (limit is not None and number >= limit):
            allowed = f"0 to {limit - 1}" if limit is not None else "0 or more"
            who = "task 'binary' takes" if task == BINARY else "the model's output allows"
            raise ExamplesError(f"label {number} is out of range; {who} {allowed}")
        return value.reshape(())
    if task == MULTILABEL:
        value = _integers(task, label).reshape(-1)
        if classes is not None and value.size != classes:
            raise ExamplesError(
                f"label has {value.size} value{'s' * (value.size != 1)}; task 'multilabel' takes a 0 or a 1 for each of the"
                f" model's {classes} outputs"
            )
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


def check_answer(task: str, outputs: Mapping[str, NDArray[Any]]) -> None:
    """Checks that the task can use the outputs of a model, whatever the labels; ``none`` and custom functions accept any.

    Args:
        task: The task.
        outputs: Arrays by output name, the example first.

    Raises:
        EvaluationError: There are several outputs, or the only one has a shape that the task does not support.
    """
    if task == NONE or is_custom(task):
        return
    if len(outputs) != 1:
        raise EvaluationError(
            f"task {task!r} scores one output; the model gave {', '.join(outputs)}."
            " Use task: none, or package.module:function for a metric of your own"
        )
    output = next(iter(outputs.values()))
    units = output.reshape(len(output), -1).shape[1]
    if task not in (CLASSIFICATION, BINARY):
        return
    if output.ndim > 1 and units != output.shape[-1]:
        raise EvaluationError(f"an output is {list(output.shape[1:])}; {task} takes one score per class")
    if task == CLASSIFICATION and units == 1:
        raise EvaluationError(
            "an output has 1 unit; classification takes one for each class. Use task: binary or regression"
        )
    if task == BINARY and units > 2:
        raise EvaluationError(f"an output has {units} units; binary takes one or two")


def check_fit(task: str, outputs: Mapping[str, NDArray[Any]], labels: NDArray[Any]) -> NDArray[Any]:
    """Returns the only output of a model, after checking that it fits the labels.

    Args:
        task: ``classification``, ``binary``, ``multilabel`` or ``regression``.
        outputs: Arrays by output name, the example first.
        labels: The labels of these examples, in the form of `check_label`.

    Raises:
        EvaluationError: There are several outputs, or its shape or classes do not fit the labels.
    """
    check_answer(task, outputs)
    output = next(iter(outputs.values()))
    units = output.reshape(len(output), -1).shape[1]
    if task in (CLASSIFICATION, BINARY):
        if labels.ndim != 1:
            raise EvaluationError(f"the labels are {list(labels.shape)}; {task} takes one per example")
        classes = 2 if task == BINARY else units
        wrong = np.flatnonzero((labels < 0) | (labels >= classes))
        if len(wrong):
            raise EvaluationError(
                f"label {int(labels[wrong[0]])} is out of range; the output has {classes} classes; it is that of example"
                f" {int(wrong[0])} of the evaluation set (from 0), and {len(wrong):,} of {len(labels):,} labels are out of range"
            )
        return output
    actual, expected = (len(output), units), (len(labels), labels.reshape(len(labels), -1).shape[1])
    if actual != expected:
        verb = "decide" if task == MULTILABEL else "are"
        raise EvaluationError(f"outputs {verb} {list(actual)}; the labels are {list(expected)}")
    return output


def _message(error: BaseException) -> str:
    return str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"


def load_function(name: str, source: str = "") -> Callable[..., Any]:
    """Returns the function that ``package.module:function``, or ``FILE.py:function`` with the file's text, names.

    Args:
        name: The name.
        source: The text of the file; "" for a module.

    Raises:
        ConfigError: There is no such module or function, or the file cannot be run.
    """
    if source:
        return _of_file(name, source)
    module_name, _, function_name = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name, None)
    except (
        Exception,
        SystemExit,
    ) as error:  # The import runs the user's code, which may raise anything.
        raise ConfigError(f"{name}: module {module_name!r} cannot be imported ({_message(error)})") from error
    if not callable(function):
        raise ConfigError(f"{name}: module {module_name!r} has no function {function_name!r}")
    return function  # type: ignore[no-any-return]


# A metric is called thousands of times; the file runs once.
@lru_cache(maxsize=8)
def _of_file(name: str, source: str) -> Callable[..., Any]:
    path, _, function_name = name.rpartition(":")
    module = ModuleType("edgequant_user_code")
    try:
        exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - the user's own file, named in their config
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigError(f"{path} has no function {function_name!r}")
    return function  # type: ignore[no-any-return]
