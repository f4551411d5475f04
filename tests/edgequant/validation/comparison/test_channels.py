"""Errors by channel, each in its own unit: boxes beside scores, pixels that hardly vary, dead channels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, softmax

from edgequant.artifacts.comparison import Constants
from edgequant.validation.comparison.channels import agreement, channels_of, worst_axis_errors
from edgequant.validation.comparison.output_drift import output_drift
from edgequant.validation.metrics import classification


def _agreement(reference: NDArray[Any], variant: NDArray[Any]) -> float:
    errors = {"y": worst_axis_errors(channels_of(reference), reference, variant)}
    return float(agreement({"y": reference}, {"y": variant}, errors).mean())


def _quantized(values: NDArray[Any]) -> NDArray[Any]:
    """Returns values rounded to the 255 steps of one 8-bit tensor."""
    step = (max(values.max(), 0) - min(values.min(), 0)) / 255
    return np.asarray(np.round(values / step) * step)


def _constants(reference: NDArray[Any], variant: NDArray[Any]) -> Constants:
    constants = output_drift(reference, variant).constants
    assert constants is not None
    return constants


def _detections(boxes: int, scores: int) -> NDArray[Any]:
    random = np.random.default_rng(1)
    return np.concatenate([random.uniform(0, 640, (300, boxes)), random.beta(0.3, 0.6, (300, scores))], axis=1)


@pytest.mark.parametrize(
    ("boxes", "scores", "numbers"), [(4, 3, "4 to 6"), (4, 1, "4"), (14, 1, "14"), (4, 80, "4 to 83")]
)
def test_scores_that_int8_zeroes_beside_boxes_agree_with_nothing(boxes: int, scores: int, numbers: str) -> None:
    """A step of 2.5 rounds every score of 0 to 1 to 0: the cosine is near 1, and the lost channels are named."""
    reference = _detections(boxes, scores)
    variant = _quantized(reference)
    drift = output_drift(reference, variant)
    assert drift.cosine > 0.9999
    assert drift.worst is not None
    assert drift.worst.number >= boxes
    assert drift.worst.cosine == 0.0
    # Σ values² / Σ values², as the whole value is the error.
    assert drift.worst.sqnr_db == pytest.approx(0.0)
    assert _agreement(reference, variant) == pytest.approx(drift.worst.agreement)
    assert drift.worst.agreement < 0.6
    assert (_constants(reference, variant).lost, _constants(reference, variant).lost_numbers) == (scores, numbers)


def test_scores_that_lose_most_of_their_steps_do_not_agree() -> None:
    """Beside boxes of 0 to 100 a score keeps the values 0, 0.39 and 0.78: not dead, and far from equal."""
    reference = np.concatenate([_detections(4, 0) * 100 / 640, _detections(4, 3)[:, 4:]], axis=1)
    variant = _quantized(reference)
    assert _constants(reference, variant).lost == 0
    scores, rounded = reference[:, 4], variant[:, 4]
    expected = 1 - np.minimum(np.abs(rounded - scores) / scores.std(), 1).mean()
    assert _agreement(reference, variant) == pytest.approx(expected, abs=0.02)
    assert _agreement(reference, variant) < 0.8


@pytest.mark.parametrize("unit", [1.0, 16.0, 255.0])
def test_a_pixel_that_hardly_varies_does_not_fail_an_autoencoder(unit: float) -> None:
    """Of 64 pixels one has a spread of 0.002 of the range: 8-bit rounding is as large, and all that differs."""
    random = np.random.default_rng(2)
    reference = unit * expit(random.normal(size=(500, 64)) * 2)
    reference[:, 9] = unit * (0.003 + 0.002 * random.normal(size=500).clip(-1.5, 1.5))
    variant = _quantized(reference)
    alone = 1 - np.minimum(np.abs(variant[:, 9] - reference[:, 9]) / reference[:, 9].std(), 1).mean()
    assert alone < 0.6
    assert _agreement(reference, variant) > 0.98
    assert _constants(reference, variant).lost == 0


def test_the_floor_is_where_rounding_costs_one_hundredth() -> None:
    """A constant pixel of 0 with errors of a quarter of a step, the mean of ideal rounding, agrees to 0.99."""
    reference = np.random.default_rng(3).uniform(size=(100, 16))
    reference[0, 1], reference[1, 1] = 0.0, 1.0
    reference[:, 0] = 0.0
    variant = reference.copy()
    variant[:, 0] = 1 / 255 / 4
    assert _agreement(reference, variant) == pytest.approx(0.99)


def test_pixels_that_rounding_makes_constant_are_faint_and_a_dead_one_is_lost() -> None:
    """Pixel 9 varies by less than a step of 1/255; pixel 3 by far more, and is 0 in the variant."""
    reference = np.random.default_rng(4).uniform(size=(200, 64))
    reference[:, 9] = 0.001 + 0.0002 * np.random.default_rng(5).uniform(size=200)
    variant = _quantized(reference)
    variant[:, 3] = 0.0
    constants = _constants(reference, variant)
    assert (constants.lost_numbers, constants.faint_numbers) == ("3", "9")


def test_a_few_targets_have_no_floor() -> None:
    """A target of 1 ± 0.01 beside one of 300 ± 10 counts in full: without a shared unit, nothing is too small."""
    reference = np.random.default_rng(5).normal(size=(500, 2)) * (10.0, 0.01) + (300.0, 1.0)
    variant = reference.copy()
    variant[:, 1] = 1.0
    assert _agreement(reference, variant) < 0.4
    assert _constants(reference, variant).lost_numbers == "1"


def test_a_class_that_a_softmax_hardly_gives_is_no_disagreement() -> None:
    """Of four classes one has probabilities near 0.001: the 8-bit output gives 0 for it, and agrees."""
    reference = softmax(np.random.default_rng(6).normal(size=(300, 4)) * 2 + (0, 0, 0, -8), axis=1)
    variant = np.round(reference * 256) / 256
    assert np.median(variant[:, 3]) == 0.0
    assert _agreement(reference, variant) > 0.98
    assert _constants(reference, variant).lost == 0


def test_channels_first_are_seen() -> None:
    """[examples, 4 + 2, 100] of a detector: rows 4 and 5 on axis 1 are the scores, and each of the 100 columns mixes all."""
    random = np.random.default_rng(7)
    reference = np.concatenate([random.uniform(0, 640, (40, 4, 100)), random.uniform(size=(40, 2, 100))], axis=1)
    constants = _constants(reference, _quantized(reference))
    assert (constants.axis, constants.lost_numbers) == (1, "4 and 5")
    assert _agreement(reference, _quantized(reference)) < 0.01


def test_a_channel_of_many_positions_is_one() -> None:
    """[examples, positions, 7]: the channels of the last axis are those of a table of all positions."""
    reference = _detections(4, 3).reshape(30, 10, 7)
    constants = _constants(reference, _quantized(reference))
    assert (constants.axis, constants.channels, constants.lost_numbers) == (-1, 7, "4 to 6")


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1)])
def test_one_value_per_example_is_one_channel(shape: tuple[int, ...]) -> None:
    """Values of ±1 have a spread of 1; errors of 0, 0.5, 0 and 2 of it agree to 1, 0.5, 1 and 0."""
    reference = np.array([1.0, -1.0, 1.0, -1.0]).reshape(shape)
    variant = np.array([1.0, -0.5, 1.0, 1.0]).reshape(shape)
    assert _agreement(reference, variant) == pytest.approx(0.625)
    drift = output_drift(reference, variant)
    assert drift.worst is not None
    assert (drift.worst.number, drift.worst.channels) == (0, 1)
    assert drift.worst.spread == pytest.approx(1.0)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int8])
def test_integers_are_compared_as_numbers(dtype: Any) -> None:
    """Counts of 0, 4, 0 and 4 have a spread of 2, and no wrapping of the type: errors of 4, 1, 0 and 0."""
    reference, variant = np.array([[0], [4], [0], [4]], dtype), np.array([[4], [3], [0], [4]], dtype)
    assert _agreement(reference, variant) == pytest.approx((0 + 0.5 + 1 + 1) / 4)
    booleans = np.array([[True], [False]])
    assert _agreement(booleans, ~booleans) == 0.0
    assert _agreement(booleans, booleans) == 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_no_agreement(value: float) -> None:
    """One of four examples is not finite: it agrees with nothing, the others fully."""
    reference = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    variant = reference.copy()
    variant[2] = value
    with np.errstate(invalid="ignore"):
        assert _agreement(reference, variant) == pytest.approx(0.75)


@pytest.mark.parametrize("change", [lambda values: 3 * values + 7, lambda values: -0.2 * values])
def test_agreement_of_targets_does_not_depend_on_their_unit(change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Another unit of both models' outputs changes nothing."""
    reference = np.random.default_rng(8).normal(size=(100, 3)) * (5, 50, 500)
    variant = reference + np.random.default_rng(9).normal(size=(100, 3)) * (1, 3, 100)
    assert _agreement(change(reference), change(variant)) == pytest.approx(_agreement(reference, variant))


def test_one_example_has_no_constant_channel() -> None:
    """With a single example nothing is known of what varies."""
    assert _constants(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]])).lost == 0


def test_errors_in_chunks_are_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded, and nothing else changes."""
    reference = _detections(4, 3).reshape(30, 10, 7)
    whole = output_drift(reference, _quantized(reference))
    monkeypatch.setattr(classification, "_CHUNK", 3 * 70)
    parts = output_drift(reference, _quantized(reference))
    assert whole.worst is not None
    assert parts.worst is not None
    assert parts.worst.agreement == pytest.approx(whole.worst.agreement)
    assert parts.worst.sqnr_db == pytest.approx(whole.worst.sqnr_db)
    assert parts.constants == whole.constants
    assert _agreement(reference, _quantized(reference)) == pytest.approx(whole.worst.agreement)
