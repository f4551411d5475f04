"""The verdict in Markdown: the headline, the table of variants and that of their outputs."""

import re

from edgequant.artifacts.verdict import Verdict
from edgequant.validation.report.number_format import printable
from edgequant.validation.report.output_rows import summary_rows
from edgequant.validation.report.variant_rows import VariantRow, rows

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~:-])")


_OUTPUTS = (
    "variant",
    "output",
    "SQNR, dB",
    "cosine",
    "agreement of values",
    "its worst number: agreement, SQNR, cosine",
)


def summary(verdict: Verdict) -> str:
    """Returns the verdict and the drift of the outputs in Markdown, with the users' names escaped."""
    header = ("variant", "size, bytes", verdict.main_metric, "drop, points", "agreement", "p50", "n", "verdict")
    lines = [
        f"**{_text(verdict.name)}: {_text(verdict.outcome)}**",
        "",
        _text(verdict.why),
        "",
        _line(header),
        "| --- | --: | --: | --: | --: | --: | --: | --- |",
        *(_line(_cells(row)) for row in rows(verdict)),
    ]
    outputs = summary_rows(verdict)
    if outputs:
        lines += [
            "",
            _line(_OUTPUTS),
            "| --- | --- | --: | --: | --: | --- |",
            *(_line(row) for row in outputs),
        ]
    return "\n".join(lines) + "\n"


def _cells(row: VariantRow) -> tuple[str, ...]:
    name = f"{row.name} ★" if row.best else row.name
    drop = f"{row.drop} {row.drop_interval}".strip()
    return (
        name,
        row.size,
        f"{row.metric} {row.metric_interval}".strip(),
        drop,
        row.agreement,
        row.latency,
        row.examples,
        row.verdict,
    )


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(text: str) -> str:
    """Returns a text escaped as Markdown, on one line.

    KFP's Markdown supports backslash escapes, but no numeric character references; for MLflow's see `edgequant.tracking.markdown`.
    """
    line = " ".join(printable(text).split())
    escaped = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", escaped)
