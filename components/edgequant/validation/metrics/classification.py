"""The metrics of models that decide for classes."""

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

# float32 tells no smaller share of 1, and quantized outputs are 0 for many classes: without a floor one would be infinite.
FLOOR = 1e-7
# As many as Guo et al. take.
_BINS = 15
_TOP = 5
# How many values are taken at once, so that memory does not grow with the number of examples.
_CHUNK = 2_000_000


def chunks(output: NDArray[Any]) -> list[slice]:
    """Returns slices of examples that hold a bounded number of values each."""
    rows = max(1, _CHUNK // max(1, output[:1].size))
    return [slice(start, start + rows) for start in range(0, len(output), rows)]


def probabilities(task: str, output: NDArray[Any], reading: str) -> NDArray[np.float64]:
    """Returns the probabilities that outputs stand for, [examples, classes], each between `FLOOR` and 1.

    Those of one class of several sum to 1: a binary task's of one unit are made two. Those of multilabel are each of their own.

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
class Answers:
    """What a model answers to each example, where it decides for one class.

    Attributes:
        decisions: The class, [examples].
        confidence: The probability that it gives that class, [examples].
        label_probability: The probability that it gives the label, [examples].
        among_top: Whether the label is among the 5 highest scores, equal ones in the order of classes, [examples].
        classes: How many classes there are.
    """

    decisions: NDArray[np.int64]
    confidence: NDArray[np.float64]
    label_probability: NDArray[np.float64]
    among_top: NDArray[np.bool_]
    classes: int


def answers(task: str, output: NDArray[Any], labels: NDArray[np.int64], reading: str) -> Answers:
    """Returns what a model answers to each example of ``classification`` or ``binary``."""
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
    return Answers(
        decisions=decisions,
        confidence=confidence,
        label_probability=label_probability,
        among_top=among_top,
        classes=likely.shape[1],
    )


def _rank(output: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns how many classes come before the label: those of a higher score, and of an equal one those of a lower number.

    Quantized outputs are 0 for many classes; were equal ones all before or all after the label, they would look better or worse.
    """
    scores = output.reshape(len(output), -1)
    if scores.shape[1] == 1:
        return np.zeros(len(output), np.int64)
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = np.arange(scores.shape[1]) < labels[:, None]
    return np.asarray(((scores > own) | ((scores == own) & before)).sum(axis=1), np.int64)


def classification(output: NDArray[Any], labels: NDArray[np.int64], reading: str) -> dict[str, Figure]:
    """Returns the metrics of single-class decisions by name, the main one first."""
    from sklearn.metrics import f1_score

    found = answers(CLASSIFICATION, output, labels, reading)
    right = mean_of(found.decisions == labels)
    present = np.unique(labels)
    macro = f1_score(labels, found.decisions, labels=present, average="macro", zero_division=0)
    figures = {"accuracy": right}
    if found.classes > _TOP:
        figures["top_5_accuracy"] = mean_of(found.among_top)
    # Of one decision per example, micro F1 is the accuracy.
    figures |= {
        "macro_f1": Figure(
            value=float(macro),
            weighted=_macro_f1(labels, found.decisions, found.classes),
            worst_case=macro_f1_worst_case(labels, found.decisions, found.classes),
        ),
        "micro_f1": right,
    }
    return figures | _calibration(found, labels)


def binary(output: NDArray[Any], labels: NDArray[np.int64], reading: str) -> dict[str, Figure]:
    """Returns the metrics of yes and no decisions by name, the main one first."""
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    found = answers(BINARY, output, labels, reading)
    values = np.asarray(output, np.float64).reshape(len(output), -1)
    # Of two units, their difference: it keeps the order that probabilities near 1 would lose.
    scores = values[:, 0] if values.shape[1] == 1 else values[:, 1] - values[:, 0]
    ranking = Ranking(scores, labels)
    auc, precision = (Resampled(one_by_one(over), len(labels)) for over in (ranking.auc, ranking.average_precision))
    both, some = 0 < labels.sum() < len(labels), labels.any()
    nan = float("nan")
    area = float(roc_auc_score(labels, scores)) if both else nan
    return {
        "accuracy": mean_of(found.decisions == labels),
        "auc": Figure(value=area, weighted=auc, worst_case=auc_worst_case(labels, area) if both else None),
        "average_precision": Figure(
            value=float(average_precision_score(labels, scores)) if some else nan,
            weighted=precision,
            worst_case=average_precision_worst_case(scores, labels) if some else None,
        ),
        "f1": Figure(
            value=float(f1_score(labels, found.decisions)) if some else nan,
            weighted=resampled_f1(labels, found.decisions),
            worst_case=f1_worst_case(labels, found.decisions) if some else None,
        ),
        **_calibration(found, labels),
    }


def multilabel(output: NDArray[Any], labels: NDArray[np.int64], reading: str) -> dict[str, Figure]:
    """Returns the metrics of a yes or no per class by name, the main one first: the share of decisions that are right."""
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
    """Returns the mean over the classes that have examples of each one's F1."""
    from scipy import sparse

    # Examples of one label and one decision count alike: a resample is how many of each pair there are.
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
    """Returns the mean F1 of the classes that have examples, of each resample; NaN where none has.

    Args:
        known: How many examples are of each class, [resamples, classes].
        right: How many of them are found.
        either: How many are of it, plus how many are taken for it.
    """
    present = known > 0
    f1 = np.divide(2 * right, either, out=np.zeros_like(right), where=present)
    classes = present.sum(axis=1)
    return np.asarray(np.divide(f1.sum(axis=1), classes, out=np.full(len(f1), np.nan), where=classes > 0))


def _calibration(found: Answers, labels: NDArray[np.int64]) -> dict[str, Figure]:
    """Returns the log loss, and the expected calibration error over 15 bins of equal width.

    Source: Guo et al. 2017, "On calibration of modern neural networks", ICML, equation 3.
    """
    right = (found.decisions == labels).astype(np.float64)
    bins = np.clip(np.ceil(found.confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)

    gaps = right - found.confidence

    def over(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.stack([np.bincount(bins, row * gaps, _BINS) for row in weights])
        return np.asarray(np.abs(sums).sum(axis=1) / weights.sum(axis=1))

    ece = Resampled(over, len(labels))
    return {
        "log_loss": mean_of(-np.log(found.label_probability)),
        "ece": Figure(value=ece.value(), weighted=ece),
    }
