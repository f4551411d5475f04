"""The report's rows and details of each variant, as text."""

from dataclasses import dataclass

from edgequant.artifacts.benchmark import duration
from edgequant.artifacts.comparison import Flip
from edgequant.artifacts.verdict import REFERENCE_VERDICT, Check, VariantVerdict, Verdict
from edgequant.task import REGRESSION
from edgequant.validation.report.charts import Chart
from edgequant.validation.report.confusion_matrices import ConfusionDifference, confusion_difference
from edgequant.validation.report.drop_chart import slice_drops
from edgequant.validation.report.flip_pictures import Picture
from edgequant.validation.report.number_format import NOTHING, ends, fixed, number, share, span
from edgequant.validation.report.output_rows import OutputRow, output_rows
from edgequant.validation.report.size_chart import main_metric
from edgequant.variants import REFERENCE

_FLIPS = 12
_GAINED = 4
_CHARTED_SLICES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """A variant as a row of the table."""

    name: str
    best: bool
    size: str
    size_share: float
    metric: str
    metric_interval: str
    drop: str
    drop_interval: str
    change: str
    agreement: str
    flips: str
    sqnr: str
    latency: str
    latency_ratio: str
    examples: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """A check of a variant as a row of a table."""

    variant: str
    name: str
    limit: str
    measured: str
    interval: str
    verdict: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """The group of a slice on which a variant loses most, as a row of a table."""

    grouped_by: str
    variant: str
    worst: str
    examples: str
    drop: str
    interval: str
    others: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A flipped example: its row in the evaluation set, both decisions, and its picture; "" without one."""

    row: int
    label: str
    reference: str
    variant: str
    better: bool
    picture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """The report's section on one variant."""

    name: str
    verdict: str
    notes: tuple[str, ...]
    metrics: tuple[tuple[str, ...], ...]
    outputs: tuple[OutputRow, ...]
    divergence: str
    slices: tuple[Chart, ...]
    confused: ConfusionDifference | None
    flips: str
    examples: tuple[Example, ...]

    @property
    def charts(self) -> tuple[Chart, ...]:
        """All its charts."""
        matrix = self.confused.chart if self.confused else None
        return (*self.slices, *([matrix] if matrix else []))


def rows(verdict: Verdict) -> list[VariantRow]:
    """Returns every variant as a row of the table."""
    largest = max((variant.size_bytes or 0 for variant in verdict.variants.values()), default=0) or 1
    table = []
    for name, variant in verdict.variants.items():
        value, interval = main_metric(verdict, variant)
        latency = variant.latency
        table.append(
            VariantRow(
                name=name,
                best=name == verdict.best,
                size=f"{variant.size_bytes:,}" if variant.size_bytes else NOTHING,
                size_share=round(100 * (variant.size_bytes or 0) / largest, 1),
                metric=fixed(value, 4),
                metric_interval=ends(interval, 4),
                drop=fixed(variant.drop_points, 2),
                drop_interval=ends(variant.drop_interval_points, 2),
                change=_change(verdict, variant, value),
                agreement=share(variant.agreement),
                flips=f"{variant.flips.changed:,}" if variant.flips else NOTHING,
                sqnr=_sqnr(variant),
                latency=duration(latency.p50_ms) if latency else NOTHING,
                latency_ratio=_ratio(variant),
                examples=f"{variant.examples:,}",
                verdict=variant.verdict,
            )
        )
    return table


def check_rows(verdict: Verdict) -> list[CheckRow]:
    """Returns the result of every check of every variant; for a variant without checks, the reason."""
    table = []
    for name, variant in verdict.variants.items():
        if variant.verdict == REFERENCE_VERDICT:
            continue
        table += [_check_row(name, check) for check in variant.checks] or [
            CheckRow(
                variant=name,
                name=NOTHING,
                limit=NOTHING,
                measured=NOTHING,
                interval=NOTHING,
                verdict=variant.verdict,
                sentence="; ".join(variant.reasons),
            )
        ]
    return table


def slice_rows(verdict: Verdict) -> list[SliceRow]:
    """Returns the group that each variant loses most on, by class and by each feature."""
    table = [
        SliceRow(
            grouped_by=part.name,
            variant=name,
            worst=part.values[0].value,
            examples=f"{part.values[0].examples:,}",
            drop=fixed(part.values[0].drop_points, 2),
            interval=ends(part.values[0].drop_interval_points, 2) or NOTHING,
            others=f"{part.total - 1:,}",
        )
        for name, variant in verdict.variants.items()
        for part in variant.slices
        if part.values
    ]
    order = list(dict.fromkeys(row.grouped_by for row in table))
    return sorted(table, key=lambda row: order.index(row.grouped_by))


def details(verdict: Verdict, picture: Picture | None) -> list[Detail]:
    """Returns the report's section on each variant.

    Args:
        verdict: The verdict.
        picture: Draws an evaluation example; None without an image input.
    """
    shown = []
    for name, variant in verdict.variants.items():
        charts = [slice_drops(verdict, name, i, part) for i, part in enumerate(variant.slices[:_CHARTED_SLICES])]
        shown.append(
            Detail(
                name=name,
                verdict=variant.verdict,
                notes=(*(() if variant.checks else variant.reasons), *variant.notes),
                metrics=_metrics(variant),
                outputs=output_rows(variant),
                divergence="" if variant.divergence_nats is None else f"{variant.divergence_nats:.3g}",
                slices=tuple(chart for chart in charts if chart is not None),
                confused=confusion_difference(verdict, name),
                flips=_flips(variant),
                examples=_examples(variant, picture),
            )
        )
    return shown


def _check_row(variant: str, check: Check) -> CheckRow:
    """Returns a check as a row; exact measurements have no interval."""
    measured, interval = number(check.measured), NOTHING
    if check.interval is not None and check.interval[0] != check.interval[1]:
        low, high, measured = span(check.interval, check.measured, check.limit)
        interval = f"{low} to {high}"
    return CheckRow(
        variant=variant,
        name=check.name,
        limit=number(check.limit),
        measured=measured,
        interval=interval,
        verdict=check.verdict,
        sentence=check.sentence,
    )


def _change(verdict: Verdict, variant: VariantVerdict, value: float | None) -> str:
    """Returns the change of a regression's metric in its own unit, as its drop is in another one; "" for other tasks."""
    base = verdict.variants.get(REFERENCE)
    if verdict.task != REGRESSION or base is None or value is None or variant.verdict == REFERENCE_VERDICT:
        return ""
    reference_value, _ = main_metric(verdict, base)
    return "" if reference_value is None else f"{verdict.main_metric} {value - reference_value:+.3g}"


def _sqnr(variant: VariantVerdict) -> str:
    """Returns the least signal-to-noise ratio of a variant's outputs."""
    known = [drift.sqnr_db for drift in variant.drift.values() if drift.sqnr_db is not None]
    if known:
        return f"{min(known):.1f}"
    return "equal" if variant.drift and not any(d.largest_error for d in variant.drift.values()) else NOTHING


def _ratio(variant: VariantVerdict) -> str:
    """Returns a variant's median latency over the reference's, with its interval."""
    ratio = variant.latency.ratio if variant.latency else None
    if ratio is None:
        return ""
    return f"× {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}){', noisy' if ratio.noisy else ''}"


def _metrics(variant: VariantVerdict) -> tuple[tuple[str, ...], ...]:
    """Returns name, value, interval, drop and the drop's interval of every metric."""
    return tuple(
        (
            name,
            fixed(measured.value, 4),
            ends(measured.interval, 4) or NOTHING,
            fixed(measured.drop.points, 2) if measured.drop else NOTHING,
            (ends(measured.drop.interval, 2) or measured.drop.note if measured.drop else "") or NOTHING,
        )
        for name, measured in variant.measures.items()
    )


def _flips(variant: VariantVerdict) -> str:
    """Returns a sentence on the flips; "" for tasks without decisions."""
    flips = variant.flips
    if flips is None:
        return ""
    if not flips.changed:
        return f"It decides all {variant.examples:,} examples as float32 does."
    sentence = f"It decides {flips.changed:,} of {variant.examples:,} examples otherwise than float32"
    if flips.right_to_wrong is None or flips.wrong_to_right is None:
        return f"{sentence}; there are no labels to tell which of the two is right."
    return f"{sentence}: {flips.right_to_wrong:,} from right to wrong, {flips.wrong_to_right:,} from wrong to right."


def _examples(variant: VariantVerdict, picture: Picture | None) -> tuple[Example, ...]:
    """Returns some of the flipped examples, those from right to wrong first."""
    if variant.flips is None:
        return ()
    gained = variant.flips.gained[: max(_GAINED, _FLIPS - len(variant.flips.lost))]
    lost = variant.flips.lost[: _FLIPS - len(gained)]

    def example(flip: Flip, *, better: bool) -> Example:
        return Example(
            row=flip.example,
            label=flip.label,
            reference=flip.reference,
            variant=flip.variant,
            better=better,
            picture=picture(flip.example) if picture else "",
        )

    return (*(example(flip, better=False) for flip in lost), *(example(flip, better=True) for flip in gained))
