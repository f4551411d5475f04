"""Writes the report: a self-contained HTML page with all values escaped, and its charts as files."""

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from numpy.typing import NDArray

from edgequant.artifacts.example_set import ExampleSet, Representativeness
from edgequant.artifacts.verdict import Verdict
from edgequant.validation.report.calibration_rows import comparison_rows
from edgequant.validation.report.charts import COLOURS, Chart
from edgequant.validation.report.drop_chart import SHOWN, drops, sliced_metric, unit
from edgequant.validation.report.example_sets import histograms, input_views, set_row
from edgequant.validation.report.flip_pictures import Picture, pictures
from edgequant.validation.report.labels import class_rows, label_quantiles
from edgequant.validation.report.markdown_summary import summary
from edgequant.validation.report.number_format import ends, fixed, printable
from edgequant.validation.report.reproduction import reproduction
from edgequant.validation.report.size_chart import size_metric
from edgequant.validation.report.variant_rows import check_rows, details, rows, slice_rows

PAGE = "report.html"
SUMMARY = "summary.md"
# The confidence level of intervals without a gate.
_CONFIDENCE = 0.95


def write_report(directory: Path, verdict: Verdict, examples: ExampleSet) -> None:
    """Writes the page, its summary in Markdown and its charts as PNG files.

    Args:
        directory: The directory to write to.
        verdict: The verdict.
        examples: The evaluation set, for pictures of its examples.
    """
    picture = pictures(examples, verdict.calibration.provenance.representativeness)
    text, charts = render(verdict, picture, examples.labels)
    (directory / PAGE).write_text(text, encoding="utf-8")
    (directory / SUMMARY).write_text(summary(verdict), encoding="utf-8")
    for chart in charts:
        (directory / f"{quote(chart.name, safe='')}.png").write_bytes(chart.png)


def render(
    verdict: Verdict, picture: Picture | None = None, labels: NDArray[Any] | None = None
) -> tuple[str, list[Chart]]:
    """Returns the page as HTML that needs no network, and the charts in it.

    Args:
        verdict: The verdict.
        picture: Draws an evaluation example; None without an image input.
        labels: The labels of the evaluation set; None if there are none, or if they are unknown.
    """
    calibration = verdict.calibration.provenance
    classes, hidden = class_rows(verdict, labels)
    quantiles, hidden_numbers = label_quantiles(verdict, labels)
    shown = details(verdict, picture)
    overview = [chart for chart in (size_metric(verdict), drops(verdict)) if chart]
    spread = histograms(calibration)
    text: str = _template().render(
        verdict=verdict,
        colours=COLOURS,
        rows=rows(verdict),
        overview=overview,
        checks=check_rows(verdict),
        details=shown,
        slices=slice_rows(verdict),
        most_rows=SHOWN,
        champion=_champion(verdict),
        sets=[set_row(verdict.calibration), set_row(verdict.evaluation)],
        spread=calibration.representativeness or Representativeness(reservoir=0, inputs={}, balance={}, sentence=""),
        histograms=spread,
        inputs=input_views(calibration),
        compared=comparison_rows(verdict.comparison),
        classes=classes,
        hidden_classes=hidden,
        quantiles=quantiles,
        hidden_numbers=hidden_numbers,
        sure=f"{100 * float(verdict.gate.get('confidence', _CONFIDENCE)):g}%",
        unit=unit(verdict),
        sliced_metric=sliced_metric(verdict),
        sliced_unit=unit(verdict, sliced=True),
        trials=max(
            (
                variant.latency.ratio.trials
                for variant in verdict.variants.values()
                if variant.latency and variant.latency.ratio
            ),
            default=0,
        ),
        reproduction=reproduction(verdict),
    )
    charts = [*overview, *(chart for detail in shown for chart in detail.charts), *([spread] if spread else [])]
    return printable(text), charts


def _champion(verdict: Verdict) -> dict[str, str] | None:
    """Returns what is known of the champion, by name; None when none is configured."""
    champion = verdict.champion
    if champion is None:
        return None
    fields = {"model": champion.version or champion.uri, "status": champion.status}
    if champion.reason:
        fields["why"] = champion.reason
    if champion.size_bytes:
        fields["size, bytes"] = f"{champion.size_bytes:,}"
    if champion.examples:
        fields["examples"] = f"{champion.examples:,}"
    for name, measured in champion.measures.items():
        fields[name] = f"{fixed(measured.value, 4)} {ends(measured.interval, 4)}".strip()
    return fields


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("edgequant.validation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
