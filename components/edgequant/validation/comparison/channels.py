"""The channels of an output: each is compared in its own unit, so that a large one does not hide a small one.

A channel is an index of the last axis; an output of one value per example has one. Of three axes with fewer indices on axis 1 than
on the last, as [examples, 84, 8400] of a detector, the indices of axis 1 are channels as well (channels first).

**Scale.** The error of a channel is relative to its scale: its spread, but no less than a floor where a unit is known to be shared.
The spread is the root mean square of each number's distance from its own mean over the examples. The scale of a channel that is
constant in the reference is its root mean square.

**Floor.** An 8-bit tensor that covers a range R has steps of R / 255, so that ideal rounding alone costs each value R / 255 / 4 in
the mean (the error is uniform in half a step to each side: Widrow & Kollár 2008, "Quantization Noise", chapter 4). A channel that
hardly varies is noise in that step, however good the variant is. The floor is the scale at which this rounding costs one hundredth
of agreement: 25 R / 255, about a tenth of R. R is that of one unit, never of the tensor, since in a tensor of boxes and scores
the step of the boxes is what destroys the scores. Channels share a unit

- if all are 0 to 1, and they sum to 1 or are eight or more (probabilities, pixels); R is the largest range of them;
- if each is 0 to 1 and has a range of a quarter or more, where others that leave 0 to 1 have eight times their range (scores beside
  boxes); R is the largest range of the scores;
- if they are eight or more others that vary (pixels, embeddings, logits); R is the median of their ranges, so that a few channels in
  a larger unit do not raise it.

Fewer channels, such as the targets of a regression, may each have their own unit: they have no floor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import ChannelDrift, Constants
from edgequant.outputs import sqnr_db
from edgequant.validation.metrics.classification import chunks

# The relative rounding error of float32 values that should be equal.
_ROUNDING = 1e-5
# How far the sum of a softmax in float32 over thousands of classes, and one of its values, may be from 1.
_SUM_ROUNDING = 1e-3
_VALUE_ROUNDING = 1e-6
_STEPS = 255.0
# The steps of the floor: ideal rounding costs a quarter of a step in the mean, and one hundredth of agreement at the floor.
_FLOOR_STEPS = 25.0
_FEWEST_OF_A_UNIT = 8
_LEAST_RANGE_OF_SCORES = 0.25
# How many times the range of scores the ranges of channels in another unit are, at least.
_GAP = 8.0

# The number of ranges that are named.
_NAMED = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """The channels of the reference's output along one axis, [channels] each.

    Attributes:
        axis: The axis: -1 for the last, 1 for channels first.
        spread: The root mean square distance of the channel's numbers from their means over the examples.
        size: The root mean square of the channel's numbers.
        step: The step of an 8-bit tensor over the range of the channel's unit; 0 if no unit is known to be shared.
    """

    axis: int
    spread: Floats
    size: Floats
    step: Floats

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Whether the channel varies by more than rounding."""
        return np.asarray(self.spread > _ROUNDING * self.size)

    @property
    def scale(self) -> Floats:
        """What errors are relative to, above 0."""
        own = np.maximum(np.where(self.varies, self.spread, self.size), _FLOOR_STEPS * self.step)
        return np.where(own > 0, own, own.max(initial=0.0) or 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelErrors:
    """The errors of a variant's output by channel, [channels] each.

    Attributes:
        channels: The channels of the reference.
        agreement: The mean over the examples of 1 minus the relative error, at least 0.
        signal: The energy of the reference's values.
        energy: The energy of the variant's values.
        noise: The energy of the errors.
        product: The inner product of the reference's values and the variant's.
        moves: Whether any number of the variant's channel differs between examples.
    """

    channels: Channels
    agreement: Floats
    signal: Floats
    energy: Floats
    noise: Floats
    product: Floats
    moves: NDArray[np.bool_]

    @property
    def worst(self) -> int:
        """The channel that agrees least."""
        return int(np.argmin(self.agreement))

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Whether a channel is constant, and the reference's varies by more than a step of an 8-bit tensor."""
        return np.asarray(self.constant & (self.channels.spread > self.channels.step))

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Whether a channel is constant, and the reference's is not."""
        return np.asarray(~self.moves & self.channels.varies)

    def of_worst(self) -> ChannelDrift:
        """Returns the drift of the channel that agrees least."""
        worst = self.worst
        signal, energy = float(self.signal[worst]), float(self.energy[worst])
        return ChannelDrift(
            number=worst,
            axis=self.channels.axis,
            channels=len(self.agreement),
            spread=float(self.channels.spread[worst]),
            sqnr_db=sqnr_db(signal, float(self.noise[worst])),
            cosine=_cosine(float(self.product[worst]), signal, energy),
            agreement=float(self.agreement[worst]),
        )

    def constants(self) -> Constants:
        """Returns the channels that are constant where the reference's are not."""
        faint = self.constant & ~self.lost
        return Constants(
            axis=self.channels.axis,
            channels=len(self.agreement),
            lost=int(self.lost.sum()),
            lost_numbers=_ranges(np.flatnonzero(self.lost)),
            faint=int(faint.sum()),
            faint_numbers=_ranges(np.flatnonzero(faint)),
        )


def channels_of(output: NDArray[Any]) -> tuple[Channels, ...]:
    """Returns the channels of the reference's output, [examples, …], along each axis that has channels."""
    return tuple(_channels(output, axis) for axis in _axes(output))


def channel_errors(channels: Channels, expected: NDArray[Any], actual: NDArray[Any]) -> ChannelErrors:
    """Returns the errors of a variant's output by channel.

    Args:
        channels: The channels of the reference's output.
        expected: The reference's output, [examples, …].
        actual: The variant's.
    """
    count = len(channels.spread)
    sums = {name: np.zeros(count) for name in ("agreement", "signal", "energy", "noise", "product")}
    moves = np.zeros(count, np.bool_)
    first = _of_channels(actual[:1], channels.axis)
    for rows in chunks(expected):
        values, other = (_of_channels(each[rows], channels.axis) for each in (expected, actual))
        errors = _errors(values, other)
        sums["agreement"] += _agreed(errors, channels.scale).sum(axis=0)
        sums["signal"] += (values**2).sum(axis=(0, 1))
        sums["energy"] += (other**2).sum(axis=(0, 1))
        sums["noise"] += (errors**2).sum(axis=(0, 1))
        sums["product"] += (values * other).sum(axis=(0, 1))
        moves |= (other != first).any(axis=(0, 1))
    # One example shows nothing of what varies.
    sums["agreement"] /= len(expected)
    return ChannelErrors(channels=channels, moves=moves | (len(expected) < 2), **sums)


def worst_axis_errors(of: tuple[Channels, ...], expected: NDArray[Any], actual: NDArray[Any]) -> ChannelErrors:
    """Returns the errors of a variant's output by channel, along the axis whose worst channel agrees least.

    Args:
        of: The channels of the reference's output.
        expected: The reference's output, [examples, …].
        actual: The variant's.
    """
    errors = [channel_errors(each, expected, actual) for each in of]
    # Of axes with equal agreement, the one with most lost channels names them.
    return min(errors, key=lambda each: (each.agreement.min(initial=1.0), -each.lost.sum()))


def agreement(
    reference: Mapping[str, NDArray[Any]], variant: Mapping[str, NDArray[Any]], errors: Mapping[str, ChannelErrors]
) -> Floats:
    """Returns 1 minus the relative error of the channel that agrees least on average, at least 0, [examples].

    The relative error is the root mean square error of the channel's numbers over the channel's scale. So a channel that is always
    the mean hardly agrees, however large the mean is, and the worst channel of all outputs decides. An error that is not finite is
    no agreement.

    Args:
        reference: Numeric arrays by output name, the example axis first.
        variant: The same arrays of the variant.
        errors: The errors of each output by channel.
    """
    name = min(errors, key=lambda each: errors[each].agreement.min(initial=1.0))
    of, expected = errors[name], reference[name]
    if not len(of.agreement):
        return np.ones(len(expected))
    worst, axis = [of.worst], of.channels.axis
    return np.concatenate(
        [
            _agreed(
                _errors(*(_of_channels(each[rows], axis)[:, :, worst] for each in (expected, variant[name]))),
                of.channels.scale[worst],
            )[:, 0]
            for rows in chunks(expected)
        ]
    )


def _axes(output: NDArray[Any]) -> tuple[int, ...]:
    return (-1, 1) if output.ndim == 3 and 1 < output.shape[1] < output.shape[2] else (-1,)


def _of_channels(values: NDArray[Any], axis: int) -> Floats:
    """Returns values as [examples, positions, channels]."""
    array = np.asarray(values, np.float64)
    if array.ndim == 1:
        return array.reshape(len(array), 1, 1)
    array = np.moveaxis(array, axis, -1)
    return array.reshape(len(array), int(np.prod(array.shape[1:-1])), array.shape[-1])


def _errors(expected: Floats, actual: Floats) -> Floats:
    """Returns absolute errors; infinity where only one value is finite, or none is and they differ."""
    with np.errstate(invalid="ignore"):
        errors = np.abs(actual - expected)
    return np.where(actual == expected, 0.0, np.where(np.isnan(errors), np.inf, errors))


def _agreed(errors: Floats, scale: Floats) -> Floats:
    """Returns 1 minus the root mean square errors over the scales, at least 0, [examples, channels]."""
    if not errors.shape[1]:
        return np.ones((len(errors), errors.shape[2]))
    agreed: Floats = np.clip(1.0 - np.sqrt((errors**2).mean(axis=1)) / scale, 0.0, 1.0)
    return agreed


def _channels(output: NDArray[Any], axis: int) -> Channels:
    total = squares = far = np.zeros(())
    first = _of_channels(output[:1], axis)
    numbers, count = max(1, first.shape[1] * len(output)), first.shape[2]
    low, high, sums_to_one = np.full(count, np.inf), np.full(count, -np.inf), axis == -1 and count > 1
    for rows in chunks(output):
        values = _of_channels(output[rows], axis)
        total, squares = total + values.sum(axis=0), squares + (values**2).sum(axis=(0, 1))
        low = np.minimum(low, values.min(axis=(0, 1), initial=np.inf))
        high = np.maximum(high, values.max(axis=(0, 1), initial=-np.inf))
        sums_to_one = sums_to_one and bool((np.abs(values.sum(axis=2) - 1.0) <= _SUM_ROUNDING).all())
    mean = total / len(output)
    for rows in chunks(output):
        far = far + ((_of_channels(output[rows], axis) - mean) ** 2).sum(axis=(0, 1))
    spread, size = np.sqrt(far / numbers), np.sqrt(squares / numbers)
    return Channels(
        axis=axis,
        spread=spread,
        size=size,
        step=_steps((low, high), spread > _ROUNDING * size, sums_to_one=sums_to_one),
    )


def _steps(bounds: tuple[Floats, Floats], varies: NDArray[np.bool_], *, sums_to_one: bool) -> Floats:
    """Returns the step of an 8-bit tensor over the range of each channel's unit; 0 if no unit is known to be shared."""
    low, high = bounds
    span = np.where(high > low, high - low, 0.0)
    fractions = (low >= -_VALUE_ROUNDING) & (high <= 1 + _VALUE_ROUNDING)
    if fractions.all() and (sums_to_one or len(span) >= _FEWEST_OF_A_UNIT):
        return np.full(len(span), span.max(initial=0.0) / _STEPS)
    scores = fractions & (span >= _LEAST_RANGE_OF_SCORES)
    # Pixels of 0 to 255 that hardly vary look like scores, but there are others of every range between the two.
    scores &= span.min(where=varies & ~fractions, initial=np.inf) >= _GAP * span.max(where=scores, initial=0.0)
    steps = np.where(scores, span.max(where=scores, initial=0.0), 0.0)
    others = ~scores & varies
    if others.sum() >= _FEWEST_OF_A_UNIT:
        steps[~scores] = np.median(span[others])
    return steps / _STEPS


def _cosine(product: float, energy: float, other_energy: float) -> float:
    """Returns a cosine similarity from the inner product and the squared norms; 1 for two zero vectors, 0 for one."""
    if energy == 0 or other_energy == 0:
        return float(energy == other_energy)
    return float(np.clip(product / np.sqrt(energy) / np.sqrt(other_energy), -1.0, 1.0))


def _ranges(numbers: NDArray[np.intp]) -> str:
    """Returns numbers in words: ``4 to 6 and 9``; the first few, and how many others there are."""
    if not len(numbers):
        return ""
    runs: list[NDArray[np.intp]] = []
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1):
        runs += [run] if len(run) > 2 else [run[:1], run[1:]][: len(run)]
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:_NAMED]]
    rest = sum(len(run) for run in runs[_NAMED:])
    if rest:
        texts.append(f"{rest:,} more")
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
