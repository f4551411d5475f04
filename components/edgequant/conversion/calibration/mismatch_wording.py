"""Sentences on what differs between a calibration set and an evaluation set."""

import numpy as np
from numpy.typing import NDArray

from edgequant.conversion.calibration.input_statistics import InputStatistics

_MOST_LISTED = 8
# Factors of usual mistakes; an estimate this close to one is given as that.
_USUAL = (100.0, 127.5, 255.0, 1000.0)
_CLOSE = 0.03
_ROUGHLY = 0.2
_SCALED = 1.5
_SHIFTED = 0.1


def likely_cause(name: str, calibration: InputStatistics, evaluation: InputStatistics) -> str:
    """Returns what differs in the values of an input, with the setting that is probably missing."""
    spreads = _spread(calibration), _spread(evaluation)
    if not all(spreads):
        return _constant(name, calibration, evaluation, spreads)
    factor = _factor(calibration, evaluation)
    # What is left when the calibration inputs are multiplied by the factor, as a share of the spread.
    shift = float(np.median(evaluation.quantiles - calibration.quantiles * factor)) / spreads[1]
    larger = max(factor, 1 / factor)
    if larger < _SCALED:
        lower = float(np.median(evaluation.quantiles - calibration.quantiles))
        if abs(lower) < _SHIFTED * spreads[1]:
            return f"the calibration inputs {name!r} do not cover the evaluation inputs"
        which = "lower" if lower > 0 else "higher"
        return (
            f"calibration inputs {name!r} are {abs(lower):.3g} {which} than the evaluation inputs: is `offset` missing in one of"
            " them?"
        )
    which = "smaller" if factor > 1 else "larger"
    keys = "is `scale`" if abs(shift) < _SHIFTED else "are `scale` and `offset`"
    return f"calibration inputs {name!r} are {times(larger)} {which} than the evaluation inputs: {keys} missing in one of them?"


def _constant(
    name: str, calibration: InputStatistics, evaluation: InputStatistics, spreads: tuple[float, float]
) -> str:
    """Returns that an input hardly varies in one of the sets, or in both with other values."""
    if not any(spreads):
        return f"input {name!r} is {span(calibration.range)} in the calibration set, and {span(evaluation.range)} in the evaluation set"
    sets = ("calibration", "evaluation") if spreads[1] else ("evaluation", "calibration")
    return f"the {sets[0]} inputs {name!r} are constant or nearly so, and the {sets[1]} inputs are not"


def times(factor: float) -> str:
    """Returns a factor as text."""
    return f"{factor:.4g} times"


def percent(share: float) -> str:
    """Returns a share as text."""
    return f"{100 * share:.3g}%"


def span(ends: tuple[float, float]) -> str:
    """Returns a range as text."""
    return f"{ends[0]:.4g} to {ends[1]:.4g}"


def channel_list(channels: NDArray[np.intp]) -> str:
    """Returns "channel 3 is" or "channels 3, 4 and 2 more are"."""
    if channels.size == 1:
        return f"channel {channels[0]} is"
    more = f" and {channels.size - _MOST_LISTED:,} more" if channels.size > _MOST_LISTED else ""
    return f"channels {', '.join(map(str, channels[:_MOST_LISTED]))}{more} are"


def _factor(calibration: InputStatistics, evaluation: InputStatistics) -> float:
    """Returns by how much evaluation inputs are larger: a factor of a usual mistake, if one of three estimates is close to it."""
    middle = _spread(evaluation) / _spread(calibration)
    ranges = float(np.ptp(evaluation.range)) / float(np.ptp(calibration.range))
    deviations = float(evaluation.deviations.mean()) / max(float(calibration.deviations.mean()), np.finfo(float).tiny)
    for usual in (factor for size in _USUAL for factor in (size, 1 / size)):
        if abs(middle / usual - 1) <= _ROUGHLY and any(
            abs(estimate / usual - 1) <= _CLOSE for estimate in (middle, ranges, deviations)
        ):
            return usual
    return middle


def _spread(of: InputStatistics) -> float:
    """Returns the middle of the ranges of single examples; of constant examples, that between outer quantiles of all values."""
    usual = float(np.median(of.spans))
    return usual if usual > 0 else float(of.quantiles[-1] - of.quantiles[0])
