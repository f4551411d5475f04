"""Metrics of a ranking, over examples that are counted any number of times: fast enough to be taken thousands of times."""

import numpy as np
from numpy.typing import NDArray

from edgequant.validation.statistics import Resampled


class Ranking:
    """Scores put in order once, so that no resample sorts them again.

    Args:
        scores: The higher, the likelier a yes, [examples].
        labels: 0 or 1, [examples].
    """

    def __init__(self, scores: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
        values, self._ranks = np.unique(scores, return_inverse=True)
        self._count = len(values)
        self._yes = np.asarray(labels, np.float64)

    def _counted(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns how many yes and how many no each score has, the least score first."""
        both = np.bincount(self._ranks, weights, self._count).astype(np.float64)
        yes = np.bincount(self._ranks, weights * self._yes, self._count).astype(np.float64)
        return yes, both - yes

    def auc(self, weights: NDArray[np.float64]) -> float:
        """Returns the area under the ROC curve: how often a yes has a higher score than a no, ties counting half.

        Source: Hanley & McNeil 1982, "The meaning and use of the area under a ROC curve", Radiology 143.
        """
        yes, no = self._counted(weights)
        pairs = yes.sum() * no.sum()
        if not pairs:
            return float("nan")
        return float(yes @ (np.cumsum(no) - no / 2) / pairs)

    def average_precision(self, weights: NDArray[np.float64]) -> float:
        """Returns the mean of the precisions at each score, weighted by how much the recall rises there."""
        yes, no = self._counted(weights)
        if not yes.sum():
            return float("nan")
        found, taken = np.cumsum(yes[::-1]), np.cumsum((yes + no)[::-1])
        precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
        return float(precision @ yes[::-1] / yes.sum())


def resampled_f1(labels: NDArray[np.int64], decisions: NDArray[np.int64]) -> Resampled:
    """Returns F1 of yes and no decisions, not defined without a yes among the labels."""
    right, either = np.asarray(labels * decisions, np.float64), np.asarray(labels + decisions, np.float64)
    known = np.asarray(labels, np.float64)

    def over(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        there = weights @ known > 0
        f1 = np.divide(2 * (weights @ right), weights @ either, out=np.full(len(weights), np.nan), where=there)
        return np.asarray(f1)

    return Resampled(over, len(labels))
