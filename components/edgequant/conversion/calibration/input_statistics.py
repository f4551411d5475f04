"""Statistics of one input in an example set, in passes of bounded memory over memory-mapped arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

# What is read at once, and what is kept: statistics of so many examples, evenly spaced, and so many values for the quantiles.
_CHUNK_VALUES = 1 << 19
_KEPT_EXAMPLES = 2000
_KEPT_VALUES = 200_000
# Of large examples fewer are kept: not more values are read for them, but those of the least number of examples.
_READ_VALUES = 30_000_000
_LEAST_KEPT = 500
# So many values are reduced side by side: NumPy is ten times slower over an axis of three channels.
_SIDE_BY_SIDE = 512
# Inputs with more channels (vectors of features) have ranges by channel, and no further statistics by channel.
MOST_CHANNELS = 64
PROBABILITIES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputStatistics:
    """Statistics of one input.

    Attributes:
        examples: How many examples there are.
        low: The minimum of each channel.
        high: The maximum of each channel.
        means: The mean of each kept example.
        deviations: The standard deviation within each kept example.
        roughness: The mean absolute difference of neighbours within each kept example, in its standard deviation: about 1.1 for noise,
            much less for pictures and recordings.
        spans: The maximum less the minimum of each kept example.
        channel_means: The mean of each channel in each kept example; without columns for more channels than are kept.
        quantiles: At the `PROBABILITIES`, of all values.
        channel_quantiles: The same by channel; without columns for more channels than are kept.
    """

    examples: int
    low: Values
    high: Values
    means: Values
    deviations: Values
    roughness: Values
    spans: Values
    channel_means: Values
    quantiles: Values
    channel_quantiles: Values

    @property
    def range(self) -> tuple[float, float]:
        """The minimum and maximum of all values."""
        return float(self.low.min()), float(self.high.max())


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceeding:
    """What of one set lies outside of ranges of the other.

    Attributes:
        values: The share of values outside.
        below: The share of examples with a value below.
        above: The share of examples with a value above.
        far: The share of examples with a value outside by more than the width of the range.
    """

    values: Values
    below: Values
    above: Values
    far: Values

    @property
    def side(self) -> Values:
        """The share of examples on the side where it is larger."""
        return np.maximum(self.below, self.above)


def statistics(values: NDArray[Any]) -> InputStatistics:
    """Returns the statistics of an input, whose first axis is the example."""
    low = np.full(values.shape[-1] if values.ndim > 1 else 1, np.inf)
    high = -low
    for chunk in _chunks(values):
        least, most = _ends(chunk)
        low, high = np.minimum(low, least.min(axis=0)), np.maximum(high, most.max(axis=0))
    most_kept = min(max(_READ_VALUES // max(values[:1].size, 1), _LEAST_KEPT), _KEPT_EXAMPLES)
    kept = values[:: -(-len(values) // most_kept)]
    parts = [_of_examples(chunk, kept.ndim) for chunk in _chunks(kept)]
    means, deviations, roughness, spans, channel_means = (
        np.concatenate([part[field] for part in parts]) for field in range(5)
    )
    channels = len(low) if len(low) <= MOST_CHANNELS else 0
    sample = _sample(kept, max(channels, 1))
    return InputStatistics(
        examples=len(values),
        low=low,
        high=high,
        means=means,
        deviations=deviations,
        roughness=roughness,
        spans=spans,
        channel_means=channel_means,
        quantiles=np.quantile(sample, PROBABILITIES),
        channel_quantiles=np.quantile(sample[:, :channels], PROBABILITIES, axis=0),
    )


def exceeding(values: NDArray[Any], low: Values, high: Values) -> tuple[Exceeding, Exceeding]:
    """Returns what of an input lies outside of the range of all channels together, and of the range of each channel.

    Args:
        values: The input, whose first axis is the example.
        low: The lower end of each channel's range.
        high: The upper end of each channel's range.
    """
    whole, channels = _Outside(low.min()[None], high.max()[None]), _Outside(low, high)
    for chunk in _chunks(values):
        least, most = _ends(chunk)
        whole.add(chunk.reshape(len(chunk), -1, 1), least.min(axis=1)[:, None], most.max(axis=1)[:, None])
        channels.add(chunk, least, most)
    return whole.result(), channels.result()


class _Outside:
    """Counts values and examples outside of ranges."""

    def __init__(self, low: Values, high: Values) -> None:
        self._low, self._high = low, high
        self._counts = np.zeros((4, len(low)))
        self._examples = self._values = 0

    def add(self, chunk: NDArray[Any], least: Values, most: Values) -> None:
        """Adds examples, as an array of example, position and channel, with the minimum and maximum of each example's channels."""
        self._examples += len(chunk)
        self._values += chunk.shape[0] * chunk.shape[1]
        below, above, width = least < self._low, most > self._high, self._high - self._low
        far = (least < self._low - width) | (most > self._high + width)
        self._counts[1:] += np.array([below.sum(axis=0), above.sum(axis=0), far.sum(axis=0)])
        # Most chunks of honest sets need no look at single values.
        rows = (below | above).any(axis=1)
        if rows.any():
            some = chunk[rows]
            self._counts[0] += ((some < self._low) | (some > self._high)).sum(axis=(0, 1))

    def result(self) -> Exceeding:
        """Returns the shares."""
        examples = self._counts[1:] / self._examples
        return Exceeding(values=self._counts[0] / self._values, below=examples[0], above=examples[1], far=examples[2])


def _chunks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yields examples as arrays of example, position and channel, a part of them at a time."""
    channels = values.shape[-1] if values.ndim > 1 else 1
    rows = max(_CHUNK_VALUES // max(values[:1].size, 1), 1)
    for start in range(0, len(values), rows):
        chunk = np.asarray(values[start : start + rows])
        yield (chunk.view(np.uint8) if chunk.dtype == np.bool_ else chunk).reshape(len(chunk), -1, channels)


def _ends(chunk: NDArray[Any]) -> tuple[Values, Values]:
    """Returns the minimum and the maximum of each channel of each example."""
    rows, positions, channels = chunk.shape
    block = max(_SIDE_BY_SIDE // channels, 1)
    if positions < 2 * block:
        return chunk.min(axis=1).astype(np.float64), chunk.max(axis=1).astype(np.float64)
    even = positions // block * block
    folded, rest = chunk[:, :even].reshape(rows, -1, block * channels), chunk[:, even:]
    least, most = (
        np.concatenate([ends.reshape(rows, block, channels), rest], axis=1)
        for ends in (folded.min(axis=1), folded.max(axis=1))
    )
    return least.min(axis=1).astype(np.float64), most.max(axis=1).astype(np.float64)


def _of_examples(chunk: NDArray[Any], rank: int) -> tuple[Values, ...]:
    """Returns means, standard deviations, roughness, spans and channel means of some examples."""
    numbers = chunk.astype(np.float64)
    flat = numbers.reshape(len(numbers), -1)
    deviations = flat.std(axis=1)
    # The neighbours of a vector are its numbers, those of a picture the pixels beside each other.
    rows = flat if rank <= 2 else numbers.reshape(len(numbers), numbers.shape[1], -1)
    differences = np.abs(np.diff(rows, axis=1)).reshape(len(rows), -1)
    steps = differences.mean(axis=1) if differences.shape[1] else np.zeros(len(rows))
    roughness = np.divide(steps, deviations, out=np.zeros(len(rows)), where=deviations > 0)
    spans = flat.max(axis=1) - flat.min(axis=1)
    channel_means = numbers.mean(axis=1)
    few = channel_means if channel_means.shape[1] <= MOST_CHANNELS else channel_means[:, :0]
    return flat.mean(axis=1), deviations, roughness, spans, few


def _sample(kept: NDArray[Any], channels: int) -> Values:
    """Returns evenly spaced values as an array of value and channel."""
    positions = kept[:1].size // channels
    per_example = max(_KEPT_VALUES // (channels * len(kept)), 1)
    step = -(-positions // per_example)
    # Another first position in each example: with a fixed one, the border of all pictures would stand for them.
    parts, row = [], 0
    for chunk in _chunks(kept):
        for example in chunk:
            parts.append(example.reshape(-1, channels)[(row * 7919) % step :: step].astype(np.float64))
            row += 1
    return np.concatenate(parts)
