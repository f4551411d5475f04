"""The benchmark: the latency of every variant, measured side by side (benchmark → validate, track)."""

from dataclasses import dataclass
from pathlib import Path

from edgequant.artifacts.directory import read_manifest

SCHEMA = "edgequant/benchmark/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles of one variant's invocations.

    Attributes:
        p50_ms: Median, in milliseconds.
        p90_ms: 90th percentile, in milliseconds.
        p99_ms: 99th percentile, in milliseconds.
        runs: How many invocations were counted.
    """

    p50_ms: float
    p90_ms: float
    p99_ms: float
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the latencies were measured on."""

    cpu: str
    cores: int
    threads: int
    delegate: str
    runtime: str
    load_average: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """The manifest of a benchmark.

    Attributes:
        model_sha256: The digest of the file by variant, for those that were converted.
        latencies: Latency by variant, for the variants that could be run.
        failures: The reason by variant, for those that could not.
        environment: What they were measured on.
    """

    model_sha256: dict[str, str | None]
    latencies: dict[str, Latency]
    failures: dict[str, str]
    environment: Environment


def load_benchmark(path: Path) -> Benchmark:
    """Returns the benchmark in a directory.

    Raises:
        ArtifactError: It is missing, damaged or not a benchmark.
    """
    return read_manifest(path, SCHEMA, Benchmark)
