"""The checks of a gate: what was asked, what was measured, and whether that settles it."""

import math
from dataclasses import dataclass

import numpy as np

from edgequant.artifacts.benchmark import Benchmark
from edgequant.artifacts.comparison import Ends, Measured
from edgequant.artifacts.verdict import BLESSED, INCONCLUSIVE, NO_BASELINE, REJECTED, Check
from edgequant.gate import REQUIRED
from edgequant.task import LOWER_IS_BETTER
from edgequant.validation.drops import NOTHING_CHANGES, POINTS, PairedDrop, settle_by_width
from edgequant.validation.slices import Sliced
from edgequant.validation.statistics import examples_to_settle, paired_drop_interval

_INTEGER_ONLY = "integer_only"


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
        return f"at {100 * self.confidence:g}%"

    def check(self, verdict: str, sentence: str, measured: float | None = None, ends: Ends | None = None) -> Check:
        """Returns the answer."""
        return Check(
            name=self.name, asked=self.value, measured=measured, interval=ends, verdict=verdict, sentence=sentence
        )

    def at_most(self, measured: float, ends: Ends, told: str, open_: str) -> Check:
        """Returns the answer for what may be no more than the limit: by the ends of its interval.

        Args:
            measured: The estimate.
            ends: Its interval.
            told: What was measured, in words.
            open_: What would settle it, were it open.
        """
        low, high = ends
        if high <= self.value:
            return self.check(BLESSED, f"{told}: within the {self.value:g} allowed", measured, ends)
        if low > self.value:
            return self.check(REJECTED, f"{told}: more than the {self.value:g} allowed", measured, ends)
        return self.check(INCONCLUSIVE, f"{told}: {open_}", measured, ends)


def check_drop(limit: Limit, found: PairedDrop | None, metric: str, against: str = "") -> Check:
    """Tests non-inferiority: blessed when the upper end of the drop is within the limit, rejected when the lower end is past it.

    Args:
        limit: How many points may be lost.
        found: The drop, None when the metric was not measured.
        metric: Its name.
        against: What it is compared with, in words that begin the sentence; "" for float32.
    """
    if found is None or found.drop.points is None:
        return limit.check(INCONCLUSIVE, f"{against}the drop in {metric} is not known: {_unknown(found)}")
    drop, points = found.drop, found.drop.points
    if drop.note == NOTHING_CHANGES:
        return _unchanged(limit, found, f"{against}{metric} does not change")
    measured = f"{against}{_falls(metric)} {points:.2f} points"
    if drop.interval is None:
        return limit.check(INCONCLUSIVE, f"{measured}, without an interval: {drop.note}{_enough(found)}", points)
    low, high = drop.interval
    told = f"{measured} ({low:.2f} to {high:.2f} {limit.at}{_how(drop.method)})"
    needed = found.examples_to_settle(limit.value, limit.confidence)
    return limit.at_most(
        points,
        drop.interval,
        told,
        f"{found.examples:,} examples cannot tell whether it is within the {limit.value:g} allowed;"
        f" {_settle(needed, found.examples)}",
    )


def _unchanged(limit: Limit, found: PairedDrop, what: str) -> Check:
    """Judges a metric of all examples that stays as it is, by how many of others may change: at most as many as of none of these."""
    count = found.examples
    low, high = (POINTS * end for end in paired_drop_interval(0, 0, count, limit.confidence))
    told = f"{what}: {NOTHING_CHANGES} in any of {count:,} examples, so that it does in at most {high:.2f}% of all {limit.at}"
    if high <= limit.value:
        return limit.check(BLESSED, f"{told}: within the {limit.value:g} allowed", 0.0, (low, high))
    needed = examples_to_settle(np.zeros(count), limit.value / POINTS, limit.confidence)
    return limit.check(
        INCONCLUSIVE, f"{told}; the limit is {limit.value:g}; {_settle(needed, count)}", 0.0, (low, high)
    )


def check_worst_class(limit: Limit, classes: Sliced | None) -> Check:
    """Tests whether no class loses more than the limit: by the interval of the greatest drop, whichever class it is in."""
    if classes is None:
        return limit.check(
            INCONCLUSIVE, "the drop by class is not known: no example of any class has a score of its own"
        )
    worst, ends = classes.slice.values[0], classes.slice.worst_interval_points
    if ends is None:
        return limit.check(INCONCLUSIVE, "the drop by class has no interval", worst.drop_points)
    told = (
        f"of {classes.slice.total:,} classes, {worst.value} loses most: {worst.drop_points:.2f} points; no class loses more than"
        f" {ends[1]:.2f}, {limit.at}"
    )
    group = classes.open
    needed = examples_to_settle(group.differences, limit.value / POINTS, limit.confidence)
    settle = _settle(needed, len(group.baseline), f"examples of class {group.value}")
    return limit.at_most(
        worst.drop_points,
        ends,
        told,
        f"that does not tell whether all are within the {limit.value:g} allowed; {settle}",
    )


def check_least(limit: Limit, found: Measured | None, metric: str, count: int) -> Check:
    """Tests whether a metric is at least the limit: by its own two-sided interval."""
    if found is None:
        return limit.check(INCONCLUSIVE, f"{metric} is not known: it is not defined on these examples")
    told = f"{metric} is {found.value:.4f}"
    if found.interval is None:
        return limit.check(
            INCONCLUSIVE, f"{told}, without an interval: too few examples make a difference", found.value
        )
    low, high = found.interval
    told += f" ({low:.4f} to {high:.4f} {limit.at}{_how(found.method)})"
    if low >= limit.value:
        return limit.check(BLESSED, f"{told}: at least the {limit.value:g} asked", found.value, found.interval)
    if high < limit.value:
        return limit.check(REJECTED, f"{told}: less than the {limit.value:g} asked", found.value, found.interval)
    needed = settle_by_width(found.value, found.interval, limit.value, count, (1 + limit.confidence) / 2)
    return limit.check(
        INCONCLUSIVE,
        f"{told}: {count:,} examples cannot tell whether it is at least the {limit.value:g} asked; {_settle(needed, count)}",
        found.value,
        found.interval,
    )


def check_size_ratio(limit: Limit, size: int, baseline: int) -> Check:
    """Compares the size of a variant's file, as a share of the baseline's, with the limit."""
    ratio = size / (baseline or 1)
    return limit.at_most(ratio, (ratio, ratio), f"its file is {ratio:.3f} of the baseline's size", "")


def check_size(limit: Limit, size: int) -> Check:
    """Compares the size of a variant's file with the limit."""
    verdict, how = (BLESSED, "within") if size <= limit.value else (REJECTED, "more than")
    return limit.check(verdict, f"its file has {size:,} bytes: {how} the {limit.value:,.0f} allowed", float(size))


def check_latency(limit: Limit, variant: str, benchmark: Benchmark) -> Check:
    """Compares a variant's median latency, as a share of the baseline's, with the limit: on the machine of the benchmark."""
    latency = benchmark.latencies.get(variant)
    if latency is None or latency.ratio is None:
        reason = benchmark.failures.get(variant, "its ratio to the baseline's could not be taken")
        return limit.check(INCONCLUSIVE, f"its latency was not measured: {reason}")
    ratio = latency.ratio
    proxy = f"a proxy, measured on {benchmark.environment.cpu}"
    told = (
        f"its median latency is {ratio.value:.3f} of the baseline's ({ratio.low:.3f} to {ratio.high:.3f} at"
        f" {100 * ratio.confidence:g}%; {proxy})"
    )
    if ratio.noisy:
        return limit.check(
            INCONCLUSIVE,
            f"{told}: the machine was too noisy to tell; measure on a quiet one",
            ratio.value,
            (ratio.low, ratio.high),
        )
    needed = settle_by_width(
        ratio.value, (ratio.low, ratio.high), limit.value, latency.runs, (1 + ratio.confidence) / 2
    )
    return limit.at_most(
        ratio.value,
        (ratio.low, ratio.high),
        told,
        f"that does not tell whether it is within the {limit.value:g} allowed; {_settle(needed, latency.runs, 'runs')}",
    )


def check_integer_only(kind: str | None) -> Check:
    """Tells whether a file computes in integers alone, its input and output included."""
    found = kind or "not known"
    verdict = BLESSED if kind == _INTEGER_ONLY else REJECTED if kind else INCONCLUSIVE
    sentence = f"its file is {found}: integer_only is required"
    return Check(name=_INTEGER_ONLY, asked=REQUIRED, measured=kind, verdict=verdict, sentence=sentence)


def no_baseline(limit: Limit, reason: str) -> Check:
    """Returns the row of a check against a model in production that there is not."""
    return limit.check(NO_BASELINE, f"{NO_BASELINE}: {reason}; this check counts neither for nor against")


def _unknown(found: PairedDrop | None) -> str:
    return found.drop.note if found is not None else "it is not measured per example, and not for all of them"


def _enough(found: PairedDrop) -> str:
    """Returns how many examples would do for an interval, where some few make the difference."""
    if not found.influential:
        return ""
    needed = math.ceil(found.examples * 5 / found.influential)
    return f"; {_settle(needed, found.examples).replace('would settle it', 'would do for one')}"


def _settle(needed: int | None, count: int, what: str = "evaluation examples") -> str:
    """Returns how many examples would settle a question, and how many more that is."""
    if needed is None:
        return f"no number of {what} would settle it"
    if needed <= count:
        return f"about {needed:,} {what} settle such a question four times out of five; these {count:,} did not"
    return f"about {needed:,} {what} would settle it, {needed - count:,} more than these"


def _how(method: str) -> str:
    return ", by bootstrap" if "bootstrap" in method else ""


def _falls(metric: str) -> str:
    """Returns how a drop is told: errors rise, in hundredths of the labels' standard deviation."""
    if metric in ("mae", "rmse"):
        return f"{metric}, in hundredths of the labels' standard deviation, rises"
    return f"{metric} rises" if metric in LOWER_IS_BETTER else f"{metric} drops"
