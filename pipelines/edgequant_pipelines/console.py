"""The terminal output: progress, the table of results, and links."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgequant.artifacts.benchmark import duration
from edgequant.inspection import Inspection
from edgequant.tracking.reading.history import HistoryRow

# The width of the table; a narrower terminal wraps its lines.
_WIDTH = 118
_WIDEST = 400
_STYLES = {"blessed": "green", "rejected": "red", "inconclusive": "yellow", "invalid reference": "yellow"}


class Screen:
    """Prints to the terminal."""

    def __init__(self) -> None:
        # Bound now: while the pipeline runs, sys.stdout is redirected to a log.
        self._console = Console(
            file=sys.stdout, highlight=False, soft_wrap=True, emoji=False, width=max(_WIDTH, Console().width)
        )

    def begin(self, name: str, work: Path) -> None:
        """Prints the name of the quantization and the work directory."""
        self._console.print(f"[bold]{escape(name)}[/bold] in {escape(str(work))}")

    def progress(self, step: str, text: str) -> None:
        """Prints a line of a step's progress."""
        self._console.print(f"[cyan]{step:<9}[/cyan] {escape(text)}")

    def end(self, result: dict[str, Any], work: Path) -> None:
        """Prints the table, the verdict, the best variant, and the paths of the outputs."""
        self._console.print()
        self._console.print(_table(result), no_wrap=True, crop=False)
        outcome = result["outcome"]
        style = _STYLES.get(outcome, "bold")
        self._console.print(f"\n[{style}]{outcome}[/{style}]: {escape(result['why'])}")
        for note in result["notes"]:
            self._console.print(f"note:    {escape(note)}")
        if result["best"]:
            self._console.print(f"model:   {escape(str(work / 'results/variants' / result['best'] / 'model.tflite'))}")
        self._console.print(f"report:  {escape(str(work / 'report.html'))}")
        self._console.print(f"result:  {escape(str(work / 'result.json'))}")
        self.tracked(result["name"], result["tracking"]["uri"], result["tracking"]["links"])

    def tracked(self, name: str, uri: str, links: dict[str, str]) -> None:
        """Prints the links to the recorded results, and the command that shows this quantization's history."""
        self._console.print("\nMLflow:")
        where = escape(shlex.quote(uri))
        if not uri.startswith("http"):
            self._console.print(f"  {escape(_command('mlflow'))} server --backend-store-uri {where}")
        history = f"{_command('edgequant')} compare {shlex.quote(name)}"
        self._console.print(f"  {escape(history)} --tracking-uri {where}")
        for name, link in links.items():
            self._console.print(f"  {name:<11}{escape(link)}")

    def history(self, rows: Sequence[HistoryRow]) -> None:
        """Prints the variants of several pipeline runs, a table for each, the newest first."""
        # Wide enough for every name of a version and its aliases.
        console = Console(file=sys.stdout, highlight=False, soft_wrap=True, emoji=False, width=_WIDEST)
        for _, group in groupby(rows, key=lambda row: row.pipeline_run):
            console.print(_history_table(list(group)), no_wrap=True, crop=False)

    def inspection(self, inspection: Inspection, path: Path) -> None:
        """Prints the inputs, outputs and operators of a flatbuffer."""
        self._console.print(f"[bold]{escape(str(path))}[/bold]: {inspection.kind}")
        for role, tensors in (("input", inspection.inputs), ("output", inspection.outputs)):
            for tensor in tensors:
                scale = "" if tensor.scale is None else f", scale {tensor.scale:g}, zero point {tensor.zero_point}"
                self._console.print(
                    f"{role:<8}{escape(tensor.name)} {tensor.dtype} {escape(str(list(tensor.shape)))}{scale}"
                )
        table = Table("operator", "count", "types (input/weight/output)")
        for name, operator in inspection.ops.items():
            types = ", ".join(f"{count} {text}" for text, count in operator.types.items())
            table.add_row(escape(name), str(operator.count), escape(types))
        self._console.print(table)
        for title, names in (
            ("float", inspection.float_islands),
            ("Flex", inspection.flex),
            ("custom", inspection.custom),
        ):
            if names:
                self._console.print(f"{title}: {escape(', '.join(names))}")


def _command(name: str) -> str:
    """Returns the command that runs an installed program from the current directory."""
    beside = Path(sys.executable).with_name(name)
    if shutil.which(name) == str(beside) or not beside.is_file():
        return name
    here = Path.cwd()
    return shlex.quote(str(beside.relative_to(here) if beside.is_relative_to(here) else beside))


def _table(result: dict[str, Any]) -> Table:
    metric = result["main_metric"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", no_wrap=True)
    for heading in ("bytes", metric, "drop, points", "agreement", "p50", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name, variant in result["variants"].items():
        style = _STYLES.get(variant["verdict"], "")
        table.add_row(
            f"{name} ★" if name == result["best"] else name,
            "–" if variant["size_bytes"] is None else f"{variant['size_bytes']:,}",
            _value(variant["metrics"].get(metric), variant["metric_interval"], 4),
            _value(variant["drop_points"], variant["drop_interval_points"], 2),
            "–" if variant["agreement"] is None else f"{100 * variant['agreement']:.2f} %",
            "–" if variant["latency_ms"] is None else duration(variant["latency_ms"]["p50"]),
            f"{variant['examples']:,}" if variant["examples"] else "–",
            f"[{style}]{variant['verdict']}[/{style}]" if style else variant["verdict"],
        )
    return table


def _history_table(rows: Sequence[HistoryRow]) -> Table:
    first = rows[0]
    recorded = first.recorded[:16].replace("T", " ")
    title = f"{recorded} UTC  {escape(first.source_model)}  gate: {escape(first.gate or 'none')}"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", no_wrap=True, min_width=13)
    columns = (("bytes", 10), (first.metric or "metric", 16), ("drop, points", 22), ("n", 6), ("p50", 8))
    for heading, width in columns:
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    table.add_column("verdict", no_wrap=True, min_width=12)
    table.add_column("version", no_wrap=True)
    for row in rows:
        low, high = row.drop_low_points, row.drop_high_points
        style = _STYLES.get(row.verdict, "")
        table.add_row(
            escape(row.variant),
            "–" if row.size_bytes is None else f"{row.size_bytes:,.0f}",
            _value(row.value, None, 2),
            _value(row.drop_points, None if low is None or high is None else [low, high], 2),
            "–" if row.examples is None else f"{row.examples:,.0f}",
            "–" if row.latency_p50_ms is None else duration(row.latency_p50_ms),
            f"[{style}]{row.verdict}[/{style}]" if style else escape(row.verdict),
            escape(" ".join([row.registered or "", *(f"@{alias}" for alias in row.aliases)]).strip()),
        )
    return table


def _value(value: float | None, interval: list[float] | None, places: int) -> str:
    if value is None:
        return "–"
    ends = "" if interval is None else f" ({interval[0]:.{places}f} to {interval[1]:.{places}f})"
    return f"{value:.{places}f}{ends}"
