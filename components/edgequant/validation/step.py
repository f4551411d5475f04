"""Compares every variant with the baseline and writes the verdict and the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgequant import __version__
from edgequant.artifacts.benchmark import load_benchmark
from edgequant.artifacts.directory import new_directory
from edgequant.artifacts.evaluation import EVALUATED, Evaluation, load_evaluation
from edgequant.artifacts.example_set import ExampleSet, check_disjoint, load_example_set
from edgequant.artifacts.variant_set import VariantSet, load_variant_set
from edgequant.artifacts.verdict import (
    BASELINE_VERDICT,
    BLESSED,
    NOT_GATED,
    VariantVerdict,
    Verdict,
    write_verdict,
)
from edgequant.errors import ArtifactError
from edgequant.gate import Gate
from edgequant.steps import say
from edgequant.validation.judgement import choose_best, overall
from edgequant.validation.report import render
from edgequant.validation.verdicts import material, undefined, verdict_of
from edgequant.variants import BASELINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a verdict is made from: the directories of the earlier steps."""

    variant_set: Path
    evaluations: Sequence[Path]
    benchmark: Path
    calibration_set: Path
    evaluation_set: Path


def validate(name: str, task: str, gate: Gate, inputs: Inputs, target: Path) -> Verdict:
    """Writes and returns the verdict.

    Args:
        name: The name of the quantization.
        task: The task.
        gate: What a variant must hold.
        inputs: The directories of the earlier steps.
        target: The directory to write.

    Raises:
        ArtifactError: An input directory is not what it should be, or they do not belong together.
    """
    variants = load_variant_set(inputs.variant_set)
    evaluations: dict[str, Evaluation] = {}
    for evaluation in map(load_evaluation, inputs.evaluations):
        of = evaluation.content.variant
        if of in evaluations:
            raise ArtifactError(f"validate: there are two evaluations of {of!r}; one is needed")
        evaluations[of] = evaluation
    check_together(task, variants, evaluations)
    calibration, examples = (
        load_example_set(path, verify=False) for path in (inputs.calibration_set, inputs.evaluation_set)
    )
    check_sets(calibration, examples, variants, evaluations[BASELINE])
    benchmark = load_benchmark(inputs.benchmark)
    if benchmark.model_sha256 != {variant: variants[variant].sha256 for variant in variants.converted}:
        raise ArtifactError("validate: the benchmark is of another variant set than the one given")
    baseline = evaluations[BASELINE]
    found = material(task, gate, variants, evaluations, examples, benchmark)
    judged = {variant: verdict_of(variant, found) for variant in variants.content.variants}
    best = choose_best(gate, judged)
    outcome = overall(gate, judged)
    verdict = Verdict(
        name=name,
        task=task,
        main_metric=found.asked.metric,
        labelled=found.asked.labels is not None,
        reading=found.runs[BASELINE].reading,
        notes=undefined(found),
        gate=gate.asked(),
        outcome=outcome,
        best=best,
        why=_why(outcome, best, gate, judged),
        variants=judged,
        environment=benchmark.environment,
        calibration=calibration.facts(),
        evaluation=examples.facts(),
        stability=variants.content.stability,
        made_from=_made_from(variants, baseline),
    )
    with new_directory(target) as draft:
        (draft / "report.html").write_text(render(verdict), encoding="utf-8")
        write_verdict(draft, verdict)
    for variant, answer in judged.items():
        say("validate", f"{variant}: {answer.verdict}")
    say("validate", verdict.why)
    return verdict


def check_together(task: str, variants: VariantSet, evaluations: dict[str, Evaluation]) -> None:
    """Checks that evaluations are of these variants' files, for this task, over one evaluation set.

    Raises:
        ArtifactError: They are not, one is missing, or the baseline's is of a failure.
    """
    for name in evaluations:
        if name not in variants.content.variants:
            known = ", ".join(variants.content.variants)
            raise ArtifactError(f"validate: {name!r} is evaluated and not in the variant set, which holds {known}")
    for name, variant in variants.content.variants.items():
        if name not in evaluations:
            raise ArtifactError(f"validate: the evaluation of {name!r} is missing; found are {', '.join(evaluations)}")
        if evaluations[name].content.model_sha256 != variant.sha256:
            raise ArtifactError(f"validate: the evaluation of {name!r} is of another file than the variant set's")
        if evaluations[name].content.task != task:
            found = evaluations[name].content.task
            raise ArtifactError(f"validate: the evaluation of {name!r} is for the task {found!r}; {task!r} is asked")
    sets = {evaluation.content.evaluation_sha256 for evaluation in evaluations.values()}
    if len(sets) > 1:
        raise ArtifactError(
            f"validate: evaluations are over {len(sets)} different evaluation sets; one is needed to compare"
        )
    baseline = evaluations[BASELINE].content
    if baseline.status != EVALUATED:
        raise ArtifactError(f"validate: the baseline {BASELINE!r} is not evaluated: {baseline.reason}")


def check_sets(calibration: ExampleSet, evaluation: ExampleSet, variants: VariantSet, baseline: Evaluation) -> None:
    """Checks that variants were calibrated and evaluated on these sets, and that the two share no example.

    Raises:
        ArtifactError: They were not, or they do.
    """
    if calibration.digest != variants.content.calibration_sha256:
        raise ArtifactError(f"validate: {calibration.path} is not the calibration set that the variants were made with")
    if evaluation.digest != baseline.content.evaluation_sha256:
        raise ArtifactError(f"validate: {evaluation.path} is not the evaluation set that the variants were run on")
    check_disjoint(calibration.identities, evaluation)


def _made_from(variants: VariantSet, baseline: Evaluation) -> dict[str, str]:
    content = variants.content
    return {
        "edgequant": __version__,
        "converter": content.converter,
        "signature": content.signature,
        "model, SHA-256": content.model_sha256,
        "calibration set, SHA-256": content.calibration_sha256 or "none",
        "evaluation set, SHA-256": baseline.content.evaluation_sha256,
        "evaluation examples": f"{baseline.content.examples:,}",
    }


def _why(outcome: str, best: str | None, gate: Gate, judged: dict[str, VariantVerdict]) -> str:
    if outcome == NOT_GATED:
        return "No gate is set: nothing was judged, and nothing is promoted."
    if best is not None:
        blessed = [name for name, variant in judged.items() if variant.verdict == BLESSED]
        others = f" of {len(blessed)} blessed" if len(blessed) > 1 else ", the only blessed variant"
        return f"{best} is best: the least {gate.prefer}{others}; {'; '.join(judged[best].reasons)}."
    others = "; ".join(_closest(judged)) or f"there is none but the baseline {BASELINE}"
    return f"No variant is blessed, so nothing is promoted: {others}."


def _closest(judged: dict[str, VariantVerdict]) -> list[str]:
    return [
        f"{name} is {found.verdict} ({found.reasons[0]})"
        for name, found in judged.items()
        if found.verdict != BASELINE_VERDICT
    ]
