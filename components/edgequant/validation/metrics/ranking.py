"""Metrics of a ranking over weighted examples, fast enough for thousands of resamples."""

import numpy as np
from numpy.typing import NDArray

from edgequant.validation.statistics import Resampled


class Ranking:
    """Examples ranked by score once, so that resamples need no sorting.

    Args:
        scores: The score of class 1, [examples].
        labels: 0 or 1, [examples].
    """

    def __init__(self, scores: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
        values, self._ranks = np.unique(scores, return_inverse=True)
        self._count = len(values)
        self._yes = np.asarray(labels, np.float64)

    def _counted(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the weights of positives and of negatives at each distinct score, the least score first."""
        both = np.bincount(self._ranks, weights, self._count).astype(np.float64)
        yes = np.bincount(self._ranks, weights * self._yes, self._count).astype(np.float64)
        return yes, both - yes

    def auc(self, weights: NDArray[np.float64]) -> float:
        """Returns the area under the ROC curve: the share of pairs in which the positive outranks the negative, ties counting half.

        Source: Hanley & McNeil 1982, "The meaning and use of the area under a ROC curve", Radiology 143.
        """
        yes, no = self._counted(weights)
        pairs = yes.sum() * no.sum()
        if not pairs:
            return float("nan")
        return float(yes @ (np.cumsum(no) - no / 2) / pairs)

    def average_precision(self, weights: NDArray[np.float64]) -> float:
        """Returns the average precision: the mean of the precisions at each score, weighted by the increase in recall."""
        yes, no = self._counted(weights)
        if not yes.sum():
            return float("nan")
        hits, taken = np.cumsum(yes[::-1]), np.cumsum((yes + no)[::-1])
        precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
        return float(precision @ yes[::-1] / yes.sum())


def resampled_f1(labels: NDArray[np.int64], decisions: NDArray[np.int64]) -> Resampled:
    """Returns F1 of binary decisions over weighted examples; NaN without a positive label."""
    right, either = np.asarray(labels * decisions, np.float64), np.asarray(labels + decisions, np.float64)
    known = np.asarray(labels, np.float64)

    def over(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        has_positives = weights @ known > 0
        f1 = np.divide(2 * (weights @ right), weights @ either, out=np.full(len(weights), np.nan), where=has_positives)
        return np.asarray(f1)

    return Resampled(over, len(labels))
