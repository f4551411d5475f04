"""What a variant takes for what, against what float32 does."""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from edgequant.artifacts.comparison import Confusion
from edgequant.artifacts.verdict import Verdict
from edgequant.validation.report.charts import COLOURS, Chart, draw
from edgequant.validation.report.number_format import label
from edgequant.variants import REFERENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of more classes than these a matrix is not to be read.
_MATRIX = 30
# Of more than these the cells are too small for numbers.
_NUMBERED = 20
_LISTED = 10
# Red and blue, which everybody can tell from each other.
_WORSE, _BETTER = COLOURS["bad"], COLOURS["bar"]
# How long a name of a class may be along the chart, and how long one that need not stand upright.
_NAME = 12
_SHORT = 3
# How many mistakes are known where the matrix is not.
_MISTAKES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How often examples of a label are decided as a class.

    Attributes:
        label: The label.
        decision: The class.
        was: How often by float32.
        now: How often by the variant.
    """

    label: int
    decision: int
    was: int
    now: int

    @property
    def difference(self) -> int:
        """How much more often by the variant."""
        return self.now - self.was

    @property
    def worse(self) -> bool:
        """Whether the change is for the worse: a mistake made more often, or a right decision less often."""
        return (self.difference > 0) != (self.label == self.decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confused:
    """How a variant's confusion differs from float32's.

    Attributes:
        chart: All differences; None where there are none, or too many classes.
        mistakes: The mistakes that differ most in number.
        note: What else to know; "" for nothing.
    """

    chart: Chart | None
    mistakes: tuple[Change, ...]
    note: str = ""


def confused(verdict: Verdict, variant: str) -> Confused | None:
    """Returns how a variant's confusion differs; None where one of the two is not known."""
    was = verdict.variants[REFERENCE].confusion if REFERENCE in verdict.variants else None
    now = verdict.variants[variant].confusion
    if was is None or now is None or variant == REFERENCE:
        return None
    if was.examples != now.examples:
        note = f"It was run on {now.examples:,} examples and float32 on {was.examples:,}: their counts do not compare."
        return Confused(chart=None, mistakes=(), note=note)
    found = changes(was, now)
    mistakes = tuple(change for change in found if change.label != change.decision)[:_LISTED]
    classes = len(was.counts)
    note = ""
    if not found:
        note = "It takes every class for what float32 takes it for, in the same numbers."
    elif classes == 0:
        note = f"Of so many classes only the {_MISTAKES} most frequent mistakes of each are compared."
    names = [verdict.class_name(number) for number in range(classes)]
    chart = _matrix(variant, found, names) if found and 0 < classes <= _MATRIX else None
    return Confused(chart=chart, mistakes=mistakes, note=note)


def changes(was: Confusion, now: Confusion) -> list[Change]:
    """Returns where two confusions over the same examples differ, the largest difference first.

    Where the matrices are not known, these are of mistakes alone, and of those whose number is known for both.
    """
    first, second = (_cells(found) for found in (was, now))
    cut = {id(cells) for cells, found in ((first, was), (second, now)) if _is_cut(found)}
    found = [
        Change(label=cell[0], decision=cell[1], was=first.get(cell, 0), now=second.get(cell, 0))
        for cell in sorted(first.keys() | second.keys())
        if all(cell in cells or id(cells) not in cut for cells in (first, second))
    ]
    return sorted((change for change in found if change.difference), key=lambda change: -abs(change.difference))


def _is_cut(found: Confusion) -> bool:
    """Tells whether there may be mistakes that are not named."""
    return not found.counts and len(found.mistakes) >= _MISTAKES


def _cells(found: Confusion) -> dict[tuple[int, int], int]:
    """Returns the counts that are not 0, by label and decision."""
    if not found.counts:
        return {(label, decision): count for label, decision, count in found.mistakes}
    return {
        (label, decision): count
        for label, row in enumerate(found.counts)
        for decision, count in enumerate(row)
        if count
    }


def _matrix(variant: str, found: list[Change], names: list[str]) -> Chart:
    """Returns the differences as a matrix."""
    classes = len(names)
    shown = [label(name, _NAME) for name in names]
    # Numbers and letters are short enough to stand side by side.
    upright = max(map(len, shown)) > _SHORT
    told = "; ".join(
        f"{names[change.label]} as {names[change.decision]} {change.difference:+d}" for change in found[:_LISTED]
    )
    title = f"{label(variant)}: decisions against float32"
    told += "; and more" if len(found) > _LISTED else ""

    def paint(figure: "Figure") -> None:
        from matplotlib.patches import Patch

        axes = figure.subplots()
        axes.set(xlabel="decided as", ylabel="label", aspect="equal")
        axes.set_xlim(-0.5, classes - 0.5)
        axes.set_ylim(classes - 0.5, -0.5)
        ticks = range(0, classes, 1 if classes <= 15 else 5)
        axes.set_xticks(ticks, [shown[tick] for tick in ticks], rotation=90 if upright else 0)
        axes.set_yticks(ticks, [shown[tick] for tick in ticks])
        axes.spines[["top", "right"]].set_visible(True)
        axes.plot([-0.5, classes - 0.5], [-0.5, classes - 0.5], color=COLOURS["line"], linewidth=0.8, zorder=0)
        _paint_cells(axes, found)
        if classes <= _NUMBERED:
            for change in found:
                text = f"{change.difference:+d}".replace("-", "\N{MINUS SIGN}")
                axes.text(change.decision, change.label, text, ha="center", va="center", fontsize=min(9, 100 / classes))
        keys = [Patch(color=_WORSE, alpha=0.5, label="for the worse")]
        keys.append(Patch(color=_BETTER, alpha=0.5, label="for the better"))
        figure.legend(handles=keys, loc="outside lower left", ncols=2)

    return draw(f"confusion_{variant}", title, f"label as decision, {told}.", 4.0 + (0.5 if upright else 0.0), paint)


def _paint_cells(axes: "Axes", found: list[Change]) -> None:
    """Colours the cells in four shades, all of a shade in one shape: there may be hundreds."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D

    largest = max(abs(change.difference) for change in found)
    shades: dict[tuple[bool, int], list[Path]] = {}
    for change in found:
        place = Affine2D().translate(change.decision - 0.5, change.label - 0.5)
        shade = ceil(4 * abs(change.difference) / largest)
        shades.setdefault((change.worse, shade), []).append(Path.unit_rectangle().transformed(place))
    for (worse, shade), cells in shades.items():
        colour = _WORSE if worse else _BETTER
        axes.add_patch(PathPatch(Path.make_compound_path(*cells), color=colour, alpha=0.15 + 0.1 * shade, linewidth=0))
