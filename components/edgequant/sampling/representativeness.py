"""Compares a calibration set with a larger reservoir of the same source, and its halves with each other."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.example_set import InputSpread, Representativeness

BINS = 20
# Larger examples contribute about this many evenly spaced values to the histogram; minimum and maximum are those of all values.
_HISTOGRAM_VALUES = 4096
# A set is large enough if each half spans at least the first share of its range, and at most the second share of the
# reservoir's values lies outside of it.
_HALF_SPANS = 0.9
_OUTSIDE = 0.001
# Fewer examples are too few, whatever their ranges. Source: https://ai.google.dev/edge/litert/models/post_training_quantization
_LEAST = 100

Range = tuple[float, float]


def compare(
    calibration: Mapping[str, NDArray[Any]], reservoir: Iterable[Mapping[str, NDArray[Any]]]
) -> Representativeness:
    """Returns how well a calibration set represents its source.

    Args:
        calibration: Arrays by input name, the example first, in the order of the draw.
        reservoir: Model inputs of each example of the reservoir, by name.
    """
    spreads = {name: _Spread(values) for name, values in calibration.items()}
    count = 0
    for inputs in reservoir:
        count += 1
        for name, spread in spreads.items():
            spread.add(inputs[name])
    spans = {name: spread.result() for name, spread in spreads.items()}
    size = len(next(iter(calibration.values())))
    sentence, enough = _sentence(spans, size, count)
    return Representativeness(reservoir=count, inputs=spans, balance={}, sentence=sentence, enough=enough)


class _Spread:
    """The range and the histogram of one input, in the calibration set and in the reservoir."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._range = _range(values)
        self._halves = (_range(values[::2]), _range(values[1::2]) if len(values) > 1 else _range(values))
        low, high = self._range
        self._edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
        self._counts = sum((self._histogram(row) for row in values), np.zeros(BINS, np.int64))
        self._reservoir_counts = np.zeros(BINS, np.int64)
        self._low, self._high = low, high
        self._outside = self._values = 0

    def _histogram(self, values: NDArray[Any]) -> NDArray[np.int64]:
        flat = values.reshape(-1)
        some = flat[:: max(flat.size // _HISTOGRAM_VALUES, 1)]
        return np.asarray(np.histogram(some, BINS, range=(self._edges[0], self._edges[-1]))[0], np.int64)

    def add(self, values: NDArray[Any]) -> None:
        """Adds one example of the reservoir."""
        low, high = self._range
        self._reservoir_counts += self._histogram(values)
        self._values += values.size
        least, most = float(values.min()), float(values.max())
        if least < low or most > high:
            self._outside += int(((values < low) | (values > high)).sum())
        self._low, self._high = min(self._low, least), max(self._high, most)

    def result(self) -> InputSpread:
        """Returns the ranges and histograms."""
        return InputSpread(
            range=self._range,
            halves=self._halves,
            reservoir_range=(self._low, self._high),
            outside_share=self._outside / max(self._values, 1),
            edges=tuple(map(float, self._edges)),
            counts=tuple(map(int, self._counts)),
            reservoir_counts=tuple(map(int, self._reservoir_counts)),
        )


def extremes(ranges: Sequence[Mapping[str, Range]], most: int) -> list[int]:
    """Returns the positions of the examples with the minimum and maximum of the inputs, the most extreme first.

    Round robin: for every input the example with the minimum, then that with the maximum, then the next ones.

    Args:
        ranges: The minimum and maximum of each input, for each example.
        most: How many to return at most.
    """
    orders = []
    for name in sorted(ranges[0]) if ranges else ():
        ends = np.array([example[name] for example in ranges], np.float64)
        orders += [np.argsort(ends[:, 0], kind="stable"), np.argsort(-ends[:, 1], kind="stable")]
    positions: dict[int, None] = {}
    for turn in zip(*orders, strict=True):
        for position in turn:
            if len(positions) < most:
                positions.setdefault(int(position))
    return list(positions)


def range_of(inputs: Mapping[str, NDArray[Any]]) -> dict[str, Range]:
    """Returns the minimum and maximum of each input of an example."""
    return {name: _range(values) for name, values in inputs.items()}


def _range(values: NDArray[Any]) -> Range:
    return float(values.min()), float(values.max())


def _sentence(inputs: Mapping[str, InputSpread], size: int, reservoir: int) -> tuple[str, bool]:
    """Returns a sentence on the size of the set, by its ranges, and whether nothing speaks against it.

    That the set is enough is not said here: its source may be a wrong one, which the comparison with the evaluation set tells.
    """
    spans = {name: min(_share(half, spread.range) for half in spread.halves) for name, spread in inputs.items()}
    narrow = min(spans, key=lambda name: spans[name])
    outside = max(inputs, key=lambda name: inputs[name].outside_share)
    share = inputs[outside].outside_share
    beyond = (
        f"{_percent(share)} of the values of input {outside!r} in a reservoir of {reservoir:,} lie outside of its range"
    )
    if size < _LEAST:
        sentence = f"By the inputs, {size:,} calibration examples are few, where {_LEAST} to 500 are usual; {beyond}."
        return sentence, False
    if share > _OUTSIDE:
        return f"By the inputs, {size:,} calibration examples are few: {beyond}; calibrate on more.", False
    if spans[narrow] < _HALF_SPANS:
        sentence = (
            f"By the inputs, a few of the {size:,} calibration examples decide the range of {narrow!r}: one half of them spans"
            f" only {_percent(spans[narrow])} of it. Values that rare widen the steps of int8 for all others: look at the least and"
            f" the greatest; {beyond}."
        )
        return sentence, False
    sentence = (
        f"Each half of the {size:,} calibration examples alone spans {_percent(spans[narrow])} of the range of {narrow!r}, which"
        f" is the least of all inputs, and {beyond}."
    )
    return sentence, True


def _share(part: Range, total: Range) -> float:
    span = total[1] - total[0]
    return (part[1] - part[0]) / span if span > 0 else 1.0


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
