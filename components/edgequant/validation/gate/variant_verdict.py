"""The verdict of each variant, from its outputs and those of the reference."""

from dataclasses import dataclass, replace

from edgequant.artifacts.benchmark import Benchmark
from edgequant.artifacts.evaluation import EVALUATED
from edgequant.artifacts.variant_set import BLOCKED
from edgequant.artifacts.verdict import NOT_GATED, REFERENCE_VERDICT, REJECTED, VariantVerdict
from edgequant.errors import ConfigError, did_you_mean
from edgequant.gate import Gate, check_gate
from edgequant.outputs import read
from edgequant.own_metric import metric_inputs
from edgequant.task import NONE, check_answer
from edgequant.validation.comparison.champion import AgainstChampion, EvaluatedChampion, evaluated_champion
from edgequant.validation.comparison.compare import (
    AGREEMENT,
    ComparisonSettings,
    Run,
    compare,
    confused,
    measured_metrics,
)
from edgequant.validation.gate.constant_channels import check_constant_channels, constant_notes
from edgequant.validation.gate.data_warnings import label_counts
from edgequant.validation.gate.decide import Evidence, failed, judge
from edgequant.validation.inputs import Loaded
from edgequant.variants import REFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictContext:
    """The inputs of all variants' verdicts.

    Attributes:
        gate: The gate.
        settings: The settings of the comparison.
        loaded: The artifacts of the earlier steps.
        runs: The outputs of each variant that was evaluated.
        champion: The champion; None if none is configured.
    """

    gate: Gate
    settings: ComparisonSettings
    loaded: Loaded
    runs: dict[str, Run]
    champion: EvaluatedChampion | None


def verdict_context(gate: Gate, loaded: Loaded) -> VerdictContext:
    """Returns the inputs of all variants' verdicts.

    Raises:
        ConfigError: The gate has a key that the task, the labels or the models do not support.
        EvaluationError: The reference's outputs do not suit the task or the labels.
    """
    task, examples = loaded.task, loaded.examples.first(loaded.compared)
    labels = None if task == NONE else examples.labels
    check_gate(gate, task, labelled=labels is not None, champion=loaded.champion is not None)
    reading = read(task, next(iter(loaded.evaluations[REFERENCE].outputs.values())))
    runs = {
        name: Run(evaluation.outputs, reading)
        for name, evaluation in loaded.evaluations.items()
        if evaluation.content.status == EVALUATED
    }
    settings = ComparisonSettings(
        task=task,
        metric=AGREEMENT,
        labels=labels,
        groups=examples.groups,
        given=metric_inputs(examples, loaded.task_source),
        slices=examples.slices,
        classes=loaded.calibration.provenance.class_names,
        confidence=gate.confidence,
    )
    if labels is None:
        check_answer(task, runs[REFERENCE].outputs)
    else:
        names = list(runs[REFERENCE].figures(settings, len(runs[REFERENCE])))
        settings = replace(settings, metric=_judged_metric(gate, names))
    champion = None if loaded.champion is None else evaluated_champion(settings, loaded.champion, runs[REFERENCE])
    return VerdictContext(gate=gate, settings=settings, loaded=loaded, runs=runs, champion=champion)


def _judged_metric(gate: Gate, names: list[str]) -> str:
    """Returns the metric that the gate names, or the task's main one.

    Raises:
        ConfigError: The models have no such metric.
    """
    metric = gate.metric or names[0]
    if metric not in names:
        raise ConfigError(
            f"gate.metric: {metric!r} was not measured; choose from {', '.join(names)}{did_you_mean(metric, names)}"
        )
    return metric


def undefined(context: VerdictContext) -> tuple[str, ...]:
    """Returns a note on the metrics that are undefined with these labels."""
    run = context.runs[REFERENCE]
    names = [name for name, figure in run.figures(context.settings, len(run)).items() if figure.value != figure.value]
    if not names:
        return ()
    return (f"not defined on these {len(run):,} examples, whose labels are all of one kind: {', '.join(names)}",)


def verdict_of(name: str, context: VerdictContext) -> VariantVerdict:
    """Returns the verdict of one variant."""
    variant, content = context.loaded.variants[name], context.loaded.evaluations[name].content
    gate, benchmark = context.gate, context.loaded.benchmark
    if content.status != EVALUATED:
        what = BLOCKED if variant.status == BLOCKED else "failed"
        reason = f"{what}: {variant.reason or content.reason}"
        return VariantVerdict(
            status=variant.status,
            reason=variant.reason or content.reason,
            notes=(*variant.notes, *_unmeasured(name, benchmark)),
            size_bytes=variant.size_bytes,
            verdict=REJECTED if gate else NOT_GATED,
            checks=failed(gate, reason),
            reasons=(reason,),
            latency=benchmark.latencies.get(name),
            peak_memory_bytes=benchmark.peak_memory_bytes.get(name),
            inspection=variant.inspection,
        )
    measured = VariantVerdict(
        status=variant.status,
        notes=(*variant.notes, *_unmeasured(name, benchmark)),
        size_bytes=variant.size_bytes,
        verdict=REFERENCE_VERDICT,
        reasons=("every other variant is compared with it",),
        latency=benchmark.latencies.get(name),
        peak_memory_bytes=benchmark.peak_memory_bytes.get(name),
        inspection=variant.inspection,
    )
    return _of_reference(measured, context) if name == REFERENCE else _judged(measured, name, context)


def _of_reference(base: VariantVerdict, context: VerdictContext) -> VariantVerdict:
    run, settings = context.runs[REFERENCE], context.settings
    measures = measured_metrics(settings, run, len(run))
    return replace(
        base,
        examples=len(run),
        metrics={name: measured.value for name, measured in measures.items()},
        measures=measures,
        metric_interval=measures[settings.metric].interval if settings.metric in measures else None,
        drop_points=0.0,
        agreement=1.0,
        confusion=confused(settings, run, len(run)),
    )


def _judged(base: VariantVerdict, name: str, context: VerdictContext) -> VariantVerdict:
    """Returns the verdict of an evaluated variant, with the results of its comparison with the reference."""
    settings, variants = context.settings, context.loaded.variants
    against = None if context.champion is None else context.champion.against(settings, context.runs[name])
    comparison = compare(settings, context.runs[REFERENCE], context.runs[name])
    known = label_counts(settings, context.runs[REFERENCE], comparison.examples)
    evidence = Evidence(
        variant=name,
        metric=settings.metric,
        comparison=comparison,
        size_bytes=variants[name].size_bytes or 0,
        reference_size_bytes=variants[REFERENCE].size_bytes or 0,
        kind=None if base.inspection is None else base.inspection.kind,
        benchmark=context.loaded.benchmark,
        champion=against,
        missing=known.missing,
        missing_against=_missing_against(against, context),
        everywhere=known.everywhere,
        constant=check_constant_channels(context.gate, comparison.drift, labelled=settings.labels is not None),
    )
    verdict, checks, reasons = judge(context.gate, evidence)
    measures = {
        metric: replace(measured, drop=comparison.drops[metric].drop if metric in comparison.drops else None)
        for metric, measured in comparison.measures.items()
    }
    judged = comparison.drops.get(settings.metric)
    return replace(
        base,
        notes=(
            *base.notes,
            *constant_notes(comparison.drift, comparison.examples),
            *_same_as_champion(variants[name].sha256, context),
        ),
        examples=comparison.examples,
        metrics={metric: measured.value for metric, measured in measures.items()},
        measures=measures,
        metric_interval=measures[settings.metric].interval if settings.metric in measures else None,
        drop_points=None if judged is None else judged.drop.points,
        drop_interval_points=None if judged is None else judged.drop.interval,
        versus_champion=None if against is None or against.drop is None else against.drop.drop,
        agreement=comparison.agreement.value,
        agreement_interval=comparison.agreement.interval,
        divergence_nats=comparison.divergence_nats,
        flips=comparison.flips,
        drift=comparison.drift,
        confusion=comparison.confusion,
        slices=tuple(sliced.slice for sliced in comparison.slices),
        verdict=verdict,
        checks=checks,
        reasons=reasons,
    )


def _same_as_champion(sha256: str | None, context: VerdictContext) -> tuple[str, ...]:
    """Returns a note if a variant is the same file as the champion."""
    known = None if context.champion is None else context.champion.known
    if known is None or known.sha256 is None or known.sha256 != sha256:
        return ()
    return (f"it is the file of {known.version or known.uri}, to the byte",)


def _missing_against(against: AgainstChampion | None, context: VerdictContext) -> str:
    """Returns a sentence on the classes without an example among those that variant and champion were evaluated on; or ""."""
    if against is None or against.drop is None:
        return ""
    return label_counts(context.settings, context.runs[REFERENCE], against.drop.examples).missing


def _unmeasured(name: str, benchmark: Benchmark) -> tuple[str, ...]:
    reason = benchmark.failures.get(name)
    return () if reason is None else (f"latency not measured: {reason}",)
