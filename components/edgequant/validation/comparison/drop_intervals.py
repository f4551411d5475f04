"""Intervals of a metric, and of its drop from one model to another."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Drop, Ends
from edgequant.validation.metrics.metric import Figure
from edgequant.validation.statistics import (
    BootstrapDrop,
    Resampling,
    exact_ends,
    examples_to_settle,
    mean_drop_interval,
    paired_bootstrap_interval,
    paired_drop_interval,
    right_or_wrong,
    wilson_interval,
)
from edgequant.validation.statistics.worst_case import UnseenChanges, mean_worst_case

# Of every bootstrap, so that the same examples give the same interval.
SEED = 17
POINTS = 100.0
NOTHING_CHANGES = "nothing that it is made of changes"
_ALL_ALIKE = "it is the same whichever examples are left out"
_FEW_RESAMPLES = "so few resamples tell no end that sure: gate.confidence of 0.99 or less has one"
UNDEFINED = "it is not defined on these examples"
NOT_JUDGED = "only the judged metric of a function of one's own is resampled; a value per example needs no resampling"
_BOOTSTRAP = "paired bootstrap"
_UNSEEN = "unseen changes"
# The power of a check with the number of examples that is reported.
_POWER = 0.8
_EDGE = 1e-12
# Values that differ by no more than rounding have no skewness to take out, and are no drop.
_EQUAL = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDrop:
    """A drop, and what determines how many examples would narrow its interval.

    Attributes:
        drop: The drop.
        examples: How many examples it is over.
        differences: The drop of each example in hundreds of points, [examples]; None for a metric of all.
        influential: About how many examples it depends on; None for a metric with a value per example.
        resampled: Its bounds from the examples alone, without the worst case, in points; None where there are none.
        unseen: The worst case of unseen changes; None for right and wrong answers, whose interval includes them.
        least_points: Its lower bound if it depends on too few examples for an interval; or None.
    """

    drop: Drop
    examples: int
    differences: NDArray[np.float64] | None = None
    influential: float | None = None
    resampled: Ends | None = None
    unseen: UnseenChanges | None = None
    least_points: float | None = None

    def examples_to_settle(self, limit_points: float, confidence: float) -> int | None:
        """Returns about how many examples would settle on which side of a limit the drop is, if the measured drop is the true one; or None."""
        points, ends = self.drop.points, self.resampled or self.drop.interval
        if ends is None or points is None:
            return None
        if self.differences is not None:
            needed = examples_to_settle(self.differences, limit_points / POINTS, confidence)
        else:
            needed = settle_by_width(points, ends, limit_points, self.examples, confidence)
        if needed is None or self.unseen is None or self.unseen.worst_case is None:
            return needed
        room, falling = abs(limit_points - points), points < limit_points
        return max(needed, self.unseen.examples_to_leave(room, confidence, falling=falling) or 0)


def paired_drop(reference: Figure, variant: Figure, count: int, confidence: float) -> PairedDrop:
    """Returns how much worse the variant is, over the same examples in the same order.

    Args:
        reference: The reference's metric.
        variant: The variant's.
        count: How many examples there are.
        confidence: Of each end of the interval.
    """
    reference, variant = reference.judged, variant.judged
    sign = 1.0 if reference.higher_is_better else -1.0
    if reference.each is not None and variant.each is not None:
        return paired_mean(sign * (reference.each - variant.each), confidence)
    points = POINTS * sign * (reference.value - variant.value)
    if not math.isfinite(points):
        return PairedDrop(drop=Drop(points=None, note=UNDEFINED), examples=count)
    if reference.weighted is None or variant.weighted is None:
        return PairedDrop(drop=Drop(points=points, note=reference.note or variant.note), examples=count)
    found = paired_bootstrap_interval(
        reference.weighted, variant.weighted, Resampling(confidence=confidence, seed=SEED)
    )
    unseen = UnseenChanges(examples=count, worst_case=variant.worst_case, unit=POINTS)
    resampled = _resampled(found, points, sign, unseen)
    interval = None if resampled is None else widened(points, resampled, unseen, confidence)
    method = "" if interval is None else _UNSEEN if found.interval is None else _BOOTSTRAP
    note = "" if interval and method == _BOOTSTRAP else _why(found, points)
    return PairedDrop(
        drop=Drop(points=points, interval=interval, method=method, note=note),
        examples=count,
        influential=found.influential,
        resampled=resampled,
        unseen=unseen,
        least_points=None if interval else _least(points, found, unseen, confidence),
    )


def _resampled(found: BootstrapDrop, points: float, sign: float, unseen: UnseenChanges) -> Ends | None:
    """Returns the bounds from the examples alone, without the worst case, in points; None where there are none.

    A model that loses everything has the same drop whichever examples are left out: only unseen changes can make a difference.
    """
    if found.interval is not None:
        low, high = sorted(POINTS * sign * end for end in found.interval)
        return low, high
    if not found.influential and unseen.worst_case is not None:
        return points, points
    return None


def _least(points: float, found: BootstrapDrop, unseen: UnseenChanges, confidence: float) -> float | None:
    """Returns the lower bound of a drop that depends on few examples: with their share at its upper Clopper-Pearson bound, all reducing it."""
    few = math.ceil(found.influential)
    if unseen.worst_case is None or found.redrawn or not few:
        return None
    _, rise = unseen.worst_case(exact_ends(min(few, unseen.examples), unseen.examples, confidence)[1])
    return points - unseen.unit * rise


def widened(drop: float, ends: Ends, unseen: UnseenChanges, confidence: float) -> Ends:
    """Returns the bounds of a resampled drop, not narrower than the worst case of unseen changes.

    Resamples contain only what was seen: if none of the few examples of a rare class changes, none changes in any resample. The
    wider of the two suffices: the more examples change, the less likely it is that none of them is seen.
    """
    moves = unseen.moves(confidence)
    if moves is None:
        return ends
    fall, rise = moves
    return min(ends[0], drop - rise), max(ends[1], drop + fall)


def unresampled(reference: Figure, variant: Figure, count: int) -> PairedDrop:
    """Returns a drop without its interval, which a user's function would be called thousands of times for."""
    reference, variant = reference.judged, variant.judged
    sign = 1.0 if reference.higher_is_better else -1.0
    points = POINTS * sign * (reference.value - variant.value)
    if not math.isfinite(points):
        return PairedDrop(drop=Drop(points=None, note=UNDEFINED), examples=count)
    return PairedDrop(drop=Drop(points=points, note=NOT_JUDGED), examples=count)


def paired_mean(differences: NDArray[np.float64], confidence: float) -> PairedDrop:
    """Returns the drop that is the mean of each example's.

    Differences of right and wrong answers get the score interval of paired proportions; others that of a skewed mean, no
    nearer than what was not seen could move it.

    Args:
        differences: The reference's value minus the variant's, or the other way for errors, [examples].
        confidence: Of each end of the interval.
    """
    ends, method = mean_drop_ends(differences, confidence), "paired mean"
    unseen: UnseenChanges | None = _unseen_of_mean(len(differences))
    if right_or_wrong(differences):
        unseen = None
        lost, gained = int((differences > 0).sum()), int((differences < 0).sum())
        ends, method = paired_drop_interval(lost, gained, len(differences), confidence), "paired proportions"
    drop = Drop(
        points=POINTS * float(differences.mean()),
        interval=None if ends is None else (POINTS * ends[0], POINTS * ends[1]),
        method="" if ends is None else method,
        note="" if ends is not None else "of one example no interval can be told",
    )
    return PairedDrop(drop=drop, examples=len(differences), differences=differences, unseen=unseen)


def mean_drop_ends(differences: NDArray[np.float64], confidence: float) -> Ends | None:
    """Returns the ends of a mean drop, no nearer to it than what was not seen could move it; None for one example."""
    ends = mean_interval(differences, confidence)
    if ends is None:
        return None
    return widened(float(differences.mean()), ends, replace(_unseen_of_mean(len(differences)), unit=1.0), confidence)


def _unseen_of_mean(count: int) -> UnseenChanges:
    return UnseenChanges(examples=count, worst_case=mean_worst_case, unit=POINTS)


def mean_interval(values: NDArray[np.float64], confidence: float) -> Ends | None:
    """Returns the ends of the two one-sided intervals of a mean; of equal values that is the value, of one alone None."""
    if len(values) > 1 and np.ptp(values) <= _EQUAL * np.abs(values).max():
        return float(values[0]), float(values[0])
    return mean_drop_interval(values, confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnInterval:
    """How sure a metric of one model is.

    Attributes:
        ends: Its two-sided interval; None when it has none.
        method: How that was made; "" without one.
        influential: About how many examples a metric of all hangs on; None for one with a value per example.
        unseen: The worst case of unseen changes; None for right and wrong answers, whose interval includes them.
        bounds: What it is no less and no more than.
        note: Why it has no ends, where that is known.
    """

    ends: Ends | None = None
    method: str = ""
    influential: float | None = None
    unseen: UnseenChanges | None = None
    bounds: Ends = (-math.inf, math.inf)
    note: str = ""

    def within(self, low: float, high: float) -> Ends:
        """Returns ends that are nowhere where the metric cannot be."""
        return max(low, self.bounds[0]), min(high, self.bounds[1])


def own_interval(figure: Figure, count: int, confidence: float) -> OwnInterval:
    """Returns the two-sided interval of a metric, and what tells how many examples would make it surer."""
    each = figure.each
    if each is not None and np.isin(each, (0.0, 1.0)).all():
        return OwnInterval(ends=wilson_interval(int(each.sum()), count, confidence), method="wilson")
    one_sided = (1 + confidence) / 2
    unseen = UnseenChanges(examples=count, worst_case=figure.worst_case)
    if each is not None:
        ends = _clipped(mean_interval(each, one_sided), figure.bounds)
        return OwnInterval(ends=ends, method="mean" if ends else "", unseen=unseen, bounds=figure.bounds)
    if figure.weighted is None or not math.isfinite(figure.value):
        return OwnInterval(note=figure.note)
    found = paired_bootstrap_interval(figure.weighted, None, Resampling(confidence=one_sided, seed=SEED))
    return OwnInterval(
        ends=_clipped(found.interval, figure.bounds),
        method="bootstrap" if found.interval else "",
        influential=found.influential,
        unseen=unseen,
        bounds=figure.bounds,
        note=_FEW_RESAMPLES if found.too_sure else "",
    )


def _clipped(ends: Ends | None, bounds: Ends) -> Ends | None:
    return None if ends is None else (max(ends[0], bounds[0]), min(ends[1], bounds[1]))


def _why(found: BootstrapDrop, points: float) -> str:
    """Returns why a bootstrap gives no interval."""
    if not found.influential:
        return NOTHING_CHANGES if abs(points) <= _EQUAL else _ALL_ALIKE
    if found.too_sure:
        return _FEW_RESAMPLES
    if found.redrawn:
        return "it is not defined on most resamples of these examples"
    about = round(found.influential)
    return f"it hangs on about {about} example{'' if about == 1 else 's'}, too few to tell an interval from"


def settle_by_width(measured: float, ends: Ends, limit: float, count: int, confidence: float) -> int | None:
    """Returns about how many examples would put a figure on one side of a limit in four of five runs, were it as measured.

    The width of its interval, whose ends each hold with the confidence given, shrinks with the root of the number.
    """
    distance = abs(limit - measured)
    z = NormalDist().inv_cdf(confidence)
    error = (ends[1] - ends[0]) / (2 * z)
    if distance < _EDGE:
        return None
    return max(1, math.ceil(count * ((z + NormalDist().inv_cdf(_POWER)) * error / distance) ** 2))
