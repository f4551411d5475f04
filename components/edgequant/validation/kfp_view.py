"""What KFP's own pages show of a verdict: numbers, and the confusion matrix."""

from typing import Any

from edgequant.artifacts.verdict import Verdict
from edgequant.variants import BASELINE


def metrics(verdict: Verdict) -> dict[str, float]:
    """Returns each variant's main metric and drop, by names that KFP's table of metrics shows."""
    values: dict[str, float | None] = {}
    for name, found in verdict.variants.items():
        values[f"{name} {verdict.main_metric}"] = found.metrics.get(verdict.main_metric, found.agreement)
        values[f"{name} drop, points"] = found.drop_points
        values[f"{name} bytes"] = found.size_bytes
    return {name: float(value) for name, value in values.items() if value is not None}


def confusion(verdict: Verdict) -> dict[str, Any]:
    """Returns the confusion matrix of the best variant, without one the baseline's, as KFP's ClassificationMetrics keeps it.

    Empty where nothing is classified, and for more classes than a matrix shows.
    """
    found = verdict.variants[verdict.best or BASELINE].confusion
    if found is None or not found.counts:
        return {}
    return {
        "confusionMatrix": {
            "annotationSpecs": [{"displayName": str(label)} for label in range(len(found.counts))],
            "rows": [{"row": list(row)} for row in found.counts],
        }
    }
