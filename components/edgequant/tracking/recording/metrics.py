"""The metrics of a variant for MLflow, in units that suit its charts."""

import math
from collections.abc import Mapping

from edgequant.artifacts.comparison import Ends, Slice
from edgequant.artifacts.verdict import VariantVerdict
from edgequant.tracking.mlflow_names import PERCENT, MetricName, metric_names, output_names

# The width of the UI's columns; counts and sizes are integers and keep all digits.
PLACES = 4
_SIGNIFICANT = 6
# The outputs of a model with several that have metrics of their own.
_OUTPUTS = 8
_IN_HUNDREDTHS = ("_percent", "_points")

_Values = dict[str, float | None]


def metrics(variant: VariantVerdict, main_metric: str) -> dict[str, float]:
    """Returns all metrics of a variant; unknown and non-finite values are left out.

    Args:
        variant: The variant's verdict.
        main_metric: The metric that the drop refers to.
    """
    return main_figures(variant, main_metric) | _known(_details(variant, main_metric))


def main_figures(variant: VariantVerdict, main_metric: str) -> dict[str, float]:
    """Returns the metrics for the table of variants: all values, but intervals only of the main metric.

    Args:
        variant: The variant's verdict.
        main_metric: The metric that the drop refers to.
    """
    names = metric_names(variant.metrics)
    values: _Values = {names[name].value: value * names[name].scale for name, value in variant.metrics.items()}
    if main_metric in names:
        values |= _interval(names[main_metric], variant.metric_interval)
    values |= _scaled(("agreement_low_percent", "agreement_high_percent"), variant.agreement_interval, PERCENT)
    values |= _scaled(("drop_low_points", "drop_high_points"), variant.drop_interval_points)
    values |= {
        "drop_points": variant.drop_points,
        "agreement_percent": None if variant.agreement is None else variant.agreement * PERCENT,
        "size_bytes": variant.size_bytes,
        "peak_memory_bytes": variant.peak_memory_bytes,
        "examples": variant.examples or None,
    }
    if variant.versus_champion is not None:
        values["drop_vs_champion_points"] = variant.versus_champion.points
    if variant.flips is not None:
        values |= {
            "right_to_wrong": variant.flips.right_to_wrong,
            "wrong_to_right": variant.flips.wrong_to_right,
        }
    decibels = [drift.sqnr_db for drift in variant.drift.values() if drift.sqnr_db is not None]
    values |= {
        "divergence_nats": variant.divergence_nats,
        "sqnr_db": min(decibels, default=None),
        "cosine": min((drift.cosine for drift in variant.drift.values()), default=None),
    }
    classes = _classes(variant)
    values["worst_class_drop_points"] = classes.values[0].drop_points if classes and classes.values else None
    return _known(values | _latency(variant))


def _latency(variant: VariantVerdict) -> _Values:
    if variant.latency is None:
        return {}
    return {
        "latency_ratio": variant.latency.ratio.value if variant.latency.ratio else None,
        "latency_p50_ms": variant.latency.p50_ms,
        "latency_p90_ms": variant.latency.p90_ms,
        "latency_p99_ms": variant.latency.p99_ms,
    }


def _details(variant: VariantVerdict, main_metric: str) -> _Values:
    """Returns the metrics that `main_figures` leaves out: intervals and drops of the other metrics, and further intervals."""
    values: _Values = {}
    names = metric_names(variant.metrics)
    for name, measured in variant.measures.items():
        if name == main_metric or name not in names:
            continue
        values |= _interval(names[name], measured.interval)
        if measured.drop is not None:
            values[names[name].drop] = measured.drop.points
            values |= _scaled(names[name].drop_ends, measured.drop.interval)
    if variant.versus_champion is not None:
        ends = ("drop_vs_champion_low_points", "drop_vs_champion_high_points")
        values |= _scaled(ends, variant.versus_champion.interval)
    if (classes := _classes(variant)) is not None:
        ends = ("worst_class_drop_low_points", "worst_class_drop_high_points")
        values |= _scaled(ends, classes.worst_interval_points)
    if variant.latency is not None and variant.latency.ratio is not None:
        values |= {"latency_ratio_low": variant.latency.ratio.low, "latency_ratio_high": variant.latency.ratio.high}
    return values | {
        "flips": None if variant.flips is None else variant.flips.changed,
        "largest_error": max((drift.largest_error for drift in variant.drift.values()), default=None),
        **_worst_channel(variant),
        **_outputs(variant),
    }


def _worst_channel(variant: VariantVerdict) -> _Values:
    """Returns the drift of the channel that agrees least of all outputs, and the number of channels that became constant."""
    worst = min(
        (drift.worst for drift in variant.drift.values() if drift.worst is not None),
        key=lambda channel: channel.agreement,
        default=None,
    )
    if worst is None:
        return {}
    return {
        "worst_channel_sqnr_db": worst.sqnr_db,
        "worst_channel_cosine": worst.cosine,
        "worst_channel_agreement_percent": worst.agreement * PERCENT,
        "constant_channels": sum(drift.constants.lost for drift in variant.drift.values() if drift.constants),
    }


def _outputs(variant: VariantVerdict) -> _Values:
    """Returns the drift of each output of a model with several, those first that agree least; of a bounded number of them."""
    if len(variant.drift) < 2:
        return {}
    least = sorted(variant.drift, key=lambda name: worst.agreement if (worst := variant.drift[name].worst) else 1.0)
    values: _Values = {}
    for output, name in output_names(least[:_OUTPUTS], variant.metrics).items():
        drift = variant.drift[output]
        values[f"{name}/sqnr_db"] = drift.sqnr_db
        values[f"{name}/cosine"] = drift.cosine
        values[f"{name}/agreement_percent"] = None if drift.agreement is None else drift.agreement * PERCENT
    return values


def _classes(variant: VariantVerdict) -> Slice | None:
    return next((part for part in variant.slices if part.name == "class"), None)


def _interval(name: MetricName, interval: Ends | None) -> _Values:
    return _scaled(name.ends, interval, name.scale)


def _scaled(names: tuple[str, str], interval: Ends | None, scale: float = 1.0) -> _Values:
    """Returns the ends of an interval by their names."""
    return {} if interval is None else {name: end * scale for name, end in zip(names, interval, strict=True)}


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: rounded(name, value) for name, value in values.items() if value is not None and math.isfinite(value)}


def rounded(name: str, value: float) -> float:
    """Returns a metric rounded to the digits that are significant and visible: four decimals for percent and points."""
    if float(value).is_integer():
        return float(value)
    return round(value, PLACES) if name.endswith(_IN_HUNDREDTHS) else float(f"{value:.{_SIGNIFICANT}g}")
