"""The difference of a variant's confusion matrix from the reference's."""

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

# With more classes, a matrix is not readable.
_MATRIX = 30
# With more classes, the cells are too small for numbers.
_NUMBERED = 20
_LISTED = 10
# Red and blue, which readers with colour blindness can distinguish.
_WORSE, _BETTER = COLOURS["bad"], COLOURS["bar"]
# The greatest length of a class name on an axis, and of one that is not rotated.
_NAME = 12
_SHORT = 3
# The number of mistakes in a verdict without the matrix.
_MISTAKES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A cell that differs between two confusion matrices.

    Attributes:
        label: The label.
        decision: The predicted class.
        reference: The count of the reference.
        variant: The count of the variant.
    """

    label: int
    decision: int
    reference: int
    variant: int

    @property
    def difference(self) -> int:
        """The variant's count minus the reference's."""
        return self.variant - self.reference

    @property
    def worse(self) -> bool:
        """Whether the change is for the worse: more mistakes, or fewer right decisions."""
        return (self.difference > 0) != (self.label == self.decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionDifference:
    """The difference of a variant's confusion matrix from the reference's.

    Attributes:
        chart: The chart of all differences; None if there are none, or too many classes.
        mistakes: The mistakes whose counts differ most.
        note: A remark; "" for none.
    """

    chart: Chart | None
    mistakes: tuple[Change, ...]
    note: str = ""


def confusion_difference(verdict: Verdict, variant: str) -> ConfusionDifference | None:
    """Returns the difference of a variant's confusion matrix; None if one of the two is unknown."""
    reference_matrix = verdict.variants[REFERENCE].confusion if REFERENCE in verdict.variants else None
    variant_matrix = verdict.variants[variant].confusion
    if reference_matrix is None or variant_matrix is None or variant == REFERENCE:
        return None
    if reference_matrix.examples != variant_matrix.examples:
        note = f"It was run on {variant_matrix.examples:,} examples and float32 on {reference_matrix.examples:,}: their counts do not compare."
        return ConfusionDifference(chart=None, mistakes=(), note=note)
    differences = changes(reference_matrix, variant_matrix)
    mistakes = tuple(change for change in differences if change.label != change.decision)[:_LISTED]
    classes = len(reference_matrix.counts)
    note = ""
    if not differences:
        note = "Its confusion matrix is equal to float32's."
    elif classes == 0:
        note = f"Of so many classes only the {_MISTAKES} most frequent mistakes of each are compared."
    names = [verdict.class_name(number) for number in range(classes)]
    chart = _matrix(variant, differences, names) if differences and 0 < classes <= _MATRIX else None
    return ConfusionDifference(chart=chart, mistakes=mistakes, note=note)


def changes(reference: Confusion, variant: Confusion) -> list[Change]:
    """Returns where two confusion matrices over the same examples differ, the largest difference first.

    Where the matrices are not known, only mistakes are compared, and only those whose count is known for both models.
    """
    first, second = (_cells(confusion) for confusion in (reference, variant))
    cut = {id(cells) for cells, confusion in ((first, reference), (second, variant)) if _is_cut(confusion)}
    compared = [
        Change(label=cell[0], decision=cell[1], reference=first.get(cell, 0), variant=second.get(cell, 0))
        for cell in sorted(first.keys() | second.keys())
        if all(cell in cells or id(cells) not in cut for cells in (first, second))
    ]
    return sorted((change for change in compared if change.difference), key=lambda change: -abs(change.difference))


def _is_cut(confusion: Confusion) -> bool:
    """Tells whether there may be mistakes that are not listed."""
    return not confusion.counts and len(confusion.mistakes) >= _MISTAKES


def _cells(confusion: Confusion) -> dict[tuple[int, int], int]:
    """Returns the nonzero counts by label and decision."""
    if not confusion.counts:
        return {(label, decision): count for label, decision, count in confusion.mistakes}
    return {
        (label, decision): count
        for label, row in enumerate(confusion.counts)
        for decision, count in enumerate(row)
        if count
    }


def _matrix(variant: str, differences: list[Change], names: list[str]) -> Chart:
    """Returns the chart of the differences as a matrix."""
    classes = len(names)
    shown = [label(name, _NAME) for name in names]
    # Numbers and single letters fit side by side.
    upright = max(map(len, shown)) > _SHORT
    description = "; ".join(
        f"{names[change.label]} as {names[change.decision]} {change.difference:+d}" for change in differences[:_LISTED]
    )
    title = f"{label(variant)}: decisions against float32"
    description += "; and more" if len(differences) > _LISTED else ""

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
        _paint_cells(axes, differences)
        if classes <= _NUMBERED:
            for change in differences:
                text = f"{change.difference:+d}".replace("-", "\N{MINUS SIGN}")
                axes.text(change.decision, change.label, text, ha="center", va="center", fontsize=min(9, 100 / classes))
        keys = [Patch(color=_WORSE, alpha=0.5, label="for the worse")]
        keys.append(Patch(color=_BETTER, alpha=0.5, label="for the better"))
        figure.legend(handles=keys, loc="outside lower left", ncols=2)

    return draw(
        f"confusion_{variant}", title, f"label as decision, {description}.", 4.0 + (0.5 if upright else 0.0), paint
    )


def _paint_cells(axes: "Axes", differences: list[Change]) -> None:
    """Colours the cells in four shades, with one shape per shade because there may be hundreds of cells."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D

    largest = max(abs(change.difference) for change in differences)
    shades: dict[tuple[bool, int], list[Path]] = {}
    for change in differences:
        place = Affine2D().translate(change.decision - 0.5, change.label - 0.5)
        shade = ceil(4 * abs(change.difference) / largest)
        shades.setdefault((change.worse, shade), []).append(Path.unit_rectangle().transformed(place))
    for (worse, shade), cells in shades.items():
        colour = _WORSE if worse else _BETTER
        axes.add_patch(PathPatch(Path.make_compound_path(*cells), color=colour, alpha=0.15 + 0.1 * shade, linewidth=0))
