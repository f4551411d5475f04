"""Runs one variant over the evaluation set and writes its outputs and metrics."""

import os
from pathlib import Path

import numpy as np

from edgequant.artifacts.directory import file_name, new_directory, write_json, write_manifest
from edgequant.artifacts.evaluation import EVALUATED, SCHEMA, EvaluationContent
from edgequant.artifacts.example_set import ExampleSet, load_example_set
from edgequant.artifacts.variant_set import CONVERTED, FAILED, load_variant_set
from edgequant.errors import EvaluationError
from edgequant.evaluation.prediction import Predictions, predict
from edgequant.litert_interpreter import runtime_version
from edgequant.steps import say
from edgequant.task import measure
from edgequant.variants import BASELINE


def evaluate(
    variant: str, variant_set: Path, evaluation_set: Path, evaluation: Path, *, task: str, budget_seconds: float = 120.0
) -> None:
    """Evaluates one variant. One that cannot be run is recorded as failed, with the reason.

    Args:
        variant: The variant's name.
        variant_set: The directory of the variant set.
        evaluation_set: The directory of the evaluation set.
        evaluation: The directory to write.
        task: The task.
        budget_seconds: After this time no further examples are begun.

    Raises:
        ArtifactError: An input directory is not what it should be.
        EvaluationError: The baseline cannot be evaluated, so nothing can be compared.
    """
    variants = load_variant_set(variant_set)
    examples = load_example_set(evaluation_set)
    found = variants[variant]
    if found.status != CONVERTED:
        reason = f"not converted: {found.reason}"
        if variant == BASELINE:
            raise EvaluationError(f"the baseline {BASELINE} is {reason}")
        _write_failure(variant, None, examples, reason, task, evaluation)
        return
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        predictions = predict(variants.model(variant), examples.inputs, threads=threads, budget_seconds=budget_seconds)
        _check_finite(predictions)
        _write(variant, found.sha256, examples, predictions, task, evaluation)
    except EvaluationError as error:
        if variant == BASELINE:
            raise
        _write_failure(variant, found.sha256, examples, str(error), task, evaluation)


def _check_finite(predictions: Predictions) -> None:
    for name, values in predictions.outputs.items():
        if values.dtype.kind == "f":
            bad = int((~np.isfinite(values)).reshape(len(values), -1).any(axis=1).sum())
            if bad:
                raise EvaluationError(f"output {name!r} holds NaN or infinity for {bad:,} of {len(values):,} examples")


def _write(
    variant: str, sha256: str | None, examples: ExampleSet, predictions: Predictions, task: str, target: Path
) -> None:
    metrics, scores = measure(task, predictions.outputs, examples.labels)
    content = EvaluationContent(
        variant=variant,
        task=task,
        status=EVALUATED,
        model_sha256=sha256,
        evaluation_sha256=examples.digest,
        examples=predictions.examples,
        available=len(examples),
        seconds=round(predictions.seconds, 3),
        metrics=metrics,
        outputs=tuple(predictions.outputs),
        runtime=runtime_version(),
    )
    with new_directory(target) as draft:
        (draft / "outputs").mkdir()
        for name, values in predictions.outputs.items():
            np.save(draft / "outputs" / file_name(name), values)
        if scores is not None:
            np.save(draft / "scores.npy", scores)
        write_json(draft / "metrics.json", metrics)
        write_manifest(draft, SCHEMA, content)
    shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    count = f"{content.examples:,} of {content.available:,} examples"
    say("evaluate", f"{variant}: {shown or 'outputs kept'} on {count} in {content.seconds:.1f} s")


def _write_failure(
    variant: str, sha256: str | None, examples: ExampleSet, reason: str, task: str, target: Path
) -> None:
    content = EvaluationContent(
        variant=variant,
        task=task,
        status=FAILED,
        reason=reason,
        model_sha256=sha256,
        evaluation_sha256=examples.digest,
        available=len(examples),
        metrics={},
        runtime=runtime_version(),
    )
    with new_directory(target) as draft:
        write_json(draft / "metrics.json", {})
        write_manifest(draft, SCHEMA, content)
    say("evaluate", f"{variant}: failed: {reason}")
