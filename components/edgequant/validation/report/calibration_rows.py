"""The report's view of the comparison of the calibration set with the evaluation set."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgequant.artifacts.calibration_comparison import CalibrationComparison, InputComparison, Range

_MEDIAN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """An input, or one channel of it, in both sets, as text."""

    name: str
    calibration: str
    evaluation: str
    outside: str
    distance: str
    examples: str = ""
    used: str = ""
    medians: str = ""


def comparison_rows(comparison: CalibrationComparison | None) -> list[ComparisonRow]:
    """Returns a row for each input, followed by those of its channels; none without a comparison."""
    if comparison is None:
        return []
    return [row for name, compared in comparison.inputs.items() for row in _rows(name, compared)]


def _rows(name: str, compared: InputComparison) -> Iterator[ComparisonRow]:
    medians = [(one, other) for probability, one, other in compared.quantiles if probability == _MEDIAN]
    yield ComparisonRow(
        name=name,
        calibration=_range(compared.calibration),
        evaluation=_range(compared.evaluation),
        outside=f"{100 * compared.outside_share:.3g}",
        examples=f"{100 * compared.outside_examples:.3g}",
        used=f"{100 * compared.range_used:.3g}",
        distance=_distance(compared.quantile_distance),
        medians=", ".join(f"{one:.4g} and {other:.4g}" for one, other in medians),
    )
    for channel in compared.channels:
        yield ComparisonRow(
            name=f"{name}, channel {channel.channel} of {compared.channel_count:,}",
            calibration=_range(channel.calibration),
            evaluation=_range(channel.evaluation),
            outside=f"{100 * channel.outside_share:.3g}",
            distance=_distance(channel.quantile_distance),
        )


def _distance(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _range(ends: Range) -> str:
    return f"{ends[0]:.4g} to {ends[1]:.4g}"
