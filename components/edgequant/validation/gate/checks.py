"""The checks of a gate: each compares a measurement and its interval with a limit."""

from dataclasses import dataclass, replace

from edgequant.artifacts.comparison import Ends, Measured
from edgequant.artifacts.verdict import BLESSED, INCONCLUSIVE, NO_CHAMPION, REJECTED, Check, Need
from edgequant.gate import REQUIRED
from edgequant.validation.comparison.drop_intervals import NOTHING_CHANGES, OwnInterval, PairedDrop, settle_by_width
from edgequant.validation.gate.wording import (
    at_worst,
    between,
    change,
    enough,
    moved,
    no_bound,
    one_sided,
    places,
    settle,
    two_sided,
)
from edgequant.validation.statistics import exact_ends, examples_for_share
from edgequant.validation.statistics.worst_case import UnseenChanges

_INTEGER_ONLY = "integer_only"
_WILSON = "wilson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit of the gate.

    Attributes:
        name: The key of the gate.
        value: The limit.
        confidence: The confidence level of one-sided bounds.
    """

    name: str
    value: float
    confidence: float

    @property
    def at(self) -> str:
        """The confidence level in words."""
        return one_sided(self.confidence)

    def check(self, verdict: str, sentence: str, measured: float | None = None, ends: Ends | None = None) -> Check:
        """Returns the result of the check."""
        return Check(
            name=self.name, limit=self.value, measured=measured, interval=ends, verdict=verdict, sentence=sentence
        )

    def at_most(self, measured: float, ends: Ends, sentences: tuple[str, str, str]) -> Check:
        """Returns the result of a check for an upper limit, by the ends of an interval.

        Args:
            measured: The estimate.
            ends: Its interval.
            sentences: The beginnings of the sentence if blessed (the upper end), if rejected (the lower end), and the whole
                sentence if inconclusive.
        """
        low, high = ends
        if high <= self.value:
            return self.check(BLESSED, f"{sentences[0]}: within the {self.value:g} allowed", measured, ends)
        if low > self.value:
            return self.check(REJECTED, f"{sentences[1]}: more than the {self.value:g} allowed", measured, ends)
        return self.check(INCONCLUSIVE, sentences[2], measured, ends)


def check_drop(limit: Limit, paired: PairedDrop | None, metric: str, against: str = "") -> Check:
    """Tests non-inferiority: blessed if the upper end of the drop is within the limit, rejected if the lower end exceeds it.

    Args:
        limit: The greatest drop allowed, in points.
        paired: The drop; None if the metric was not measured.
        metric: The name of the metric.
        against: The beginning of the sentence, which names the model compared with; "" for the reference.
    """
    if paired is None or paired.drop.points is None:
        return limit.check(INCONCLUSIVE, f"{against}the drop in {metric} is not known: {_unknown(paired)}")
    drop, points = paired.drop, paired.drop.points
    if drop.note == NOTHING_CHANGES:
        return _unchanged_drop(limit, paired, f"{against}{metric} does not change")
    message = f"{against}{moved(metric, points)}"
    if drop.interval is None:
        least = paired.least_points
        if least is not None and least > limit.value:
            about = f"in the worst case of the about {paired.influential:.0f} examples that it depends on"
            message = f"{message}, at least {change(metric, least)} {limit.at}, {about}: more than the {limit.value:g} allowed"
            return limit.check(REJECTED, message, points)
        message = f"{message}, without an interval: {drop.note}{enough(paired.influential, paired.examples)}"
        return limit.check(INCONCLUSIVE, message, points)
    (low, high), sure = drop.interval, f"{limit.at}{_method_suffix(drop.method)}"
    digits = places(limit.value, low, high)
    needed = paired.examples_to_settle(limit.value, limit.confidence)
    span = f"{between(metric, low, high, digits)}, each {sure}"
    check = limit.at_most(
        points,
        drop.interval,
        (
            f"{message}, {at_worst(metric, high, digits)} {sure}",
            f"{message}, at least {change(metric, low, digits)} {sure}",
            f"{message} ({span}): {paired.examples:,} examples do not settle whether it is within the {limit.value:g} allowed;"
            f" {settle(needed, paired.examples)}",
        ),
    )
    return _needing(check, needed)


def _needing(check: Check, needed: int | None) -> Check:
    """Returns a result with the number of examples that would settle it, if it is inconclusive."""
    if check.verdict != INCONCLUSIVE or needed is None:
        return check
    return replace(check, need=Need(examples=needed))


def _unchanged_drop(limit: Limit, paired: PairedDrop, what: str) -> Check:
    """Checks a metric without values per example that does not change, by the worst case of changes that are not observed."""
    count, unseen = paired.examples, paired.unseen
    message = f"{what}: {NOTHING_CHANGES} in any of {count:,} examples"
    moves = None if unseen is None else unseen.moves(limit.confidence)
    if unseen is None or moves is None:
        return limit.check(INCONCLUSIVE, f"{message}; {no_bound()}", 0.0)
    fall, rise = moves
    share = 100 * unseen.share(limit.confidence)
    message = (
        f"{message}, so that it does in at most {share:.2f}% of all {limit.at}, which lose"
        f" at most {fall:.{places(limit.value, fall)}f}"
    )
    if fall <= limit.value:
        return limit.check(BLESSED, f"{message}: within the {limit.value:g} allowed", 0.0, (-rise, fall))
    needed = unseen.examples_to_leave(limit.value, limit.confidence)
    message = f"{message}; the limit is {limit.value:g}; {settle(needed, count)}"
    return _needing(limit.check(INCONCLUSIVE, message, 0.0, (-rise, fall)), needed)


def check_least(
    limit: Limit, measured: Measured | None, metric: str, count: int, own: OwnInterval | None = None
) -> Check:
    """Tests whether a metric is at least the limit: a share by its one-sided Clopper-Pearson ends, others by their own interval.

    Args:
        limit: The least value allowed.
        measured: The metric; None if it was not measured.
        metric: The name of the metric.
        count: The number of examples.
        own: The interval of the metric with what a sample size is computed from; None without one.
    """
    if measured is None:
        return limit.check(INCONCLUSIVE, f"{metric} is not known: it is not defined on these examples")
    message, own = f"{metric} is {measured.value:.4f}", own or OwnInterval()
    if measured.interval is None:
        if own.influential == 0 and own.unseen is not None:
            return _unchanged_metric(limit, measured.value, message, own, own.unseen)
        few = f"too few examples make a difference{enough(own.influential, count)}"
        message = f"{message}, without an interval: {own.note or few}"
        return limit.check(INCONCLUSIVE, message, measured.value)
    if measured.method == _WILSON:
        ends = exact_ends(round(measured.value * count), count, limit.confidence)
        sure, needed = f"{limit.at}, exact", examples_for_share(measured.value, limit.value, limit.confidence)
        span = f"between {ends[0]:.4f} and {ends[1]:.4f}, each {sure}"
    else:
        ends, sure = measured.interval, f"{two_sided(limit.confidence)}{_method_suffix(measured.method)}"
        needed = settle_by_width(measured.value, ends, limit.value, count, (1 + limit.confidence) / 2)
        if own.unseen is not None and (moves := own.unseen.moves(limit.confidence)) is not None:
            ends = own.within(min(ends[0], measured.value - moves[0]), max(ends[1], measured.value + moves[1]))
            needed = _examples_with_unseen(needed, limit, measured.value, own.unseen)
        span = f"{ends[0]:.4f} to {ends[1]:.4f} {sure}"
    return _at_least(limit, measured.value, ends, (message, sure, span), (needed, count))


def _at_least(
    limit: Limit, value: float, ends: Ends, words: tuple[str, str, str], examples: tuple[int | None, int]
) -> Check:
    """Returns the result of a check for a lower limit, by the ends of an interval.

    Args:
        limit: The limit.
        value: The estimate.
        ends: Its interval.
        words: The measurement, the confidence level of an end, and both ends, in words.
        examples: The number of examples that would settle it, and the number of examples.
    """
    (low, high), (message, sure, span) = ends, words
    if low >= limit.value:
        message = f"{message}, at least {low:.4f} {sure}: at least the {limit.value:g} required"
        return limit.check(BLESSED, message, value, ends)
    if high < limit.value:
        message = f"{message}, at most {high:.4f} {sure}: less than the {limit.value:g} required"
        return limit.check(REJECTED, message, value, ends)
    needed, count = examples
    message = (
        f"{message} ({span}): {count:,} examples do not settle whether it is at least the {limit.value:g} required;"
        f" {settle(needed, count)}"
    )
    return _needing(limit.check(INCONCLUSIVE, message, value, ends), needed)


def _examples_with_unseen(needed: int | None, limit: Limit, value: float, unseen: UnseenChanges) -> int | None:
    """Returns the number of examples that settles a check by the interval and by the worst case of unobserved changes."""
    if needed is None:
        return None
    room, falling = abs(value - limit.value), value > limit.value
    return max(needed, unseen.examples_to_leave(room, limit.confidence, falling=falling) or 0)


def _unchanged_metric(limit: Limit, value: float, message: str, own: OwnInterval, unseen: UnseenChanges) -> Check:
    """Checks a metric that no single example influences, such as an AUC of 1, by the worst case of changes that are not observed."""
    count, moves = unseen.examples, unseen.moves(limit.confidence)
    message = f"{message}, whichever of {count:,} examples are left out"
    if moves is None:
        return limit.check(INCONCLUSIVE, f"{message}; {no_bound()}", value)
    ends = own.within(value - moves[0], value + moves[1])
    needed = unseen.examples_to_leave(abs(value - limit.value), limit.confidence, falling=value > limit.value)
    span = f"between {ends[0]:.4f} and {ends[1]:.4f}, each {limit.at}"
    return _at_least(limit, value, ends, (message, limit.at, span), (needed, count))


def check_size_ratio(limit: Limit, size: int, reference: int) -> Check:
    """Checks the size of a variant's file relative to the reference's."""
    ratio = size / (reference or 1)
    return limit.at_most(ratio, (ratio, ratio), (f"its file is {ratio:.3f} of the reference's size",) * 3)


def check_size(limit: Limit, size: int) -> Check:
    """Checks the size of a variant's file in bytes."""
    verdict, how = (BLESSED, "within") if size <= limit.value else (REJECTED, "more than")
    return limit.check(verdict, f"its file has {size:,} bytes: {how} the {limit.value:,.0f} allowed", float(size))


def check_integer_only(kind: str | None) -> Check:
    """Checks that a file computes in integers only, input and output included."""
    description = kind or "not known"
    verdict = BLESSED if kind == _INTEGER_ONLY else REJECTED if kind else INCONCLUSIVE
    sentence = f"its file is {description}: integer_only is required"
    return Check(name=_INTEGER_ONLY, limit=REQUIRED, measured=kind, verdict=verdict, sentence=sentence)


def no_champion(limit: Limit, reason: str) -> Check:
    """Returns the result of a check against the champion if there is none yet."""
    return limit.check(NO_CHAMPION, f"{NO_CHAMPION}: {reason}; this check counts neither for nor against")


def _unknown(paired: PairedDrop | None) -> str:
    return paired.drop.note if paired is not None else "it is not measured per example, and not for all of them"


def _method_suffix(method: str) -> str:
    return ", by bootstrap" if "bootstrap" in method else ""
