"""Rules that tell which differences between a calibration set and an evaluation set are mistakes, of one input.

A difference counts only if honest draws of one source hardly ever show it (`bounds`). It is a mismatch, which blocks the calibrated
variants, if it costs int8 more than a quarter of its eight bits or shows that the sets are of different things; else it is a remark.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgequant.conversion.calibration.bounds import BLOCK_ERROR, REMARK_ERROR, Draws, distance
from edgequant.conversion.calibration.input_statistics import Exceeding, InputStatistics, Values
from edgequant.conversion.calibration.mismatch_wording import channel_list, likely_cause, percent, span, times

# From so many values or examples outside of the calibrated range on, which int8 saturates, it is a mismatch.
_SATURATED = 0.1
# A calibrated range that is eight times too wide leaves int8 five of its eight bits; two times, seven.
_MISMATCH_FACTOR = 8.0
_REMARK_FACTOR = 2.0
# From this share of values outside on, a remark: the calibrated range then does not cover the 99.9% quantile.
_OUTSIDE = 0.001
# A statistic that tells to which set nine of ten examples belong: these are sets of different things. Three of ten: odd.
_DIFFERENT = 0.9
_ODD = 0.3
# Below this share of the calibrated range a difference of means or deviations does no harm, however significant: about a dozen of
# the 255 steps of int8. The roughness has no unit: noise has 1.1, pictures 0.1 to 0.5.
_LEAST_SHIFT = 0.05
_LEAST_ROUGHNESS = 0.25
# Up to so many channels all of their orders are tried; with more, each pair is exchanged.
_MOST_PERMUTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPair:
    """One input in both sets.

    Attributes:
        name: Its name.
        calibration: Its statistics in the calibration set.
        evaluation: Those in the evaluation set.
        whole: What of the evaluation set lies outside of the calibrated range.
        channels: The same by channel.
        unused: What of the calibration set lies outside of the evaluation set's range.
    """

    name: str
    calibration: InputStatistics
    evaluation: InputStatistics
    whole: Exceeding
    channels: Exceeding
    unused: Exceeding

    @property
    def range_used(self) -> float:
        """The share of the calibrated range that the evaluation values span."""
        (low, high), (least, most) = self.calibration.range, self.evaluation.range
        width = high - low
        return max(min(high, most) - max(low, least), 0.0) / width if width > 0 else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference between the sets.

    Attributes:
        mismatch: Whether it blocks the calibrated variants.
        sentence: What differs, and the likely mistake.
    """

    mismatch: bool
    sentence: str


def differences(pair: InputPair, draws: Draws) -> tuple[Difference, ...]:
    """Returns the differences of one input, the most telling first; the later rules say less, and nothing after a mismatch."""
    tests = 2 * pair.calibration.low.size + 16
    results: list[Difference] = []
    for rule in (_ranges, _channel_order, _channel_ranges, _distributions):
        results += rule(pair, draws, tests)
        if any(result.mismatch for result in results):
            break
    return tuple(results)


def _ranges(pair: InputPair, draws: Draws, tests: int) -> Iterator[Difference]:
    """Yields that the ranges of the whole input differ."""
    share, outside, used = float(pair.whole.side[0]), float(pair.whole.values[0]), pair.range_used
    chance = draws.evaluation_exceeds(share)
    if chance < REMARK_ERROR / tests and outside >= _OUTSIDE:
        saturated = outside >= _SATURATED or float(pair.whole.far[0]) >= _SATURATED
        yield Difference(
            mismatch=chance < BLOCK_ERROR / tests and saturated,
            sentence=f"{likely_cause(pair.name, pair.calibration, pair.evaluation)}: {percent(outside)} of the evaluation values"
            f" lie outside of the calibrated range {span(pair.calibration.range)}",
        )
        return
    chance = draws.calibration_exceeds(float(pair.unused.side[0]))
    if chance < REMARK_ERROR / tests and used <= 1 / _REMARK_FACTOR:
        yield Difference(
            mismatch=chance < BLOCK_ERROR / tests and used <= 1 / _MISMATCH_FACTOR,
            sentence=f"{likely_cause(pair.name, pair.calibration, pair.evaluation)}: the evaluation values use {percent(used)} of the"
            f" calibrated range {span(pair.calibration.range)}",
        )


def _channel_ranges(pair: InputPair, draws: Draws, tests: int) -> Iterator[Difference]:
    """Yields that channels were calibrated on ranges far too narrow, or were constant in the calibration set."""
    first, second = pair.calibration, pair.evaluation
    if first.low.size == 1:
        return
    chances = np.array([draws.evaluation_exceeds(float(share)) for share in pair.channels.side])
    calibrated, evaluated = first.high - first.low, second.high - second.low
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where(evaluated > 0, evaluated / calibrated, 1.0)
    wrong = np.flatnonzero((chances < BLOCK_ERROR / tests) & (factors >= _MISMATCH_FACTOR))
    if wrong.size:
        constant = wrong[calibrated[wrong] == 0]
        which = constant if constant.size else wrong
        what = (
            "constant in the calibration set, and not in the evaluation set"
            if constant.size
            else f"up to {times(float(factors[wrong].max()))} wider in the evaluation set than in the calibration set"
        )
        yield Difference(mismatch=True, sentence=f"input {pair.name!r}: {channel_list(which)} {what}")
        return
    odd = np.flatnonzero((chances < REMARK_ERROR / tests) & (pair.channels.values >= _OUTSIDE))
    if odd.size:
        worst = int(odd[np.argmax(pair.channels.values[odd])])
        yield Difference(
            mismatch=False,
            sentence=f"input {pair.name!r}: of channel {worst} {percent(float(pair.channels.values[worst]))} of the evaluation values"
            f" lie outside of its calibrated range{f', and {odd.size - 1:,} more channels are alike' if odd.size > 1 else ''}",
        )


def _channel_order(pair: InputPair, draws: Draws, tests: int) -> Iterator[Difference]:
    """Yields that the statistics of the channels agree in another order of the channels."""
    first, second = pair.calibration.channel_means, pair.evaluation.channel_means
    count = first.shape[1]
    if count < 2:
        return
    width = max(float(np.ptp(pair.calibration.range)), np.finfo(float).tiny)
    differ, distances = _order_distance(first, second, width)
    blocked, remarked = (
        draws.distance_limit(error / tests, len(first), len(second)) for error in (BLOCK_ERROR, REMARK_ERROR)
    )
    if differ < max(remarked, _ODD):
        return
    best, order = differ, tuple(range(count))
    for other in _orders(count, distances):
        other_distance, _ = _order_distance(first[:, other], second, width)
        if other_distance < best:
            best, order = other_distance, other
    if differ < blocked or best > remarked or best > differ / 2:
        yield Difference(
            mismatch=False,
            sentence=f"input {pair.name!r}: the means of its channels are distributed differently in both sets"
            f" (Kolmogorov-Smirnov distance {differ:.2f})",
        )
        return
    moved = [str(at) for at in order]
    names = " (RGB and BGR?)" if order == (2, 1, 0) else ""
    yield Difference(
        mismatch=True,
        sentence=f"the channels of input {pair.name!r} are in another order in one of the sets{names}: the statistics of the"
        f" evaluation set's channels agree with those of the calibration set in the order {', '.join(moved)}",
    )


def _orders(count: int, distances: Values) -> Iterator[tuple[int, ...]]:
    """Yields orders of channels to try: all of a few; of more, the reverse and the exchanges of channels that differ."""
    identity = tuple(range(count))
    if count <= _MOST_PERMUTED:
        yield from itertools.permutations(identity)
        return
    yield identity[::-1]
    for one, other in itertools.combinations(np.flatnonzero(distances >= _ODD), 2):
        order = list(identity)
        order[one], order[other] = order[other], order[one]
        yield tuple(order)


def _order_distance(first: Values, second: Values, width: float) -> tuple[float, Values]:
    """Returns the largest distance of the channels' means and, of a few channels, of their differences; and that of each mean."""
    means = np.array([_shifted(first[:, at], second[:, at], width / 100) for at in range(first.shape[1])])
    # Within an example, channels differ in a steadier way than over examples of different brightness.
    pairs = itertools.combinations(range(first.shape[1]), 2) if first.shape[1] <= _MOST_PERMUTED else ()
    apart = [_shifted(first[:, a] - first[:, b], second[:, a] - second[:, b], width / 100) for a, b in pairs]
    return float(max([*means, *apart])), means


def _distributions(pair: InputPair, draws: Draws, tests: int) -> Iterator[Difference]:
    """Yields that a statistic of whole examples is distributed differently."""
    first, second = pair.calibration, pair.evaluation
    ends = first.range
    width = (ends[1] - ends[0]) or max(abs(ends[1]), np.finfo(float).tiny)
    remarks: list[tuple[float, str]] = []
    for what, one, other, least in (
        ("mean", first.means, second.means, _LEAST_SHIFT * width),
        ("standard deviation", first.deviations, second.deviations, _LEAST_SHIFT * width),
        ("roughness", first.roughness, second.roughness, _LEAST_ROUGHNESS),
    ):
        apart = _shifted(one, other, least)
        if apart < max(draws.distance_limit(REMARK_ERROR / tests, len(one), len(other)), _ODD):
            continue
        center = f"{np.median(one):.3g} in the calibration set, {np.median(other):.3g} in the evaluation set"
        if apart >= max(draws.distance_limit(BLOCK_ERROR / tests, len(one), len(other)), _DIFFERENT):
            yield Difference(mismatch=True, sentence=_of_other_things(pair, what, center, apart))
            return
        remarks.append((apart, f"input {pair.name!r}: the {what} within an example differs, {center} in the middle"))
    if remarks:
        yield Difference(mismatch=False, sentence=max(remarks)[1])


def _of_other_things(pair: InputPair, what: str, center: str, apart: float) -> str:
    noise = float(np.median(pair.calibration.roughness)), float(np.median(pair.evaluation.roughness))
    which = "calibration" if noise[0] > noise[1] else "evaluation"
    hint = f" (are the {which} inputs noise?)" if max(noise) - min(noise) >= _LEAST_ROUGHNESS else ""
    return (
        f"the calibration inputs {pair.name!r} are unlike the evaluation inputs{hint}: the {what} within an example tells the sets"
        f" apart for {percent(apart)} of them ({center} in the middle)"
    )


def _shifted(first: Values, second: Values, least: float) -> float:
    """Returns the distance of two samples; 0 if their medians differ by less than it takes to matter."""
    return distance(first, second) if abs(float(np.median(first)) - float(np.median(second))) >= least else 0.0
