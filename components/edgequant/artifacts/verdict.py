"""The verdict: each variant against the reference, the gate's answer, and the report (validate → track)."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from edgequant.artifacts.benchmark import Environment, Latency
from edgequant.artifacts.calibration_comparison import CalibrationComparison
from edgequant.artifacts.comparison import Confusion, Drop, Ends, Flips, Measured, OutputDrift, Slice, class_name
from edgequant.artifacts.directory import parse, read_json, read_manifest, write_json, write_manifest
from edgequant.artifacts.example_set import DatasetFacts
from edgequant.artifacts.variant_set import Stability
from edgequant.inspection import Inspection

SCHEMA = "edgequant/verdict/1"

REFERENCE_VERDICT = "reference"
BLESSED = "blessed"
REJECTED = "rejected"
INCONCLUSIVE = "inconclusive"
NOT_GATED = "not gated"
# The outcome, and the verdict of every variant, where the reference is not fit to compare with.
INVALID_REFERENCE = "invalid reference"
# The verdict of a check when there is no champion to compare with yet.
NO_CHAMPION = "no champion yet"

# The status of the champion.
EVALUATED = "evaluated"
MISSING = "missing"
FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """The sample size that would decide an inconclusive check with a power of 80%, if the measured value were the true one.

    Attributes:
        examples: How many in all, with the same distribution of classes.
        group: The class that needs the most examples; "" where all examples count equally.
        of_group: How many examples of that class, the existing ones included; None without a class.
    """

    examples: int
    group: str = ""
    of_group: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check of the gate.

    Attributes:
        name: The key of the gate.
        limit: What the measured value is compared with.
        measured: The measured value, in the unit of the limit; None when it is not known.
        interval: The bounds that decide, in the same unit: of two one-sided intervals at the gate's confidence (for 95%, together a
            two-sided 90% interval); the ends of the metric's own two-sided interval for `min_metric` and
            `min_agreement` of what is not a share of right answers; None where the value is exact, or has none.
        verdict: ``blessed``, ``rejected``, ``inconclusive``; or ``no champion yet``, which counts neither for nor against.
        sentence: The limit and the measured value, and what would decide an inconclusive check.
        need: The sample size that would decide it; None where it is decided, or no such size is known.
    """

    name: str
    limit: float | str
    measured: float | str | None = None
    interval: Ends | None = None
    verdict: str
    sentence: str
    need: Need | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceCheck:
    """Whether the reference is fit to compare with.

    Attributes:
        metric: The judged metric; "" without labels.
        value: Its value for the reference; None where it is unknown.
        chance: Its chance level; None where it is unknown.
        chance_answer: What gives the chance level, such as the most frequent class.
        expected: The expected values by metric; empty where none is known.
        within_points: By how many points the reference may miss them.
        expected_from: Where they come from: the configuration, or the training run.
        configured: The section ``reference`` of the configuration.
        sentence: The metric beside its chance level and its expected value, as a sentence.
        invalid: Why the reference is not fit to compare with; "" if it is.
    """

    metric: str = ""
    value: float | None = None
    chance: float | None = None
    chance_answer: str = ""
    expected: dict[str, float] = field(default_factory=dict)
    within_points: float | None = None
    expected_from: str = ""
    configured: dict[str, float] = field(default_factory=dict)
    sentence: str = ""
    invalid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The champion, run on the same examples.

    Attributes:
        uri: The URI that the step received; a local run replaces an alias by its version.
        version: The URI of the version that it resolved to, or None.
        status: ``evaluated``, ``missing`` (no champion exists yet) or ``failed``.
        reason: Why it is not evaluated, or None.
        size_bytes: The size of its file.
        sha256: The digest of its file.
        examples: How many evaluation examples it was compared over; 0 if it was not evaluated.
        metrics: Its metrics over those.
        measures: The same metrics with their intervals.
    """

    uri: str
    version: str | None = None
    status: str
    reason: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    examples: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    measures: dict[str, Measured] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantVerdict:
    """The results of one variant.

    Attributes:
        status: ``converted``, ``failed`` or ``blocked``: not converted, since the calibration set does not match the evaluation set.
        reason: Why it was not converted, or None.
        notes: What a reader should know about it.
        size_bytes: The size of its file.
        examples: How many evaluation examples were compared.
        metrics: The task's metrics over those examples.
        measures: The same metrics with their intervals and drops.
        metric_interval: The two-sided interval of the main metric; None when it has none.
        drop_points: How much worse than the reference, in percentage points of the main metric.
        drop_interval_points: The ends of the two one-sided intervals of the drop, in percentage points.
        versus_champion: How much worse than the champion's main metric; None without one.
        agreement: The share of examples on which it decides like the reference.
        agreement_interval: Its two-sided interval.
        divergence_nats: The mean over examples of the Kullback-Leibler divergence of its probabilities from the reference's;
            None where there are no probabilities.
        flips: The examples that it decides differently from the reference; None where the task has no decisions.
        drift: By output, how far its values are from the reference's.
        confusion: Its confusion matrix; None unless the task is single-label and the examples have labels.
        slices: Its drop by class, then by each feature kept.
        verdict: ``reference``, ``blessed``, ``rejected``, ``inconclusive``, ``not gated`` or ``invalid reference``.
        checks: The result of each check, in the gate's order.
        reasons: A sentence for each check, the rejecting ones first.
        latency: Its latency on the machine of the benchmark.
        peak_memory_bytes: The peak memory of a process that loads and runs it there; None where the system does not report it.
        inspection: What its flatbuffer holds.
    """

    status: str
    reason: str | None = None
    notes: tuple[str, ...] = ()
    size_bytes: int | None = None
    examples: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    measures: dict[str, Measured] = field(default_factory=dict)
    metric_interval: Ends | None = None
    drop_points: float | None = None
    drop_interval_points: Ends | None = None
    versus_champion: Drop | None = None
    agreement: float | None = None
    agreement_interval: Ends | None = None
    divergence_nats: float | None = None
    flips: Flips | None = None
    drift: dict[str, OutputDrift] = field(default_factory=dict)
    confusion: Confusion | None = None
    slices: tuple[Slice, ...] = ()
    verdict: str
    checks: tuple[Check, ...] = ()
    reasons: tuple[str, ...] = ()
    latency: Latency | None = None
    peak_memory_bytes: int | None = None
    inspection: Inspection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict on all variants.

    Attributes:
        name: The name of the quantization.
        task: The task.
        main_metric: The metric that drops are measured on: the task's, or the one that the gate names.
        classes: The names of the classes in the order of the model's outputs; none where classes are numbers.
        labelled: Whether the evaluation examples have labels; without them, agreement replaces the metric.
        reading: How the outputs were interpreted, ``probabilities`` or ``logits``, as the reference's are; "" where the task does not need
            it.
        notes: Remarks on the evaluation as a whole, such as classes without an evaluation example, or a poor reference.
        gate: The gate as configured.
        outcome: ``blessed``, ``rejected``, ``inconclusive``, ``not gated`` or ``invalid reference``.
        best: The best blessed variant, or None.
        why: The reason in one sentence.
        variants: The verdict of every variant, in the requested order.
        reference: Whether the reference is fit to compare with; None in verdicts of earlier versions.
        champion: The champion; None when none is configured.
        environment: What the latencies were measured on.
        calibration: The calibration set.
        examples: How many examples of the evaluation set, the first ones, all variants are compared over.
        evaluation: The evaluation set.
        evaluation_classes: The number of evaluation examples by class, classes without any included; empty where classes
            are not known.
        stability: Whether the calibration set is large enough, when that was requested.
        comparison: How the calibration set compares with the evaluation set; None if nothing was calibrated.
        made_from: The provenance of the variants: versions, the URI of the model where it is known, and the digests of the model
            and of the example sets.
    """

    name: str
    task: str
    main_metric: str
    classes: tuple[str, ...] = ()
    labelled: bool
    reading: str = ""
    notes: tuple[str, ...] = ()
    gate: dict[str, float | str]
    outcome: str
    best: str | None
    why: str
    variants: dict[str, VariantVerdict]
    reference: ReferenceCheck | None = None
    champion: Champion | None = None
    environment: Environment
    calibration: DatasetFacts
    examples: int
    evaluation: DatasetFacts
    evaluation_classes: dict[str, int] = field(default_factory=dict)
    stability: Stability | None = None
    comparison: CalibrationComparison | None = None
    made_from: dict[str, str] = field(default_factory=dict)

    def class_name(self, number: int) -> str:
        """Returns the name of a class, or its number where it has none."""
        return class_name(number, self.classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _VerdictContent:
    outcome: str
    best: str | None


def write_verdict(directory: Path, verdict: Verdict) -> None:
    """Writes a verdict's file and the manifest of its directory, where the report already is."""
    write_json(directory / "verdict.json", asdict(verdict))
    write_manifest(directory, SCHEMA, _VerdictContent(outcome=verdict.outcome, best=verdict.best))


def load_verdict(path: Path) -> Verdict:
    """Returns the verdict in a directory.

    Raises:
        ArtifactError: It is missing, damaged or not a verdict.
    """
    read_manifest(path, SCHEMA, _VerdictContent)
    file = path / "verdict.json"
    return parse(read_json(file), Verdict, file)
