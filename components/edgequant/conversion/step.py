"""Converts a model to every requested variant, each in a child process."""

import hashlib
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgequant.artifacts.calibration_comparison import CalibrationComparison
from edgequant.artifacts.directory import new_directory, tree_digest, write_manifest
from edgequant.artifacts.example_set import ExampleSet, check_disjoint, check_groups_disjoint, load_example_set
from edgequant.artifacts.variant_set import (
    CONVERTED,
    FAILED,
    SCHEMA,
    ConvertedVariant,
    Stability,
    VariantSetContent,
)
from edgequant.child_process import ChildOutcome, Limits, forkserver, machine_memory, run
from edgequant.conversion.calibration.set_comparison import compare
from edgequant.conversion.promises import broken_promise, notes
from edgequant.conversion.reuse import conversion_store
from edgequant.conversion.stability import check_stability
from edgequant.conversion.trained_quantization import (
    SENTENCE,
    quantized_in_training,
    reference_note,
)
from edgequant.conversion.withheld import withheld
from edgequant.errors import ConversionError, ExamplesError, ModelError
from edgequant.inspection import inspect_bytes
from edgequant.model_files import ModelFiles, find_model
from edgequant.signature import ModelSignature
from edgequant.signature_reader import read_signature
from edgequant.steps import say
from edgequant.variants import REFERENCE, VARIANTS, check_variants

# How many conversions run at once, and the share of the machine's memory that they may use together.
_AT_ONCE = 2
_MEMORY_SHARE = 0.9
_CONVERTER = "edgequant.conversion.converter"
_LOG_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionRequest:
    """What to convert.

    Attributes:
        model: The path of the model.
        signature: The key of the signature to convert.
        variants: The variants' names.
        calibration_set: The directory of the calibration set.
        evaluation_set: The directory of the evaluation set, which must have no example in common with it, and which it is compared
            with; None without one.
        allow_mismatch: Whether calibrated variants are made even from a calibration set that does not match the evaluation set.
        check_stability: Whether to calibrate on each half of the set as well, and compare the models.
        time_limit_seconds: How long one conversion may take.
        memory_limit_bytes: How much resident memory one conversion may use; 0 for its share of the machine's.
    """

    model: Path
    signature: str
    variants: list[str]
    calibration_set: Path
    evaluation_set: Path | None = None
    allow_mismatch: bool = False
    check_stability: bool = False
    time_limit_seconds: float = 1800.0
    memory_limit_bytes: int = 0

    def limits(self) -> Limits:
        """Returns what one conversion may use."""
        share = int(machine_memory() * _MEMORY_SHARE / _AT_ONCE)
        return Limits(seconds=self.time_limit_seconds, memory_bytes=self.memory_limit_bytes or share)


def convert(request: ConversionRequest, variant_set: Path) -> None:
    """Converts every variant and writes the variant set. A variant that fails does not affect the others.

    Args:
        request: What to convert.
        variant_set: The directory to write.

    Raises:
        ConversionError: The reference failed, so nothing can be compared.
        ArtifactError: An example, or a group, of the calibration set is also in the evaluation set.
        ExamplesError: The calibration set does not fit this model.
        ModelError: There is no such model or signature.
    """
    names = check_variants(request.variants)
    files = find_model(request.model)
    calibration = load_example_set(request.calibration_set)
    check_calibration(calibration, read_signature(files.path, request.signature))
    trained = quantized_in_training(files)
    if trained:
        say("convert", SENTENCE)
    comparison = _compare(request, calibration, needed=any(VARIANTS[name].calibrated for name in names))
    without = withheld(names, comparison, trained=trained)
    for name, result in without.items():
        say("convert", f"{name}: {result.status}: {result.reason}")
    with new_directory(variant_set, SCHEMA) as draft:
        variants = without | _convert_all(request, files, [name for name in names if name not in without], draft)
        if variants[REFERENCE].status == FAILED:
            raise ConversionError(f"the reference {REFERENCE} failed: {variants[REFERENCE].reason}")
        reference = variants[REFERENCE].inspection
        if trained and reference is not None:
            variants[REFERENCE] = _noted(variants[REFERENCE], reference_note(reference))
        content = VariantSetContent(
            signature=request.signature,
            converter=f"tensorflow {version('tensorflow')}",
            model_sha256=tree_digest(files.path),
            calibration_sha256=calibration.digest,
            calibration_identities=calibration.identities,
            variants={name: variants[name] for name in names},
            # The halves of a set that is of something else tell nothing.
            stability=_stability(request, files, draft)
            if request.check_stability and not _blocks(comparison)
            else None,
            comparison=comparison,
            notes=(*((SENTENCE,) if trained else ()), *(comparison.notes if comparison is not None else ())),
        )
        write_manifest(draft, SCHEMA, content)


def check_calibration(calibration: ExampleSet, signature: ModelSignature) -> None:
    """Checks what the converter does not check.

    It accepts values that are not finite and an empty set, and its errors do not name the wrong input.

    Raises:
        ExamplesError: The set is empty, holds a value that is not finite, or is not for this signature.
    """
    if not len(calibration):
        raise ExamplesError(f"{calibration.path}: holds no examples; one or more are needed to calibrate")
    specs = {spec.name: spec for spec in signature.inputs}
    if set(calibration.inputs) != set(specs):
        raise ExamplesError(
            f"{calibration.path}: holds the inputs {sorted(calibration.inputs)}; signature {signature.key!r} takes {sorted(specs)}"
        )
    for name, values in calibration.inputs.items():
        if str(values.dtype) != specs[name].dtype or not specs[name].allows(values.shape[1:]):
            raise ExamplesError(
                f"{calibration.path}: input {name!r} is {values.dtype} {list(values.shape[1:])} per example;"
                f" signature {signature.key!r} takes {specs[name]}"
            )
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ExamplesError(
                f"{calibration.path}: input {name!r} holds NaN or infinity; calibration needs finite values"
            )


def _compare(request: ConversionRequest, calibration: ExampleSet, *, needed: bool) -> CalibrationComparison | None:
    """Returns how the calibration set compares with the evaluation set, and prints it; None if there is nothing to compare.

    Raises:
        ArtifactError: An example, or a group, of the calibration set is also in the evaluation set.
    """
    if request.evaluation_set is None:
        return None
    evaluation = load_example_set(request.evaluation_set, verify=False)
    check_disjoint(calibration.identities, evaluation)
    check_groups_disjoint(calibration, evaluation)
    if not needed or not len(evaluation):
        return None
    comparison = compare(calibration, evaluation, allow_mismatch=request.allow_mismatch)
    say("convert", comparison.sentence)
    return comparison


def _blocks(comparison: CalibrationComparison | None) -> bool:
    return comparison is not None and comparison.blocks


def _noted(variant: ConvertedVariant, note: str) -> ConvertedVariant:
    """Returns the reference with one more note, and prints that."""
    say("convert", f"{REFERENCE}: {note}")
    return replace(variant, notes=(*variant.notes, note))


def _stability(request: ConversionRequest, files: ModelFiles, draft: Path) -> Stability:
    """Returns whether the calibration set is large enough, and prints it."""
    sets = (request.calibration_set, request.evaluation_set or request.calibration_set)
    reference = draft / REFERENCE / "model.tflite"
    stability = check_stability(forkserver(_CONVERTER), (files, request.signature), sets, reference, request.limits())
    say("convert", stability.sentence)
    return stability


def _convert_all(
    request: ConversionRequest, files: ModelFiles, names: list[str], draft: Path
) -> dict[str, ConvertedVariant]:
    context = forkserver(_CONVERTER)
    store = conversion_store(files.path, request.signature, request.calibration_set)
    done: dict[str, ConvertedVariant] = {}
    with tempfile.TemporaryDirectory(prefix="edgequant-") as logs, ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = {}
        for name in names:
            target = draft / name / "model.tflite"
            kept = store.load(name, target)
            if kept is not None:
                done[name] = kept
                say("convert", f"{name}: reused, as model, calibration inputs and versions are the same")
                continue
            arguments = (files, request.signature, name, request.calibration_set, target)
            log = Path(logs) / f"{name}.log"
            waiting[pool.submit(run, context, convert_one, arguments, request.limits(), log)] = (name, log)
        for future in as_completed(waiting):
            name, log = waiting[future]
            target = draft / name / "model.tflite"
            done[name] = _conclude(name, future.result(), target, log)
            store.keep(name, done[name], target)
    return done


def _conclude(name: str, outcome: ChildOutcome, target: Path, log: Path) -> ConvertedVariant:
    """Returns the result of converting a variant, and prints it."""
    facts: dict[str, Any] = {"seconds": round(outcome.seconds, 2), "peak_memory_bytes": outcome.peak_memory_bytes}
    if outcome.failure is None:
        converted = ConvertedVariant(status=CONVERTED, **facts, **outcome.value)
        say("convert", f"{name}: {converted.size_bytes:,} B in {outcome.seconds:.1f} s")
        for note in converted.notes:
            say("convert", f"{name}: {note}")
        return converted
    target.unlink(missing_ok=True)
    if target.parent.is_dir():
        target.parent.rmdir()
    if log.is_file():
        print(*log.read_text(errors="replace").splitlines()[-_LOG_LINES:], sep="\n", flush=True)
    say("convert", f"{name}: failed: {outcome.failure}")
    return ConvertedVariant(status=FAILED, reason=outcome.failure, **facts)


def convert_one(files: ModelFiles, signature: str, name: str, calibration_set: Path, target: Path) -> dict[str, Any]:
    """Converts one variant, verifies it against its name, and writes it. Runs in a child process.

    Args:
        files: The model.
        signature: The key of the signature to convert.
        name: The variant's name.
        calibration_set: The directory of the calibration set, whose digests the parent process has checked.
        target: The file to write.

    Returns:
        The fields of a `ConvertedVariant` that describe a file.

    Raises:
        ModelError: It cannot be converted, does not match its name, or cannot be run.
        ExamplesError: The calibration set does not fit this model's inputs.
    """
    from edgequant.conversion.converter import convert as call_converter

    calibration = load_example_set(calibration_set, verify=False)
    flatbuffer = call_converter(files, signature, name, calibration.inputs, calibration.starts)
    inspection = inspect_bytes(flatbuffer, name)
    reason = broken_promise(VARIANTS[name], inspection)
    if reason is not None:
        raise ModelError(reason)
    target.parent.mkdir()
    target.write_bytes(flatbuffer)
    _run_once(target, {input_name: values[0] for input_name, values in calibration.inputs.items()})
    return {
        "size_bytes": len(flatbuffer),
        "sha256": hashlib.sha256(flatbuffer).hexdigest(),
        "inspection": inspection,
        "notes": notes(VARIANTS[name], inspection),
    }


def _run_once(path: Path, example: dict[str, Any]) -> None:
    """Runs a converted file on one example: the converter writes some files without an error that cannot be run.

    Raises:
        ModelError: It cannot be run.
    """
    from edgequant.litert_interpreter import InterpreterError, Model

    try:
        model = Model(path)
        model.invoke(model.prepare(example))
    except InterpreterError as error:
        reason = str(error).removeprefix(f"{path}: ")  # The path is temporary; it means nothing later.
        raise ModelError(f"converted, and cannot be run: {reason}") from error
