"""The chart of size against metric, with the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgequant.artifacts.comparison import Ends
from edgequant.artifacts.verdict import EVALUATED, VariantVerdict, Verdict
from edgequant.validation.comparison.compare import AGREEMENT
from edgequant.validation.report.charts import COLOURS, Chart, colour_of, draw
from edgequant.validation.report.number_format import fixed, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS = "osD^vP"
_CHAMPION = "X"
# The least distance of points as a share of the greatest size, so that their intervals do not overlap.
_NEAR = 0.035


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A model in the chart.

    Attributes:
        name: The name of the model.
        verdict: Its verdict.
        marker: The matplotlib marker.
        size_bytes: The size of its file.
        value: Its metric.
        interval: The interval of the metric; None without one.
    """

    name: str
    verdict: str
    marker: str
    size_bytes: int
    value: float
    interval: Ends | None


def main_metric(verdict: Verdict, variant: VariantVerdict) -> tuple[float | None, Ends | None]:
    """Returns a variant's value of the judged metric, and its interval; without labels, of agreement."""
    if verdict.main_metric == AGREEMENT and AGREEMENT not in variant.metrics:
        return variant.agreement, variant.agreement_interval
    return variant.metrics.get(verdict.main_metric), variant.metric_interval


def higher_is_better(verdict: Verdict) -> bool:
    """Tells whether a higher value of the main metric is better."""
    measures = (variant.measures.get(verdict.main_metric) for variant in verdict.variants.values())
    return next((measured.higher_is_better for measured in measures if measured is not None), True)


def points(verdict: Verdict) -> list[Point]:
    """Returns the models with a known size and metric: variants, then the champion."""
    models = []
    for index, (name, variant) in enumerate(verdict.variants.items()):
        value, interval = main_metric(verdict, variant)
        if variant.size_bytes and value is not None:
            status = f"{variant.verdict}, best" if name == verdict.best else variant.verdict
            marker = _MARKERS[index % len(_MARKERS)]
            models.append(
                Point(
                    name=name,
                    verdict=status,
                    marker=marker,
                    size_bytes=variant.size_bytes,
                    value=value,
                    interval=interval,
                )
            )
    champion = verdict.champion
    measured = champion.measures.get(verdict.main_metric) if champion and champion.status == EVALUATED else None
    if champion and champion.size_bytes and measured:
        models.append(
            Point(
                name=champion.version or champion.uri,
                verdict="in production",
                marker=_CHAMPION,
                size_bytes=champion.size_bytes,
                value=measured.value,
                interval=measured.interval,
            )
        )
    return models


def front(models: Sequence[Point], *, higher: bool) -> list[Point]:
    """Returns the Pareto front, the smallest first: no other point is as small and better, or smaller and as good."""
    sign = 1.0 if higher else -1.0
    kept: list[Point] = []
    for point in sorted(models, key=lambda point: (point.size_bytes, -sign * point.value)):
        if not kept or sign * point.value > sign * kept[-1].value:
            kept.append(point)
    return kept


def size_metric(verdict: Verdict) -> Chart | None:
    """Returns the chart of size against metric; None if both are known for no model."""
    models = points(verdict)
    if not models:
        return None
    best = front(models, higher=higher_is_better(verdict))
    unit, scale = ("MB", 1e6) if max(point.size_bytes for point in models) >= 1e6 else ("kB", 1e3)
    metric = label(verdict.main_metric)
    description = "; ".join(
        f"{point.name} {point.size_bytes / scale:,.1f} {unit}, {fixed(point.value, 4)}" for point in models
    )
    description = f"{description}. On the Pareto front: {', '.join(point.name for point in best)}."
    places = {point.name: place / scale for point, place in zip(models, _spread_out(models), strict=True)}

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.set(xlabel=f"size of the file, {unit}", ylabel=metric)
        axes.grid(visible=True)
        for point in models:
            place, colour = places[point.name], colour_of(point.verdict.partition(",")[0])
            axes.plot([place, place], point.interval or [point.value] * 2, color=colour, linewidth=1.4)
            text = f"{label(point.name)} ({label(point.verdict)})"
            axes.plot(place, point.value, point.marker, color=colour, markersize=6.5, label=text)
        # The front continues to the right: a larger file gains nothing beyond its last point.
        right = 1.06 * max(places.values())
        (line,) = axes.plot(
            [*(places[point.name] for point in best), right], [*(point.value for point in best), best[-1].value]
        )
        line.set(color=COLOURS["soft"], linewidth=1.0, linestyle=(0, (4, 3)), drawstyle="steps-post", zorder=1)
        line.set_label("Pareto front")
        axes.set_xlim(0, right)
        axes.ticklabel_format(useOffset=False)
        figure.legend(loc="outside lower left")

    return draw("size_metric", f"Size against {metric}", description, 3.0 + 0.17 * (len(models) + 1), paint)


def _spread_out(models: Sequence[Point]) -> list[float]:
    """Returns the x position of each point: its size, moved right if it would hide another point."""
    step = _NEAR * max(point.size_bytes for point in models)
    places = [0.0] * len(models)
    last = 0.0
    for index in sorted(range(len(models)), key=lambda index: models[index].size_bytes):
        last = places[index] = max(float(models[index].size_bytes), last + step)
    return places
