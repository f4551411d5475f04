"""What is recorded of a result in MLflow: names, tags, parameters and metrics, as plain values."""

import math
import re
from typing import Any
from urllib.parse import quote

from edgequant import __version__
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
_DIGEST_CHARACTERS = 32
_METRIC_FORBIDDEN = re.compile(r"[^\w\-. /]", re.ASCII)
_FORBIDDEN = str.maketrans(dict.fromkeys("/:.%\"'", "-"))

KEY = "edgequant.key"
VARIANT = "edgequant.variant"
ROLE = "edgequant.role"
ALIASED = "edgequant.aliased"


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


def tags(result: Result) -> dict[str, str]:
    """Returns the tags that every run of a result has."""
    settings = result.content.settings
    return {
        KEY: key(result),
        "edgequant.name": result.verdict.name,
        "edgequant.pipeline_run": settings.pipeline_run or result.digest,
        "edgequant.source_model": settings.model_uri,
        "edgequant.version": __version__,
    }


def variant_tags(variant: str, found: VariantVerdict, sha256: str | None) -> dict[str, str]:
    """Returns the tags of a variant's run besides those of `tags`."""
    entries = {ROLE: "variant", VARIANT: variant, "edgequant.verdict": found.verdict, "edgequant.status": found.status}
    if sha256:
        entries["edgequant.tflite_sha256"] = sha256
    if found.reason:
        entries["edgequant.reason"] = found.reason
    return entries


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
        "gate": ", ".join(f"{name}={value}" for name, value in result.verdict.gate.items()),
    }


def metrics(found: VariantVerdict) -> dict[str, float]:
    """Returns the metrics of a variant's run in units that charts show well; what is not known or finite is left out."""
    values: dict[str, float | None] = {
        (f"{name}_percent" if name in _SHARES else _METRIC_FORBIDDEN.sub("_", name)): (
            value * _PERCENT if name in _SHARES else value
        )
        for name, value in found.metrics.items()
    }
    low, high = found.drop_interval_points or (None, None)
    values |= {
        "drop_points": found.drop_points,
        "drop_low_points": low,
        "drop_high_points": high,
        "agreement_percent": None if found.agreement is None else found.agreement * _PERCENT,
        "size_bytes": found.size_bytes,
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
    if found.latency is not None:
        values |= {
            "latency_p50_ms": found.latency.p50_ms,
            "latency_p90_ms": found.latency.p90_ms,
            "latency_p99_ms": found.latency.p99_ms,
        }
    return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}


def dataset_digest(facts: DatasetFacts) -> str:
    """Returns a dataset's digest, as short as MLflow needs it."""
    return facts.digest[:_DIGEST_CHARACTERS]


def note(result: Result) -> str:
    """Returns the summary run's description, in Markdown."""
    verdict = result.verdict
    lines = [f"**{verdict.outcome}**: {verdict.why}", "", "| variant | verdict | why |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | {found.verdict} | {'; '.join(found.reasons).replace('|', '/')} |"
        for name, found in verdict.variants.items()
    ]
    return "\n".join(lines)


def comparison(result: Result) -> dict[str, list[Any]]:
    """Returns the comparison table, a row per variant, as columns and data: MLflow's layout for tables."""
    names = list(result.verdict.variants)
    found = {name: metrics(variant) for name, variant in result.verdict.variants.items()}
    columns = list(dict.fromkeys(column for values in found.values() for column in values))
    table: dict[str, list[Any]] = {
        "source": [source(result)] * len(names),
        "variant": list(names),
        "verdict": [result.verdict.variants[name].verdict for name in names],
    }
    table |= {column: [found[name].get(column) for name in names] for column in columns}
    return {"columns": list(table), "data": [list(row) for row in zip(*table.values(), strict=True)]}


def links(base: str, experiment_id: str, summary_run_id: str, run_ids: list[str]) -> dict[str, str]:
    """Returns pages of the MLflow UI; without the workflow they would open as pages for generative models."""
    workflow = "workflowType=machine_learning"
    runs = quote("[" + ",".join(f'"{run_id}"' for run_id in run_ids) + "]")
    experiments = quote(f'["{experiment_id}"]')
    return {
        "experiment": f"{base}/#/experiments/{experiment_id}?{workflow}",
        "summary": f"{base}/#/experiments/{experiment_id}/runs/{summary_run_id}?{workflow}",
        "compare": f"{base}/#/compare-runs?runs={runs}&experiments={experiments}&{workflow}",
    }
