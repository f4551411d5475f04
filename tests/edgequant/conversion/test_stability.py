"""Whether a calibration set is large enough, told by models of its two halves."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgequant.artifacts.example_set import ExampleSetWriter, load_example_set
from edgequant.artifacts.variant_set import Stability, load_variant_set
from edgequant.conversion.stability import outputs_sqnr_db
from edgequant.conversion.step import ConversionRequest, convert
from edgequant.errors import ArtifactError


def answers(path: Path, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Runs a model of digits as LiteRT's documentation says, by its signature."""
    runner = Interpreter(model_path=str(path), num_threads=1).get_signature_runner()
    rows = [next(iter(runner(pixels=pixels[row : row + 1]).values())) for row in range(len(pixels))]
    return np.concatenate(rows).astype(np.float64)


def decibels(signal: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Returns a signal-to-noise ratio."""
    return float(10 * np.log10((signal**2).sum() / ((signal - other) ** 2).sum()))


def half(source: Path, target: Path, first: int) -> Path:
    """Returns an example set of every other example of another, from the first or the second on."""
    examples = load_example_set(source)
    with ExampleSetWriter(target, len(examples)) as writer:
        for row in range(first, len(examples), 2):
            writer.add(examples.identities[row], {k: v[row] for k, v in examples.inputs.items()}, None)
        writer.finish(examples.provenance)
    return target


def test_halves_are_compared(digits_model: Path, digits_sets: Any, tmp_path: Path) -> None:
    """The figures are those of models converted from each half alone, run over the evaluation set by the interpreter."""
    request = ConversionRequest(
        model=digits_model,
        signature="serving_default",
        variants=["float32", "full_int8"],
        calibration_set=digits_sets.calibration_set,
        evaluation_set=digits_sets.evaluation_set,
        check_stability=True,
    )
    convert(request, tmp_path / "variants")
    stability = load_variant_set(tmp_path / "variants").content.stability
    assert stability is not None
    pixels = np.asarray(load_example_set(digits_sets.evaluation_set).inputs["pixels"])
    outputs = {}
    for first in (0, 1):
        calibration = half(digits_sets.calibration_set, tmp_path / f"half {first}", first)
        alone = ConversionRequest(
            model=digits_model,
            signature="serving_default",
            variants=["float32", "full_int8"],
            calibration_set=calibration,
        )
        convert(alone, tmp_path / f"variants {first}")
        outputs[first] = answers(tmp_path / f"variants {first}" / "full_int8" / "model.tflite", pixels)
    reference = answers(tmp_path / "variants" / "float32" / "model.tflite", pixels)
    assert stability.examples == len(pixels)
    assert stability.halves_sqnr_db == pytest.approx(decibels(outputs[0], outputs[1]), abs=1e-3)
    assert stability.quantization_sqnr_db == pytest.approx(decibels(reference, outputs[0]), abs=1e-3)
    assert stability.agreement == (outputs[0].argmax(axis=1) == outputs[1].argmax(axis=1)).mean()
    large = (stability.halves_sqnr_db or 0) >= (stability.quantization_sqnr_db or 0) - 6
    size = "large enough" if large else "too small"
    assert stability.sentence.startswith(
        f"By the outputs, the calibration set is {size}: int8 models of its two halves differ"
    )


def test_one_example_has_no_halves(digits_model: Path, digits_sets: Any, tmp_path: Path) -> None:
    """A set that cannot be halved is said, and costs no variant."""
    examples = load_example_set(digits_sets.calibration_set)
    with ExampleSetWriter(tmp_path / "one", 1) as writer:
        writer.add("one", {name: values[0] for name, values in examples.inputs.items()}, None)
        writer.finish(examples.provenance)
    request = ConversionRequest(
        model=digits_model,
        signature="serving_default",
        variants=["float32"],
        calibration_set=tmp_path / "one",
        check_stability=True,
    )
    convert(request, tmp_path / "variants")
    variants = load_variant_set(tmp_path / "variants")
    assert variants.converted == ("float32",)
    assert variants.content.stability == Stability(
        sentence="Stability is not known: a half of the calibration set: 1 example has no two halves."
    )


def test_it_is_not_checked_unasked(digits_sets: Any) -> None:
    """Without being asked, nothing is told of stability."""
    assert load_variant_set(digits_sets.variant_set).content.stability is None


def test_an_example_of_both_sets_is_refused(digits_model: Path, digits_sets: Any, tmp_path: Path) -> None:
    """A calibration example that is in the evaluation set as well stops the conversion before it begins."""
    examples = load_example_set(digits_sets.evaluation_set)
    overlap = half(digits_sets.evaluation_set, tmp_path / "overlap", 0)
    request = ConversionRequest(
        model=digits_model,
        signature="serving_default",
        variants=["float32"],
        calibration_set=overlap,
        evaluation_set=digits_sets.evaluation_set,
    )
    first = min(examples.identities[::2])
    with pytest.raises(
        ArtifactError, match=f"150 of its examples were calibrated on, the first with the identity {first};"
    ):
        convert(request, tmp_path / "variants")
    assert not (tmp_path / "variants").exists()
    shutil.rmtree(overlap)


def test_sqnr_of_known_noise() -> None:
    """Worked by hand: a tenth of the amplitude as noise is 20 dB, over all outputs together; equal outputs have none."""
    signal = {"a": np.array([3.0, 4.0]), "b": np.array([0.0])}
    assert outputs_sqnr_db(signal, {"a": np.array([3.0, 4.5]), "b": np.array([0.0])}) == pytest.approx(20.0)
    assert outputs_sqnr_db(signal, {"a": np.array([3.0, 4.0]), "b": np.array([5.0])}) == pytest.approx(0.0)
    assert outputs_sqnr_db(signal, signal) is None
