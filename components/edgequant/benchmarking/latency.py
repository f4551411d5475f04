"""Measures the latency of several models side by side, so that a noisy moment touches all of them alike."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.benchmark import Latency
from edgequant.litert_interpreter import Model

_WARM_UP = 10
_NS_PER_MS = 1e6


def measure_latencies(
    paths: Mapping[str, Path], examples: Sequence[Mapping[str, NDArray[Any]]], *, runs: int, budget_seconds: float
) -> dict[str, Latency]:
    """Returns the latency of each model at batch 1 on one thread, the models in turn: A, B, C, A, B, C, ….

    A run is one invocation with its input already in place; quantizing the input is not counted, as on a device whose
    sensor gives integers.

    Args:
        paths: The ``.tflite`` files by name.
        examples: Inputs to take in turn.
        runs: How many counted runs each model gets.
        budget_seconds: Runs end early after this time, with no fewer than one each.

    Raises:
        InterpreterError: The runtime refuses a model or fails on an example.
    """
    models = {name: Model(path) for name, path in paths.items()}
    prepared = {name: [model.prepare(example) for example in examples] for name, model in models.items()}
    for name, model in models.items():
        for run in range(_WARM_UP):
            model.invoke(prepared[name][run % len(examples)])
    times: dict[str, list[int]] = {name: [] for name in models}
    deadline = time.monotonic() + budget_seconds
    for run in range(runs):
        if run and time.monotonic() > deadline:
            break
        for name, model in models.items():
            inputs = prepared[name][run % len(examples)]
            start = time.perf_counter_ns()
            model.invoke(inputs)
            times[name].append(time.perf_counter_ns() - start)
    return {name: summarize(values) for name, values in times.items()}


def summarize(nanoseconds: Sequence[int]) -> Latency:
    """Returns the percentiles of run times given in nanoseconds."""
    p50, p90, p99 = np.percentile(np.asarray(nanoseconds) / _NS_PER_MS, [50, 90, 99])
    return Latency(p50_ms=float(p50), p90_ms=float(p90), p99_ms=float(p99), runs=len(nanoseconds))
