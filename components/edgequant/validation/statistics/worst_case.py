"""Worst-case bounds: how far changes that are not observed in any example could move a metric.

Two steps lead to a bound.

1. **How many examples may change.** If a share q of all examples changes, none of n independent examples shows it with
   probability (1 - q)ⁿ. Seeing none therefore leaves, with confidence c, up to q = 1 - (1 - c)^(1/n), the upper Clopper-Pearson
   bound for zero events: about 3/n at 95%, the rule of three. `UnseenChanges` computes q.
2. **What they can do to the metric.** The q·n examples may be the most influential ones, and they may change in the most harmful
   way. Each function ``*_worst_case`` bounds the metric over all such changes. It returns a `WorstCase`, a function of q.

The bounds assume that the examples are independent draws from the population, and that apart from the changes the population
is like the examples: the number of positives, hits and false alarms is taken as measured. Changes that are seen are not part of a
worst case: the bootstrap covers them, and the wider of the two decides.

In the derivations k = q·n is the number of changed examples, p the number of positives (examples of class 1), d the number
of examples decided as positive, t the hits (both), and s = p + d. The derivations are our own; tests compare them with all changes
of small sets.

Sources: Hanley & Lippman-Hand 1983, "If nothing goes wrong, is everything all right? Interpreting zero numerators", JAMA 249;
Clopper & Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Ends
from edgequant.validation.statistics import Clusters, exact_ends
from edgequant.validation.statistics.sample_size import least

# The most splits of the changed examples into two kinds that are tried; all of them if there are no more.
_MOST_SPLITS = 32
# Maps a share of all examples to how far the metric could get worse, and how far better. A score gets worse by falling, an
# error by rising.
WorstCase: TypeAlias = Callable[[float], tuple[float, float]]


def mean_worst_case(share: float) -> tuple[float, float]:
    """Returns the worst case of a mean of values per example: each changed example moves its value by 1, so the mean by the share.

    For scores of 0 to 1 this is the most that is possible. Errors are unbounded; for them it is an assumption that a changed example
    is off by one standard deviation of the labels, the unit of their drops.
    """
    return share, share


def rmse_worst_case(value: float) -> WorstCase:
    """Returns the worst case of a root mean square error, in standard deviations of the labels.

    It assumes that a changed example has an additional error of one standard deviation, independent of the errors seen. Squares
    then add up: √(rmse² + q), and √(rmse² - q) for the improvement.
    """
    return lambda share: (float(np.sqrt(value**2 + share)) - value, value - float(np.sqrt(max(value**2 - share, 0.0))))


def r2_worst_case(value: float) -> WorstCase:
    """Returns the worst case of R² = 1 - MSE / variance of the labels, under the assumption of `rmse_worst_case`.

    A share q of squared errors of one variance adds q to MSE / variance, and an improvement ends at R² = 1.
    """
    return lambda share: (share, min(share, 1 - value))


def f1_worst_case(labels: NDArray[Any], decisions: NDArray[Any]) -> WorstCase:
    """Returns the worst case of F1 = 2t / (p + d) = 2t / s of binary decisions.

    Fall: k lost hits lead to 2(t - k) / (s - k), k false alarms to 2t / (s + k). With a lost hits and k - a false alarms F1 is
    2(t - a) / (s + k - 2a), whose derivative in a has the sign of 2t - s - k. As t ≤ p and t ≤ d, 2t ≤ s: it falls with a, and lost
    hits alone are the worst case. The fall is 2k(s - t) / (s(s - k)), from F1 = 1 it is k / (2p - k), and F1 is 0 from k = t on.

    Rise: k gained hits add 2k(s - t) / (s(s + k)), k removed false alarms 2tk / (s(s - k)), and the derivative of a mix has one sign,
    so that one of the two is the most. As t ≤ s - t, neither exceeds the fall, which bounds the rise as well.

    Args:
        labels: 0 or 1, [examples].
        decisions: 0 or 1, [examples].
    """
    hits, denominator = np.atleast_1d((labels * decisions).sum()), np.atleast_1d(labels.sum() + decisions.sum())
    count = len(labels)
    return lambda share: _mean_f1_moves(hits, denominator, share * count)


def many_labels_macro_f1_worst_case(labels: NDArray[Any], decisions: NDArray[Any]) -> WorstCase:
    """Returns the worst case of the mean F1 of the classes with examples, for decisions that are independent by class.

    An example may change in all classes at once, so it is the mean of the classes' worst cases with k changes each.

    Args:
        labels: 0 or 1, [examples, classes].
        decisions: 0 or 1, [examples, classes].
    """
    present, count = labels.any(axis=0), len(labels)
    hits = (labels * decisions).sum(axis=0)[present]
    denominator = (labels.sum(axis=0) + decisions.sum(axis=0))[present]
    return lambda share: _mean_f1_moves(hits, denominator, share * count)


def many_labels_micro_f1_worst_case(labels: NDArray[Any], decisions: NDArray[Any]) -> WorstCase:
    """Returns the worst case of the F1 of all decisions together, for decisions that are independent by class.

    A changed example changes up to all of its decisions. The k examples with most hits lose them, and the k with most true
    negatives turn them into false alarms: 2(t - lost) / (s - lost + raised). F1 falls with both, so taking the maximum of each,
    though of different examples, is a bound. The rise is bounded likewise by missed positives that become hits and false alarms
    that are removed.

    Args:
        labels: 0 or 1, [examples, classes].
        decisions: 0 or 1, [examples, classes].
    """
    count, hits, denominator = len(labels), int((labels * decisions).sum()), int(labels.sum() + decisions.sum())
    negatives, declined = 1 - labels, 1 - decisions
    kinds = (labels * decisions, negatives * declined, labels * declined, negatives * decisions)
    most = [np.concatenate([[0.0], np.cumsum(np.sort(kind.sum(axis=1))[::-1])]) for kind in kinds]

    def worst_case(share: float) -> tuple[float, float]:
        lost, raised, gained, removed = (float(np.interp(share * count, np.arange(count + 1), kind)) for kind in most)
        value, remaining = 2 * hits / denominator, denominator + gained - removed
        lowest = 2 * (hits - lost) / (denominator - lost + raised) if hits > lost else 0.0
        return value - lowest, (2 * (hits + gained) / remaining if remaining > 0 else 1.0) - value

    return worst_case


def _mean_f1_moves(hits: NDArray[Any], denominator: NDArray[Any], changed: float) -> tuple[float, float]:
    """Returns how far a mean of F1s falls and rises at most when k examples change in each of them; see `f1_worst_case`.

    Args:
        hits: t of each F1.
        denominator: s of each F1.
        changed: k.
    """
    f1 = 2 * hits / denominator
    moved = np.where(
        changed < denominator,
        2 * changed * (denominator - hits) / (denominator * np.maximum(denominator - changed, 1e-9)),
        1.0,
    )
    fall = np.where(changed < hits, np.minimum(moved, f1), f1)
    return float(fall.mean()), float(np.minimum(moved, 1 - f1).mean())


def macro_f1_worst_case(labels: NDArray[np.int64], decisions: NDArray[np.int64], classes: int) -> WorstCase:
    """Returns the worst case of the mean F1 of the classes with examples, where each example has one class and one decision.

    A changed example is a lost hit in its own class and a false alarm in another. Both are bounded separately:

    - A false alarm costs a class at most 2t/s - 2t/(s + 1) ≤ 2t/s². All k are counted at the greatest such cost of any class.
    - m lost hits cost a class 2m(s - t) / (s(s - m)), as in `f1_worst_case`. The cost per hit rises with m, so it is at most
      2(s - t) / (s(s - m)) with m = min(k, t). The k hits are lost in the classes of greatest cost first, at most t in each.

    Rise: a gained hit adds at most 2(s - t) / (s(p + t)) and a removed false alarm at most 2t / (s(p + t)), because s never falls
    below p + t. All k are counted at the greatest of both.

    Args:
        labels: The class of each example, [examples].
        decisions: The class decided, [examples].
        classes: How many classes the model has.
    """
    known, decided = (np.bincount(which, minlength=classes)[:classes] for which in (labels, decisions))
    hits = np.bincount(labels[labels == decisions], minlength=classes)[:classes]
    present = known > 0
    known, hits, denominator, count = known[present], hits[present], (known + decided)[present], len(labels)
    value, alarm = float((2 * hits / denominator).mean()), float((2 * hits / denominator**2).max())
    lowest = denominator * (known + hits)
    gain = float((2 * (denominator - hits) / lowest).max() + (2 * hits / lowest).max())

    def worst_case(share: float) -> tuple[float, float]:
        changed = share * count
        most = np.minimum(changed, hits)
        cost = np.where(hits > 0, 2 * (denominator - hits) / (denominator * np.maximum(denominator - most, 1e-9)), 0.0)
        order = np.argsort(-cost)
        before = np.cumsum(most[order]) - most[order]
        lost = float((cost[order] * np.clip(changed - before, 0.0, most[order])).sum())
        fall = (lost + changed * alarm) / len(hits)
        return min(fall, value), min(changed * gain / len(hits), 1 - value)

    return worst_case


def auc_worst_case(labels: NDArray[np.int64], value: float) -> WorstCase:
    """Returns the worst case of the area under the ROC curve: k/r, with r examples of the rarer label.

    AUC is the share of pairs of a positive and a negative that are ranked in order. Of r·m pairs an example of the rarer label is in
    m, a share of 1/r, and an example of the other label in r, a share of 1/m ≤ 1/r. So k examples change at most k/r of all pairs.

    The rule of three for r pairs without a common example leads to the same. If a share x of all pairs changes, whichever
    examples change, none of the r shows it with a probability of at most (1 - x)ʳ, so x is about 3/r at 95%.

    Source: Hanley & McNeil 1982, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
    Radiology 143, for AUC as a share of pairs.

    Args:
        labels: 0 or 1, [examples].
        value: The AUC.
    """
    count, positives = len(labels), int(labels.sum())
    rarer = min(positives, count - positives)

    def worst_case(share: float) -> tuple[float, float]:
        moved = share * count / rarer if rarer else 1.0
        return min(moved, value), min(moved, 1 - value)

    return worst_case


def average_precision_worst_case(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> WorstCase:
    """Returns the worst case of the average precision, (1/p) Σᵢ i / (i + aᵢ): aᵢ negatives rank above the i-th positive, or level with it.

    Two changes cost most: a positive of the highest rank falls to the end, and a negative rises above all positives, which adds 1 to
    each aᵢ. Splits of the k examples into the two kinds are tried: every split if there are few, else 33. From an average precision
    of 1, k risen negatives lead to (1/p) Σᵢ i / (i + k); see `_mean_precision` for why that costs k/p · ln(1 + p/k).

    Rise: some positives of the lowest rank rise above all negatives, and the other changed examples are negatives that fall to the end.

    Args:
        scores: The score of class 1, [examples].
        labels: 0 or 1, [examples].
    """
    count, ranked = len(labels), np.sort(-scores[labels == 1])
    above = np.searchsorted(np.sort(-scores[labels == 0]), ranked, side="right").astype(np.float64)
    positives, value = len(above), _mean_precision(above, len(above))

    def moved(down: int, up: float) -> tuple[float, float]:
        lowest = _mean_precision(above[down:] + up, positives)
        highest = np.concatenate([np.zeros(down), np.maximum(above[: positives - down] - up, 0.0)])
        return value - lowest, _mean_precision(highest, positives) - value

    def worst_case(share: float) -> tuple[float, float]:
        changed = share * count
        most = min(int(changed), positives)
        splits = np.unique(np.linspace(0, most, min(most, _MOST_SPLITS) + 1).astype(int))
        moves = [moved(int(down), changed - down) for down in splits]
        # k is no whole number: a fraction of an example costs that fraction.
        whole = min(int(np.ceil(changed)), positives)
        part = min(changed / whole, 1.0) if whole else 0.0
        fall, rise = moved(whole, 0.0)
        moves.append((part * fall, part * rise))
        return max(fall for fall, _ in moves), max(rise for _, rise in moves)

    return worst_case


def _mean_precision(above: NDArray[np.float64], positives: int) -> float:
    """Returns the sum of the precisions at some positives, in the order of their ranks, over the number of all positives.

    The precision at rank i is the mean of x / (x + a) from x = i - 1 to i, 1 - a ln((i + a) / (i - 1 + a)), as if each example stood
    for many of its kind. With the same a at each of p ranks the sum telescopes to 1 - a/p · ln(1 + p/a).

    Args:
        above: How many negatives rank above each.
        positives: The number of all positives.
    """
    rank = np.arange(1.0, len(above) + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(above > 0, 1 - above * np.log((rank + above) / (rank - 1 + above)), 1.0)
    return float(precision.sum()) / positives


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenChanges:
    """Changes of a kind that none of the examples shows, and the worst that they can do to a metric.

    Attributes:
        examples: How many examples were seen.
        worst_case: How far a share of all examples could move the metric; None if that is unknown.
        unit: How much 1 of the metric is in the unit of the result: 100 for points.
        clusters: The groups of the examples; None if they are independent. A change may affect whole groups and no other, so that
            the effective number of groups takes the place of the number of examples.
    """

    examples: int
    worst_case: WorstCase | None
    unit: float = 1.0
    clusters: Clusters | None = None

    @property
    def _independent(self) -> int:
        return self.examples if self.clusters is None else self.clusters.effective

    def share(self, confidence: float) -> float:
        """Returns the greatest share of all examples that may change, the upper Clopper-Pearson bound for zero events."""
        return exact_ends(0, self._independent, confidence)[1]

    def moves(self, confidence: float) -> Ends | None:
        """Returns how far the metric could get worse and better, in `unit`; None if that is unknown."""
        return None if self.worst_case is None else self._moves(self.worst_case, self._independent, confidence)

    def examples_to_leave(self, room: float, confidence: float, *, falling: bool = True) -> int | None:
        """Returns the smallest number of examples whose worst case is within a limit; None if no number has one.

        Args:
            room: The limit, in `unit`.
            confidence: The confidence level of the one-sided bound.
            falling: Whether the limit is for the metric getting worse, or for its getting better.
        """
        if self.worst_case is None or room <= 0:
            return None
        worst_case, side = self.worst_case, 0 if falling else 1
        needed = least(
            lambda count: self._moves(worst_case, count, confidence)[side] <= room, max(self._independent, 2)
        )
        return None if needed is None else math.ceil(needed * self.examples / self._independent)

    def _moves(self, worst_case: WorstCase, count: int, confidence: float) -> Ends:
        fall, rise = worst_case(exact_ends(0, count, confidence)[1])
        return self.unit * fall, self.unit * rise
