"""How far a share of all examples could move a metric of all of them, were they to change in the way that moves it most.

Each function here but that of a mean takes what the metric of one model is made of and returns a `Reach`: a bound over every way in which so many
examples could change, on examples like the ones given. A rare yes weighs more than one example of many, and a no that comes to
rank above every yes more than a yes that is missed; so the bound differs from metric to metric.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Ends
from edgequant.validation.statistics import exact_ends
from edgequant.validation.statistics.sample_size import least

# How many mixtures of changes are tried at most: all that there are of so many examples.
_TRIED = 32
# Takes a share of all examples and gives how far the metric could get worse, and how far better: fall and rise, and of errors
# rise and fall.
Reach: TypeAlias = Callable[[float], tuple[float, float]]


def mean_reach(share: float) -> tuple[float, float]:
    """Returns how far a mean of values falls and rises when a share of all examples does by 1 each.

    That is all they can do to scores of 0 to 1. Of errors it takes the unit that points are of, a standard deviation of the
    labels, for what an example that is not like those seen may be off by: no sample tells.
    """
    return share, share


def rmse_reach(value: float) -> Reach:
    """Returns the reach of a root mean square error: a share of all examples is off by another standard deviation of the labels, or by one less.

    What they are off by has nothing to do with the errors that are seen, so that squares add up.
    """
    return lambda share: (float(np.sqrt(value**2 + share)) - value, value - float(np.sqrt(max(value**2 - share, 0.0))))


def r2_reach(value: float) -> Reach:
    """Returns the reach of R²: the same of the share of the labels' variance that the errors are."""
    return lambda share: (share, min(share, 1 - value))


def f1_reach(labels: NDArray[Any], decisions: NDArray[Any]) -> Reach:
    """Returns the reach of F1 of yes and no decisions.

    F1 = 2t / (p + d), of p examples that are yes, d that are taken for one and t that are both. With s = p + d, k lost hits make it
    2(t - k) / (s - k), which is less than what k false alarms make, 2t / (s + k), or any mix of both; and as s is at least 2t,
    it rises no further by k changes than it falls.
    """
    hits, either = np.atleast_1d((labels * decisions).sum()), np.atleast_1d(labels.sum() + decisions.sum())
    count = len(labels)
    return lambda share: _mean_f1_moves(hits, either, share * count)


def many_labels_macro_f1_reach(labels: NDArray[Any], decisions: NDArray[Any]) -> Reach:
    """Returns the reach of the mean F1 of the classes with examples, of [examples, classes]: each example may change in all of them."""
    present, count = labels.any(axis=0), len(labels)
    hits, either = (labels * decisions).sum(axis=0)[present], (labels.sum(axis=0) + decisions.sum(axis=0))[present]
    return lambda share: _mean_f1_moves(hits, either, share * count)


def many_labels_micro_f1_reach(labels: NDArray[Any], decisions: NDArray[Any]) -> Reach:
    """Returns the reach of the F1 of all decisions, of [examples, classes]: those examples change that have most to lose, or to gain."""
    count, hits, either = len(labels), int((labels * decisions).sum()), int(labels.sum() + decisions.sum())
    no, declined = 1 - labels, 1 - decisions
    kinds = (labels * decisions, no * declined, labels * declined, no * decisions)
    most = [np.concatenate([[0.0], np.cumsum(np.sort(kind.sum(axis=1))[::-1])]) for kind in kinds]

    def reach(share: float) -> tuple[float, float]:
        lost, raised, found, dropped = (float(np.interp(share * count, np.arange(count + 1), kind)) for kind in most)
        value, left = 2 * hits / either, either + found - dropped
        least = 2 * (hits - lost) / (either - lost + raised) if hits > lost else 0.0
        return value - least, (2 * (hits + found) / left if left > 0 else 1.0) - value

    return reach


def _mean_f1_moves(hits: NDArray[Any], either: NDArray[Any], changed: float) -> tuple[float, float]:
    """Returns how far a mean of F1s falls and rises when so many examples change in each of them."""
    f1 = 2 * hits / either
    moved = np.where(
        changed < either, 2 * changed * (either - hits) / (either * np.maximum(either - changed, 1e-9)), 1.0
    )
    fall = np.where(changed < hits, np.minimum(moved, f1), f1)
    return float(fall.mean()), float(np.minimum(moved, 1 - f1).mean())


def macro_f1_reach(labels: NDArray[np.int64], decisions: NDArray[np.int64], classes: int) -> Reach:
    """Returns the reach of the mean F1 of the classes with examples, where each example is of one class and taken for one.

    An example that changes is a hit less in its own class and a false alarm in another. Both are counted at the most that they cost
    in any class: false alarms 2t/s² each, as in `f1_reach`; lost hits cost the more the more they are, at most on average as the
    last of them, in the dearest classes first and no more than there are.
    """
    known, decided = (np.bincount(which, minlength=classes)[:classes] for which in (labels, decisions))
    hits = np.bincount(labels[labels == decisions], minlength=classes)[:classes]
    present = known > 0
    known, hits, either, count = known[present], hits[present], (known + decided)[present], len(labels)
    value, alarm = float((2 * hits / either).mean()), float((2 * hits / either**2).max())
    least = either * (known + hits)
    gain = float((2 * (either - hits) / least).max() + (2 * hits / least).max())

    def reach(share: float) -> tuple[float, float]:
        changed = share * count
        most = np.minimum(changed, hits)
        each = np.where(hits > 0, 2 * (either - hits) / (either * np.maximum(either - most, 1e-9)), 0.0)
        order = np.argsort(-each)
        before = np.cumsum(most[order]) - most[order]
        lost = float((each[order] * np.clip(changed - before, 0.0, most[order])).sum())
        fall = (lost + changed * alarm) / len(hits)
        return min(fall, value), min(changed * gain / len(hits), 1 - value)

    return reach


def auc_reach(labels: NDArray[np.int64], value: float) -> Reach:
    """Returns the reach of the area under the ROC curve: one example of the rarer kind is in as large a share of all pairs as any.

    It is the share of pairs of a yes and a no that are in order. Of n pairs without a common example, n being the number of the rarer
    kind, none changes its order with a probability of at most (1 - drop)ⁿ, whichever examples change and how; so what is said
    of n examples by seeing nothing change holds for the drop.
    """
    count, yes = len(labels), int(labels.sum())
    rarer = min(yes, count - yes)

    def reach(share: float) -> tuple[float, float]:
        moved = share * count / rarer if rarer else 1.0
        return min(moved, value), min(moved, 1 - value)

    return reach


def average_precision_reach(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> Reach:
    """Returns the reach of the average precision: of so many examples some are a yes that falls to the end, the others a no that rises to the top.

    The yes that cost most are those that rank highest, and a no costs most above all. Each number of either is tried, of many some.
    """
    count, kept = len(labels), np.sort(-scores[labels == 1])
    # How many a no ranks above each yes, or level with it.
    above = np.searchsorted(np.sort(-scores[labels == 0]), kept, side="right").astype(np.float64)
    yes, value = len(above), _mean_precision(above, len(above))

    def moved(down: int, up: float) -> tuple[float, float]:
        least = _mean_precision(above[down:] + up, yes)
        most = _mean_precision(np.concatenate([np.zeros(down), np.maximum(above[: yes - down] - up, 0.0)]), yes)
        return value - least, most - value

    def reach(share: float) -> tuple[float, float]:
        changed = share * count
        most = min(int(changed), yes)
        tried = np.unique(np.linspace(0, most, min(most, _TRIED) + 1).astype(int))
        found = [moved(int(down), changed - down) for down in tried]
        # A part of one example costs its part: of more examples of this kind it would be some of them.
        whole = min(int(np.ceil(changed)), yes)
        part = min(changed / whole, 1.0) if whole else 0.0
        found.append((part * moved(whole, 0.0)[0], part * moved(whole, 0.0)[1]))
        return max(fall for fall, _ in found), max(rise for _, rise in found)

    return reach


def _mean_precision(above: NDArray[np.float64], yes: int) -> float:
    """Returns the sum of the precisions at some yes, in their order, over the number of all.

    Args:
        above: How many a no ranks above each.
        yes: How many a yes there are in all.
    """
    rank = np.arange(1.0, len(above) + 1)
    # As if each were many of its kind: the mean of x / (x + above) from one rank to the next.
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(above > 0, 1 - above * np.log((rank + above) / (rank - 1 + above)), 1.0)
    return float(precision.sum()) / yes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Changes of a kind that none of the examples shows.

    Where a share of all examples changes, none of n does with a probability of (1 - share)ⁿ. So seeing none leaves up to
    1 - (1 - confidence)^(1/n) of all, about 3 of n at 95%, and those may be the ones that weigh most.

    Attributes:
        examples: How many were seen.
        reach: How far a share of them could move the metric; None when that is not known.
        unit: How much of what is measured is 1 of the metric: 100 for points.
    """

    examples: int
    reach: Reach | None
    unit: float = 1.0

    def share(self, confidence: float) -> float:
        """Returns the greatest share of all examples that may change where none seen does."""
        return exact_ends(0, self.examples, confidence)[1]

    def moves(self, confidence: float) -> Ends | None:
        """Returns how far what is measured could fall and rise by them; None when that is not known."""
        return None if self.reach is None else self._moves(self.reach, self.examples, confidence)

    def examples_to_leave(self, room: float, confidence: float, *, falling: bool = True) -> int | None:
        """Returns the least number of examples that leaves them no more room than this; None when no number does.

        Args:
            room: How far they may move what is measured.
            confidence: How sure that is.
            falling: Whether it is about its falling, or its rising.
        """
        if self.reach is None or room <= 0:
            return None
        reach, side = self.reach, 0 if falling else 1
        return least(lambda count: self._moves(reach, count, confidence)[side] <= room, max(self.examples, 2))

    def _moves(self, reach: Reach, count: int, confidence: float) -> Ends:
        fall, rise = reach(exact_ends(0, count, confidence)[1])
        return self.unit * fall, self.unit * rise
