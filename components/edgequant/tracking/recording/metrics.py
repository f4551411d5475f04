"""The figures of a variant as MLflow's metrics, in units that charts show well."""

import math
from collections.abc import Mapping

from edgequant.artifacts.comparison import Ends, Slice
from edgequant.artifacts.verdict import VariantVerdict
from edgequant.tracking.mlflow_names import PERCENT, MetricName, metric_names

# What the UI's columns have room for; a count or a size has no fraction, and keeps its digits.
PLACES = 4
_SIGNIFICANT = 6
_IN_HUNDREDTHS = ("_percent", "_points")

_Values = dict[str, float | None]


def metrics(found: VariantVerdict, main_metric: str) -> dict[str, float]:
    """Returns every figure of a variant; what is not known or finite is left out.

    Args:
        found: Everything known about the variant.
        main_metric: The metric that drops are of.
    """
    return main_figures(found, main_metric) | _known(_details(found, main_metric))


def main_figures(found: VariantVerdict, main_metric: str) -> dict[str, float]:
    """Returns the figures that a table of variants has room for: of other metrics than the main one, the values alone.

    Args:
        found: Everything known about the variant.
        main_metric: The metric that drops are of, which has the ends of its interval.
    """
    names = metric_names(found.metrics)
    values: _Values = {names[name].value: value * names[name].scale for name, value in found.metrics.items()}
    if main_metric in names:
        values |= _interval(names[main_metric], found.metric_interval)
    values |= _scaled(("agreement_low_percent", "agreement_high_percent"), found.agreement_interval, PERCENT)
    values |= _scaled(("drop_low_points", "drop_high_points"), found.drop_interval_points)
    values |= {
        "drop_points": found.drop_points,
        "agreement_percent": None if found.agreement is None else found.agreement * PERCENT,
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
    decibels = [drift.sqnr_db for drift in found.drift.values() if drift.sqnr_db is not None]
    values |= {
        "divergence_nats": found.divergence_nats,
        "sqnr_db": min(decibels, default=None),
        "cosine": min((drift.cosine for drift in found.drift.values()), default=None),
    }
    classes = _classes(found)
    values["worst_class_drop_points"] = classes.values[0].drop_points if classes and classes.values else None
    return _known(values | _latency(found))


def _latency(found: VariantVerdict) -> _Values:
    if found.latency is None:
        return {}
    return {
        "latency_ratio": found.latency.ratio.value if found.latency.ratio else None,
        "latency_p50_ms": found.latency.p50_ms,
        "latency_p90_ms": found.latency.p90_ms,
        "latency_p99_ms": found.latency.p99_ms,
    }


def _details(found: VariantVerdict, main_metric: str) -> _Values:
    """Returns what `main_figures` leaves out: the intervals and the drops of the other metrics, and the remaining intervals."""
    values: _Values = {}
    names = metric_names(found.metrics)
    for name, measured in found.measures.items():
        if name == main_metric or name not in names:
            continue
        values |= _interval(names[name], measured.interval)
        if measured.drop is not None:
            values[names[name].drop] = measured.drop.points
            values |= _scaled(names[name].drop_ends, measured.drop.interval)
    if found.versus_champion is not None:
        ends = ("drop_vs_champion_low_points", "drop_vs_champion_high_points")
        values |= _scaled(ends, found.versus_champion.interval)
    if (classes := _classes(found)) is not None:
        ends = ("worst_class_drop_low_points", "worst_class_drop_high_points")
        values |= _scaled(ends, classes.worst_interval_points)
    if found.latency is not None and found.latency.ratio is not None:
        values |= {"latency_ratio_low": found.latency.ratio.low, "latency_ratio_high": found.latency.ratio.high}
    return values | {
        "flips": None if found.flips is None else found.flips.changed,
        "largest_error": max((drift.largest_error for drift in found.drift.values()), default=None),
    }


def _classes(found: VariantVerdict) -> Slice | None:
    return next((part for part in found.slices if part.name == "class"), None)


def _interval(name: MetricName, interval: Ends | None) -> _Values:
    return _scaled(name.ends, interval, name.scale)


def _scaled(names: tuple[str, str], interval: Ends | None, scale: float = 1.0) -> _Values:
    """Returns the ends of an interval by their names."""
    return {} if interval is None else {name: end * scale for name, end in zip(names, interval, strict=True)}


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: rounded(name, value) for name, value in values.items() if value is not None and math.isfinite(value)}


def rounded(name: str, value: float) -> float:
    """Returns a metric with as many digits as say something and can be shown: percent and points have four places."""
    if float(value).is_integer():
        return float(value)
    return round(value, PLACES) if name.endswith(_IN_HUNDREDTHS) else float(f"{value:.{_SIGNIFICANT}g}")
