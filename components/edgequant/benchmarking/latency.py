"""Measures the latency of several models interleaved, so that noise affects all of them equally."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.benchmark import Latency
from edgequant.benchmarking.environment import pin
from edgequant.benchmarking.ratio import median_ratio
from edgequant.benchmarking.trial import read_examples
from edgequant.benchmarking.turns import Turns, record_turns
from edgequant.litert_interpreter import InterpreterError, Model

_NS_PER_MS = 1e6
# Warm-up ends when the medians of two successive windows agree within this share, or after its time limit.
_STABLE = 0.03
_WINDOW_RUNS = 5
_WINDOW_SECONDS = 0.01
_WARM_UP_SECONDS = 1.0
_WARM_UP_SHARE = 0.25
# The weights of a model faster than this are evicted from the caches while the other models run.
_CACHED_NS = 2e6
# The processes of trials are forks with the same memory layout: each first allocates blocks of random sizes, up to this.
_SHIFT_BLOCKS = 64
_SHIFT_BYTES = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """What to measure.

    Attributes:
        paths: The ``.tflite`` files by name.
        evaluation_set: The directory of the evaluation set; its first examples are the inputs, in turn.
        examples: How many of them.
        runs: How many counted runs each model gets.
        budget_seconds: Runs end early after this time, with at least one each.
        resolver: Which kernels run them.
        trial: The number of this trial, which determines the model that is loaded first and the memory layout.
        turns: The file to record the running model in, as its position in `paths`, in case this process crashes; or
            None.
    """

    paths: dict[str, Path]
    evaluation_set: Path
    examples: int
    runs: int
    budget_seconds: float
    resolver: str
    trial: int = 0
    turns: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The times of one model in one trial.

    Attributes:
        nanoseconds: Of each counted invocation, float64 [runs], in order.
        warm_up_runs: How many invocations warmed it up.
        settled: Whether their time was stable at the end of the warm-up.
    """

    nanoseconds: NDArray[np.float64]
    warm_up_runs: int
    settled: bool


def measure(plan: TrialPlan) -> tuple[dict[str, Timing], int | None] | str:
    """Returns the times of each model in one trial, and the processor that this process was pinned to, or None.

    For a child process. Where the runtime refuses a model or fails on an example, the reason is returned.
    """
    cpu = pin()
    try:
        return measure_times(plan), cpu
    except InterpreterError as error:
        return str(error)


def measure_times(plan: TrialPlan) -> dict[str, Timing]:
    """Returns the times of each model at batch 1 on one thread, the models in turn: A, B, C, A, B, C, ….

    A run is one invocation with its input already set; quantizing the input does not count, as on a device whose sensor
    produces integers. Variables are reset before each run. An invocation that does not count precedes each run of a small
    model and brings its weights back into the caches, where they are on a device that runs one model.

    Raises:
        InterpreterError: The runtime refuses a model or fails on an example.
    """
    with record_turns(list(plan.paths), plan.turns) as turns:
        return _measure(plan, turns)


def _measure(plan: TrialPlan, turns: Turns) -> dict[str, Timing]:
    begin = time.monotonic()
    examples = read_examples(plan.evaluation_set, plan.examples)
    shift = _shift(plan.trial)
    models = {}
    prepared = {}
    for name, path in _rotated(plan.paths, plan.trial).items():
        turns.begin(name)
        models[name] = Model(path, resolver=plan.resolver)
        prepared[name] = [models[name].prepare(example) for example in examples]
    limit = min(_WARM_UP_SECONDS, _WARM_UP_SHARE * plan.budget_seconds / max(len(models), 1))
    warm = {}
    for name, model in models.items():
        turns.begin(name)
        warm[name] = _warm_up(model, prepared[name], limit)
    times: dict[str, list[int]] = {name: [] for name in models}
    for run in range(plan.runs):
        if run and time.monotonic() > begin + plan.budget_seconds:
            break
        for name, model in models.items():
            turns.begin(name)
            model.place(prepared[name][run % len(examples)])
            if warm[name].median_ns < _CACHED_NS:
                model.run()
            times[name].append(_timed(model))
    del shift
    return {
        name: Timing(nanoseconds=np.array(values, np.float64), warm_up_runs=warm[name].runs, settled=warm[name].settled)
        for name, values in times.items()
    }


def _rotated(paths: Mapping[str, Path], trial: int) -> dict[str, Path]:
    """Returns the files rotated by the trial number, so that each trial starts with another one."""
    names = list(paths)
    first = trial % max(len(names), 1)
    return {name: paths[name] for name in names[first:] + names[:first]}


def _shift(trial: int) -> list[bytearray]:
    """Returns allocations of random sizes, so that models have other addresses in each trial."""
    draw = random.Random(trial)  # noqa: S311 (no secret)
    return [bytearray(draw.randrange(1, _SHIFT_BYTES)) for _ in range(draw.randrange(_SHIFT_BLOCKS))]


def _timed(model: Model) -> int:
    model.reset()
    start = time.perf_counter_ns()
    model.run()
    return time.perf_counter_ns() - start


@dataclass(frozen=True, slots=True, kw_only=True)
class _WarmUp:
    """The warm-up of a model: its invocations, whether their time was stable, and their last median."""

    runs: int
    settled: bool
    median_ns: float


def _warm_up(model: Model, prepared: Sequence[Mapping[int, NDArray[Any]]], limit_seconds: float) -> _WarmUp:
    """Runs a model until the medians of two successive windows agree, or until the time limit."""
    deadline = time.monotonic() + limit_seconds
    runs, before = 0, 0.0
    while True:
        window: list[int] = []
        while len(window) < _WINDOW_RUNS or sum(window) < _WINDOW_SECONDS * 1e9:
            model.place(prepared[runs % len(prepared)])
            window.append(_timed(model))
            runs += 1
            if time.monotonic() > deadline:
                return _WarmUp(runs=runs, settled=False, median_ns=float(np.median(window)))
        median = float(np.median(window))
        if abs(median - before) <= _STABLE * median:
            return _WarmUp(runs=runs, settled=True, median_ns=median)
        before = median


def summarize(trials: Sequence[Mapping[str, Timing]], reference: str, *, busy: bool = False) -> dict[str, Latency]:
    """Returns the percentiles of each model's times, and the ratio of its median to the reference's, if that is among them.

    Args:
        trials: The times of each model in each trial.
        reference: The name of the reference.
        busy: Whether the machine's load exceeded its number of processors.
    """
    latencies = {}
    for name in trials[0]:
        timings = [trial[name] for trial in trials]
        times = np.concatenate([timing.nanoseconds for timing in timings])
        p50, p90, p99 = (float(value) for value in np.percentile(times / _NS_PER_MS, [50, 90, 99]))
        ratio = None
        if reference in trials[0] and name != reference:
            base = [trial[reference].nanoseconds for trial in trials]
            ratio = median_ratio([timing.nanoseconds for timing in timings], base, busy=busy)
        latencies[name] = Latency(
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            runs=len(times),
            ratio=ratio,
            warm_up_runs=sum(timing.warm_up_runs for timing in timings),
            settled=all(timing.settled for timing in timings),
        )
    return latencies
