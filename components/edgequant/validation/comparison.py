"""Compares a variant with the baseline, example by example."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.task import BINARY, CLASSIFICATION, MULTILABEL, decide
from edgequant.validation.statistics import mean_drop_interval, paired_drop_interval, right_or_wrong, wilson_interval

_POINTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A variant against the baseline, over the examples that both were run on.

    Attributes:
        examples: How many.
        differences: Baseline score minus variant score of each example, [examples]; None when the task's metric gives one
            number for all.
        drop_points: The mean difference, in percentage points.
        drop_interval_points: The ends of its two one-sided intervals, in percentage points.
        agreement: The mean agreement with the baseline, 0 to 1.
    """

    examples: int
    differences: NDArray[np.float64] | None
    drop_points: float | None
    drop_interval_points: tuple[float, float] | None
    agreement: float


def compare(
    task: str,
    baseline: tuple[Mapping[str, NDArray[Any]], NDArray[Any] | None],
    variant: tuple[Mapping[str, NDArray[Any]], NDArray[Any] | None],
    *,
    labelled: bool,
    confidence: float,
) -> Comparison:
    """Returns how a variant compares with the baseline.

    Args:
        task: The task.
        baseline: The baseline's outputs by name, and its scores when it has labels.
        variant: The variant's, of the same or fewer examples: the first ones.
        labelled: Whether there are labels; without them agreement with the baseline stands in for the score.
        confidence: Of each end of the interval.
    """
    (outputs, scores), (own_outputs, own_scores) = baseline, variant
    count = min(len(next(iter(outputs.values()))), len(next(iter(own_outputs.values()))))
    agreements = agreement(
        task, {k: v[:count] for k, v in outputs.items()}, {k: v[:count] for k, v in own_outputs.items()}
    )
    differences: NDArray[np.float64] | None = None
    if not labelled:
        differences = 1.0 - agreements
    elif scores is not None and own_scores is not None:
        differences = np.asarray(scores[:count] - own_scores[:count], np.float64)
    drop, interval = None, None
    if differences is not None:
        drop = float(differences.mean()) * _POINTS
        ends = drop_interval(differences, confidence)
        interval = None if ends is None else (ends[0] * _POINTS, ends[1] * _POINTS)
    return Comparison(
        examples=count,
        differences=differences,
        drop_points=drop,
        drop_interval_points=interval,
        agreement=float(agreements.mean()),
    )


def drop_interval(differences: NDArray[np.float64], confidence: float) -> tuple[float, float] | None:
    """Returns the ends of the two one-sided intervals of a mean drop, as fractions.

    Differences of right and wrong answers get the score interval of paired proportions; others that of a skewed mean.
    """
    if right_or_wrong(differences):
        lost, gained = int((differences > 0).sum()), int((differences < 0).sum())
        return paired_drop_interval(lost, gained, len(differences), confidence)
    return mean_drop_interval(differences, confidence)


def agreement(
    task: str, baseline: Mapping[str, NDArray[Any]], variant: Mapping[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """Returns, per example, how far the variant answers as the baseline does, 0 to 1.

    For tasks with decisions: the share of equal decisions (top-1 agreement). For all others: 1 minus the relative error
    ‖variant - baseline‖ / ‖baseline‖ over all outputs, no less than 0.
    """
    if task in (CLASSIFICATION, BINARY, MULTILABEL):
        same = decide(task, _only(variant)) == decide(task, _only(baseline))
        return np.asarray(same.mean(axis=1) if task == MULTILABEL else same, np.float64)
    count = len(next(iter(baseline.values())))
    expected = np.concatenate([np.asarray(v, np.float64).reshape(count, -1) for v in baseline.values()], axis=1)
    found = np.concatenate([np.asarray(variant[k], np.float64).reshape(count, -1) for k in baseline], axis=1)
    norm = np.linalg.norm(expected, axis=1)
    error = np.linalg.norm(found - expected, axis=1)
    return np.asarray(np.clip(1.0 - error / np.where(norm > 0, norm, 1.0), 0.0, 1.0), np.float64)


def accuracy_interval(scores: NDArray[Any] | None, confidence: float) -> tuple[float, float] | None:
    """Returns Wilson's interval of the mean score, when scores are right or wrong; None otherwise."""
    if scores is None or not len(scores) or not np.isin(scores, (0.0, 1.0)).all():
        return None
    return wilson_interval(int(scores.sum()), len(scores), confidence)


def _only(outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    return next(iter(outputs.values()))
