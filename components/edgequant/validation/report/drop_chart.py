"""Forest plots of drops with their intervals: of variants, and of a variant's classes and other slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

from edgequant.artifacts.comparison import Ends, Slice
from edgequant.artifacts.verdict import REFERENCE_VERDICT, Verdict
from edgequant.metric_table import METRICS
from edgequant.task import REGRESSION, is_custom
from edgequant.validation.comparison.compare import AGREEMENT
from edgequant.validation.report.charts import COLOURS, Chart, colour_of, draw
from edgequant.validation.report.number_format import ends, fixed, label
from edgequant.validation.report.size_chart import higher_is_better

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 12
_VALUE = 16
# The characters of an axis label that fit in a line.
_AXIS = 40
_LIMIT = "max_drop_points"
_CLASS_LIMIT = "max_worst_class_drop_points"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRow:
    """A row of the chart: a drop in percentage points."""

    name: str
    points: float
    interval: Ends | None
    colour: str


def drops(verdict: Verdict) -> Chart | None:
    """Returns the chart of every variant's drop; None if none is known."""
    rows = [
        DropRow(
            name=label(name),
            points=variant.drop_points,
            interval=variant.drop_interval_points,
            colour=colour_of(variant.verdict),
        )
        for name, variant in verdict.variants.items()
        if variant.drop_points is not None and variant.verdict != REFERENCE_VERDICT
    ]
    return _forest("drops", f"Drop in {label(verdict.main_metric)}", unit(verdict), rows, _limit(verdict, _LIMIT))


def slice_drops(verdict: Verdict, variant: str, index: int, part: Slice) -> Chart | None:
    """Returns the chart of a variant's greatest drops, the worst first.

    Args:
        verdict: The verdict.
        variant: The variant's name.
        index: The number of the slice.
        part: The slice.
    """
    rows = [
        DropRow(
            name=f"{label(value.value, _VALUE)} ({value.examples:,})",
            points=value.drop_points,
            interval=value.drop_interval_points,
            colour=COLOURS["ink"],
        )
        for value in part.values[:SHOWN]
    ]
    by_class = part.name == "class"
    what = "class" if by_class else label(part.name, _VALUE)
    cut = f", {SHOWN} of {part.total:,}" if part.total > SHOWN else ""
    name = f"class_drops_{variant}" if by_class else f"slice_{index}_drops_{variant}"
    title = f"{label(variant)}: drop in {label(sliced_metric(verdict))} by {what}{cut}"
    return _forest(name, title, unit(verdict, sliced=True), rows, _limit(verdict, _CLASS_LIMIT) if by_class else None)


def _limit(verdict: Verdict, key: str) -> float | None:
    value = verdict.gate.get(key)
    return value if isinstance(value, float | int) else None


def unit(verdict: Verdict, *, sliced: bool = False) -> str:
    """Returns the unit of drops; for errors of a regression, 100 points are a standard deviation of the labels.

    Args:
        verdict: The verdict.
        sliced: Whether it is for drops by class or feature, which are in the task's first metric instead of the judged one.
    """
    if verdict.task == REGRESSION and (sliced or not higher_is_better(verdict)):
        return "hundredths of the labels' standard deviation"
    return "percentage points"


def sliced_metric(verdict: Verdict) -> str:
    """Returns the metric of drops by class or feature: the first of the task, whichever is judged."""
    measured = next((variant.measures for variant in verdict.variants.values() if variant.measures), None)
    if not measured:
        return AGREEMENT
    return next(iter(measured)) if is_custom(verdict.task) else METRICS[verdict.task][0]


def _forest(name: str, title: str, measured_in: str, rows: Sequence[DropRow], limit: float | None) -> Chart | None:
    """Returns a forest plot, the first row on top; None without rows."""
    if not rows:
        return None
    description = "; ".join(f"{row.name} {fixed(row.points, 2)} {ends(row.interval, 2)}".strip() for row in rows)
    allowed = "" if limit is None else f" Allowed are {limit:g}."

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        # Right-aligned: the names of the rows leave room on the left.
        axes.set_xlabel(fill(f"{measured_in}; to the right is worse", _AXIS), loc="right")
        axes.grid(visible=True, axis="x")
        axes.axvline(0, color=COLOURS["soft"], linewidth=1.0)
        if limit is not None:
            axes.axvline(limit, color=COLOURS["bad"], linewidth=1.2, linestyle="--", label=f"allowed: {limit:g}")
            figure.legend(loc="outside lower left")
        for place, row in enumerate(rows):
            axes.plot(row.interval or [row.points] * 2, [place, place], color=row.colour, linewidth=1.4)
            axes.plot(row.points, place, "o", color=row.colour, markersize=5.5)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.spines["left"].set_visible(False)

    return draw(
        name,
        title,
        f"{description}, in {measured_in}.{allowed}",
        1.2 + 0.24 * len(rows) + 0.2 * (limit is not None),
        paint,
    )
