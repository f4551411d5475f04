"""Renders the report: one page that stands on its own, with everything it shows escaped."""

from functools import cache
from typing import Any

from edgequant.artifacts.example_set import Representativeness
from edgequant.artifacts.verdict import Verdict
from edgequant.validation.calibration_view import class_rows, input_views, set_row

_POINTS = 100.0


def render(verdict: Verdict) -> str:
    """Returns the report as HTML that needs no network."""
    calibration = verdict.calibration.provenance
    classes, hidden = class_rows(calibration)
    text: str = _template().render(
        verdict=verdict,
        rows=_rows(verdict),
        sets=[set_row(verdict.calibration), set_row(verdict.evaluation)],
        spread=calibration.representativeness or Representativeness(reservoir=0, inputs={}, balance={}, sentence=""),
        inputs=input_views(calibration),
        classes=classes,
        hidden_classes=hidden,
    )
    return text


def _rows(verdict: Verdict) -> list[dict[str, Any]]:
    """Returns what the table shows of each variant, as text."""
    sizes = [variant.size_bytes for variant in verdict.variants.values() if variant.size_bytes]
    largest = max(sizes, default=1)
    return [
        {
            "name": name,
            "verdict": variant.verdict,
            "best": name == verdict.best,
            "size": f"{variant.size_bytes:,}" if variant.size_bytes else "–",
            "share": round(100 * (variant.size_bytes or 0) / largest, 1),
            "metric": _metric(verdict, name),
            "drop": "–" if variant.drop_points is None else f"{variant.drop_points:.2f}",
            "drop_interval": _interval(variant.drop_interval_points, 1.0),
            "agreement": "–" if variant.agreement is None else f"{_POINTS * variant.agreement:.2f} %",
            "latency": "–" if variant.latency is None else f"{variant.latency.p50_ms:.3f}",
            "examples": f"{variant.examples:,}",
            "reasons": variant.reasons,
            "notes": variant.notes,
            "inspection": variant.inspection,
        }
        for name, variant in verdict.variants.items()
    ]


def _metric(verdict: Verdict, name: str) -> str:
    variant = verdict.variants[name]
    value = variant.metrics.get(verdict.main_metric)
    if value is None:
        return "–"
    return f"{value:.4f} {_interval(variant.metric_interval, 1.0, places=4)}".strip()


def _interval(ends: tuple[float, float] | None, scale: float, places: int = 2) -> str:
    return "" if ends is None else f"({scale * ends[0]:.{places}f} to {scale * ends[1]:.{places}f})"


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("edgequant.validation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html")
