"""The charts of the report: what they show, worked by hand."""

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from edgequant.artifacts.comparison import Confusion, Ends, Slice, SliceValue
from edgequant.artifacts.example_set import InputSpread, Representativeness
from edgequant.artifacts.verdict import Verdict
from edgequant.validation.report.charts import draw
from edgequant.validation.report.confusion_matrices import Change, changes, confusion_difference
from edgequant.validation.report.drop_chart import drops, slice_drops
from edgequant.validation.report.example_sets import histograms
from edgequant.validation.report.flip_pictures import data_uri, is_image, own_range
from edgequant.validation.report.number_format import ends, fixed, label, number, printable, span
from edgequant.validation.report.size_chart import Point, front, size_metric

Handmade = Callable[..., Verdict]


def point(name: str, size_bytes: int, value: float) -> Point:
    """Returns a point without an interval."""
    return Point(name=name, verdict="blessed", marker="o", size_bytes=size_bytes, value=value, interval=None)


@pytest.mark.parametrize(
    ("models", "higher", "expected"),
    [
        # c is larger than b and no better; d is as small as b and worse.
        ([("a", 400, 0.95), ("b", 100, 0.9), ("c", 200, 0.9), ("d", 100, 0.8)], True, ["b", "a"]),
        # A larger file that is worse than a smaller one is never on the front.
        ([("a", 400, 0.9), ("b", 100, 0.95)], True, ["b"]),
        # For errors less is better.
        ([("a", 400, 0.1), ("b", 100, 0.3), ("c", 200, 0.4)], False, ["b", "a"]),
        # Of equals the first stands for both.
        ([("a", 100, 0.9), ("b", 100, 0.9)], True, ["a"]),
        ([], True, []),
    ],
)
def test_the_pareto_front(models: list[tuple[str, int, float]], higher: bool, expected: list[str]) -> None:
    """A model is on the front when none other is as small and better, or smaller and as good."""
    assert [best.name for best in front([point(*one) for one in models], higher=higher)] == expected


def test_size_against_metric(handmade: Handmade) -> None:
    """The chart and its text show every model's size and metric, its verdict, and the front."""
    chart = size_metric(handmade())
    assert chart is not None
    assert 'aria-label="Size against accuracy: float32 4.0 kB, 0.9000; full_int8 1.0 kB, 0.8900.' in chart.svg
    for text in (
        "full_int8 (blessed, best)",
        "float32 (reference)",
        "Pareto front",
        "size of the file, kB",
        "accuracy",
    ):
        assert f">{text}</text>" in chart.svg


def test_drops_with_what_is_allowed(handmade: Handmade) -> None:
    """Every variant but the reference is a row, and the gate's limit a line."""
    chart = drops(handmade())
    assert chart is not None
    assert "Drop in accuracy: full_int8 1.00 (-2.00 to 4.00), in percentage points. Allowed are 5." in chart.svg
    assert ">allowed: 5</text>" in chart.svg
    without = drops(handmade(gate={}))
    assert without is not None
    assert "llowed" not in without.svg


@pytest.mark.parametrize("interval", [None, (-1.0, 8.0)])
def test_drops_by_class_are_in_their_order(handmade: Handmade, interval: Ends | None) -> None:
    """Rows are in the order of the verdict, the worst first, with how many examples each has."""
    values = tuple(
        SliceValue(value=name, examples=n, reference=1.0, variant=0.9, drop_points=drop, drop_interval_points=interval)
        for name, n, drop in (("7", 30, 6.0), ("1", 1200, 2.0))
    )
    part = Slice(name="class", total=2, values=values, worst_interval_points=interval)
    chart = slice_drops(handmade(gate={"max_worst_class_drop_points": 10}), "full_int8", 0, part)
    assert chart is not None
    assert chart.name == "class_drops_full_int8"
    assert re.findall(r">([^<>]*\([\d,]+\))</text>", chart.svg) == ["7 (30)", "1 (1,200)"]
    assert "Allowed are 10." in chart.svg
    other = slice_drops(handmade(), "full_int8", 3, replace(part, name="light"))
    assert other is not None
    assert (other.name, "full_int8: drop in accuracy by light" in other.svg) == ("slice_3_drops_full_int8", True)


def test_what_is_confused_otherwise() -> None:
    """Differences of two matrices, the largest first; for the worse are more mistakes and fewer right decisions."""
    reference_matrix = Confusion(examples=20, counts=((9, 1), (0, 10)))
    variant_matrix = Confusion(examples=20, counts=((10, 0), (3, 7)))
    differences = changes(reference_matrix, variant_matrix)
    assert differences == [
        Change(label=1, decision=0, reference=0, variant=3),
        Change(label=1, decision=1, reference=10, variant=7),
        Change(label=0, decision=0, reference=9, variant=10),
        Change(label=0, decision=1, reference=1, variant=0),
    ]
    assert [(change.difference, change.worse) for change in differences] == [
        (3, True),
        (-3, True),
        (1, False),
        (-1, False),
    ]


def test_mistakes_whose_number_is_not_known_are_no_difference() -> None:
    """Of more mistakes than are named, one that only the other model's list names is left out."""
    many = Confusion(examples=9, mistakes=tuple((label, 0, 9) for label in range(1, 51)))
    few = Confusion(examples=9, mistakes=((1, 0, 4), (77, 0, 5)))
    differences = {(change.label, change.difference) for change in changes(many, few)}
    assert (1, -5) in differences
    assert (50, -9) in differences
    assert not [difference for label, difference in differences if label == 77]


def test_confusion_over_other_examples_is_not_compared(handmade: Handmade) -> None:
    """A variant that ran out of time was run on fewer examples; the page says so instead."""
    verdict = handmade(variant={"confusion": Confusion(examples=50, counts=((50,),))})
    reference = replace(verdict.variants["float32"], confusion=Confusion(examples=100, counts=((100,),)))
    view = confusion_difference(replace(verdict, variants={**verdict.variants, "float32": reference}), "full_int8")
    assert view is not None
    assert view.chart is None
    assert view.note == "It was run on 50 examples and float32 on 100: their counts do not compare."


def test_of_more_than_thirty_classes_there_is_no_matrix(handmade: Handmade) -> None:
    """Forty classes are known as a matrix and shown as a list."""
    eye = np.eye(40, dtype=int)
    moved = eye.copy()
    moved[3] = np.roll(moved[3], 1)
    reference_matrix, variant_matrix = (
        Confusion(examples=40, counts=tuple(map(tuple, matrix.tolist()))) for matrix in (eye, moved)
    )
    verdict = handmade(variant={"confusion": variant_matrix})
    reference = replace(verdict.variants["float32"], confusion=reference_matrix)
    view = confusion_difference(replace(verdict, variants={**verdict.variants, "float32": reference}), "full_int8")
    assert view is not None
    assert (view.chart, view.mistakes) == (None, (Change(label=3, decision=4, reference=0, variant=1),))


def spread(low: float, high: float) -> InputSpread:
    """Returns the values of an input between two ends, in two bins."""
    ends = (low, high)
    return InputSpread(
        range=ends,
        halves=(ends, ends),
        reservoir_range=ends,
        outside_share=0.0,
        edges=(low, (low + high) / 2, high),
        counts=(1, 3),
        reservoir_counts=(0, 0),
    )


def test_histograms(handmade: Handmade) -> None:
    """At most six inputs are drawn, one whose values are all equal among them; none where nothing is known."""
    provenance = handmade().calibration.provenance
    assert histograms(provenance) is None
    inputs = {f"input {number}": spread(0.0, number) for number in range(8)}
    known = Representativeness(reservoir=9, inputs=inputs, balance={}, sentence="")
    chart = histograms(replace(provenance, representativeness=known))
    assert chart is not None
    assert re.findall(r">(input \d)</text>", chart.svg) == [f"input {number}" for number in range(6)]
    assert "input 5 0 to 5, reservoir 0 to 5." in chart.svg
    assert chart.svg.count(">calibration set</text>") == 1


def test_colours_are_the_pages(handmade: Handmade) -> None:
    """In the page every colour is one of its variables, so that it changes with the theme."""
    chart = size_metric(handmade())
    assert chart is not None
    assert "var(--good)" in chart.svg
    assert not re.search('#[0-9a-f]{6}[;"]', chart.svg)


def test_a_name_is_no_formula() -> None:
    """Dollar signs, markup and scripts that the font does not have are drawn as they are, without a warning."""
    text = "$\\frac{1}{0}$ <b> 手書き"

    def paint(figure: Figure) -> None:
        figure.subplots().set_title(text)

    chart = draw("name", "<i>", "&", 2.0, paint)
    assert "$\\frac{1}{0}$ &lt;b&gt; 手書き</text>" in chart.svg
    assert 'aria-label="&lt;i&gt;: &amp;"' in chart.svg


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((9, 8, 8, 1), np.float32, True),
        ((9, 32, 32, 3), np.uint8, True),
        ((9, 32, 32, 4), np.int8, True),
        ((9, 32, 32, 2), np.float32, False),
        ((9, 3, 32, 3), np.float32, False),
        ((9, 32, 32), np.float32, False),
        ((9, 8, 8, 1), np.bool_, False),
    ],
)
def test_what_is_an_image(shape: tuple[int, ...], dtype: type, expected: bool) -> None:
    """Height, width, and 1, 3 or 4 channels of numbers."""
    assert is_image(np.zeros(shape, dtype)) == expected


def _pixels(uri: str) -> list[object]:
    pixels: list[object] = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))).tolist()
    return pixels


def test_pixels_go_from_black_to_white() -> None:
    """Values outside of the range are its ends, NaN is black, and the fourth channel is left out."""
    grey = np.array([[[-2.0], [0.0]], [[5.0], [np.nan]]], np.float32)
    assert _pixels(data_uri(grey, (-1.0, 1.0))) == [[0, 128], [255, 0]]
    four = np.array([[[0, 51, 255, 0]]], np.uint8)
    assert _pixels(data_uri(four, (0.0, 255.0))) == [[[0, 51, 255]]]
    assert (
        max(Image.open(io.BytesIO(base64.b64decode(data_uri(np.zeros((90, 300, 3)), (0, 1)).split(",")[1]))).size) < 60
    )


def test_a_range_of_its_own() -> None:
    """Bytes go from 0 to 255, other values from the least to the greatest that are finite."""
    assert own_range(np.array([3, 9], np.uint8)) == (0.0, 255.0)
    assert own_range(np.array([3.0, np.inf, -9.0])) == (-9.0, 3.0)
    assert own_range(np.array([np.nan])) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "–"), ("required", "required"), (0.95, "0.95"), (5.0, "5"), (1234567.0, "1,234,567"), (0.98765, "0.9877")],
)
def test_numbers(value: float | str | None, expected: str) -> None:
    """As many places as are needed, thousands set apart."""
    assert number(value) == expected


@pytest.mark.parametrize(
    ("interval", "measured", "limit", "expected"),
    [
        ((0.000522, 0.4421), 0.139, 1.0, ("0.00", "0.44", "0.14")),
        ((-6.2041, 5.9877), 1.3158, 2.0, ("-6.20", "5.99", "1.32")),
        ((0.98992, 0.99924), 0.99722, 0.99, ("0.9899", "0.9992", "0.9972")),
        ((0.34091, 0.35002), 0.3441, 0.5, ("0.3409", "0.3500", "0.3441")),
        ((0.2, 1.0004), 1, 1.0, ("0.2000", "1.0004", "1.0000")),
        ((0.2, 1.0), 0.6, 1.0, ("0.20", "1.00", "0.60")),
        ((0.5, 0.5), None, "required", ("0.500000", "0.500000", "–")),
    ],
)
def test_an_interval_has_as_many_places_at_each_end(
    interval: Ends, measured: float | None, limit: float | str, expected: tuple[str, str, str]
) -> None:
    """Two digits of its width, two places at least, and more where an end beyond the limit would read as if it were at it."""
    assert span(interval, measured, limit) == expected


def test_words() -> None:
    """No minus before a zero, brackets around intervals, and labels of one short line."""
    assert fixed(-0.001, 2) == "0.00"
    assert ends((-1.0, 2.5), 1) == "(-1.0 to 2.5)"
    assert ends(None, 1) == ""
    assert label("a\nb  c") == "a b c"
    assert label("x" * 30) == "x" * 23 + "…"
    assert printable("a\x00b\u202ec\nd") == "a\ufffdb\ufffdc\nd"
