"""Latencies, side by side."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgequant.artifacts.benchmark import load_benchmark
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.benchmarking.latency import measure_latencies, summarize
from edgequant.benchmarking.step import benchmark


def test_percentiles_are_those_of_the_run_times() -> None:
    """Of 1 to 100 ms the median is 50.5, the 90th percentile 90.1 and the 99th 99.01: NumPy's linear rule."""
    found = summarize([1_000_000 * ms for ms in range(100, 0, -1)])
    assert (found.p50_ms, found.p90_ms, found.p99_ms) == pytest.approx((50.5, 90.1, 99.01))
    assert found.runs == 100


def test_one_run_is_all_its_percentiles() -> None:
    """A single run time is every percentile of itself, in milliseconds."""
    found = summarize([250_000])
    assert (found.p50_ms, found.p90_ms, found.p99_ms, found.runs) == (0.25, 0.25, 0.25, 1)


def test_every_converted_variant_has_the_same_number_of_runs(digits_sets: Any) -> None:
    """Variants take turns, so each has as many runs as asked, and what they were measured on is written down."""
    found = load_benchmark(digits_sets.benchmark)
    assert {name: latency.runs for name, latency in found.latencies.items()} == dict.fromkeys(
        load_variant_set(digits_sets.variant_set).converted, 20
    )
    for latency in found.latencies.values():
        assert 0 < latency.p50_ms <= latency.p90_ms <= latency.p99_ms
    assert found.failures == {}
    environment = found.environment
    assert (environment.threads, environment.delegate) == (1, "XNNPACK")
    assert environment.cpu
    assert environment.cores >= 1
    assert environment.runtime.startswith("ai-edge-litert 2.")


def test_a_spent_budget_ends_all_variants_alike(small_models: dict[str, bytes], tmp_path: Path) -> None:
    """When time is up in the middle every model has been run equally often, and at least once."""
    paths = {name: tmp_path / f"{name}.tflite" for name in ("double", "log")}
    for name, path in paths.items():
        path.write_bytes(small_models[name])
    example = {"x": np.ones(4, np.float32)}
    for budget, most in ((0.0, 1), (0.05, 10**9 - 1)):
        found = measure_latencies(paths, [example], runs=10**9, budget_seconds=budget)
        counts = {latency.runs for latency in found.values()}
        assert len(counts) == 1
        assert 1 <= counts.pop() <= most


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
    found = load_benchmark(tmp_path / "out")
    assert list(found.latencies) == ["float32"]
    assert set(found.failures) == {"float16", "weights_only"}
    assert "LiteRT refuses the model" in found.failures["float16"]
    assert "LiteRT cannot run the model" in found.failures["weights_only"]
    assert "edgequant: benchmark: float16: failed: " in capsys.readouterr().out
