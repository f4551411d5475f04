"""The benchmark: the latency of every variant, measured side by side (benchmark → validate, track)."""

from dataclasses import dataclass, field
from pathlib import Path

from edgequant.artifacts.directory import read_manifest

SCHEMA = "edgequant/benchmark/1"
# What all trials of one benchmark share, none of them shows: no interval of a ratio is narrower than this each way.
LEAST_DOUBT = 0.005
# With fewer trials an interval of a ratio is that of next to nothing.
FEWEST_TRIALS = 5
# Below this a latency is told in microseconds; from so many units on, in whole ones.
_SMALL_MS = 0.1
_INTEGERS_FROM = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A variant's median latency over the reference's.

    Attributes:
        value: The ratio; below 1 is faster.
        low: The lower end of its interval.
        high: The upper end of its interval.
        confidence: The confidence of the interval.
        noisy: Whether it settles nothing: an end is more than 10% from the value, the trials are too few to tell, or the
            machine had more to do than it has processors.
        trials: How many processes it was measured in, one after the other.
    """

    value: float
    low: float
    high: float
    confidence: float
    noisy: bool
    trials: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles of one variant's invocations.

    Attributes:
        p50_ms: Median, in milliseconds.
        p90_ms: 90th percentile, in milliseconds.
        p99_ms: 99th percentile, in milliseconds.
        runs: How many invocations were counted.
        ratio: The median over the reference's; None for the reference, and where it could not be measured.
        warm_up_runs: How many invocations went before, until their time was stable.
        settled: Whether it was stable before they ended.
    """

    p50_ms: float
    p90_ms: float
    p99_ms: float
    runs: int
    ratio: Ratio | None = None
    warm_up_runs: int = 0
    settled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the latencies were measured on.

    Attributes:
        cpu: The processor's model.
        cores: How many processors the machine has.
        threads: How many threads the interpreter had.
        delegate: The delegate that ran what it could, or ``none``.
        runtime: The interpreter's name and version.
        load_average: The machine's load over the last minute when it began: how busy others kept it.
        resolver: Which kernels ran: ``xnnpack``, ``builtin`` or ``reference``.
        flags: The processor's vector extensions, which choose XNNPACK's kernels.
        pinned_cpu: The processor that the last measuring process was kept on, or None.
        load_average_after: The load when it ended, the benchmark's own included.
    """

    cpu: str
    cores: int
    threads: int
    delegate: str
    runtime: str
    load_average: float
    resolver: str = "xnnpack"
    flags: tuple[str, ...] = ()
    pinned_cpu: int | None = None
    load_average_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """The manifest of a benchmark.

    Attributes:
        model_sha256: The digest of the file by variant, for those that were converted.
        latencies: Latency by variant, for the variants that could be run.
        failures: The reason by variant, for those that could not.
        environment: What they were measured on.
        peak_memory_bytes: By variant, the peak resident memory of a process that loads and runs it, above what that
            process had before, the runtime's own code included; where the system tells.
    """

    model_sha256: dict[str, str | None]
    latencies: dict[str, Latency]
    failures: dict[str, str]
    environment: Environment
    peak_memory_bytes: dict[str, int] = field(default_factory=dict)


def load_benchmark(path: Path) -> Benchmark:
    """Returns the benchmark in a directory.

    Raises:
        ArtifactError: It is missing, damaged or not a benchmark.
    """
    return read_manifest(path, SCHEMA, Benchmark)


def duration(milliseconds: float) -> str:
    """Returns a time with three digits and its unit, microseconds below a tenth of a millisecond."""
    value, unit = (1000 * milliseconds, "µs") if milliseconds < _SMALL_MS else (milliseconds, "ms")
    return f"{value:,.0f} {unit}" if value >= _INTEGERS_FROM else f"{value:#.3g} {unit}"
