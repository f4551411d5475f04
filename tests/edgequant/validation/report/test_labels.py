"""The report's view of labels, and numbers in readable units."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgequant.artifacts.benchmark import duration
from edgequant.artifacts.example_set import ClassCount, Representativeness
from edgequant.artifacts.verdict import Verdict
from edgequant.validation.report.labels import ClassRow, QuantilesRow, class_rows, label_quantiles
from edgequant.validation.report.page import render

Handmade = Callable[..., Verdict]


def _with(verdict: Verdict, balance: dict[str, tuple[float, float]], **classes: ClassCount) -> Verdict:
    """Returns the verdict with what is known of the calibration set's classes."""
    spread = Representativeness(reservoir=9, inputs={}, balance=balance, sentence="")
    provenance = replace(verdict.calibration.provenance, representativeness=spread, classes=classes)
    return replace(verdict, calibration=replace(verdict.calibration, provenance=provenance))


def test_the_evaluation_sets_balance_is_beside_the_calibration_sets(handmade: Handmade) -> None:
    """Of names or numbers alike: three of four labels are of class 0; a class that only one set has is there too."""
    labels = np.array([0, 0, 2, 0])
    counted = ClassCount(wanted=5, available=9, taken=5)
    named = replace(handmade(), classes=("ant", "bee", "cat"))
    verdict = _with(named, {"ant": (0.9, 0.5), "bee": (0.1, 0.5)}, ant=counted)
    rows, hidden = class_rows(verdict, labels)
    assert rows == [
        ClassRow("ant", "90.00", "50.00", "75.00", "5 / 9 / 5"),
        ClassRow("bee", "10.00", "50.00", "0.00", "–"),
        ClassRow("cat", "0.00", "0.00", "25.00", "–"),
    ]
    assert hidden == 0
    numbered, _ = class_rows(_with(handmade(), {"0": (0.9, 0.5), "1": (0.1, 0.5)}), labels)
    assert [(row.label, row.evaluated) for row in numbered] == [("0", "75.00"), ("1", "0.00"), ("2", "25.00")]
    assert class_rows(_with(handmade(), {"0": (1.0, 1.0)}), None)[0][0].evaluated == "–"
    text, _ = render(verdict, labels=labels)
    assert "of the evaluation set, %" in text
    assert "75.00" in text


def test_classes_are_in_the_order_of_their_numbers(handmade: Handmade) -> None:
    """Class 10 comes after class 9, and a named class has the place of its number; what is neither comes last."""
    shares = dict.fromkeys(("10", "9", "other", "0", "100"), (0.5, 0.5))
    rows, _ = class_rows(_with(handmade(), shares), None)
    assert [row.label for row in rows] == ["0", "9", "10", "100", "other"]
    named = replace(handmade(), classes=("zebra", "ant", "bee"))
    rows, _ = class_rows(_with(named, dict.fromkeys(("ant", "bee"), (0.5, 0.5))), np.array([0, 1, 2]))
    assert [row.label for row in rows] == ["zebra", "ant", "bee"]


def test_numbers_are_no_classes(handmade: Handmade) -> None:
    """A regression has the quantiles of its labels, by NumPy's linear rule, and no classes."""
    labels = np.arange(101) * 2.0
    verdict = replace(_with(handmade(), {"3": (0.5, 0.5), "4": (0.5, 0.5)}), task="regression", main_metric="mae")
    assert class_rows(verdict, labels) == ([], 0)
    names = ["least", "5%", "25%", "median", "75%", "95%", "greatest"]
    row = QuantilesRow("label", dict(zip(names, ["0", "10", "50", "100", "150", "190", "200"], strict=True)))
    assert label_quantiles(verdict, labels) == ([row], 0)
    assert label_quantiles(verdict, labels.reshape(-1, 1)) == ([row], 0)
    text, _ = render(verdict, labels=labels)
    assert "Balance of the classes" not in text
    assert "Labels of the evaluation set" in text
    assert label_quantiles(handmade(), labels) == ([], 0)
    assert label_quantiles(verdict, None) == ([], 0)


def test_each_number_of_a_label_is_told_by_itself(handmade: Handmade) -> None:
    """Numbers of other units have quantiles of their own; of very many the first twenty are shown, and the rest counted."""
    verdict = replace(_with(handmade(), {}), task="regression", main_metric="mae")
    labels = np.arange(101)[:, np.newaxis] * np.array([1.0, 1000.0])
    rows, hidden = label_quantiles(verdict, labels)
    assert [(row.number, row.quantiles["median"], row.quantiles["greatest"]) for row in rows] == [
        ("0", "50", "100"),
        ("1", "5e+04", "1e+05"),
    ]
    assert hidden == 0
    many, hidden = label_quantiles(verdict, np.ones((5, 9, 7)))
    assert (len(many), hidden) == (20, 43)
    text, _ = render(verdict, labels=np.ones((5, 9, 7)))
    assert "The first 20 numbers of a label; there are 43 more." in text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.0007, "0.700 µs"),
        (0.0427, "42.7 µs"),
        (0.136, "0.136 ms"),
        (12.345, "12.3 ms"),
        (1234.5, "1,234 ms"),
        (0.1, "0.100 ms"),
    ],
)
def test_times_have_three_digits_and_their_unit(milliseconds: float, text: str) -> None:
    """A latency below a microsecond is not shown as 0.001 ms."""
    assert duration(milliseconds) == text


def test_it_is_said_which_intervals_are_one_sided(handmade: Handmade) -> None:
    """Drops have ends that each hold by itself, with the gate's confidence, all others two-sided intervals."""
    text = " ".join(render(handmade())[0].split())
    assert "Of a drop, each of the two ends holds with 95% by itself (one-sided)" in text
    assert "All others are two-sided: a metric and agreement with 95%" in text


def test_the_drop_of_an_error_is_told_in_its_own_unit_as_well(handmade: Handmade) -> None:
    """Points of a regression are hundredths of a standard deviation: the table has the change of the error beside them."""
    verdict = handmade()
    variants = {
        name: replace(variant, metrics={"mae": value})
        for (name, variant), value in zip(verdict.variants.items(), (2.0, 2.25), strict=True)
    }
    verdict = replace(verdict, task="regression", main_metric="mae", variants=variants)
    text = " ".join(render(verdict)[0].split())
    assert "mae +0.25" in text
    assert text.count("mae +") == 1
    assert "after it, the change of mae in its own unit" in text
