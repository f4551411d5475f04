"""Runs one variant over the evaluation set and writes its outputs and metrics."""

import math
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from edgequant.artifacts.directory import file_name, load_array, new_directory, write_json, write_manifest
from edgequant.artifacts.evaluation import EVALUATED, SCHEMA, EvaluationContent, NotFinite
from edgequant.artifacts.example_set import STARTS, ExampleSet, check_disjoint, load_example_set
from edgequant.artifacts.variant_set import ABSENT, CONVERTED, FAILED, VariantSet, load_variant_set
from edgequant.errors import EvaluationError
from edgequant.evaluation.prediction import PredictionRequest, Predictions, predict, trace
from edgequant.litert_interpreter import XNNPACK, Origin, runtime_version
from edgequant.model_process import MARGIN_SECONDS, run_in_child
from edgequant.outputs import glance
from edgequant.own_metric import metric_inputs
from edgequant.resolvers import check_resolver
from edgequant.steps import say
from edgequant.variants import REFERENCE

# How long one example may take without a time budget, before the interpreter is taken to hang.
STALL_SECONDS = 600.0


class NotFiniteOutputError(EvaluationError):
    """A model's outputs hold NaN or infinity."""

    def __init__(self, message: str, place: NotFinite) -> None:
        super().__init__(message)
        self.place = place


def evaluate(
    variant: str,
    variant_set: Path,
    evaluation_set: Path,
    evaluation: Path,
    *,
    task: str,
    budget_seconds: float | None = None,
    resolver: str = XNNPACK,
    margin_seconds: float = MARGIN_SECONDS,
    task_source: str = "",
    stall_seconds: float = STALL_SECONDS,
) -> None:
    """Evaluates one variant. One that cannot be run is recorded as failed, with the reason.

    The model runs in a child process, so that one that crashes or hangs the interpreter is recorded as failed.

    Args:
        variant: The variant's name.
        variant_set: The directory of the variant set.
        evaluation_set: The directory of the evaluation set.
        evaluation: The directory to write.
        task: The task.
        budget_seconds: No further examples are started after this time; None to run all of them, however long that takes. The
            verdict compares all variants over the examples that each of them was run on.
        resolver: Which kernels run the model: xnnpack, builtin or reference.
        margin_seconds: How long to wait for the child beyond the budget.
        task_source: The text of the file that a metric of one's own is in; "" for none.
        stall_seconds: Without a budget, how long to wait for the child from one example to the next.

    Raises:
        ArtifactError: An input directory is missing or damaged, or an example is in the calibration set.
        ConfigError: There is no such resolver.
        EvaluationError: The reference cannot be evaluated, or there are no examples.
        OSError: The outputs cannot be written.
    """
    check_resolver(resolver)
    variants = load_variant_set(variant_set)
    examples = load_example_set(evaluation_set)
    if not len(examples):
        raise EvaluationError(f"{evaluation_set}: holds no examples; one or more are needed")
    check_disjoint(variants.content.calibration_identities, examples)
    blank = EvaluationContent(
        variant=variant,
        task=task,
        status=FAILED,
        model_sha256=variants[variant].sha256,
        evaluation_sha256=examples.digest,
        available=len(examples),
        metrics={},
        runtime=runtime_version(),
        resolver=resolver,
    )
    with new_directory(evaluation, SCHEMA) as draft:
        if variants[variant].status == ABSENT:
            # No champion exists; its step has recorded the reason.
            write_manifest(draft, SCHEMA, replace(blank, status=ABSENT, reason=variants[variant].reason))
            return
        try:
            request = PredictionRequest(
                model=_model(variants, variant),
                inputs={name: examples.path / "inputs" / file_name(name) for name in examples.inputs},
                outputs=draft / "outputs",
                # The examples of a sequence need the state of one interpreter.
                threads=_threads() if examples.starts is None else 1,
                starts=None if examples.starts is None else examples.path / STARTS,
                budget_seconds=math.inf if budget_seconds is None else budget_seconds,
                grace_seconds=margin_seconds,
                resolver=resolver,
            )
            seconds = stall_seconds if budget_seconds is None else budget_seconds + margin_seconds
            content = _evaluate(request, (examples, task_source), blank, seconds=seconds)
        except EvaluationError as error:
            if variant == REFERENCE:
                raise EvaluationError(f"the reference {REFERENCE} is not evaluated: {error}") from error
            content = _failed(blank, error, draft)
        write_json(draft / "metrics.json", content.metrics)
        write_manifest(draft, SCHEMA, content)
    _report(content)


def _model(variants: VariantSet, variant: str) -> Path:
    converted = variants[variant]
    if converted.status != CONVERTED:
        raise EvaluationError(f"not converted: {converted.reason}")
    return variants.model(variant)


def _evaluate(
    request: PredictionRequest, judged_by: tuple[ExampleSet, str], blank: EvaluationContent, *, seconds: float
) -> EvaluationContent:
    """Writes the outputs of a model, and returns the content of the manifest.

    Args:
        request: What to run.
        judged_by: The evaluation set, and the text of the file of a metric of one's own.
        blank: What is known before.
        seconds: How long the child process may take.
    """
    examples, task_source = judged_by
    predictions = _predict(blank.variant, request, seconds)
    if predictions.not_finite:
        raise _not_finite(request, predictions, seconds)
    outputs = {name: load_array(request.outputs / file_name(name)) for name in predictions.outputs}
    return replace(
        blank,
        status=EVALUATED,
        examples=predictions.examples,
        seconds=round(predictions.seconds, 3),
        metrics=glance(blank.task, outputs, examples.labels, metric_inputs(examples, task_source)),
        outputs=predictions.outputs,
        threads=request.threads,
        batch=predictions.batch,
    )


def _predict(variant: str, request: PredictionRequest, seconds: float) -> Predictions:
    """Runs the model in a child process.

    A batch that fails is run again with a batch size of 1, since the model itself may support only that.

    Args:
        variant: The variant's name.
        request: What to run.
        seconds: How long it may take; without a budget, since the last example.

    Raises:
        EvaluationError: The model cannot be run.
    """
    request.outputs.mkdir()
    with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
        batch_file = Path(folder) / "batch"
        progress = Path(folder) / "progress" if math.isinf(request.budget_seconds) else None
        request = replace(request, batch_file=batch_file, progress_file=progress)
        for batch in (0, 1) if request.starts is None else (1,):
            batch_file.write_text("1")
            outcome = run_in_child(predict, replace(request, batch=batch), seconds=seconds, progress=progress)
            if isinstance(outcome.value, Predictions):
                return outcome.value
            reason = outcome.value or f"LiteRT cannot run the model: {outcome.failure}"
            if batch_file.read_text() == "1" or (progress is None and outcome.seconds >= seconds):
                break
            say("evaluate", f"{variant}: not run several examples at once, but one by one: {reason}")
    raise EvaluationError(reason)


def _not_finite(request: PredictionRequest, predictions: Predictions, seconds: float) -> NotFiniteOutputError:
    """Returns the error of a model whose outputs are not all finite, with the operator where that starts."""
    outcome = run_in_child(trace, request, predictions.first_not_finite, seconds=seconds)
    origin: Origin | None = outcome.value
    name, count = next(iter(predictions.not_finite.items()))
    place = NotFinite(
        output=name,
        examples=count,
        first_example=predictions.first_not_finite or 0,
        operator=origin.operator if origin else None,
        tensor=origin.tensor if origin else None,
    )
    where = "where it starts was not found with the runtime's own kernels"
    if origin:
        where = f"it starts at {origin.operator}, which writes {origin.tensor!r}"
        if not origin.operator:
            where = f"the examples' own input {origin.tensor!r} holds it"
    of = f"{count:,} of {predictions.examples:,} examples"
    return NotFiniteOutputError(f"output {name!r} holds NaN or infinity for {of}; {where}", place)


def _failed(blank: EvaluationContent, error: EvaluationError, draft: Path) -> EvaluationContent:
    shutil.rmtree(draft / "outputs", ignore_errors=True)
    return replace(
        blank, reason=str(error), not_finite=error.place if isinstance(error, NotFiniteOutputError) else None
    )


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _report(content: EvaluationContent) -> None:
    if content.status == FAILED:
        say("evaluate", f"{content.variant}: failed: {content.reason}")
        return
    shown = ", ".join(f"{name} {value:.4f}" for name, value in content.metrics.items())
    count = f"{content.examples:,} of {content.available:,} examples"
    say("evaluate", f"{content.variant}: {shown or 'outputs kept'} on {count} in {content.seconds:.1f} s")
