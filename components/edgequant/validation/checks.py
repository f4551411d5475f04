"""The checks of a gate: what was asked, what was measured, and whether that settles it."""

import math
from dataclasses import dataclass, replace

import numpy as np

from edgequant.artifacts.benchmark import Benchmark
from edgequant.artifacts.comparison import Ends, Measured
from edgequant.artifacts.verdict import BLESSED, INCONCLUSIVE, NO_BASELINE, REJECTED, Check, Need
from edgequant.gate import REQUIRED
from edgequant.validation.drops import NOTHING_CHANGES, POINTS, PairedDrop, settle_by_width
from edgequant.validation.sentences import at_worst, between, change, moved, one_sided, places, settle, two_sided
from edgequant.validation.statistics import exact_ends, examples_for_share, examples_to_settle, paired_drop_interval

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

    def at_most(self, measured: float, ends: Ends, told: tuple[str, str, str]) -> Check:
        """Returns the answer for what may be no more than the limit: by the ends of its interval.

        Args:
            measured: The estimate.
            ends: Its interval.
            told: What is said of the end that blesses, of the one that rejects, and of both where they leave it open.
        """
        low, high = ends
        if high <= self.value:
            return self.check(BLESSED, f"{told[0]}: within the {self.value:g} allowed", measured, ends)
        if low > self.value:
            return self.check(REJECTED, f"{told[1]}: more than the {self.value:g} allowed", measured, ends)
        return self.check(INCONCLUSIVE, told[2], measured, ends)


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
    told = f"{against}{moved(metric, points)}"
    if drop.interval is None:
        return limit.check(INCONCLUSIVE, f"{told}, without an interval: {drop.note}{_enough(found)}", points)
    (low, high), sure = drop.interval, f"{limit.at}{_how(drop.method)}"
    digits = places(limit.value, low, high)
    needed = found.examples_to_settle(limit.value, limit.confidence)
    span = f"{between(metric, low, high, digits)}, each {sure}"
    check = limit.at_most(
        points,
        drop.interval,
        (
            f"{told}, {at_worst(metric, high, digits)} {sure}",
            f"{told}, at least {change(metric, low, digits)} {sure}",
            f"{told} ({span}): {found.examples:,} examples cannot tell whether it is within the {limit.value:g} allowed;"
            f" {settle(needed, found.examples)}",
        ),
    )
    return _needing(check, needed)


def _needing(check: Check, needed: int | None) -> Check:
    """Returns the answer with how many examples would settle it, where it is open."""
    if check.verdict != INCONCLUSIVE or needed is None:
        return check
    return replace(check, need=Need(examples=needed))


def _unchanged(limit: Limit, found: PairedDrop, what: str) -> Check:
    """Judges a metric of all examples that stays as it is, by how many of others may change: at most as many as of none of these."""
    count = found.examples
    low, high = (POINTS * end for end in paired_drop_interval(0, 0, count, limit.confidence))
    told = f"{what}: {NOTHING_CHANGES} in any of {count:,} examples, so that it does in at most {high:.2f}% of all {limit.at}"
    if high <= limit.value:
        return limit.check(BLESSED, f"{told}: within the {limit.value:g} allowed", 0.0, (low, high))
    needed = examples_to_settle(np.zeros(count), limit.value / POINTS, limit.confidence)
    told = f"{told}; the limit is {limit.value:g}; {settle(needed, count)}"
    return _needing(limit.check(INCONCLUSIVE, told, 0.0, (low, high)), needed)


def check_least(limit: Limit, found: Measured | None, metric: str, count: int) -> Check:
    """Tests whether a metric is at least the limit: a share of right answers by its exact one-sided ends, others by their own interval."""
    if found is None:
        return limit.check(INCONCLUSIVE, f"{metric} is not known: it is not defined on these examples")
    told = f"{metric} is {found.value:.4f}"
    if found.interval is None:
        return limit.check(
            INCONCLUSIVE, f"{told}, without an interval: too few examples make a difference", found.value
        )
    if found.method == _WILSON:
        ends = exact_ends(round(found.value * count), count, limit.confidence)
        sure, needed = f"{limit.at}, exact", examples_for_share(found.value, limit.value, limit.confidence)
    else:
        ends, sure = found.interval, f"{two_sided(limit.confidence)}{_how(found.method)}"
        needed = settle_by_width(found.value, ends, limit.value, count, (1 + limit.confidence) / 2)
    low, high = ends
    if low >= limit.value:
        return limit.check(
            BLESSED, f"{told}, at least {low:.4f} {sure}: at least the {limit.value:g} asked", found.value, ends
        )
    if high < limit.value:
        return limit.check(
            REJECTED, f"{told}, at most {high:.4f} {sure}: less than the {limit.value:g} asked", found.value, ends
        )
    told += (
        f" (between {low:.4f} and {high:.4f}, each {sure})"
        if found.method == _WILSON
        else f" ({low:.4f} to {high:.4f} {sure})"
    )
    told += (
        f": {count:,} examples cannot tell whether it is at least the {limit.value:g} asked; {settle(needed, count)}"
    )
    return _needing(limit.check(INCONCLUSIVE, told, found.value, ends), needed)


def check_size_ratio(limit: Limit, size: int, baseline: int) -> Check:
    """Compares the size of a variant's file, as a share of the baseline's, with the limit."""
    ratio = size / (baseline or 1)
    return limit.at_most(ratio, (ratio, ratio), (f"its file is {ratio:.3f} of the baseline's size",) * 3)


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
    told, sure = f"its median latency is {ratio.value:.3f} of the baseline's", two_sided(ratio.confidence)
    span = f"({ratio.low:.3f} to {ratio.high:.3f} {sure}; {proxy})"
    ends = (ratio.low, ratio.high)
    if ratio.noisy:
        return limit.check(
            INCONCLUSIVE,
            f"{told} {span}: the machine was too noisy to tell; measure on a quiet one",
            ratio.value,
            ends,
        )
    needed = settle_by_width(ratio.value, ends, limit.value, latency.runs, (1 + ratio.confidence) / 2)
    return limit.at_most(
        ratio.value,
        ends,
        (
            f"{told}, at most {ratio.high:.3f} {sure} ({proxy})",
            f"{told}, at least {ratio.low:.3f} {sure} ({proxy})",
            f"{told} {span}: that does not tell whether it is within the {limit.value:g} allowed;"
            f" {settle(needed, latency.runs, 'runs')}",
        ),
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
    return f"; {settle(needed, found.examples).replace('would settle it', 'would do for one')}"


def _how(method: str) -> str:
    return ", by bootstrap" if "bootstrap" in method else ""
