"""Latencies, side by side."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.edgequant import ending_interpreter
from tests.edgequant.clocked_interpreter import Clock

from edgequant.artifacts.benchmark import load_benchmark
from edgequant.artifacts.example_set import ExampleSetWriter, load_example_set
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.benchmarking.environment import cpu_flags, pin
from edgequant.benchmarking.latency import Timing, TrialPlan, measure, measure_times, summarize
from edgequant.benchmarking.step import benchmark
from edgequant.benchmarking.trial import Trial, try_model
from edgequant.child_process import ChildOutcome
from edgequant.errors import ConfigError, ExamplesError
from edgequant.model_process import run_in_child


def _timing(nanoseconds: Any) -> Timing:
    return Timing(nanoseconds=np.asarray(nanoseconds, np.float64), warm_up_runs=7, settled=False)


def test_percentiles_are_those_of_the_run_times() -> None:
    """Of 1 to 100 ms the median is 50.5, the 90th percentile 90.1 and the 99th 99.01: NumPy's linear rule."""
    latencies = summarize([{"a": _timing([1_000_000 * ms for ms in range(100, 0, -1)])}], "float32")["a"]
    assert (latencies.p50_ms, latencies.p90_ms, latencies.p99_ms) == pytest.approx((50.5, 90.1, 99.01))
    assert (latencies.runs, latencies.warm_up_runs, latencies.settled, latencies.ratio) == (100, 7, False, None)


def test_one_run_is_all_its_percentiles() -> None:
    """A single run time is every percentile of itself, in milliseconds; it settles no ratio."""
    latencies = summarize([{"float32": _timing([500_000]), "a": _timing([250_000])}], "float32")
    latency = latencies["a"]
    assert (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.runs) == (0.25, 0.25, 0.25, 1)
    assert latencies["float32"].ratio is None
    assert latency.ratio is not None
    assert (latency.ratio.value, latency.ratio.trials, latency.ratio.noisy) == (0.5, 1, True)


def test_every_converted_variant_has_the_same_number_of_runs(digits_sets: Any) -> None:
    """Variants take turns, so each has as many runs as asked, and what they were measured on is written down."""
    measured = load_benchmark(digits_sets.benchmark)
    assert {name: latency.runs for name, latency in measured.latencies.items()} == dict.fromkeys(
        load_variant_set(digits_sets.variant_set).converted, 20
    )
    for latency in measured.latencies.values():
        assert 0 < latency.p50_ms <= latency.p90_ms <= latency.p99_ms
    assert measured.failures == {}
    environment = measured.environment
    assert (environment.threads, environment.delegate) == (1, "XNNPACK")
    assert environment.cpu
    assert environment.cores >= 1
    assert environment.runtime.startswith("ai-edge-litert 2.")


def test_what_was_measured_on_is_written_down(digits_sets: Any) -> None:
    """Ratios to float32 with their intervals, memory, kernels, processor, vector extensions and load."""
    measured = load_benchmark(digits_sets.benchmark)
    assert measured.latencies["float32"].ratio is None
    for name in ("weights_only", "full_int8", "integer_only"):
        latency = measured.latencies[name]
        assert latency.ratio is not None
        assert latency.ratio.trials == 8
        assert latency.ratio.low <= latency.ratio.value <= latency.ratio.high
        assert latency.ratio.confidence == 0.95
        assert latency.warm_up_runs >= 8
    assert set(measured.peak_memory_bytes) == set(measured.latencies)
    assert all(0 < memory < 100e6 for memory in measured.peak_memory_bytes.values())
    environment = measured.environment
    assert environment.resolver == "xnnpack"
    assert environment.pinned_cpu in os.sched_getaffinity(0)
    assert environment.flags == cpu_flags()
    assert environment.load_average_after is not None


@pytest.fixture
def plan_of(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> Callable[..., TrialPlan]:
    """Returns a function that makes the plan to measure small models on examples of ones."""
    examples = sets.examples({"x": np.ones((20, 4), np.float32)})

    def make(*names: str, **settings: Any) -> TrialPlan:
        paths = {name: tmp_path / f"{name}.tflite" for name in names}
        for name, path in paths.items():
            path.write_bytes(small_models[name])
        wanted: dict[str, Any] = {"examples": 16, "runs": 20, "budget_seconds": 60.0, "resolver": "xnnpack"}
        return TrialPlan(paths=paths, evaluation_set=examples, **(wanted | settings))

    return make


def test_a_spent_budget_ends_all_variants_alike(plan_of: Callable[..., TrialPlan]) -> None:
    """When time is up in the middle every model has been run equally often, and at least once."""
    for budget, most in ((0.0, 1), (0.2, 10**9 - 1)):
        times = measure_times(plan_of("double", "log", runs=10**9, budget_seconds=budget))
        counts = {len(timing.nanoseconds) for timing in times.values()}
        assert len(counts) == 1
        assert 1 <= counts.pop() <= most


def test_runs_are_spread_over_trials_in_processes_of_their_own(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 21 runs eight trials: each a process of its own with its own warm-up, each model first in turn."""
    variants = sets.variants({"float32": small_models["double"], "float16": small_models["log"]})
    examples = sets.examples({"x": np.ones((3, 4), np.float32)})
    seen: list[list[str]] = []

    def watched(function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        outcome = run_in_child(function, *arguments, seconds=seconds)
        if function is measure:
            seen.append(list(outcome.value[0]))
        return outcome

    monkeypatch.setattr("edgequant.benchmarking.step.run_in_child", watched)
    benchmark(variants, examples, tmp_path / "out", runs=21, budget_seconds=16.0)
    latency = load_benchmark(tmp_path / "out").latencies["float16"]
    assert latency.ratio is not None
    assert (latency.runs, latency.ratio.trials, len(seen)) == (21, 8, 8)
    assert latency.warm_up_runs >= 8
    assert seen[:3] == [["float32", "float16"], ["float16", "float32"], ["float32", "float16"]]


def test_a_spent_budget_ends_all_trials(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Without any time left each of the eight trials still has a run of each, and no more are begun."""
    variants = sets.variants({"float32": small_models["double"], "float16": small_models["log"]})
    examples = sets.examples({"x": np.ones((3, 4), np.float32)})
    benchmark(variants, examples, tmp_path / "out", runs=10**4, budget_seconds=0.0)
    latency = load_benchmark(tmp_path / "out").latencies["float16"]
    assert latency.ratio is not None
    assert (latency.runs, latency.ratio.trials) == (8, 8)


def test_a_load_above_the_cores_is_noisy(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A machine with more to do than it has processors settles no ratio, and the log says why."""
    monkeypatch.setattr(os, "getloadavg", lambda: (9.25, 9.0, 9.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    Clock({"float32": 0.5, "float16": 0.5}).install(monkeypatch)
    variants = sets.variants({"float32": small_models["double"], "float16": small_models["double"]})
    benchmark(variants, sets.examples({"x": np.ones((3, 4), np.float32)}), tmp_path / "out", runs=80)
    ratio = load_benchmark(tmp_path / "out").latencies["float16"].ratio
    assert ratio is not None
    assert ratio.noisy
    assert (
        "over 8 trials; noisy: the machine's load is 9.25 on 2 cores; measure on a quieter node"
        in capsys.readouterr().out
    )


def test_the_measuring_process_stays_on_one_processor(plan_of: Callable[..., TrialPlan]) -> None:
    """The child that measures is pinned to a processor that it may use, and says to which; this process is not."""
    allowed = os.sched_getaffinity(0)
    timings, cpu = run_in_child(measure, plan_of("double"), seconds=60).value
    assert cpu in allowed
    assert len(timings["double"].nanoseconds) == 20
    assert run_in_child(pin, seconds=60).value in allowed
    assert os.sched_getaffinity(0) == allowed


def test_memory_is_what_the_interpreter_needs_above_its_process(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """A model of 16.8 MB in and out takes twice that, and a small one next to nothing; the system counts to 1% or so."""
    path = tmp_path / "open.tflite"
    path.write_bytes(small_models["open"])
    memory = {}
    for values in (4, 4 * 2**20):
        examples = sets.examples({"x": np.ones((1, values), np.float32)}, name=f"examples{values}")
        trial = run_in_child(try_model, path, examples, 1, "builtin", 60.0, seconds=60).value
        memory[values] = trial.peak_memory_bytes
    assert 0 <= memory[4] < 2e6
    assert 33.5e6 * 0.98 <= memory[4 * 2**20] < 101e6


def test_a_variant_that_cannot_be_run_costs_the_others_nothing(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is refused, or fails on any example used, is named with the reason; a failed conversion is left out."""
    values = np.zeros((20, 4), np.float32)
    values[9] = 7.0
    variants = sets.variants(
        {
            "float32": small_models["double"],
            "float16": b"damaged",
            "weights_only": small_models["row"],
            "full_int8": None,
        }
    )
    benchmark(variants, sets.examples({"x": values}), tmp_path / "out", runs=3)
    measured = load_benchmark(tmp_path / "out")
    assert list(measured.latencies) == ["float32"]
    assert set(measured.failures) == {"float16", "weights_only"}
    assert "LiteRT refuses the model" in measured.failures["float16"]
    assert "LiteRT cannot run the model" in measured.failures["weights_only"]
    assert "edgequant: benchmark: float16: failed: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("crash", "LiteRT cannot run the model: the process was killed by SIGSEGV"),
        ("hang", "LiteRT cannot run the model: took longer than 6 s"),
    ],
)
@pytest.mark.usefixtures("ending_interpreter")
def test_a_model_that_ends_or_blocks_the_interpreter_costs_itself_only(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, model: str, reason: str
) -> None:
    """A file that crashes the process, and one that never returns, are named with the reason; the others are measured."""
    variants = sets.variants({"float32": small_models["double"], "float16": small_models[model]})
    examples = sets.examples({"x": np.full((3, 4), 0.25, np.float32)})
    benchmark(variants, examples, tmp_path / "out", runs=5, budget_seconds=1.0, margin_seconds=5.0)
    measured = load_benchmark(tmp_path / "out")
    assert measured.failures == {"float16": reason}
    assert list(measured.latencies) == ["float32"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("crash", "LiteRT cannot run the model: the process was killed by SIGSEGV, in turn with the others"),
        ("hang", "LiteRT cannot run the model: took longer than 6 s, in turn with the others"),
        ("row", "LiteRT cannot run the model"),
    ],
)
def test_a_model_that_fails_in_a_trial_costs_itself_only(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, reason: str
) -> None:
    """A model that ran when it was tried, and does not in turn with others, is named; the others have all their trials."""
    names = {"float32": "double", "float16": model, "weights_only": "double"}
    variants = sets.variants({name: small_models[made] for name, made in names.items()})
    value = 7.0 if model == "row" else 0.25

    def tried(function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        if function is try_model:
            value = Trial(seconds=0.0, peak_memory_bytes=None)
            return ChildOutcome(value=value, failure=None, seconds=0.0, peak_memory_bytes=0)
        return ending_interpreter.run_in_child(function, *arguments, seconds=seconds)

    monkeypatch.setattr("edgequant.benchmarking.step.run_in_child", tried)
    examples = sets.examples({"x": np.full((3, 4), value, np.float32)})
    benchmark(variants, examples, tmp_path / "out", runs=8, budget_seconds=8.0, margin_seconds=5.0)
    measured = load_benchmark(tmp_path / "out")
    assert list(measured.failures) == ["float16"]
    assert reason in measured.failures["float16"]
    assert {name: latency.runs for name, latency in measured.latencies.items()} == {"float32": 8, "weights_only": 8}
    ratio = measured.latencies["weights_only"].ratio
    assert ratio is not None
    assert ratio.trials == 8


def test_a_latency_is_the_time_of_invocations(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invocations of 4 and of 0.5 ms are 4 and 0.5 ms: without the warm-up, and without the time that setting inputs takes.

    `benchmarks/latency.py` compares real latencies with those of the runtime's own benchmark.
    """
    variants = sets.variants(dict.fromkeys(("float32", "full_int8"), small_models["double"]))
    clock = Clock({"float32": 4.0, "full_int8": 0.5}, input_ms=3.0, first_ms=50.0)
    clock.install(monkeypatch)
    benchmark(variants, sets.examples({"x": np.ones((3, 4), np.float32)}), tmp_path / "out", runs=80)
    latencies = load_benchmark(tmp_path / "out").latencies
    for name, milliseconds in {"float32": 4.0, "full_int8": 0.5}.items():
        latency = latencies[name]
        assert (latency.p50_ms, latency.p90_ms, latency.p99_ms) == pytest.approx((milliseconds,) * 3)
        assert (latency.runs, latency.settled) == (80, True)
    ratio = latencies["full_int8"].ratio
    assert ratio is not None
    assert ratio.value == pytest.approx(0.125)


def test_slow_models_are_not_taken_for_hangs(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models that would take longer for all examples, or for a trial in turn, than is waited for at first have latencies."""
    names = ("float32", "float16", "weights_only", "full_int8")
    variants = sets.variants(dict.fromkeys(names, small_models["double"]))
    Clock(dict.fromkeys(names, 300.0)).install(monkeypatch)
    limits: dict[str, Any] = {"budget_seconds": 1.0, "margin_seconds": 1.0}
    examples = sets.examples({"x": np.ones((16, 4), np.float32)})
    benchmark(variants, examples, tmp_path / "out", runs=1, **limits)
    measured = load_benchmark(tmp_path / "out")
    assert measured.failures == {}
    assert {name: latency.runs for name, latency in measured.latencies.items()} == dict.fromkeys(names, 1)
    assert all(latency.p50_ms == pytest.approx(300) for latency in measured.latencies.values())


@pytest.mark.parametrize(("resolver", "delegate"), [("builtin", "none"), ("reference", "none"), ("xnnpack", "XNNPACK")])
def test_the_resolver_is_used_and_recorded(
    sets: Any,
    small_models: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    resolver: str,
    delegate: str,
) -> None:
    """Every figure says which kernels it is of, and each of its interpreters has these, on one thread."""
    clock = Clock({"float32": 0.5})
    clock.install(monkeypatch)
    variants = sets.variants({"float32": small_models["double"]})
    examples = sets.examples({"x": np.ones((3, 4), np.float32)})
    benchmark(variants, examples, tmp_path / "out", runs=20, resolver=resolver)
    environment = load_benchmark(tmp_path / "out").environment
    assert (environment.resolver, environment.delegate, environment.threads) == (resolver, delegate, 1)
    kinds = {"xnnpack": "AUTO", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference": "BUILTIN_REF"}
    used = {(options["num_threads"], options["experimental_op_resolver_type"].name) for options in clock.options}
    assert used == {(1, kinds[resolver])}


def test_what_settles_nothing_is_said(
    sets: Any,
    small_models: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A ratio whose interval is too wide, or of too few runs, is called noisy where it is shown."""
    Clock({"float32": 0.5, "float16": 0.5}).install(monkeypatch)
    variants = sets.variants({"float32": small_models["double"], "float16": small_models["log"]})
    benchmark(variants, sets.examples({"x": np.ones((3, 4), np.float32)}), tmp_path / "out", runs=3)
    assert "over 3 trials; noisy: " in capsys.readouterr().out
    ratio = load_benchmark(tmp_path / "out").latencies["float16"].ratio
    assert ratio is not None
    assert ratio.noisy


def test_wrong_arguments_are_refused(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A resolver that is none, and a set without examples, are errors that say so."""
    variants, examples = sets.variants({"float32": small_models["double"]}), sets.examples({"x": np.ones((1, 4))})
    with pytest.raises(ConfigError, match="unknown resolver 'gpu'; choose from xnnpack, builtin, reference"):
        benchmark(variants, examples, tmp_path / "out", resolver="gpu")
    with ExampleSetWriter(tmp_path / "empty", 1) as writer:
        writer.finish(load_example_set(examples).provenance)
    with pytest.raises(ExamplesError, match="holds no examples"):
        benchmark(variants, tmp_path / "empty", tmp_path / "out")
