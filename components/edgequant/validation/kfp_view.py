"""The metrics and the confusion matrix of a verdict for KFP's pages.

Both are also written to a file: KFP cannot reuse a cached step if one of its outputs has no file.
"""

from pathlib import Path
from typing import Any

from edgequant.artifacts.directory import write_json
from edgequant.artifacts.verdict import Verdict
from edgequant.validation.report.size_chart import main_metric
from edgequant.variants import REFERENCE


def metrics(verdict: Verdict, path: Path) -> dict[str, float]:
    """Writes and returns each variant's main metric, drop and size, by the names in KFP's table of metrics."""
    values: dict[str, float | None] = {}
    for name, variant in verdict.variants.items():
        values[f"{name} {verdict.main_metric}"] = main_metric(verdict, variant)[0]
        values[f"{name} drop, points"] = variant.drop_points
        values[f"{name} bytes"] = variant.size_bytes
    known = {name: float(value) for name, value in values.items() if value is not None}
    write_json(path, known)
    return known


def confusion(verdict: Verdict, path: Path) -> dict[str, Any]:
    """Writes and returns the confusion matrix of one variant, in the format of KFP's ClassificationMetrics.

    The variant is the best one, or else the first one with a matrix. The result is empty for tasks without exclusive classes,
    and for more classes than a matrix shows.
    """
    judged = [verdict.best] if verdict.best else [name for name in verdict.variants if name != REFERENCE]
    matrices = (verdict.variants[name].confusion for name in judged)
    matrix = next((matrix for matrix in matrices if matrix is not None), None)
    kept: dict[str, Any] = {}
    if matrix is not None and matrix.counts:
        kept["confusionMatrix"] = {
            "annotationSpecs": [{"displayName": verdict.class_name(label)} for label in range(len(matrix.counts))],
            "rows": [{"row": list(row)} for row in matrix.counts],
        }
    write_json(path, kept)
    return kept
