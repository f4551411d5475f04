"""What is recorded of a result in MLflow: names, tags, parameters and metrics, as plain values."""

import math
import re

from edgequant import __version__
from edgequant.artifacts.comparison import Ends
from edgequant.artifacts.example_set import DatasetFacts
from edgequant.artifacts.result import Result
from edgequant.artifacts.verdict import VariantVerdict

# Metrics that are shares of one: recorded in percent, because charts round to two decimals.
_SHARES = (
    "accuracy",
    "top_5_accuracy",
    "subset_accuracy",
    "macro_f1",
    "micro_f1",
    "f1",
    "auc",
    "average_precision",
    "ece",
)
_PERCENT = 100.0
# What the UI's columns have room for; a count or a size has no fraction, and keeps its digits.
_PLACES = 4
_SIGNIFICANT = 6
_IN_HUNDREDTHS = ("_percent", "_points")
_DIGEST_CHARACTERS = 32
_METRIC_FORBIDDEN = re.compile(r"[^\w\-. /]", re.ASCII)
_FORBIDDEN = str.maketrans(dict.fromkeys("/:.%\"'", "-"))

KEY = "edgequant.key"
NAME = "edgequant.name"
PIPELINE_RUN = "edgequant.pipeline_run"
SOURCE_MODEL = "edgequant.source_model"
SOURCE_RUN = "edgequant.source_run"
EDGEQUANT_VERSION = "edgequant.version"
RESULT_DIGEST = "edgequant.result_digest"
ROLE = "edgequant.role"
VARIANT = "edgequant.variant"
VERDICT = "edgequant.verdict"
STATUS = "edgequant.status"
REASON = "edgequant.reason"
MAIN_METRIC = "edgequant.main_metric"
GATE = "edgequant.gate"
TFLITE_SHA256 = "edgequant.tflite_sha256"
OUTCOME = "edgequant.outcome"
BEST = "edgequant.best"
REGISTERED = "edgequant.registered"
DROP_POINTS = "edgequant.drop_points"
DROP_HIGH_POINTS = "edgequant.drop_high_points"
MODEL_SHA256 = "edgequant.model_sha256"
CALIBRATION_DIGEST = "edgequant.calibration_digest"
EVALUATION_DIGEST = "edgequant.evaluation_digest"
ALIASED = "edgequant.aliased"
NOT_ALIASED = "edgequant.not_aliased"
EARLIER_VERSION = "edgequant.earlier_version"
# These end in a name: of a variant, of an alias, of a quantization.
RUN_OF = "edgequant.run."
FORCED = "edgequant.forced."
QUANTIZED = "edgequant.quantized."

VARIANT_ROLE = "variant"
SUMMARY_ROLE = "summary"
# A run that was the summary until KFP gave another.
SUPERSEDED_ROLE = "superseded"

# MLflow's own: what its column "Source" shows.
MLFLOW_SOURCE = {"mlflow.source.name": f"edgequant {__version__}", "mlflow.source.type": "JOB"}


def key(result: Result) -> str:
    """Returns what identifies a result: the pipeline run's identifier, or the digest of everything in the result."""
    run = result.content.settings.pipeline_run
    return f"{run}:{result.verdict.name}" if run else result.digest


def source(result: Result) -> str:
    """Returns the source model's name for people: that of the quantization, with its registered version if it has one."""
    uri = result.content.settings.model_uri
    if not uri.startswith("models:/"):
        return result.verdict.name
    _, _, version = uri.removeprefix("models:/").partition("/")
    _, _, alias = uri.partition("@")
    return f"{result.verdict.name} v{version}" if version else f"{result.verdict.name} @{alias}"


def logged_model_name(result: Result, variant: str) -> str:
    """Returns a name that MLflow allows for a logged model."""
    return f"{source(result)}-{variant}".translate(_FORBIDDEN).replace(" ", "-")


def tags(result: Result, source_run: str = "") -> dict[str, str]:
    """Returns the tags that every run of a result has.

    Args:
        result: The result.
        source_run: The run that trained the source model; "" where it is not known.
    """
    settings = result.content.settings
    return {
        KEY: key(result),
        NAME: result.verdict.name,
        PIPELINE_RUN: settings.pipeline_run or result.digest,
        SOURCE_MODEL: settings.model_uri,
        EDGEQUANT_VERSION: __version__,
        RESULT_DIGEST: result.digest,
        GATE: gate(result),
    } | ({SOURCE_RUN: source_run} if source_run else {})


def variant_tags(result: Result, variant: str) -> dict[str, str]:
    """Returns the tags of a variant's run besides those of `tags`."""
    found, sha256 = result.verdict.variants[variant], result.variants[variant].sha256
    entries = {
        ROLE: VARIANT_ROLE,
        VARIANT: variant,
        VERDICT: found.verdict,
        STATUS: found.status,
        MAIN_METRIC: metric_name(result.verdict.main_metric),
    }
    if sha256:
        entries[TFLITE_SHA256] = sha256
    if found.reason:
        entries[REASON] = found.reason
    return entries


def version_tags(result: Result, variant: str, source_run: str = "") -> dict[str, str]:
    """Returns the tags of a variant's registered version, what a reader looks for first: the UI keeps their order."""
    found, content = result.verdict.variants[variant], result.content
    high = found.drop_interval_points[1] if found.drop_interval_points else None
    first = {
        VARIANT: variant,
        VERDICT: found.verdict,
        DROP_POINTS: _points(found.drop_points),
        DROP_HIGH_POINTS: _points(high),
    }
    rest = {
        **variant_tags(result, variant),
        **tags(result, source_run),
        MODEL_SHA256: result.variants.content.model_sha256,
        CALIBRATION_DIGEST: content.calibration.digest,
        EVALUATION_DIGEST: content.evaluation.digest,
    }
    return {**first, **{name: value for name, value in rest.items() if name != KEY}, KEY: rest[KEY]}


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:.{_PLACES}f}"


def metric_name(name: str) -> str:
    """Returns the name that a metric of a task is recorded under: shares are in percent."""
    return f"{name}_percent" if name in _SHARES else _METRIC_FORBIDDEN.sub("_", name)


def gate(result: Result) -> str:
    """Returns what was asked of the variants, in one line."""
    return ", ".join(f"{name}={value}" for name, value in result.verdict.gate.items())


def parameters(result: Result, variant: str) -> dict[str, str]:
    """Returns the parameters of a variant's run."""
    content = result.content
    return {
        "variant": variant,
        "task": result.verdict.task,
        "converter": result.variants.content.converter,
        "runtime": result.verdict.environment.runtime,
        "signature": result.variants.content.signature,
        "seed": str(content.calibration.provenance.seed),
        "sampling_rule": content.calibration.provenance.rule,
        "calibration_examples": str(content.calibration.examples),
        "calibration_digest": content.calibration.digest[:_DIGEST_CHARACTERS],
        "evaluation_digest": content.evaluation.digest[:_DIGEST_CHARACTERS],
        "model_sha256": result.variants.content.model_sha256,
        "gate": gate(result),
    }


def metrics(found: VariantVerdict, main_metric: str) -> dict[str, float]:
    """Returns the metrics of a variant's run in units that charts show well; what is not known or finite is left out.

    Args:
        found: Everything known about the variant.
        main_metric: The metric that drops are of, which is recorded with the ends of its interval.
    """
    values: dict[str, float | None] = {
        metric_name(name): value * _PERCENT if name in _SHARES else value for name, value in found.metrics.items()
    }
    values |= _ends(main_metric, found.metric_interval) | _ends("agreement", found.agreement_interval)
    low, high = found.drop_interval_points or (None, None)
    values |= {
        "drop_points": found.drop_points,
        "drop_low_points": low,
        "drop_high_points": high,
        "agreement_percent": None if found.agreement is None else found.agreement * _PERCENT,
        "size_bytes": found.size_bytes,
        "peak_memory_bytes": found.peak_memory_bytes,
        "examples": found.examples or None,
    }
    if found.versus_champion is not None:
        values["drop_vs_champion_points"] = found.versus_champion.points
    if found.flips is not None:
        values |= {
            "right_to_wrong": found.flips.right_to_wrong,
            "wrong_to_right": found.flips.wrong_to_right,
        }
    values["divergence_nats"] = found.divergence_nats
    values["sqnr_db"] = min(
        (drift.sqnr_db for drift in found.drift.values() if drift.sqnr_db is not None), default=None
    )
    values["cosine"] = min((drift.cosine for drift in found.drift.values()), default=None)
    classes = next((part.values for part in found.slices if part.name == "class"), ())
    values["worst_class_drop_points"] = classes[0].drop_points if classes else None
    if found.latency is not None:
        values |= {
            "latency_ratio": found.latency.ratio.value if found.latency.ratio else None,
            "latency_p50_ms": found.latency.p50_ms,
            "latency_p90_ms": found.latency.p90_ms,
            "latency_p99_ms": found.latency.p99_ms,
        }
    return {name: rounded(name, value) for name, value in values.items() if value is not None and math.isfinite(value)}


def _ends(name: str, interval: Ends | None) -> dict[str, float | None]:
    """Returns the ends of a metric's interval by the names that they are recorded under."""
    is_share = name in (*_SHARES, "agreement")
    unit, scale = ("_percent", _PERCENT) if is_share else ("", 1.0)
    ends = zip(("low", "high"), interval or (None, None), strict=True)
    return {
        f"{_METRIC_FORBIDDEN.sub('_', name)}_{side}{unit}": None if end is None else end * scale for side, end in ends
    }


def rounded(name: str, value: float) -> float:
    """Returns a metric with as many digits as say something and can be shown: percent and points have four places."""
    if float(value).is_integer():
        return float(value)
    return round(value, _PLACES) if name.endswith(_IN_HUNDREDTHS) else float(f"{value:.{_SIGNIFICANT}g}")


def dataset_digest(facts: DatasetFacts) -> str:
    """Returns a dataset's digest, as short as MLflow needs it."""
    return facts.digest[:_DIGEST_CHARACTERS]
