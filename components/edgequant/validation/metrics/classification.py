"""Metrics of classification, binary classification and multilabel classification."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.outputs import PROBABILITIES, decide
from edgequant.task import BINARY, CLASSIFICATION
from edgequant.validation.metrics.metric import Figure, mean_of
from edgequant.validation.metrics.ranking import Ranking, resampled_f1
from edgequant.validation.statistics import Resampled, one_by_one
from edgequant.validation.statistics.worst_case import (
    auc_worst_case,
    average_precision_worst_case,
    f1_worst_case,
    macro_f1_worst_case,
    many_labels_macro_f1_worst_case,
    many_labels_micro_f1_worst_case,
)

# About the resolution of float32 near 1. Quantized outputs are 0 for many classes: without a floor the log loss would be infinite.
FLOOR = 1e-7
# The number of bins of Guo et al.
_BINS = 15
_TOP = 5
# The number of values that are processed at once, so that memory does not grow with the number of examples.
_CHUNK = 2_000_000


def chunks(output: NDArray[Any]) -> list[slice]:
    """Returns slices of examples that hold a bounded number of values each."""
    rows = max(1, _CHUNK // max(1, output[:1].size))
    return [slice(start, start + rows) for start in range(0, len(output), rows)]


def probabilities(task: str, output: NDArray[Any], reading: str) -> NDArray[np.float64]:
    """Returns the probabilities of an output, [examples, classes], each between `FLOOR` and 1.

    Those of exclusive classes sum to 1; a binary output of one unit becomes two columns. Those of multilabel are independent.

    Args:
        task: ``classification``, ``binary`` or ``multilabel``.
        output: Scores, [examples, …].
        reading: ``probabilities`` or ``logits``.
    """
    values = np.asarray(output, np.float64).reshape(len(output), -1)
    alone = task not in (CLASSIFICATION, BINARY)
    if task == BINARY and values.shape[1] == 1:
        values = _sigmoid(values) if reading != PROBABILITIES else values
        values = np.concatenate([1 - values, values], axis=1)
    elif reading != PROBABILITIES:
        values = _sigmoid(values) if alone else np.exp(values - values.max(axis=1, keepdims=True))
    values = np.clip(values, FLOOR, 1 - FLOOR if alone else None)
    return values if alone else values / values.sum(axis=1, keepdims=True)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPredictions:
    """A model's predictions of exclusive classes.

    Attributes:
        decisions: The predicted class, [examples].
        confidence: The probability of the predicted class, [examples].
        label_probability: The probability of the label, [examples].
        among_top: Whether the label is among the 5 highest scores, ties in the order of classes, [examples].
        classes: The number of classes.
    """

    decisions: NDArray[np.int64]
    confidence: NDArray[np.float64]
    label_probability: NDArray[np.float64]
    among_top: NDArray[np.bool_]
    classes: int


def class_predictions(task: str, output: NDArray[Any], labels: NDArray[np.int64], reading: str) -> ClassPredictions:
    """Returns a model's predictions for ``classification`` or ``binary``."""
    parts = []
    for rows in chunks(output):
        values, known = output[rows], labels[rows]
        decided = decide(task, values, reading)
        likely = probabilities(task, values, reading)
        every = np.arange(len(known))
        parts.append((decided, likely[every, decided], likely[every, known], _rank(values, known) < _TOP))
    decisions, confidence, label_probability, among_top = (
        np.concatenate([part[index] for part in parts]) for index in range(4)
    )
    return ClassPredictions(
        decisions=decisions,
        confidence=confidence,
        label_probability=label_probability,
        among_top=among_top,
        classes=likely.shape[1],
    )


def _rank(output: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the rank of the label, from 0: the number of classes with a higher score, or an equal score and a lower number.

    Quantized outputs are 0 for many classes: ranking all ties before the label, or all after it, would bias the metric.
    """
    scores = output.reshape(len(output), -1)
    if scores.shape[1] == 1:
        return np.zeros(len(output), np.int64)
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = np.arange(scores.shape[1]) < labels[:, None]
    return np.asarray(((scores > own) | ((scores == own) & before)).sum(axis=1), np.int64)


def classification(output: NDArray[Any], labels: NDArray[np.int64], reading: str) -> dict[str, Figure]:
    """Returns the metrics of ``classification`` by name, the main one first."""
    from sklearn.metrics import f1_score

    predictions = class_predictions(CLASSIFICATION, output, labels, reading)
    right = mean_of(predictions.decisions == labels)
    present = np.unique(labels)
    macro = f1_score(labels, predictions.decisions, labels=present, average="macro", zero_division=0)
    figures = {"accuracy": right}
    if predictions.classes > _TOP:
        figures["top_5_accuracy"] = mean_of(predictions.among_top)
    # With one decision per example, micro F1 equals accuracy.
    figures |= {
        "macro_f1": Figure(
            value=float(macro),
            weighted=_macro_f1(labels, predictions.decisions, predictions.classes),
            worst_case=macro_f1_worst_case(labels, predictions.decisions, predictions.classes),
        ),
        "micro_f1": right,
    }
    return figures | _calibration(predictions, labels)


def binary(output: NDArray[Any], labels: NDArray[np.int64], reading: str) -> dict[str, Figure]:
    """Returns the metrics of ``binary`` by name, the main one first."""
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    predictions = class_predictions(BINARY, output, labels, reading)
    values = np.asarray(output, np.float64).reshape(len(output), -1)
    # Two units are ranked by their difference: probabilities near 1 would round to ties.
    scores = values[:, 0] if values.shape[1] == 1 else values[:, 1] - values[:, 0]
    ranking = Ranking(scores, labels)
    auc, precision = (Resampled(one_by_one(over), len(labels)) for over in (ranking.auc, ranking.average_precision))
    both, some = 0 < labels.sum() < len(labels), labels.any()
    nan = float("nan")
    area = float(roc_auc_score(labels, scores)) if both else nan
    return {
        "accuracy": mean_of(predictions.decisions == labels),
        "auc": Figure(value=area, weighted=auc, worst_case=auc_worst_case(labels, area) if both else None),
        "average_precision": Figure(
            value=float(average_precision_score(labels, scores)) if some else nan,
            weighted=precision,
            worst_case=average_precision_worst_case(scores, labels) if some else None,
        ),
        "f1": Figure(
            value=float(f1_score(labels, predictions.decisions)) if some else nan,
            weighted=resampled_f1(labels, predictions.decisions),
            worst_case=f1_worst_case(labels, predictions.decisions) if some else None,
        ),
        **_calibration(predictions, labels),
    }


def multilabel(output: NDArray[Any], labels: NDArray[np.int64], reading: str) -> dict[str, Figure]:
    """Returns the metrics of ``multilabel`` by name, the main one first: accuracy, the share of right decisions."""
    from scipy import sparse
    from sklearn.metrics import f1_score

    decisions = decide("multilabel", output, reading)
    same = decisions == labels
    present = labels.any(axis=0)
    nan = float("nan")
    macro, micro = nan, nan
    if present.any():
        macro = float(f1_score(labels[:, present], decisions[:, present], average="macro", zero_division=0))
        micro = float(f1_score(labels, decisions, average="micro", zero_division=0))
    known = sparse.csr_array(labels.astype(np.float64))
    right = sparse.csr_array((labels * decisions).astype(np.float64))
    either = sparse.csr_array((labels + decisions).astype(np.float64))

    def over_classes(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return _mean_f1(weights @ known, weights @ right, weights @ either)

    def over_all(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = ((weights @ part).sum(axis=1, keepdims=True) for part in (known, right, either))
        return _mean_f1(*sums)

    return {
        "accuracy": mean_of(same.mean(axis=1)),
        "subset_accuracy": mean_of(same.all(axis=1)),
        "macro_f1": Figure(
            value=macro,
            weighted=Resampled(over_classes, len(labels)),
            worst_case=many_labels_macro_f1_worst_case(labels, decisions) if present.any() else None,
        ),
        "micro_f1": Figure(
            value=micro,
            weighted=Resampled(over_all, len(labels)),
            worst_case=many_labels_micro_f1_worst_case(labels, decisions) if present.any() else None,
        ),
    }


def _macro_f1(labels: NDArray[np.int64], decisions: NDArray[np.int64], classes: int) -> Resampled:
    """Returns macro F1 over weighted examples: the mean F1 of the classes with examples."""
    from scipy import sparse

    # Examples with the same label and decision are interchangeable: a resample is the weight of each such pair.
    pairs, pair_of = np.unique(labels * classes + decisions, return_inverse=True)
    label, decision = np.divmod(pairs, classes)
    ones, rows, shape = np.ones(len(pairs)), np.arange(len(pairs)), (len(pairs), classes)
    of_label, of_decision = (sparse.csr_array((ones, (rows, part)), shape=shape) for part in (label, decision))

    def over(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = np.stack([np.bincount(pair_of, row, len(pairs)) for row in weights])
        known, decided = counts @ of_label, counts @ of_decision
        return _mean_f1(known, (counts * (label == decision)) @ of_label, known + decided)

    return Resampled(over, len(labels))


def _mean_f1(
    known: NDArray[np.float64], right: NDArray[np.float64], either: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns the mean F1 of the classes with examples, for each resample; NaN where no class has examples.

    Args:
        known: The number of labels of each class, [resamples, classes].
        right: The number of true positives.
        either: The number of labels plus the number of decisions of each class.
    """
    present = known > 0
    f1 = np.divide(2 * right, either, out=np.zeros_like(right), where=present)
    classes = present.sum(axis=1)
    return np.asarray(np.divide(f1.sum(axis=1), classes, out=np.full(len(f1), np.nan), where=classes > 0))


def _calibration(predictions: ClassPredictions, labels: NDArray[np.int64]) -> dict[str, Figure]:
    """Returns the log loss, and the expected calibration error (ECE) over 15 bins of equal width.

    Source: Guo et al. 2017, "On calibration of modern neural networks", ICML, equation 3.
    """
    right = (predictions.decisions == labels).astype(np.float64)
    bins = np.clip(np.ceil(predictions.confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)

    gaps = right - predictions.confidence

    def over(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.stack([np.bincount(bins, row * gaps, _BINS) for row in weights])
        return np.asarray(np.abs(sums).sum(axis=1) / weights.sum(axis=1))

    ece = Resampled(over, len(labels))
    return {
        "log_loss": mean_of(-np.log(predictions.label_probability)),
        "ece": Figure(value=ece.value(), weighted=ece),
    }
