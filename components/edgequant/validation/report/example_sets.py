"""The report's view of the example sets: their origin, and how representative the calibration set is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgequant.artifacts.example_set import DatasetFacts, InputSpread, Provenance
from edgequant.validation.report.charts import COLOURS, Chart, draw
from edgequant.validation.report.number_format import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FILES = 3
_HISTOGRAMS = 6


@dataclass(frozen=True, slots=True)
class SetRow:
    """An example set as a row of a table."""

    purpose: str
    examples: str
    records: str
    rule: str
    left_out: str
    files: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class InputView:
    """The ranges of one input, as text."""

    name: str
    range: str
    halves: str
    reservoir: str
    outside: str


def set_row(facts: DatasetFacts) -> SetRow:
    """Returns an example set as a row of a table."""
    provenance = facts.provenance
    files = [f"{source.path} ({source.size_bytes:,} B)" for source in provenance.sources]
    shown = files if len(files) <= _FILES + 1 else [*files[:_FILES], f"and {len(files) - _FILES:,} more"]
    left_out = [f"{provenance.duplicates:,} further copies of these"] if provenance.duplicates else []
    left_out += [f"{count:,} {reason}" for reason, count in provenance.skipped.items()]
    return SetRow(
        purpose=provenance.purpose,
        examples=f"{facts.examples:,} of {provenance.requested:,} requested",
        records=f"{provenance.records_read:,}",
        rule=f"{provenance.rule}; seed {provenance.seed}",
        left_out="; ".join(left_out) or "none",
        files=tuple(shown),
        digest=facts.digest,
    )


def input_views(provenance: Provenance) -> list[InputView]:
    """Returns the ranges of each input of the calibration set, as text."""
    spread = provenance.representativeness
    return [_input_view(name, input_spread) for name, input_spread in spread.inputs.items()] if spread else []


def histograms(provenance: Provenance) -> Chart | None:
    """Returns the histograms of the calibration set's inputs, at most six; None without inputs."""
    spread = provenance.representativeness
    if spread is None or not spread.inputs:
        return None
    shown = list(spread.inputs.items())[:_HISTOGRAMS]
    description = "; ".join(
        f"{name} {_range(input_spread.range)}, reservoir {_range(input_spread.reservoir_range)}"
        for name, input_spread in shown
    )

    def paint(figure: "Figure") -> None:
        column = figure.subplots(len(shown), squeeze=False)[:, 0]
        for axes, (name, input_spread) in zip(column, shown, strict=True):
            _paint_histogram(axes, input_spread)
            axes.set(title=label(name), ylabel="% of values")
        column[-1].set_xlabel("value, from the least to the greatest in the set")
        keys = dict(zip(*column[0].get_legend_handles_labels()[::-1], strict=True))
        figure.legend(list(keys.values()), list(keys), loc="outside lower left")

    return draw("calibration", "Values of the inputs", f"histograms of {description}.", 1.1 + 1.35 * len(shown), paint)


def _paint_histogram(axes: "Axes", spread: InputSpread) -> None:
    """Draws the shares of the set as an area and those of the reservoir as a line."""
    edges = np.asarray(spread.edges)
    if edges[0] == edges[-1]:
        edges = edges[0] + np.linspace(-0.5, 0.5, len(edges))
    taken, reservoir = (
        100 * np.asarray(counts) / max(sum(counts), 1) for counts in (spread.counts, spread.reservoir_counts)
    )
    axes.stairs(taken, edges, fill=True, color=COLOURS["bar"], alpha=0.6, label="calibration set")
    axes.stairs(reservoir, edges, color=COLOURS["ink"], linewidth=1.1, label="larger reservoir of the same source")
    axes.grid(visible=True, axis="y")


def _input_view(name: str, spread: InputSpread) -> InputView:
    return InputView(
        name=name,
        range=_range(spread.range),
        halves=" and ".join(map(_range, spread.halves)),
        reservoir=_range(spread.reservoir_range),
        outside=f"{100 * spread.outside_share:.3g} %",
    )


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4g} to {ends[1]:.4g}"
