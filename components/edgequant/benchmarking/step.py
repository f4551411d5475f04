"""Benchmarks all variants of a variant set side by side, on real examples, in several trials."""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from edgequant.artifacts.benchmark import SCHEMA, Benchmark, Environment, Latency, duration
from edgequant.artifacts.directory import new_directory, write_manifest
from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.benchmarking.environment import cpu_flags, cpu_model
from edgequant.benchmarking.latency import Timing, TrialPlan, measure, summarize
from edgequant.benchmarking.trial import Trial, try_model
from edgequant.benchmarking.turns import start_turns, whose_turn
from edgequant.child_process import ChildOutcome
from edgequant.errors import ExamplesError
from edgequant.litert_interpreter import XNNPACK, delegate, runtime_version
from edgequant.model_process import MARGIN_SECONDS, run_in_child
from edgequant.resolvers import check_resolver
from edgequant.steps import say
from edgequant.variants import REFERENCE

_EXAMPLES = 16
# A trial is a process of its own. At least this many if there are runs for them; more when more runs are requested.
_TRIALS = 8
_RUNS_OF_TRIAL = 25
# Runs of each model that a trial may need beyond its budget, for warm-up and measurement, and how much slower these may be.
_RUNS_BEYOND = 2
_SLOWER = 2.0


def benchmark(
    variant_set: Path,
    evaluation_set: Path,
    target: Path,
    *,
    runs: int = 200,
    budget_seconds: float = 60.0,
    resolver: str = XNNPACK,
    margin_seconds: float = MARGIN_SECONDS,
) -> None:
    """Measures the latency and the memory of every converted variant and writes the benchmark.

    Each variant first runs a few examples in a child process of its own, which costs only that variant when it crashes or
    does not come back, and shows its memory. Those that can be run are then measured in turn, on one processor, in one
    process after the other: the trials that ratios have their intervals from.

    Args:
        variant_set: The directory of the variant set.
        evaluation_set: The directory of the evaluation set; its first examples are the inputs.
        target: The directory to write.
        runs: How many counted runs each variant gets.
        budget_seconds: Runs end early after this time.
        resolver: Which kernels run the models: xnnpack, builtin or reference.
        margin_seconds: How long to wait for a child beyond the budget; slow models extend it.

    Raises:
        ArtifactError: An input directory is missing or damaged.
        ConfigError: There is no such resolver.
        ExamplesError: There are no examples.
    """
    check_resolver(resolver)
    variants = load_variant_set(variant_set)
    if not len(load_example_set(evaluation_set, verify=False)):
        raise ExamplesError(f"{evaluation_set}: holds no examples; one or more are needed")
    plan = TrialPlan(
        paths={name: variants.model(name) for name in variants.converted},
        evaluation_set=evaluation_set,
        examples=_EXAMPLES,
        runs=runs,
        budget_seconds=budget_seconds,
        resolver=resolver,
    )
    environment = _environment(resolver)
    tried, failures = _try_all(plan, budget_seconds + margin_seconds)
    plan = replace(plan, paths={name: plan.paths[name] for name in tried})
    busy = environment.load_average > environment.cores
    beyond = margin_seconds + _SLOWER * _RUNS_BEYOND * sum(trial.seconds for trial in tried.values())
    latencies, cpu, failed = _measure(plan, beyond, busy=busy)
    content = Benchmark(
        model_sha256={name: variants[name].sha256 for name in variants.converted},
        latencies=latencies,
        failures=failures | failed,
        environment=replace(environment, pinned_cpu=cpu, load_average_after=_load()),
        peak_memory_bytes={
            name: trial.peak_memory_bytes for name, trial in tried.items() if trial.peak_memory_bytes is not None
        },
    )
    with new_directory(target, SCHEMA) as draft:
        write_manifest(draft, SCHEMA, content)
    _report(content)


def _try_all(plan: TrialPlan, seconds: float) -> tuple[dict[str, Trial], dict[str, str]]:
    """Returns the trial run of each variant, and the reason for those that cannot be run."""
    tried, failures = {}, {}
    for name, path in plan.paths.items():
        arguments = (path, plan.evaluation_set, plan.examples, plan.resolver, plan.budget_seconds)
        outcome = run_in_child(try_model, *arguments, seconds=seconds)
        reason = _failure(outcome)
        if reason is None:
            tried[name] = outcome.value
        else:
            failures[name] = reason
    return tried, failures


def _failure(outcome: ChildOutcome) -> str | None:
    """Returns why a model cannot be run; None if it ran."""
    if outcome.failure is not None:
        return f"LiteRT cannot run the model: {outcome.failure}"
    return outcome.value if isinstance(outcome.value, str) else None


def _measure(plan: TrialPlan, beyond: float, *, busy: bool) -> tuple[dict[str, Latency], int | None, dict[str, str]]:
    """Returns latencies, the processor they were measured on, and failures.

    A model that crashes a trial is excluded from all trials, and that trial is repeated.

    Args:
        plan: What to measure.
        beyond: How long to wait for a trial beyond its budget.
        busy: Whether the machine's load exceeded its number of processors.
    """
    measured: list[dict[str, Timing]] = []
    failures: dict[str, str] = {}
    cpu = None
    deadline = time.monotonic() + plan.budget_seconds
    parts = _parts(plan)
    while plan.paths and len(measured) < len(parts):
        left = max(deadline - time.monotonic(), 0.0)
        if not left and len(measured) >= _TRIALS:
            break
        part = parts[len(measured)]
        seconds = min(part.budget_seconds, left)
        outcome, last = _run_trial(replace(part, paths=plan.paths, budget_seconds=seconds), seconds + beyond)
        reason = _failure(outcome)
        if reason is None:
            timings, cpu = outcome.value
            measured.append(timings)
            continue
        blamed = [last] if last is not None else list(plan.paths)
        failures |= dict.fromkeys(blamed, f"{reason}, in turn with the others")
        plan = replace(plan, paths={name: path for name, path in plan.paths.items() if name not in failures})
    if not plan.paths:
        return {}, None, failures
    complete = [{name: timings[name] for name in plan.paths} for timings in measured]
    return summarize(complete, REFERENCE, busy=busy), cpu, failures


def _run_trial(plan: TrialPlan, seconds: float) -> tuple[ChildOutcome, str | None]:
    """Returns the outcome of a trial, and the model that ran last; None if none did."""
    with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
        turns = Path(folder) / "turns"
        start_turns(turns)
        outcome = run_in_child(measure, replace(plan, turns=turns), seconds=seconds)
        return outcome, whose_turn(list(plan.paths), turns)


def _parts(plan: TrialPlan) -> list[TrialPlan]:
    """Returns the plan of each trial: the requested runs in all, and a budget that suffices for at least `_TRIALS` trials."""
    trials = min(max(_TRIALS, plan.runs // _RUNS_OF_TRIAL), plan.runs)
    return [
        replace(
            plan,
            runs=plan.runs // trials + (number < plan.runs % trials),
            budget_seconds=plan.budget_seconds / min(trials, _TRIALS),
            trial=number,
        )
        for number in range(trials)
    ]


def _environment(resolver: str) -> Environment:
    return Environment(
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        threads=1,
        delegate=delegate(resolver),
        runtime=runtime_version(),
        load_average=_load(),
        resolver=resolver,
        flags=cpu_flags(),
    )


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _report(content: Benchmark) -> None:
    for name, reason in content.failures.items():
        say("benchmark", f"{name}: failed: {reason}")
    for name, latency in content.latencies.items():
        memory = content.peak_memory_bytes.get(name)
        shown = "" if memory is None else f", {memory / 1e6:.1f} MB"
        say(
            "benchmark",
            f"{name}: p50 {duration(latency.p50_ms)}, p90 {duration(latency.p90_ms)} over {latency.runs} runs{shown}",
        )
        ratio = latency.ratio
        if ratio is not None:
            interval = f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}) times the reference's p50"
            noise = f"; noisy: {_noise(content.environment)}" if ratio.noisy else ""
            say("benchmark", f"{name}: {interval} over {ratio.trials} trials{noise}")
        if not latency.settled:
            say(
                "benchmark",
                f"{name}: its time was not stable in every trial's warm-up, {latency.warm_up_runs} runs in all",
            )


def _noise(environment: Environment) -> str:
    """Returns why a ratio is inconclusive, and what to do about it."""
    if environment.load_average > environment.cores:
        return f"the machine's load is {environment.load_average:g} on {environment.cores} cores; measure on a quieter node"
    return "measure on a quieter node, or with more runs"
