"""The benchmark: the latency of every variant, measured side by side (benchmark → validate, track)."""

from dataclasses import dataclass, field
from pathlib import Path

from edgequant.artifacts.directory import read_manifest

SCHEMA = "edgequant/benchmark/1"
# Trials cannot reveal an error that all of them share, so an interval of a ratio extends at least this far on each side.
LEAST_DOUBT = 0.005
# With fewer trials the interval of a ratio rests on too little data.
FEWEST_TRIALS = 5
# Below this a latency is given in microseconds; from this many units on, as an integer.
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
        noisy: Whether the ratio is inconclusive: an end of the interval is more than 10% from the value, there are too few
            trials, or the machine's load exceeded its number of processors.
        trials: How many processes it was measured in, one after another.
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
        warm_up_runs: How many invocations warmed it up, until their time was stable.
        settled: Whether their time was stable at the end of the warm-up.
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
        delegate: The delegate that ran the operators it supports, or ``none``.
        runtime: The interpreter's name and version.
        load_average: The load average over the last minute when the benchmark began, caused by other processes.
        resolver: The kernels that ran: ``xnnpack``, ``builtin`` or ``reference``.
        flags: The processor's vector extensions, by which XNNPACK chooses its kernels.
        pinned_cpu: The processor that the last measuring process was pinned to, or None.
        load_average_after: The load average when it ended, the benchmark included.
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
            process used before, the runtime's code included; absent where the system does not report it.
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
