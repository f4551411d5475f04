"""Compares a calibration set with an evaluation set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.calibration_comparison import CalibrationComparison, ChannelComparison, InputComparison
from edgequant.artifacts.example_set import ExampleSet
from edgequant.conversion.calibration.bounds import Draws
from edgequant.conversion.calibration.class_differences import ClassShares, class_shares
from edgequant.conversion.calibration.input_statistics import PROBABILITIES, exceeding, statistics
from edgequant.conversion.calibration.mismatch_rules import Difference, InputPair, differences
from edgequant.conversion.calibration.mismatch_wording import percent

_MOST_SHOWN = 8


def compare(calibration: ExampleSet, evaluation: ExampleSet, *, allow_mismatch: bool = False) -> CalibrationComparison:
    """Returns how a calibration set compares with an evaluation set, in passes of bounded memory.

    Args:
        calibration: The calibration set.
        evaluation: The evaluation set.
        allow_mismatch: Whether mismatches do not block.
    """
    shares = class_shares(calibration, evaluation)
    draws = _draws(calibration, evaluation, shares)
    pairs = [
        input_pair(name, values, evaluation.inputs[name])
        for name, values in calibration.inputs.items()
        if name in evaluation.inputs
    ]
    by_input = {pair.name: differences(pair, draws) for pair in pairs}
    results = [*(item for items in by_input.values() for item in items), *shares.differences()]
    inputs = {pair.name: _input_comparison(pair) for pair in pairs}
    mismatches = tuple(result.sentence for result in results if result.mismatch)
    return CalibrationComparison(
        calibration_examples=len(calibration),
        evaluation_examples=len(evaluation),
        inputs=inputs,
        only_evaluation=shares.only_evaluation,
        only_calibration=shares.only_calibration,
        mismatches=mismatches,
        remarks=tuple(result.sentence for result in results if not result.mismatch),
        allowed=allow_mismatch,
        sentence=_sentence(calibration, len(evaluation), inputs, results),
    )


def input_pair(name: str, calibration: NDArray[Any], evaluation: NDArray[Any]) -> InputPair:
    """Returns the statistics of one input in both sets."""
    first, second = statistics(calibration), statistics(evaluation)
    whole, channels = exceeding(evaluation, first.low, first.high)
    unused, _ = exceeding(calibration, second.low, second.high)
    return InputPair(name=name, calibration=first, evaluation=second, whole=whole, channels=channels, unused=unused)


def _draws(calibration: ExampleSet, evaluation: ExampleSet, shares: ClassShares) -> Draws:
    """Returns how the sets were drawn."""
    provenance = calibration.provenance
    draws = Draws(
        calibration=len(calibration),
        evaluation=len(evaluation),
        extreme=provenance.extremes,
        classes=shares.draw_ratios(stratified=bool(provenance.classes)),
    )
    sampling: Mapping[str, Any] = provenance.recipe.get("sampling", {})
    return draws.by_weight() if sampling.get("weight") else draws


def _input_comparison(pair: InputPair) -> InputComparison:
    first, second = pair.calibration, pair.evaluation
    count = first.low.size
    worst = np.argsort(-pair.channels.values, kind="stable")[: _MOST_SHOWN if count > 1 else 0]
    return InputComparison(
        calibration=first.range,
        evaluation=second.range,
        outside_share=float(pair.whole.values[0]),
        outside_examples=min(float(pair.whole.below[0] + pair.whole.above[0]), 1.0),
        range_used=pair.range_used,
        quantile_distance=_quantile_distance(first.quantiles, second.quantiles),
        quantiles=tuple(
            (probability, float(one), float(other))
            for probability, one, other in zip(PROBABILITIES, first.quantiles, second.quantiles, strict=True)
        ),
        channels=tuple(
            ChannelComparison(
                channel=int(at),
                calibration=(float(first.low[at]), float(first.high[at])),
                evaluation=(float(second.low[at]), float(second.high[at])),
                outside_share=float(pair.channels.values[at]),
                quantile_distance=_quantile_distance(first.channel_quantiles[:, at], second.channel_quantiles[:, at])
                if first.channel_quantiles.shape[1]
                else None,
            )
            for at in worst
        ),
        channel_count=count,
    )


def _quantile_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Returns the largest distance of equal quantiles, in the range between the second's outer ones; None if that is empty."""
    width = float(second[-1] - second[0])
    return float(np.abs(first - second).max()) / width if width > 0 else None


def _sentence(
    calibration: ExampleSet, evaluation: int, inputs: Mapping[str, InputComparison], results: list[Difference]
) -> str:
    """Returns the result in one sentence; that the set is enough only if nothing speaks against it."""
    mismatches = [result.sentence for result in results if result.mismatch]
    if mismatches:
        return f"The calibration set does not match the evaluation set: {'; '.join(mismatches)}."
    outside = max(inputs, key=lambda name: inputs[name].outside_share)
    beyond = (
        f"{percent(inputs[outside].outside_share)} of the values of input {outside!r} in {evaluation:,} evaluation examples lie"
        " outside of its calibrated range, the most of all inputs"
    )
    if results:
        return (
            f"Compared with the evaluation set, something is odd: {'; '.join(result.sentence for result in results)}."
        )
    spread = calibration.provenance.representativeness
    if spread is not None and spread.enough:
        return f"By the inputs, {len(calibration):,} calibration examples are enough: {beyond}."
    return f"Compared with the evaluation set, nothing is odd: {beyond}."
