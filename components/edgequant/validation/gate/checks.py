"""The checks of a gate: what was asked, what was measured, and whether that settles it."""

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
    """What a check is about.

    Attributes:
        name: The key of the gate.
        value: The limit.
        confidence: How sure one must be.
    """

    name: str
    value: float
    confidence: float

    @property
    def at(self) -> str:
        """The confidence, as it is told."""
        return one_sided(self.confidence)

    def check(self, verdict: str, sentence: str, measured: float | None = None, ends: Ends | None = None) -> Check:
        """Returns the answer."""
        return Check(
            name=self.name, asked=self.value, measured=measured, interval=ends, verdict=verdict, sentence=sentence
        )

    def at_most(self, measured: float, ends: Ends, sentences: tuple[str, str, str]) -> Check:
        """Returns the answer for what may be no more than the limit: by the ends of its interval.

        Args:
            measured: The estimate.
            ends: Its interval.
            sentences: What is said of the end that blesses, of the one that rejects, and of both where they leave it open.
        """
        low, high = ends
        if high <= self.value:
            return self.check(BLESSED, f"{sentences[0]}: within the {self.value:g} allowed", measured, ends)
        if low > self.value:
            return self.check(REJECTED, f"{sentences[1]}: more than the {self.value:g} allowed", measured, ends)
        return self.check(INCONCLUSIVE, sentences[2], measured, ends)


def check_drop(limit: Limit, paired: PairedDrop | None, metric: str, against: str = "") -> Check:
    """Tests non-inferiority: blessed when the upper end of the drop is within the limit, rejected when the lower end is past it.

    Args:
        limit: How many points may be lost.
        paired: The drop, None when the metric was not measured.
        metric: Its name.
        against: What it is compared with, in words that begin the sentence; "" for float32.
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
            about = f"were as many more against it as may be of the {paired.influential:.0f} or so examples that it hangs on"
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
            f"{message} ({span}): {paired.examples:,} examples cannot tell whether it is within the {limit.value:g} allowed;"
            f" {settle(needed, paired.examples)}",
        ),
    )
    return _needing(check, needed)


def _needing(check: Check, needed: int | None) -> Check:
    """Returns the answer with how many examples would settle it, where it is open."""
    if check.verdict != INCONCLUSIVE or needed is None:
        return check
    return replace(check, need=Need(examples=needed))


def _unchanged_drop(limit: Limit, paired: PairedDrop, what: str) -> Check:
    """Judges a metric of all examples that stays as it is, by what could change in examples that were not seen, and what that does."""
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
    """Tests whether a metric is at least the limit: a share of right answers by its exact one-sided ends, others by their own interval.

    Args:
        limit: The least that it may be.
        measured: The metric; None when it was not measured.
        metric: Its name.
        count: How many examples it is over.
        own: What tells how many examples would make a metric of all examples surer; None where nothing does.
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
    """Returns the answer for what may be no less than the limit: by the ends of its interval.

    Args:
        limit: The limit.
        value: The estimate.
        ends: Its interval.
        words: What was measured, how sure an end is, and both ends.
        examples: How many would settle it, and how many there are.
    """
    (low, high), (message, sure, span) = ends, words
    if low >= limit.value:
        message = f"{message}, at least {low:.4f} {sure}: at least the {limit.value:g} asked"
        return limit.check(BLESSED, message, value, ends)
    if high < limit.value:
        message = f"{message}, at most {high:.4f} {sure}: less than the {limit.value:g} asked"
        return limit.check(REJECTED, message, value, ends)
    needed, count = examples
    message = (
        f"{message} ({span}): {count:,} examples cannot tell whether it is at least the {limit.value:g} asked;"
        f" {settle(needed, count)}"
    )
    return _needing(limit.check(INCONCLUSIVE, message, value, ends), needed)


def _examples_with_unseen(needed: int | None, limit: Limit, value: float, unseen: UnseenChanges) -> int | None:
    """Returns how many examples settle it by what was seen and by what was not."""
    if needed is None:
        return None
    room, falling = abs(value - limit.value), value > limit.value
    return max(needed, unseen.examples_to_leave(room, limit.confidence, falling=falling) or 0)


def _unchanged_metric(limit: Limit, value: float, message: str, own: OwnInterval, unseen: UnseenChanges) -> Check:
    """Judges a metric that is the same whichever examples are left out, as an AUC of 1 is, by what those not seen could do to it."""
    count, moves = unseen.examples, unseen.moves(limit.confidence)
    message = f"{message}, whichever of {count:,} examples are left out"
    if moves is None:
        return limit.check(INCONCLUSIVE, f"{message}; {no_bound()}", value)
    ends = own.within(value - moves[0], value + moves[1])
    needed = unseen.examples_to_leave(abs(value - limit.value), limit.confidence, falling=value > limit.value)
    span = f"between {ends[0]:.4f} and {ends[1]:.4f}, each {limit.at}"
    return _at_least(limit, value, ends, (message, limit.at, span), (needed, count))


def check_size_ratio(limit: Limit, size: int, reference: int) -> Check:
    """Compares the size of a variant's file, as a share of the reference's, with the limit."""
    ratio = size / (reference or 1)
    return limit.at_most(ratio, (ratio, ratio), (f"its file is {ratio:.3f} of the reference's size",) * 3)


def check_size(limit: Limit, size: int) -> Check:
    """Compares the size of a variant's file with the limit."""
    verdict, how = (BLESSED, "within") if size <= limit.value else (REJECTED, "more than")
    return limit.check(verdict, f"its file has {size:,} bytes: {how} the {limit.value:,.0f} allowed", float(size))


def check_integer_only(kind: str | None) -> Check:
    """Tells whether a file computes in integers alone, its input and output included."""
    description = kind or "not known"
    verdict = BLESSED if kind == _INTEGER_ONLY else REJECTED if kind else INCONCLUSIVE
    sentence = f"its file is {description}: integer_only is required"
    return Check(name=_INTEGER_ONLY, asked=REQUIRED, measured=kind, verdict=verdict, sentence=sentence)


def no_champion(limit: Limit, reason: str) -> Check:
    """Returns the row of a check against a champion that there is not."""
    return limit.check(NO_CHAMPION, f"{NO_CHAMPION}: {reason}; this check counts neither for nor against")


def _unknown(paired: PairedDrop | None) -> str:
    return paired.drop.note if paired is not None else "it is not measured per example, and not for all of them"


def _method_suffix(method: str) -> str:
    return ", by bootstrap" if "bootstrap" in method else ""
