"""Compares every variant with the reference and writes the verdict and the report."""

from collections.abc import Mapping
from pathlib import Path

from edgequant import __version__
from edgequant.artifacts.directory import new_directory
from edgequant.artifacts.evaluation import EVALUATED
from edgequant.artifacts.example_set import ExampleSet
from edgequant.artifacts.verdict import (
    INVALID_REFERENCE,
    MISSING,
    NO_CHAMPION,
    SCHEMA,
    VariantVerdict,
    Verdict,
    write_verdict,
)
from edgequant.gate import Gate
from edgequant.reference import check_reference
from edgequant.steps import say
from edgequant.validation.gate.data_warnings import caveats, label_counts
from edgequant.validation.gate.decide import choose_best, overall, without_reference
from edgequant.validation.gate.drop_cause import drop_cause, with_causes
from edgequant.validation.gate.headline import headline
from edgequant.validation.gate.reference_check import ReferenceFacts, check_reference_run
from edgequant.validation.gate.variant_verdict import VerdictContext, undefined, verdict_context, verdict_of
from edgequant.validation.gate.wording import listed
from edgequant.validation.inputs import Inputs, Loaded, load
from edgequant.validation.report.page import write_report
from edgequant.variants import REFERENCE


def validate(name: str, task: str, gate: Gate, inputs: Inputs, target: Path) -> Verdict:
    """Writes and returns the verdict.

    Args:
        name: The name of the quantization.
        task: The task.
        gate: The gate.
        inputs: The directories of the earlier steps.
        target: The directory to write.

    Raises:
        ArtifactError: An input directory is not a valid artifact, or the inputs do not belong together.
        ConfigError: The gate has a key that the task, the labels or the models do not support.
        EvaluationError: The reference's outputs do not suit the labels.
    """
    loaded = load(task, inputs)
    context = verdict_context(gate, loaded)
    judged = with_causes({variant: verdict_of(variant, context) for variant in loaded.variants.content.variants})
    labelled = context.settings.labels is not None
    check_reference(inputs.expected, task, labelled=labelled)
    reference, about_reference = check_reference_run(
        context.settings,
        context.runs[REFERENCE],
        ReferenceFacts(
            expected=inputs.expected,
            logged=dict(inputs.training_metrics),
            training_run=f"the training run of {inputs.model_uri}",
        ),
        gate.confidence,
    )
    if reference.invalid:
        judged = without_reference(judged, reference.invalid)
    best = choose_best(gate, judged)
    outcome = INVALID_REFERENCE if reference.invalid else overall(gate, judged)
    why = headline(gate, context.settings.metric, outcome, best, judged, reference.invalid)
    verdict = Verdict(
        name=name,
        task=task,
        main_metric=context.settings.metric,
        classes=context.settings.classes,
        labelled=labelled,
        reading=context.runs[REFERENCE].reading,
        notes=(
            *about_reference,
            *loaded.variants.content.notes,
            *_cut_short(loaded),
            *undefined(context),
            *caveats(gate, context.settings, context.runs[REFERENCE]),
            *_no_champion(context),
            *_more_examples(loaded.examples, judged),
        ),
        gate=gate.settings(),
        outcome=outcome,
        best=best,
        why=f"{reference.sentence} {why}",
        variants=judged,
        reference=reference,
        champion=None if context.champion is None else context.champion.known,
        environment=loaded.benchmark.environment,
        calibration=loaded.calibration.facts(),
        examples=loaded.compared,
        evaluation=loaded.examples.facts(),
        evaluation_classes=label_counts(context.settings, context.runs[REFERENCE], len(context.runs[REFERENCE])).counts,
        stability=loaded.variants.content.stability,
        comparison=loaded.variants.content.comparison,
        made_from=_made_from(inputs.model_uri, loaded),
    )
    with new_directory(target, SCHEMA) as draft:
        write_report(draft, verdict, loaded.examples.first(loaded.compared))
        write_verdict(draft, verdict)
    for variant, answer in judged.items():
        say("validate", f"{variant}: {answer.verdict}")
        if cause := drop_cause(variant, judged):
            say("validate", f"{variant}: {cause}")
    for note in verdict.notes:
        say("validate", f"note: {note}")
    say("validate", verdict.why)
    return verdict


def _no_champion(context: VerdictContext) -> tuple[str, ...]:
    """Returns a note if the champion does not exist: before the first release, or because of a typing error in its URI."""
    champion = None if context.champion is None else context.champion.known
    if champion is None or champion.status != MISSING:
        return ()
    return (f"{NO_CHAMPION}: {champion.uri}: {champion.reason}",)


def _more_examples(examples: ExampleSet, judged: Mapping[str, VariantVerdict]) -> tuple[str, ...]:
    """Returns a note on examples that exist and were not drawn, if more examples would settle a check."""
    facts = examples.provenance
    is_open = any(check.need is not None for variant in judged.values() for check in variant.checks)
    # A set that is smaller than requested has all there are: the other records are duplicates or were skipped.
    if not is_open or facts.records_read <= facts.requested or len(examples.identities) < facts.requested:
        return ()
    return (
        f"the evaluation set is of {facts.requested:,} of {facts.records_read:,} records: sampling.evaluation draws more of them",
    )


def _cut_short(loaded: Loaded) -> tuple[str, ...]:
    """Returns a note if a time budget ended an evaluation, which cuts all of them."""
    evaluations = [*loaded.evaluations.values(), *([loaded.champion.evaluation] if loaded.champion else [])]
    shortest = [
        evaluation.content.variant
        for evaluation in evaluations
        if evaluation.content.status == EVALUATED and evaluation.content.examples == loaded.compared
    ]
    if loaded.compared == len(loaded.examples):
        return ()
    return (
        f"all variants are compared over the first {loaded.compared:,} of {len(loaded.examples):,} evaluation examples: within"
        f" evaluation.budget_seconds {listed(shortest)} got no further",
    )


def _made_from(model_uri: str, loaded: Loaded) -> dict[str, str]:
    content = loaded.variants.content
    return {
        "edgequant": __version__,
        **({"model": model_uri} if model_uri else {}),
        "converter": content.converter,
        "signature": content.signature,
        "model, SHA-256": content.model_sha256,
        "calibration set, SHA-256": content.calibration_sha256 or "none",
        "evaluation set, SHA-256": loaded.examples.digest,
        "evaluation examples": f"{loaded.compared:,}",
    }
