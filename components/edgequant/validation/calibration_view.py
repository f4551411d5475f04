"""What the report shows of the data: where it is from, and how well the calibration set stands for its source."""

from dataclasses import dataclass

from edgequant.artifacts.example_set import DatasetFacts, InputSpread, Provenance

_FILES = 3
_CLASSES = 20
_WIDTH, _HEIGHT = 240.0, 48.0


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
class ClassRow:
    """A class as a row of a table: its shares in percent, and the widths of their bars."""

    label: str
    source: str
    taken: str
    counts: str


@dataclass(frozen=True, slots=True)
class InputView:
    """One input: its ranges as text, and its two histograms as the points of lines in a box of 240 by 48."""

    name: str
    range: str
    halves: str
    reservoir: str
    outside: str
    sample_line: str
    reservoir_line: str


def set_row(facts: DatasetFacts) -> SetRow:
    """Returns what the report tells of an example set."""
    provenance = facts.provenance
    files = [f"{source.path} ({source.size_bytes:,} B)" for source in provenance.sources]
    shown = files if len(files) <= _FILES + 1 else [*files[:_FILES], f"and {len(files) - _FILES:,} more"]
    left_out = [f"{provenance.duplicates:,} duplicates"] if provenance.duplicates else []
    left_out += [f"{count:,} {reason}" for reason, count in provenance.skipped.items()]
    return SetRow(
        purpose=provenance.purpose,
        examples=f"{facts.examples:,} of {provenance.asked:,} asked for",
        records=f"{provenance.records_read:,}",
        rule=f"{provenance.rule}; seed {provenance.seed}",
        left_out="; ".join(left_out) or "none",
        files=tuple(shown),
        digest=facts.digest,
    )


def class_rows(provenance: Provenance) -> tuple[list[ClassRow], int]:
    """Returns the classes whose share of the set differs most from that of the source, and how many are not shown."""
    spread = provenance.representativeness
    balance = spread.balance if spread else {}
    order = sorted(balance, key=lambda label: -abs(balance[label][0] - balance[label][1]))
    rows = []
    for label in sorted(order[:_CLASSES]):
        source, taken = balance[label]
        count = provenance.classes.get(label)
        counts = f"{count.wanted:,} / {count.available:,} / {count.taken:,}" if count else "–"
        rows.append(ClassRow(label=label, source=f"{100 * source:.2f}", taken=f"{100 * taken:.2f}", counts=counts))
    return rows, max(len(order) - _CLASSES, 0)


def input_views(provenance: Provenance) -> list[InputView]:
    """Returns what the report shows of each input of the calibration set."""
    spread = provenance.representativeness
    return [_input_view(name, found) for name, found in spread.inputs.items()] if spread else []


def _input_view(name: str, spread: InputSpread) -> InputView:
    tallest = max(_densest(spread.counts), _densest(spread.reservoir_counts))
    return InputView(
        name=name,
        range=_range(spread.range),
        halves=" and ".join(map(_range, spread.halves)),
        reservoir=_range(spread.reservoir_range),
        outside=f"{100 * spread.outside_share:.3g} %",
        sample_line=_line(spread.counts, tallest),
        reservoir_line=_line(spread.reservoir_counts, tallest),
    )


def _densest(counts: tuple[int, ...]) -> float:
    return max(counts) / max(sum(counts), 1)


def _line(counts: tuple[int, ...], tallest: float) -> str:
    """Returns a histogram as the points of a stepped line, as tall as its share of the values."""
    total = max(sum(counts), 1)
    step = _WIDTH / len(counts)
    points = [(0.0, _HEIGHT)]
    for number, count in enumerate(counts):
        top = _HEIGHT * (1 - count / total / max(tallest, 1e-12))
        points += [(number * step, top), ((number + 1) * step, top)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [*points, (_WIDTH, _HEIGHT)])


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4g} to {ends[1]:.4g}"
