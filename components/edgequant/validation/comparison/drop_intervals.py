"""Confidence intervals of metrics, and of their drops from one model to another."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Drop, Ends
from edgequant.validation.metrics.metric import Figure
from edgequant.validation.statistics import (
    BootstrapDrop,
    Clusters,
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

# The seed of every bootstrap, so that the same examples give the same interval.
SEED = 17
POINTS = 100.0
NOTHING_CHANGES = "nothing that it is made of changes"
_ALL_ALIKE = "it is the same whichever examples are left out"
_FEW_RESAMPLES = "too few resamples for this confidence level: set gate.confidence to 0.99 or less"
UNDEFINED = "it is not defined on these examples"
NOT_JUDGED = "only the judged metric of a function of one's own is resampled; a value per example needs no resampling"
_BOOTSTRAP = "paired bootstrap"
_CLUSTER_BOOTSTRAP = "paired cluster bootstrap"
_UNSEEN = "unseen changes"
# The probability that a recommended number of examples settles a check.
_POWER = 0.8
_EDGE = 1e-12
# Values that differ by less, relatively, differ by rounding: they have no skewness, and are no drop.
_EQUAL = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDrop:
    """A paired drop with its interval, and what a sample size is computed from.

    Attributes:
        drop: The drop with its interval.
        examples: The number of examples.
        differences: The drop of each example in hundreds of points, [examples]; None for a metric without values per example.
        influential: The effective number of influential examples; None for a metric with values per example.
        resampled: The ends of the bootstrap interval, before they are widened by the worst case, in points; None without one.
        unseen: The worst case of changes that are not observed; None for right and wrong answers, whose interval covers them.
        least_points: A lower bound of the drop where too few examples are influential for an interval; else None.
    """

    drop: Drop
    examples: int
    differences: NDArray[np.float64] | None = None
    influential: float | None = None
    resampled: Ends | None = None
    unseen: UnseenChanges | None = None
    least_points: float | None = None

    def examples_to_settle(self, limit_points: float, confidence: float) -> int | None:
        """Returns the number of examples that would settle on which side of a limit the drop is; None if no number would.

        The measured drop is assumed to be the true one.
        """
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


def paired_drop(
    reference: Figure, variant: Figure, count: int, confidence: float, clusters: Clusters | None = None
) -> PairedDrop:
    """Returns the drop from the reference to the variant, over the same examples in the same order.

    Args:
        reference: The reference's metric.
        variant: The variant's metric.
        count: The number of examples.
        confidence: The confidence level of each end of the interval.
        clusters: The groups of the examples; None if they are independent.
    """
    reference, variant = reference.judged, variant.judged
    sign = 1.0 if reference.higher_is_better else -1.0
    if reference.each is not None and variant.each is not None:
        decided = right_or_wrong(reference.each) and right_or_wrong(variant.each)
        return paired_mean(sign * (reference.each - variant.each), confidence, clusters, decided=decided)
    points = POINTS * sign * (reference.value - variant.value)
    if not math.isfinite(points):
        return PairedDrop(drop=Drop(points=None, note=UNDEFINED), examples=count)
    if reference.weighted is None or variant.weighted is None:
        return PairedDrop(drop=Drop(points=points, note=reference.note or variant.note), examples=count)
    if clusters is not None and clusters.too_few:
        return PairedDrop(drop=Drop(points=points, note=clusters.too_few), examples=count)
    bootstrap = paired_bootstrap_interval(
        reference.weighted, variant.weighted, Resampling(confidence=confidence, seed=SEED)
    )
    unseen = UnseenChanges(examples=count, worst_case=variant.worst_case, unit=POINTS, clusters=clusters)
    resampled = _resampled(bootstrap, points, sign, unseen)
    interval = None if resampled is None else widened(points, resampled, unseen, confidence)
    resampling = _BOOTSTRAP if clusters is None else _CLUSTER_BOOTSTRAP
    method = "" if interval is None else _UNSEEN if bootstrap.interval is None else resampling
    note = "" if interval and method == resampling else _no_interval_reason(bootstrap, points)
    return PairedDrop(
        drop=Drop(points=points, interval=interval, method=method, note=note),
        examples=count,
        influential=bootstrap.influential,
        resampled=resampled,
        unseen=unseen,
        least_points=None if interval else _lower_bound(points, bootstrap, unseen, confidence),
    )


def _resampled(bootstrap: BootstrapDrop, points: float, sign: float, unseen: UnseenChanges) -> Ends | None:
    """Returns the ends of the bootstrap interval in points; None without one.

    If no example is influential, as when a model loses everything, the interval is the drop itself: only changes that are not
    observed can then move it.
    """
    if bootstrap.interval is not None:
        low, high = sorted(POINTS * sign * end for end in bootstrap.interval)
        return low, high
    if not bootstrap.influential and unseen.worst_case is not None:
        return points, points
    return None


def _lower_bound(points: float, bootstrap: BootstrapDrop, unseen: UnseenChanges, confidence: float) -> float | None:
    """Returns a lower bound of a drop with few influential examples.

    Such examples may be as frequent as the upper Clopper-Pearson bound for their number; at worst all of them favour the variant.
    """
    few = math.ceil(bootstrap.influential)
    if unseen.worst_case is None or bootstrap.redrawn or not few:
        return None
    _, rise = unseen.worst_case(exact_ends(min(few, unseen.examples), unseen.examples, confidence)[1])
    return points - unseen.unit * rise


def widened(drop: float, ends: Ends, unseen: UnseenChanges, confidence: float) -> Ends:
    """Returns the ends of an interval of a drop, widened to the worst case of changes that are not observed.

    Resamples only hold observed examples: if the few examples of a rare class do not change, they change in no resample. The
    wider of the two intervals is enough, because the more examples change, the less likely it is that none is observed.
    """
    moves = unseen.moves(confidence)
    if moves is None:
        return ends
    fall, rise = moves
    return min(ends[0], drop - rise), max(ends[1], drop + fall)


def unresampled(reference: Figure, variant: Figure, count: int) -> PairedDrop:
    """Returns a drop without an interval, of a custom metric that is not judged: resampling would take thousands of calls."""
    reference, variant = reference.judged, variant.judged
    sign = 1.0 if reference.higher_is_better else -1.0
    points = POINTS * sign * (reference.value - variant.value)
    if not math.isfinite(points):
        return PairedDrop(drop=Drop(points=None, note=UNDEFINED), examples=count)
    return PairedDrop(drop=Drop(points=points, note=NOT_JUDGED), examples=count)


def paired_mean(
    differences: NDArray[np.float64], confidence: float, clusters: Clusters | None = None, *, decided: bool = True
) -> PairedDrop:
    """Returns the drop of a metric that is a mean of values per example.

    If the examples belong to groups, the interval is that of a mean of the groups (see `Clusters`). Differences of right and
    wrong answers get Tango's score interval of paired proportions; others the skewness-corrected interval of a mean, widened to
    the worst case of changes that are not observed.

    Args:
        differences: The reference's value minus the variant's, for errors the negative of it, [examples].
        confidence: The confidence level of each end of the interval.
        clusters: The groups of the examples; None if they are independent.
        decided: Whether each value is that of a right or wrong answer, as far as is known. Differences of 0 alone do not show it,
            and those of other values may change by less than a whole answer.
    """
    if clusters is not None:
        return _clustered_mean(differences, confidence, clusters)
    ends, method = mean_drop_ends(differences, confidence), "paired mean"
    unseen: UnseenChanges | None = _unseen_of_mean(len(differences))
    if decided and right_or_wrong(differences):
        unseen = None
        lost, gained = int((differences > 0).sum()), int((differences < 0).sum())
        ends, method = paired_drop_interval(lost, gained, len(differences), confidence), "paired proportions"
    drop = Drop(
        points=POINTS * float(differences.mean()),
        interval=None if ends is None else (POINTS * ends[0], POINTS * ends[1]),
        method="" if ends is None else method,
        note="" if ends is not None else "a single example has no interval",
    )
    return PairedDrop(drop=drop, examples=len(differences), differences=differences, unseen=unseen)


def _clustered_mean(differences: NDArray[np.float64], confidence: float, clusters: Clusters) -> PairedDrop:
    """Returns the drop of a mean over examples that belong to groups."""
    ends, interval = None, None
    if not clusters.too_few:
        ends = mean_interval(differences, confidence, clusters)
        interval = mean_drop_ends(differences, confidence, clusters)
    drop = Drop(
        points=POINTS * float(differences.mean()),
        interval=None if interval is None else (POINTS * interval[0], POINTS * interval[1]),
        method="" if interval is None else "paired cluster mean",
        note=clusters.too_few,
    )
    return PairedDrop(
        drop=drop,
        examples=len(differences),
        resampled=None if ends is None else (POINTS * ends[0], POINTS * ends[1]),
        unseen=_unseen_of_mean(len(differences), clusters),
    )


def mean_drop_ends(
    differences: NDArray[np.float64], confidence: float, clusters: Clusters | None = None
) -> Ends | None:
    """Returns the ends of a mean drop, widened to the worst case of changes that are not observed.

    None for one example, and for too few groups.
    """
    if clusters is not None and clusters.too_few:
        return None
    ends = mean_interval(differences, confidence, clusters)
    if ends is None:
        return None
    unseen = replace(_unseen_of_mean(len(differences), clusters), unit=1.0)
    return widened(float(differences.mean()), ends, unseen, confidence)


def _unseen_of_mean(count: int, clusters: Clusters | None = None) -> UnseenChanges:
    return UnseenChanges(examples=count, worst_case=mean_worst_case, unit=POINTS, clusters=clusters)


def mean_interval(values: NDArray[np.float64], confidence: float, clusters: Clusters | None = None) -> Ends | None:
    """Returns the ends of the two one-sided intervals of a mean: the value itself if all are equal, None for a single one."""
    if clusters is not None:
        values, confidence = clusters.values(values), clusters.level(confidence)
    if len(values) > 1 and np.ptp(values) <= _EQUAL * np.abs(values).max():
        return float(values[0]), float(values[0])
    return mean_drop_interval(values, confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnInterval:
    """The interval of a metric of one model, and what a sample size is computed from.

    Attributes:
        ends: The two-sided interval; None without one.
        method: The method of the interval; "" without one.
        influential: The effective number of influential examples; None for a metric with values per example.
        unseen: The worst case of changes that are not observed; None for right and wrong answers, whose interval covers them.
        bounds: The least and the greatest possible value of the metric.
        note: The reason why there is no interval, if it is known.
    """

    ends: Ends | None = None
    method: str = ""
    influential: float | None = None
    unseen: UnseenChanges | None = None
    bounds: Ends = (-math.inf, math.inf)
    note: str = ""

    def within(self, low: float, high: float) -> Ends:
        """Returns ends clipped to the bounds of the metric."""
        return max(low, self.bounds[0]), min(high, self.bounds[1])


def own_interval(figure: Figure, count: int, confidence: float, clusters: Clusters | None = None) -> OwnInterval:
    """Returns the two-sided interval of a metric: Wilson's for shares, that of a mean, or a bootstrap; none for too few groups."""
    each = figure.each
    if clusters is not None and clusters.too_few:
        return OwnInterval(note=clusters.too_few)
    if clusters is None and each is not None and np.isin(each, (0.0, 1.0)).all():
        return OwnInterval(ends=wilson_interval(int(each.sum()), count, confidence), method="wilson")
    one_sided = (1 + confidence) / 2
    unseen = UnseenChanges(examples=count, worst_case=figure.worst_case, clusters=clusters)
    if each is not None:
        ends = _clipped(mean_interval(each, one_sided, clusters), figure.bounds)
        mean = "mean" if clusters is None else "cluster mean"
        return OwnInterval(ends=ends, method=mean if ends else "", unseen=unseen, bounds=figure.bounds)
    if figure.weighted is None or not math.isfinite(figure.value):
        return OwnInterval(note=figure.note)
    bootstrap = paired_bootstrap_interval(figure.weighted, None, Resampling(confidence=one_sided, seed=SEED))
    return OwnInterval(
        ends=_clipped(bootstrap.interval, figure.bounds),
        method="" if not bootstrap.interval else "bootstrap" if clusters is None else "cluster bootstrap",
        influential=bootstrap.influential,
        unseen=unseen,
        bounds=figure.bounds,
        note=_FEW_RESAMPLES if bootstrap.too_few_resamples else "",
    )


def _clipped(ends: Ends | None, bounds: Ends) -> Ends | None:
    return None if ends is None else (max(ends[0], bounds[0]), min(ends[1], bounds[1]))


def _no_interval_reason(bootstrap: BootstrapDrop, points: float) -> str:
    """Returns the reason why there is no bootstrap interval."""
    if not bootstrap.influential:
        return NOTHING_CHANGES if abs(points) <= _EQUAL else _ALL_ALIKE
    if bootstrap.too_few_resamples:
        return _FEW_RESAMPLES
    if bootstrap.redrawn:
        return "it is not defined on most resamples of these examples"
    about = round(bootstrap.influential)
    return f"it depends on about {about} example{'' if about == 1 else 's'}, too few for an interval"


def settle_by_width(measured: float, ends: Ends, limit: float, count: int, confidence: float) -> int | None:
    """Returns the number of examples that would settle on which side of a limit an estimate is, with a power of 0.8.

    The estimate is assumed to be the true value. The width of its interval, whose ends each have the confidence level, shrinks
    with the square root of the number.
    """
    distance = abs(limit - measured)
    z = NormalDist().inv_cdf(confidence)
    error = (ends[1] - ends[0]) / (2 * z)
    if distance < _EDGE:
        return None
    return max(1, math.ceil(count * ((z + NormalDist().inv_cdf(_POWER)) * error / distance) ** 2))
