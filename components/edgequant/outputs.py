"""A model's outputs: how they are read, what they decide, how often that is right, and how noisy they are."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.metric_table import METRICS
from edgequant.own_metric import MetricInputs, own_metrics
from edgequant.task import BINARY, CLASSIFICATION, DECIDING, NONE, REGRESSION, check_fit, is_custom

PROBABILITIES = "probabilities"
LOGITS = "logits"
# What a softmax or a sigmoid in float32 may be past 0 or 1 by.
_ROUNDING = 1e-6


def read(task: str, output: NDArray[Any]) -> str:
    """Returns how a model's outputs are to be read: ``probabilities`` where all are 0 to 1, else ``logits``; "" for other tasks.

    Models are compared by one reading, the reference's: quantized ones may leave 0..1, or give nothing outside of it, by chance.

    Args:
        task: The task.
        output: The only output, [examples, …].
    """
    if task not in DECIDING:
        return ""
    low, high = float(output.min(initial=0.0)), float(output.max(initial=0.0))
    return PROBABILITIES if low >= -_ROUNDING and high <= 1 + _ROUNDING else LOGITS


def decide(task: str, output: NDArray[Any], reading: str) -> NDArray[Any]:
    """Returns what a model decides for each example: a class, or a yes/no per class.

    Args:
        task: ``classification``, ``binary`` or ``multilabel``.
        output: Scores, [examples, …]; the last axis is the class.
        reading: ``probabilities``, of which 0.5 or more is a yes, or ``logits``, of which 0 or more is one.
    """
    if task == CLASSIFICATION or (task == BINARY and output.reshape(len(output), -1).shape[1] == 2):
        decisions: NDArray[Any] = output.reshape(len(output), -1).argmax(axis=1)
        return decisions
    least = 0.5 if reading == PROBABILITIES else 0.0
    yes: NDArray[Any] = (output >= least).astype(np.int64).reshape(len(output), -1)
    return yes[:, 0] if task == BINARY else yes


def glance(
    task: str, outputs: Mapping[str, NDArray[Any]], labels: NDArray[Any] | None, given: MetricInputs | None = None
) -> dict[str, float]:
    """Returns a preview of a model's metrics: its task's main metric, or all metrics of a custom function.

    The verdict computes more, and interprets the outputs of all models as the reference's.

    Args:
        task: The task.
        outputs: Float arrays by output name, the example first.
        labels: The labels in the form of `check_label`, or None. There may be more labels than outputs, which belong to
            the first examples.
        given: What a custom function may ask for, of all examples; None for nothing.

    Returns:
        The metrics by name; none without labels.

    Raises:
        ConfigError: The custom function does not exist.
        EvaluationError: The outputs do not fit the labels, or a custom metric fails.
    """
    if labels is None or task == NONE:
        return {}
    first_labels = np.asarray(labels[: len(next(iter(outputs.values())))])
    if is_custom(task):
        first = None if given is None else given.of(slice(len(first_labels)))
        return {name: float(value.mean()) for name, value in own_metrics(task, outputs, first_labels, first).items()}
    output = check_fit(task, outputs, first_labels)
    if task == REGRESSION:
        return {
            METRICS[task][0]: float(
                np.abs(output.reshape(len(output), -1) - first_labels.reshape(len(first_labels), -1)).mean()
            )
        }
    return {METRICS[task][0]: float((decide(task, output, read(task, output)) == first_labels).mean())}


def sqnr_db(signal: float, noise: float) -> float | None:
    """Returns 10 log10(signal / noise), in dB, of two energies (sums of squares); None where either is zero."""
    return 10 * math.log10(signal / noise) if signal and noise else None
