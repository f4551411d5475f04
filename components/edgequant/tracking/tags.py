"""The MLflow tags, parameters and names of a result, as plain values."""

from edgequant import __version__
from edgequant.artifacts.example_set import DatasetFacts
from edgequant.artifacts.result import LoadedResult
from edgequant.artifacts.verdict import REFERENCE_VERDICT
from edgequant.tracking import mlflow_names
from edgequant.tracking.mlflow_names import metric_names
from edgequant.tracking.recording.metrics import PLACES

_DIGEST_CHARACTERS = 32
_TENTH = 0.1
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
INVALID_REFERENCE = "edgequant.invalid_reference"
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
RESOLVER = "edgequant.resolver"
ALIASED = "edgequant.aliased"
NOT_ALIASED = "edgequant.not_aliased"
EARLIER_VERSION = "edgequant.earlier_version"
# What no person reads: the UI shows a version's tags in the order in which they were given.
_DIGESTS = (RESULT_DIGEST, TFLITE_SHA256, MODEL_SHA256, CALIBRATION_DIGEST, EVALUATION_DIGEST, KEY)
# Prefixes, followed by the name of a variant, an alias or a quantization.
RUN_OF = "edgequant.run."
FORCED = "edgequant.forced."
QUANTIZED = "edgequant.quantized."

VARIANT_ROLE = "variant"
SUMMARY_ROLE = "summary"
# A run that was the summary until KFP created another.
SUPERSEDED_ROLE = "superseded"

# MLflow's own tags for its column "Source".
MLFLOW_SOURCE = {"mlflow.source.name": f"edgequant {__version__}", "mlflow.source.type": "JOB"}


def key(result: LoadedResult) -> str:
    """Returns the key of a result: the pipeline run's identifier and the name, or the digest of the result."""
    run = result.content.settings.pipeline_run
    return f"{run}:{result.verdict.name}" if run else result.digest


def source(result: LoadedResult) -> str:
    """Returns the display name of the source model: the name of the quantization, with the registered version if known."""
    uri = result.content.settings.model_uri
    if not uri.startswith("models:/"):
        return result.verdict.name
    _, _, version = uri.removeprefix("models:/").partition("/")
    _, _, alias = uri.partition("@")
    return f"{result.verdict.name} v{version}" if version else f"{result.verdict.name} @{alias}"


def run_name(result: LoadedResult, variant: str = "") -> str:
    """Returns the name of a run for people: source model, variant, verdict, and the change of the main metric in points.

    The change is negative where the variant is worse than float32. Nothing looks runs up by their names.

    Args:
        result: The result.
        variant: The variant; "" for the summary.
    """
    if variant:
        verdict = result.verdict.variants[variant]
        is_reference = verdict.verdict == REFERENCE_VERDICT
        change = "" if is_reference or verdict.drop_points is None else f" {_change(verdict.drop_points)}"
        ending = f"{verdict.verdict}{', failed' if verdict.reason else ''}{change}"
    else:
        ending = result.verdict.outcome
    rest = f" · {variant or SUMMARY_ROLE} · {ending}"
    return mlflow_names.cut(source(result), mlflow_names.RUN_NAME_CHARACTERS - len(rest)) + rest


def _change(drop_points: float) -> str:
    """Returns the change of a metric in points, with a sign: one decimal place, or two for less than a tenth."""
    if round(abs(drop_points), 2) == 0:
        return "0.0"
    places = 1 if abs(drop_points) >= _TENTH else 2
    return f"{-drop_points:+.{places}f}".replace("-", "−")


def main_metric(result: LoadedResult, variant: str) -> str:
    """Returns the MLflow name of the main metric, as it is recorded for a variant; "" without one."""
    metric = result.verdict.main_metric
    return metric_names([*result.verdict.variants[variant].metrics, metric])[metric].value if metric else ""


def logged_model_name(result: LoadedResult, variant: str) -> str:
    """Returns a name that MLflow allows for a logged model."""
    return f"{source(result)}-{variant}".translate(_FORBIDDEN).replace(" ", "-")


def common_tags(result: LoadedResult, source_run: str = "") -> dict[str, str]:
    """Returns the tags that every run of a result has.

    Args:
        result: The result.
        source_run: The run that trained the source model; "" if unknown.
    """
    settings = result.content.settings
    values = {
        KEY: key(result),
        NAME: result.verdict.name,
        PIPELINE_RUN: settings.pipeline_run or result.digest,
        SOURCE_MODEL: settings.model_uri,
        EDGEQUANT_VERSION: __version__,
        RESULT_DIGEST: result.digest,
        GATE: gate(result),
    } | ({SOURCE_RUN: source_run} if source_run else {})
    return mlflow_names.cut_tags(values)


def variant_tags(result: LoadedResult, variant: str) -> dict[str, str]:
    """Returns the tags of a variant's run, without those of `common_tags`."""
    verdict, sha256 = result.verdict.variants[variant], result.variants[variant].sha256
    entries = {
        ROLE: VARIANT_ROLE,
        VARIANT: variant,
        VERDICT: verdict.verdict,
        STATUS: verdict.status,
        MAIN_METRIC: main_metric(result, variant),
    }
    if sha256:
        entries[TFLITE_SHA256] = sha256
    if verdict.reason:
        entries[REASON] = verdict.reason
    if result.verdict.reference and result.verdict.reference.invalid:
        entries[INVALID_REFERENCE] = result.verdict.reference.invalid
    return mlflow_names.cut_tags(entries)


def version_tags(result: LoadedResult, variant: str, source_run: str = "") -> dict[str, str]:
    """Returns the tags of a variant's registered version, the most important first: the UI keeps their order."""
    verdict, content = result.verdict.variants[variant], result.content
    high = verdict.drop_interval_points[1] if verdict.drop_interval_points else None
    first = {
        VARIANT: variant,
        VERDICT: verdict.verdict,
        DROP_POINTS: _points(verdict.drop_points),
        DROP_HIGH_POINTS: _points(high),
    }
    rest = {
        **variant_tags(result, variant),
        **common_tags(result, source_run),
        RESOLVER: result.verdict.environment.resolver,
        MODEL_SHA256: result.variants.content.model_sha256,
        CALIBRATION_DIGEST: content.calibration.digest,
        EVALUATION_DIGEST: content.evaluation.digest,
    }
    values = {**first, **rest}
    last = [name for name in _DIGESTS if name in values]
    return {name: values[name] for name in [*(name for name in values if name not in last), *last]}


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:.{PLACES}f}"


def gate(result: LoadedResult) -> str:
    """Returns the gate in one line."""
    return ", ".join(f"{name}={value}" for name, value in result.verdict.gate.items())


def parameters(result: LoadedResult, variant: str) -> dict[str, str]:
    """Returns the parameters of a variant's run."""
    content = result.content
    values = {
        "variant": variant,
        "task": result.verdict.task,
        "converter": result.variants.content.converter,
        "runtime": result.verdict.environment.runtime,
        "resolver": result.verdict.environment.resolver,
        "signature": result.variants.content.signature,
        "seed": str(content.calibration.provenance.seed),
        "sampling_rule": content.calibration.provenance.rule,
        "calibration_examples": str(content.calibration.examples),
        "calibration_digest": content.calibration.digest[:_DIGEST_CHARACTERS],
        "evaluation_digest": content.evaluation.digest[:_DIGEST_CHARACTERS],
        "model_sha256": result.variants.content.model_sha256,
        "gate": gate(result),
    }
    return {name: mlflow_names.cut(value, mlflow_names.PARAMETER_CHARACTERS) for name, value in values.items()}


def dataset_digest(facts: DatasetFacts) -> str:
    """Returns a dataset's digest, truncated to the length that MLflow allows."""
    return facts.digest[:_DIGEST_CHARACTERS]
