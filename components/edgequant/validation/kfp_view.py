"""What KFP's own pages show of a verdict: numbers, and the confusion matrix.

Both are kept in a file as well: KFP does not find a step's results again when one of its outputs has none.
"""

from pathlib import Path
from typing import Any

from edgequant.artifacts.directory import write_json
from edgequant.artifacts.verdict import Verdict
from edgequant.validation.report.size_chart import main_metric
from edgequant.variants import REFERENCE


def metrics(verdict: Verdict, path: Path) -> dict[str, float]:
    """Writes and returns each variant's main metric, drop and size, by names that KFP's table of metrics shows."""
    values: dict[str, float | None] = {}
    for name, variant in verdict.variants.items():
        values[f"{name} {verdict.main_metric}"] = main_metric(verdict, variant)[0]
        values[f"{name} drop, points"] = variant.drop_points
        values[f"{name} bytes"] = variant.size_bytes
    known = {name: float(value) for name, value in values.items() if value is not None}
    write_json(path, known)
    return known


def confusion(verdict: Verdict, path: Path) -> dict[str, Any]:
    """Writes and returns the confusion matrix of one variant, as KFP's ClassificationMetrics keeps it.

    It is the best one's; without a best one that of the first variant judged that has one. Empty where nothing is classified,
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
