"""The report's rows on the outputs of a variant against float32's: each output, and its worst channel."""

from dataclasses import dataclass

from edgequant.artifacts.comparison import ChannelDrift, OutputDrift
from edgequant.artifacts.verdict import REFERENCE_VERDICT, VariantVerdict, Verdict
from edgequant.validation.report.number_format import NOTHING, fixed, share

# The number of outputs of a variant that the summary shows.
_SUMMARIZED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRow:
    """An output, or one channel of it, as a row of a table."""

    name: str
    sqnr: str
    cosine: str
    agreement: str
    largest_error: str


def output_rows(variant: VariantVerdict) -> tuple[OutputRow, ...]:
    """Returns every output, each followed by the channel that agrees least."""
    return tuple(row for name, drift in variant.drift.items() for row in _rows(name, drift))


def summary_rows(verdict: Verdict) -> list[tuple[str, str, str, str, str, str]]:
    """Returns variant, output, SQNR, cosine, agreement and worst channel; of each variant the outputs that agree least."""
    table = []
    for variant_name, variant in verdict.variants.items():
        if variant.verdict == REFERENCE_VERDICT:
            continue
        least = sorted(variant.drift, key=lambda name: _least(variant.drift[name]))
        for name in least[:_SUMMARIZED]:
            row, *channel = _rows(name, variant.drift[name])
            worst = variant.drift[name].worst
            of_worst = NOTHING
            if channel and worst is not None:
                of_worst = f"{_channel(worst)}: {channel[0].agreement}, {channel[0].sqnr} dB, {channel[0].cosine}"
            table.append((variant_name, name, row.sqnr, row.cosine, row.agreement, of_worst))
        if len(least) > _SUMMARIZED:
            more = f"{len(least) - _SUMMARIZED:,} more"
            table.append((variant_name, more, NOTHING, NOTHING, NOTHING, NOTHING))
    return table


def _least(drift: OutputDrift) -> float:
    return 1.0 if drift.worst is None else drift.worst.agreement


def _rows(name: str, drift: OutputDrift) -> tuple[OutputRow, ...]:
    equal = not drift.largest_error
    row = OutputRow(
        name=name,
        sqnr="equal" if equal else fixed(drift.sqnr_db, 1),
        cosine=f"{drift.cosine:.6f}",
        agreement=share(drift.agreement),
        largest_error=f"{drift.largest_error:.4g}",
    )
    worst = drift.worst
    if worst is None or worst.channels < 2 or equal:
        return (row,)
    channel = OutputRow(
        name=f"its {_channel(worst)}",
        sqnr=fixed(worst.sqnr_db, 1),
        cosine=f"{worst.cosine:.6f}",
        agreement=share(worst.agreement),
        largest_error=NOTHING,
    )
    return row, channel


def _channel(worst: ChannelDrift) -> str:
    along = f" on axis {worst.axis}" if worst.axis > 0 else ""
    return f"number {worst.number}{along}"
