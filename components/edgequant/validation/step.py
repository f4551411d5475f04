"""Compares every variant with the baseline and writes the verdict and the report."""

import math
from collections import Counter
from pathlib import Path

from edgequant import __version__
from edgequant.artifacts.directory import new_directory
from edgequant.artifacts.evaluation import Evaluation
from edgequant.artifacts.variant_set import VariantSet
from edgequant.artifacts.verdict import (
    BASELINE_VERDICT,
    BLESSED,
    INCONCLUSIVE,
    NOT_GATED,
    REJECTED,
    VariantVerdict,
    Verdict,
    write_verdict,
)
from edgequant.gate import Gate
from edgequant.steps import say
from edgequant.validation.inputs import Inputs, load
from edgequant.validation.judgement import choose_best, overall
from edgequant.validation.report.page import write_report
from edgequant.validation.verdicts import material, undefined, verdict_of
from edgequant.variants import BASELINE


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
        ConfigError: The gate asks for what the task, the labels or the models cannot tell.
        EvaluationError: The baseline's outputs do not suit the labels.
    """
    loaded = load(task, inputs)
    found = material(gate, loaded)
    judged = {variant: verdict_of(variant, found) for variant in loaded.variants.content.variants}
    best = choose_best(gate, judged)
    outcome = overall(gate, judged)
    verdict = Verdict(
        name=name,
        task=task,
        main_metric=found.asked.metric,
        classes=found.asked.classes,
        labelled=found.asked.labels is not None,
        reading=found.runs[BASELINE].reading,
        notes=undefined(found),
        gate=gate.asked(),
        outcome=outcome,
        best=best,
        why=_why(outcome, best, gate, judged),
        variants=judged,
        champion=None if found.champion is None else found.champion.known,
        environment=loaded.benchmark.environment,
        calibration=loaded.calibration.facts(),
        evaluation=loaded.examples.facts(),
        stability=loaded.variants.content.stability,
        made_from=_made_from(inputs.model_uri, loaded.variants, loaded.evaluations[BASELINE]),
    )
    with new_directory(target) as draft:
        write_report(draft, verdict, loaded.examples)
        write_verdict(draft, verdict)
    for variant, answer in judged.items():
        say("validate", f"{variant}: {answer.verdict}")
    say("validate", verdict.why)
    return verdict


def _made_from(model_uri: str, variants: VariantSet, baseline: Evaluation) -> dict[str, str]:
    content = variants.content
    return {
        "edgequant": __version__,
        **({"model": model_uri} if model_uri else {}),
        "converter": content.converter,
        "signature": content.signature,
        "model, SHA-256": content.model_sha256,
        "calibration set, SHA-256": content.calibration_sha256 or "none",
        "evaluation set, SHA-256": baseline.content.evaluation_sha256,
        "evaluation examples": f"{baseline.content.examples:,}",
    }


def _why(outcome: str, best: str | None, gate: Gate, judged: dict[str, VariantVerdict]) -> str:
    """Returns one sentence on what decided; of several variants none of which is blessed, on the closest."""
    if outcome == NOT_GATED and not gate:
        return "No gate is set: nothing was judged, and nothing is promoted."
    if best is not None:
        blessed = [name for name, variant in judged.items() if variant.verdict == BLESSED]
        others = f" of {len(blessed)} blessed" if len(blessed) > 1 else ", the only blessed variant"
        return f"{best} is best: the least {gate.prefer}{others}; {'; '.join(judged[best].reasons)}."
    what = "Nothing could be judged" if outcome == NOT_GATED else "No variant is blessed"
    name = closest(judged)
    if name is None:
        return f"{what}, so nothing is promoted: there is none but the baseline {BASELINE}."
    counts = Counter(found.verdict for found in judged.values() if found.verdict != BASELINE_VERDICT)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    which = f"the closest is {name}" if counts.total() > 1 else name
    return f"{what}, so nothing is promoted ({told}); {which}: {judged[name].reasons[0]}."


def closest(judged: dict[str, VariantVerdict]) -> str | None:
    """Returns the variant that is nearest to being blessed: of the fewest checks against it; None without any.

    What is inconclusive is nearer than what is rejected, and what has run than what has not; of equal ones it is the one whose
    metric drops least.
    """

    def distance(name: str) -> tuple[bool, int, int, float]:
        found = judged[name]
        verdicts = Counter(check.verdict for check in found.checks)
        drop = math.inf if found.drop_points is None else found.drop_points
        return not found.examples, verdicts[REJECTED], verdicts[INCONCLUSIVE], drop

    names = [name for name, found in judged.items() if found.verdict != BASELINE_VERDICT]
    return min(names, key=distance, default=None)
