"""The verdict: each variant against the baseline, the gate's answer, and the report (validate → track)."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from edgequant.artifacts.benchmark import Environment, Latency
from edgequant.artifacts.directory import parse, read_json, read_manifest, write_json, write_manifest
from edgequant.artifacts.example_set import DatasetFacts
from edgequant.artifacts.variant_set import Stability
from edgequant.inspection import Inspection

SCHEMA = "edgequant/verdict/1"

BASELINE_VERDICT = "baseline"
BLESSED = "blessed"
REJECTED = "rejected"
INCONCLUSIVE = "inconclusive"
NOT_GATED = "not gated"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantVerdict:
    """Everything known about one variant.

    Attributes:
        status: ``converted`` or ``failed``.
        reason: Why it failed, or None.
        notes: What a reader should know about it.
        size_bytes: The size of its file.
        examples: How many evaluation examples were compared.
        metrics: The task's metrics over those examples.
        accuracy_interval: The two-sided interval of the main metric, when it is a proportion.
        drop_points: How much worse than the baseline, in percentage points of the main metric.
        drop_interval_points: The ends of the two one-sided intervals of the drop, in percentage points.
        agreement: The share of examples on which it answers as the baseline does.
        verdict: ``baseline``, ``blessed``, ``rejected``, ``inconclusive`` or ``not gated``.
        reasons: A sentence for each check.
        latency: Its latency on the machine of the benchmark.
        inspection: What its flatbuffer holds.
    """

    status: str
    reason: str | None = None
    notes: tuple[str, ...] = ()
    size_bytes: int | None = None
    examples: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    accuracy_interval: tuple[float, float] | None = None
    drop_points: float | None = None
    drop_interval_points: tuple[float, float] | None = None
    agreement: float | None = None
    verdict: str
    reasons: tuple[str, ...] = ()
    latency: Latency | None = None
    inspection: Inspection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found, and what it means.

    Attributes:
        name: The name of the quantization.
        task: The task.
        main_metric: The metric that drops are measured on.
        labelled: Whether the evaluation examples have labels; without them, agreement stands in for the metric.
        gate: The gate as configured.
        outcome: ``blessed``, ``rejected``, ``inconclusive`` or ``not gated``.
        best: The best blessed variant, or None.
        why: One sentence that says what decided.
        variants: The verdict of every variant, in the order asked.
        environment: What the latencies were measured on.
        calibration: The calibration set.
        evaluation: The evaluation set.
        stability: Whether the calibration set is large enough, when that was asked.
        made_from: What made the variants: versions, and the digests of the model and of the example sets.
    """

    name: str
    task: str
    main_metric: str
    labelled: bool
    gate: dict[str, float | str]
    outcome: str
    best: str | None
    why: str
    variants: dict[str, VariantVerdict]
    environment: Environment
    calibration: DatasetFacts
    evaluation: DatasetFacts
    stability: Stability | None = None
    made_from: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    outcome: str
    best: str | None


def write_verdict(directory: Path, verdict: Verdict) -> None:
    """Writes a verdict's file and the manifest of its directory, where the report already is."""
    write_json(directory / "verdict.json", asdict(verdict))
    write_manifest(directory, SCHEMA, _Content(outcome=verdict.outcome, best=verdict.best))


def load_verdict(path: Path) -> Verdict:
    """Returns the verdict in a directory.

    Raises:
        ArtifactError: It is missing, damaged or not a verdict.
    """
    read_manifest(path, SCHEMA, _Content)
    file = path / "verdict.json"
    return parse(read_json(file), Verdict, file)
