"""The result of a run: everything that tracking needs, and ``result.json`` for scripts (track → user)."""

import hashlib
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.directory import (
    link_tree,
    manifest_digest,
    new_directory,
    read_manifest,
    write_json,
    write_manifest,
)
from edgequant.artifacts.example_set import DatasetFacts, ExampleSet
from edgequant.artifacts.variant_set import VariantSet, load_variant_set
from edgequant.artifacts.verdict import VariantVerdict, Verdict, load_verdict

SCHEMA = "edgequant/result/1"
RESULT_SCHEMA = 1
CONFIGURATION = "config.yaml"

# Which blessed variants become versions of the registered model.
BEST = "best"
EVERY_BLESSED = "blessed"
NONE = "none"
REGISTER = (BEST, EVERY_BLESSED, NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingSettings:
    """Where to record a result.

    Attributes:
        uri: The MLflow tracking URI; "" for the environment's.
        experiment: The experiment's name.
        registered_model: The registered model that gets blessed variants as new versions; "" for none.
        alias: The alias to give the best one's version; "" for none.
        register: Which blessed variants to register: one of `REGISTER`.
        retry_seconds: How long to retry while MLflow does not answer.
        model_uri: The URI of the source model.
        pipeline_run: The pipeline run's identifier; "" to identify a run by its results.
    """

    uri: str
    experiment: str
    registered_model: str = ""
    alias: str = ""
    register: str = BEST
    retry_seconds: float = 120.0
    model_uri: str = ""
    pipeline_run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultContent:
    """The manifest of a result."""

    settings: TrackingSettings
    calibration: DatasetFacts
    evaluation: DatasetFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """Where a result is recorded.

    Attributes:
        uri: The MLflow tracking URI.
        experiment_id: The experiment.
        summary_run_id: The summary run.
        run_ids: The run of each variant.
        model_version: The registered version of the best variant, or None.
        versions: The registered version of each variant that has one.
        alias_version: The version that the configured alias points to, which may be a later one; None without an alias.
        links: Pages of the MLflow UI by name.
    """

    uri: str
    experiment_id: str
    summary_run_id: str
    run_ids: dict[str, str] = field(default_factory=dict)
    model_version: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    alias_version: str | None = None
    links: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedResult:
    """A loaded result.

    Attributes:
        path: Its directory.
        digest: Identifies the results and their inputs, independently of where they are recorded.
        content: Its manifest.
        variants: The variant set.
        verdict: The verdict.
        example: One evaluation example, arrays by input name with a batch axis of 1.
    """

    path: Path
    digest: str
    content: ResultContent
    variants: VariantSet
    verdict: Verdict
    example: dict[str, NDArray[Any]]


def write_result(
    target: Path,
    settings: TrackingSettings,
    variants: VariantSet,
    verdict: Path,
    examples: tuple[ExampleSet, ExampleSet],
    configuration: str = "",
) -> LoadedResult:
    """Collects the results of a run in one directory, from which tracking can be completed at any time.

    Args:
        target: The directory to write.
        settings: Where the result is to be recorded.
        variants: The variant set.
        verdict: The directory of the verdict.
        examples: The calibration set and the evaluation set.
        configuration: The configuration as YAML; "" where there is none.
    """
    calibration, evaluation = examples
    with new_directory(target, SCHEMA) as draft:
        link_tree(variants.path, draft / "variants")
        link_tree(verdict, draft / "verdict")
        np.savez(draft / "example.npz", allow_pickle=False, **{k: v[:1] for k, v in evaluation.inputs.items()})
        if configuration:
            (draft / CONFIGURATION).write_text(configuration, encoding="utf-8")
        content = ResultContent(settings=settings, calibration=calibration.facts(), evaluation=evaluation.facts())
        write_manifest(draft, SCHEMA, content)
        # Not part of the manifest: rewritten when the result is tracked.
        write_json(draft / "result.json", result_json(load_verdict(verdict), None))
        shutil.copyfile(verdict / "report.html", draft / "report.html")
    return load_result(target)


def load_result(path: Path) -> LoadedResult:
    """Returns the result in a directory.

    Raises:
        ArtifactError: It is missing, damaged or not a result.
    """
    content = read_manifest(path, SCHEMA, ResultContent)
    with np.load(path / "example.npz", allow_pickle=False) as archive:
        example = {name: archive[name] for name in archive.files}
    return LoadedResult(
        path=path,
        digest=_digest(path, content),
        content=content,
        variants=load_variant_set(path / "variants"),
        verdict=load_verdict(path / "verdict"),
        example=example,
    )


def _digest(path: Path, content: ResultContent) -> str:
    """Returns a digest of the results; it leaves out where they are recorded, so that those settings can change."""
    parts = [
        manifest_digest(path / "variants"),
        manifest_digest(path / "verdict"),
        content.calibration.digest,
        content.evaluation.digest,
        content.settings.model_uri,
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def result_json(verdict: Verdict, tracked: Tracked | None) -> dict[str, Any]:
    """Returns the content of ``result.json`` (see docs/result.md)."""
    variants = {
        name: _brief(variant) | {"run_id": tracked.run_ids.get(name) if tracked else None}
        for name, variant in verdict.variants.items()
    }
    tracking = None
    if tracked is not None:
        tracking = {key: value for key, value in asdict(tracked).items() if key != "run_ids"}
    return {
        "schema": RESULT_SCHEMA,
        "name": verdict.name,
        "outcome": verdict.outcome,
        "best": verdict.best,
        "why": verdict.why,
        "task": verdict.task,
        "main_metric": verdict.main_metric,
        "examples": {"compared": verdict.examples, "available": verdict.evaluation.examples},
        "gate": verdict.gate,
        "reference": asdict(verdict.reference) if verdict.reference else None,
        "notes": verdict.notes,
        "variants": variants,
        "champion": asdict(verdict.champion) if verdict.champion else None,
        "environment": asdict(verdict.environment),
        "tracking": tracking,
    }


def _brief(variant: VariantVerdict) -> dict[str, Any]:
    """Returns the fields of a variant that scripts need; ``verdict.json`` has every class, every flip and the confusion matrix."""
    fields = asdict(replace(variant, confusion=None, slices=()))
    del fields["confusion"], fields["slices"]
    latency = fields.pop("latency")
    fields["latency_ms"] = latency and {key: latency[f"{key}_ms"] for key in ("p50", "p90", "p99")}
    fields["latency_runs"] = latency and latency["runs"]
    fields["latency_ratio"] = latency and latency["ratio"]
    if variant.flips:
        fields["flips"] = {key: fields["flips"][key] for key in ("changed", "right_to_wrong", "wrong_to_right")}
    fields["worst_slices"] = {
        part.name: {"total": part.total, "interval_points": part.worst_interval_points, **asdict(part.values[0])}
        for part in variant.slices
    }
    return fields
