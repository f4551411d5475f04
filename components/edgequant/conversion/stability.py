"""Split-half check of a calibration set: int8 models calibrated on its two halves should hardly differ."""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.variant_set import Stability
from edgequant.child_process import Limits, run
from edgequant.errors import ModelError
from edgequant.model_files import ModelFiles
from edgequant.outputs import sqnr_db

_VARIANT = "full_int8"
_MOST_EXAMPLES = 500
# Two int8 models whose scales differ slightly round independently, so the energy of their difference is twice the noise of
# one: 3 dB. Another 3 dB allow for the variance of the measurement.
_MARGIN_DB = 6.0
Outputs = dict[str, NDArray[Any]]


def check_stability(
    context: Any, source: tuple[ModelFiles, str], sets: tuple[Path, Path], float32: Path, limits: Limits
) -> Stability:
    """Returns how much int8 models of a calibration set's two halves differ.

    Args:
        context: The context that starts child processes (see `edgequant.child_process.forkserver`).
        source: The model, and the key of the signature to convert.
        sets: The calibration set, and the set whose examples the models are compared on.
        float32: The reference's file.
        limits: What one child process may use.
    """
    calibration, examples = sets
    with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
        log = Path(folder) / "log"
        halves = [Path(folder) / f"{half}.tflite" for half in (0, 1)]
        for half, target in enumerate(halves):
            outcome = run(context, convert_half, (*source, calibration, half, target), limits, log)
            if outcome.failure is not None:
                return Stability(sentence=f"Stability is not known: a half of the calibration set: {outcome.failure}.")
        outcome = run(context, compare_halves, (float32, *halves, examples), limits, log)
        if outcome.failure is not None:
            return Stability(sentence=f"Stability is not known: {outcome.failure}.")
    stability: Stability = outcome.value
    return stability


def convert_half(files: ModelFiles, signature: str, calibration_set: Path, half: int, target: Path) -> None:
    """Writes the int8 model calibrated on every other example, from the first or from the second on.

    Raises:
        ModelError: It cannot be converted, or the calibration set is too small to have such a half.
    """
    from edgequant.conversion.converter import convert

    calibration = load_example_set(calibration_set, verify=False)
    if len(calibration) <= half:
        raise ModelError(f"{len(calibration)} example has no two halves")
    starts = np.ones(len(calibration), np.bool_) if calibration.starts is None else calibration.starts
    # Every other sequence; without sequences, each example is one.
    rows = np.flatnonzero((np.cumsum(starts) - 1) % 2 == half)
    if not len(rows):
        raise ModelError("1 sequence has no two halves")
    values = {name: array[rows] for name, array in calibration.inputs.items()}
    target.write_bytes(convert(files, signature, _VARIANT, values, starts[rows]))


def compare_halves(float32: Path, first_half: Path, second_half: Path, example_set: Path) -> Stability:
    """Returns how much two int8 models differ, and for comparison how much the first differs from float32."""
    examples = load_example_set(example_set, verify=False)
    inputs = {name: values[:_MOST_EXAMPLES] for name, values in examples.inputs.items()}
    starts = examples.starts
    reference, first, second = (_outputs(path, inputs, starts) for path in (float32, first_half, second_half))
    halves, quantization = outputs_sqnr_db(first, second), outputs_sqnr_db(reference, first)
    agreement = _agreement(first, second)
    return Stability(
        examples=len(next(iter(inputs.values()))),
        halves_sqnr_db=halves,
        quantization_sqnr_db=quantization,
        agreement=agreement,
        sentence=_sentence(halves, quantization, agreement),
    )


def outputs_sqnr_db(signal: Outputs, other: Outputs) -> float | None:
    """Returns the signal-to-noise ratio of outputs, in dB, with the difference as the noise; None when they are equal."""
    power = noise = 0.0
    for name, values in signal.items():
        expected = np.asarray(values, np.float64)
        power += float((expected**2).sum())
        noise += float(((expected - other[name]) ** 2).sum())
    # An all-zero signal gets the smallest energy, so that any noise gives a very low ratio.
    return sqnr_db(max(power, float(np.finfo(np.float64).tiny)), noise)


def _outputs(path: Path, inputs: Outputs, starts: NDArray[np.bool_] | None) -> Outputs:
    from edgequant.litert_interpreter import Model

    model = Model(path)
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in model.outputs}
    for row in range(len(next(iter(inputs.values())))):
        keep_state = starts is not None and not starts[row]
        model.invoke(model.prepare({name: values[row] for name, values in inputs.items()}), keep_state=keep_state)
        for name, value in model.results().items():
            rows[name].append(value)
    return {name: np.stack(values) for name, values in rows.items()}


def _agreement(first: Outputs, second: Outputs) -> float | None:
    """Returns the share of examples for which the largest output is the same; None unless there is one output with several classes."""
    values, others = next(iter(first.values())), next(iter(second.values()))
    if len(first) != 1 or values.ndim != 2 or values.shape[1] == 1:
        return None
    return float((values.argmax(axis=1) == others.argmax(axis=1)).mean())


def _sentence(halves: float | None, quantization: float | None, agreement: float | None) -> str:
    """Returns a sentence on whether the calibration set is large enough."""
    same = "" if agreement is None else f", and choose the same class for {100 * agreement:.1f}% of the examples"
    if halves is None:
        return (
            f"By the outputs, the calibration set is large enough: int8 models of its two halves give the same{same}."
        )
    if quantization is None:
        quantization = math.inf
    comparison = f"(SQNR {halves:.1f} dB against {quantization:.1f} dB; higher is closer)"
    if halves >= quantization - _MARGIN_DB:
        return (
            "By the outputs, the calibration set is large enough: int8 models of its two halves differ about as"
            f" little as quantization changes the outputs {comparison}{same}."
        )
    return (
        "By the outputs, the calibration set is too small: int8 models of its two halves differ by more than quantization"
        f" changes the outputs {comparison}{same}; calibrate on more."
    )
