"""Comparison of a variant with the reference, on arrays that can be checked by hand."""

import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from edgequant.artifacts.comparison import Flip
from edgequant.errors import EvaluationError
from edgequant.outputs import LOGITS, PROBABILITIES, read
from edgequant.validation.comparison.compare import (
    Comparison,
    ComparisonSettings,
    Run,
    compare,
    drops,
    measured_metrics,
)
from edgequant.validation.gate.checks import Limit, check_least
from edgequant.validation.metrics import classification
from edgequant.validation.statistics import paired_drop_interval, wilson_interval

_EYE = np.eye(4)


def _run(task: str, output: NDArray[Any], reading: str | None = None) -> Run:
    return Run({"y": output}, read(task, output) if reading is None else reading)


def _compare(
    task: str, reference: NDArray[Any], variant: NDArray[Any], labels: Any = None, **settings: Any
) -> Comparison:
    first = _run(task, reference)
    known = None if labels is None else np.asarray(labels)
    of = ComparisonSettings(task=task, metric="", labels=known, **settings)
    return compare(of, first, _run(task, variant, first.reading))


def test_a_drop_is_the_difference_of_accuracies_in_points() -> None:
    """Of four examples the reference gets three right and the variant two, one of them another: 25 points."""
    comparison = _compare("classification", _EYE[[0, 1, 2, 0]], _EYE[[0, 2, 3, 3]], [0, 1, 2, 3])
    drop = comparison.drops["accuracy"].drop
    assert comparison.examples == 4
    assert drop.points == 25.0
    assert comparison.agreement.value == 0.25
    lower, upper = paired_drop_interval(2, 1, 4, 0.95)
    assert drop.interval == pytest.approx((100 * lower, 100 * upper))
    assert drop.method == "paired proportions"
    assert comparison.measures["accuracy"].value == 0.5
    assert comparison.measures["accuracy"].interval == wilson_interval(2, 4, 0.95)


def test_flips_are_counted_and_named() -> None:
    """Two examples go from right to wrong and one from wrong to right; each is named with its label and both decisions."""
    flips = _compare("classification", _EYE[[0, 1, 2, 0]], _EYE[[0, 2, 3, 3]], [0, 1, 2, 3]).flips
    assert flips is not None
    assert (flips.changed, flips.right_to_wrong, flips.wrong_to_right) == (3, 2, 1)
    assert flips.lost == (
        Flip(example=1, label="1", reference="1", variant="2"),
        Flip(example=2, label="2", reference="2", variant="3"),
    )
    assert flips.gained == (Flip(example=3, label="3", reference="0", variant="3"),)


def test_no_more_than_fifty_flips_of_a_kind_are_named() -> None:
    """Of hundreds of flips the first fifty are named, and all are counted."""
    flips = _compare("classification", np.tile(_EYE[0], (200, 1)), np.tile(_EYE[1], (200, 1)), np.zeros(200, int)).flips
    assert flips is not None
    assert (flips.right_to_wrong, len(flips.lost), flips.lost[-1].example) == (200, 50, 49)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda classes: st.lists(st.tuples(*[st.integers(0, classes - 1)] * 3), min_size=2, max_size=40).map(
            lambda rows: (classes, np.array(rows))
        )
    )
)
def test_laws_of_flips_and_agreement(drawn: tuple[int, NDArray[np.int64]]) -> None:
    """Lost minus gained flips equal the drop times the examples; agreement is symmetric, and the share without a flip."""
    classes, rows = drawn
    first, second = np.eye(classes)[rows[:, 0]], np.eye(classes)[rows[:, 1]]
    comparison, swapped = (
        _compare("classification", *pair, labels=rows[:, 2]) for pair in ((first, second), (second, first))
    )
    assert comparison.flips is not None
    assert swapped.flips is not None
    lost, gained = comparison.flips.right_to_wrong or 0, comparison.flips.wrong_to_right or 0
    points = comparison.drops["accuracy"].drop.points
    assert points is not None
    assert lost - gained == pytest.approx(points / 100 * len(rows))
    assert (swapped.flips.right_to_wrong, swapped.flips.wrong_to_right) == (gained, lost)
    assert (
        comparison.agreement.value == swapped.agreement.value == pytest.approx(1 - comparison.flips.changed / len(rows))
    )
    assert swapped.drops["accuracy"].drop.points == pytest.approx(-points)


def test_examples_that_only_one_was_run_on_do_not_count() -> None:
    """A variant that ran out of time is compared over its own first examples."""
    comparison = _compare("classification", _EYE[[0, 1, 2, 3]], _EYE[[0, 1]], [0, 2, 2, 3])
    assert (comparison.examples, comparison.drops["accuracy"].drop.points, comparison.agreement.value) == (2, 0.0, 1.0)
    comparison = _compare("classification", _EYE[[0, 1]], _EYE[[0, 1, 2, 3]], [0, 2, 2, 3])
    assert (comparison.examples, comparison.measures["accuracy"].value) == (2, 0.5)
    assert comparison.confusion is not None
    assert comparison.confusion.examples == 2


def test_without_labels_agreement_stands_in() -> None:
    """An example on which the variant decides otherwise counts as lost; flips are changes, right or wrong not known."""
    comparison = _compare("classification", _EYE[[0, 1, 2, 3]], _EYE[[0, 1, 2, 0]])
    drop = comparison.drops["agreement"].drop
    assert drop.points == 25.0
    assert comparison.agreement.value == 0.75
    assert drop.interval == pytest.approx(tuple(100 * end for end in paired_drop_interval(1, 0, 4, 0.95)))
    assert comparison.measures == {}
    assert comparison.flips is not None
    assert (comparison.flips.changed, comparison.flips.right_to_wrong) == (1, None)


@pytest.mark.parametrize(
    ("task", "reference", "variant", "expected"),
    [
        ("classification", _EYE[[0, 1]], _EYE[[0, 2]], 0.5),
        ("binary", np.array([[0.6], [0.4]]), np.array([[0.9], [0.5]]), 0.5),
        ("multilabel", np.array([[0.9, 0.1], [0.9, 0.9]]), np.array([[0.8, 0.7], [0.7, 0.6]]), 0.75),
        # The mean is 1 and the spread 3: errors of 1 and 4 of it.
        ("regression", np.array([[4.0], [-2.0]]), np.array([[3.0], [2.0]]), (2 / 3 + 0) / 2),
        # The mean of all is far off, and the spread still 1: a constant answer agrees with nothing.
        ("regression", np.array([[301.0], [299.0]]), np.array([[300.0], [300.0]]), 0.0),
        # What does not vary is taken by its own size: the second number is off by a quarter in one of two examples.
        ("none", np.array([[3.0, 4.0], [3.0, 4.0]]), np.array([[3.0, 3.0], [3.0, 4.0]]), 0.875),
        ("regression", np.array([[3.0, 4.0], [3.0, 4.0]]), np.array([[3.0, 3.0], [3.0, 4.0]]), 0.875),
        ("none", np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 0.25]]), 0.875),
    ],
)
def test_agreement_is_of_decisions_or_of_values(
    task: str, reference: NDArray[Any], variant: NDArray[Any], expected: float
) -> None:
    """The share of equal decisions for tasks with decisions; else one minus the error relative to the outputs' spread."""
    assert _compare(task, reference, variant).agreement.value == pytest.approx(expected)


def test_agreement_is_that_of_the_worst_output_by_name() -> None:
    """Outputs are matched by name, and a large correct output does not hide a small wrong one."""
    large, small = np.array([1000.0, -1000.0]), np.array([1.0, -1.0])
    reference = Run({"large": large, "small": small}, "")
    for changed, expected in (((0.75, -0.5), (0.75 + 0.5) / 2), ((-1.0, 1.0), 0.0)):
        variant = Run({"small": np.array(changed), "large": large}, "")
        assert compare(ComparisonSettings(task="none", metric=""), reference, variant).agreement.value == pytest.approx(
            expected
        )


def test_agreement_is_that_of_the_worst_number() -> None:
    """Two numbers in one tensor are compared like two outputs: the error of the one near 1 counts beside the one near 300."""
    random = np.random.default_rng(6)
    reference = random.normal(size=(2000, 2)) * (10.0, 0.1) + (300.0, 1.0)
    variant = np.column_stack([reference[:, 0], np.full(2000, reference[:, 1].mean())])
    # The mean of |z| of a normal is √(2/π); what is past one standard deviation counts as one.
    expected = 1 - np.minimum(np.abs(stats.norm.ppf((np.arange(10**5) + 0.5) / 10**5)), 1).mean()
    together = _compare("regression", reference, variant).agreement.value
    assert together == pytest.approx(expected, abs=0.02)
    outputs = [{"high": both[:, :1], "low": both[:, 1:]} for both in (reference, variant)]
    apart = compare(ComparisonSettings(task="none", metric=""), Run(outputs[0], ""), Run(outputs[1], ""))
    assert apart.agreement.value == pytest.approx(together)
    assert _compare("none", reference, variant).agreement.value == pytest.approx(together)


def test_agreement_in_pieces_is_that_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded, and nothing else changes."""
    random = np.random.default_rng(8)
    reference = random.normal(size=(50, 3))
    variant = reference + random.normal(scale=0.3, size=(50, 3))
    whole = [_compare(task, reference, variant).agreement.value for task in ("none", "regression")]
    monkeypatch.setattr(classification, "_CHUNK", 7)
    assert [_compare(task, reference, variant).agreement.value for task in ("none", "regression")] == pytest.approx(
        whole
    )


def test_rounding_of_a_constant_output_is_no_disagreement() -> None:
    """An output that is constant except for float32 rounding is compared relative to its size, not to the rounding."""
    constant = np.array([300.0, np.nextafter(np.float32(300.0), np.float32(301.0))])
    comparison = compare(
        ComparisonSettings(task="none", metric=""), Run({"y": constant}, ""), Run({"y": constant + 3.0}, "")
    )
    assert comparison.agreement.value == pytest.approx(0.99)


def test_all_models_are_read_as_the_reference() -> None:
    """A quantized variant whose logits all fall into 0..1 is still read as logits, as the reference's are."""
    reference, variant = np.array([[-3.0], [0.4], [0.2], [5.0]]), np.array([[0.0], [0.4], [0.2], [1.0]])
    assert (read("binary", reference), read("binary", variant)) == (LOGITS, PROBABILITIES)
    comparison = _compare("binary", reference, variant, [0, 1, 1, 1])
    assert comparison.flips is not None
    assert (comparison.flips.right_to_wrong, comparison.flips.changed) == (1, 1)
    assert comparison.measures["accuracy"].value == 0.75


@pytest.mark.parametrize(("least", "greatest", "reading"), [(0.0, 1.0000005, PROBABILITIES), (-0.01, 0.9, LOGITS)])
def test_rounding_of_a_softmax_is_no_logit(least: float, greatest: float, reading: str) -> None:
    """float32 may leave 0..1 by a rounding error, and by no more."""
    assert read("classification", np.array([[least, greatest]], np.float32)) == reading


def test_regression_tells_errors_in_standard_deviations() -> None:
    """MAE rises from 0 to 1 with labels of standard deviation 2: 50 points, by the paired interval of a mean."""
    labels = np.array([2.0, 6.0] * 4)
    variant = labels + np.array([0.5, 1.5] * 4)
    comparison = _compare("regression", labels[:, None], variant[:, None], labels)
    drop = comparison.drops["mae"].drop
    assert drop.points == pytest.approx(50.0)
    # Student's ends are 32 and 68; but of eight examples a share of 1 - 0.05^(1/8) may be unlike all of them, by 1 each.
    unseen = 100 * (1 - 0.05 ** (1 / 8))
    assert drop.interval == pytest.approx((50.0 - unseen, 50.0 + unseen))
    assert drop.method == "paired mean"
    assert comparison.drops["max_error"].drop.interval is None
    assert "one example" in comparison.drops["max_error"].drop.note


def test_many_differences_have_students_ends() -> None:
    """With enough examples, the worst case of unobserved changes is inside the interval of the mean."""
    labels = np.array([2.0, 6.0] * 500)
    variant = labels + np.array([0.0, 4.0] * 500)
    drop = _compare("regression", labels[:, None], variant[:, None], labels).drops["mae"].drop
    expected = stats.ttest_1samp(np.array([0.0, 200.0] * 500), 0.0).confidence_interval(0.9)
    assert drop.interval == pytest.approx((expected.low, expected.high))


def test_each_number_of_a_label_counts_in_its_own_spread() -> None:
    """A number near 300 does not hide the error of a number near 1: it has the full loss, and the metric half of it."""
    random = np.random.default_rng(4)
    labels = random.normal(size=(4000, 2)) * (1.0, 0.01) + (300.0, 0.5)
    variant = np.column_stack([labels[:, 0], np.full(4000, labels[:, 1].mean())])
    comparison = _compare("regression", labels, variant, labels)
    # The mean absolute deviation of a normal is √(2/π) of its standard deviation; half of the numbers has none.
    assert comparison.drops["mae"].drop.points == pytest.approx(100 * np.sqrt(2 / np.pi) / 2, rel=0.03)
    assert comparison.drops["rmse"].drop.points == pytest.approx(100 * np.sqrt(0.5), rel=1e-6)
    assert comparison.measures["mae"].value == pytest.approx(np.abs(variant - labels).mean())
    assert comparison.measures["rmse"].value == pytest.approx(np.sqrt(((variant - labels) ** 2).mean()))
    assert comparison.measures["mae"].interval is not None
    assert comparison.measures["mae"].interval[0] >= 0.0


@pytest.mark.parametrize("value", [0.1, 0.3, 3.7, 19.99])
def test_a_number_that_does_not_vary_has_no_spread_of_rounding(value: float) -> None:
    """The computed standard deviation of equal numbers may not be 0; their errors count in their own unit."""
    labels = np.column_stack([np.full(1000, value), np.random.default_rng(4).normal(size=1000)])
    reference = labels + np.array([0.0002, 0.01])
    variant = np.column_stack([np.full(1000, value + 0.0001), np.zeros(1000)])
    comparison = _compare("regression", reference, variant, labels)
    assert comparison.drops["mae"].drop.points == pytest.approx(100 * np.sqrt(2 / np.pi) / 2, rel=0.1)


def test_few_examples_bless_no_agreement_of_values() -> None:
    """Five examples that agree except for rounding bless nothing: 299 are needed for 99%, as the note says."""
    random = np.random.default_rng(5)
    for count, verdict in ((5, "inconclusive"), (298, "inconclusive"), (320, "blessed")):
        labels = random.normal(size=(count, 1))
        comparison = _compare("regression", labels, labels + 1e-4 * random.normal(size=(count, 1)), labels)
        limit = Limit(name="min_agreement", value=0.99, confidence=0.95)
        check = check_least(limit, comparison.agreement, "agreement", count, comparison.agreeing)
        assert check.verdict == verdict, check.sentence
        assert check.interval is not None
        assert check.interval[1] <= 1.0


@pytest.mark.parametrize("count", [3, 30, 299])
def test_few_examples_bless_no_regression(count: int) -> None:
    """Errors that hardly change in a few examples do not bound those that were not observed: 299 are not enough for a point."""
    random = np.random.default_rng(count)
    labels = random.normal(size=(count, 1))
    drop = _compare("regression", labels, labels + 1e-4 * random.normal(size=(count, 1)), labels).drops["mae"]
    assert drop.drop.interval is not None
    assert drop.drop.interval[1] > 1.0
    needed = drop.examples_to_settle(1.0, 0.95)
    assert needed is not None
    assert 299 <= needed <= 305


def test_drops_of_metrics_of_all_examples_are_bootstrapped_and_repeat() -> None:
    """AUC, F1 and average precision get a paired bootstrap interval that holds the drop, the same each time."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 400)
    reference = (labels + random.normal(size=400))[:, None]
    variant = reference + random.normal(scale=1.0, size=(400, 1))
    first, again = (_compare("binary", reference, variant, labels).drops for _ in range(2))
    for name in ("auc", "average_precision", "f1"):
        drop = first[name].drop
        assert drop == again[name].drop
        assert drop.method == "paired bootstrap"
        assert drop.interval is not None
        assert drop.points is not None
        assert drop.interval[0] < drop.points < drop.interval[1]


def test_a_metric_that_nothing_changes_is_told_so() -> None:
    """Equal decisions have no bootstrap interval; their interval is the worst case of unobserved changes."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 4, 100)
    output = random.normal(size=(100, 4))
    paired = _compare("classification", output, output, labels).drops["macro_f1"]
    assert (paired.drop.points, paired.resampled, paired.influential) == (0.0, (0.0, 0.0), 0.0)
    assert paired.unseen is not None
    fall, rise = paired.unseen.moves(0.95) or (0.0, 0.0)
    assert (paired.drop.interval, paired.drop.method) == ((-rise, fall), "unseen changes")
    assert paired.drop.note == "nothing that it is made of changes"


def test_few_changes_of_a_metric_of_all_have_no_interval() -> None:
    """Two flips among a hundred examples are too few for a bootstrap, and the drop says so."""
    labels = np.arange(100) % 4
    variant = _EYE[labels].copy()
    variant[:2] = _EYE[[1, 2]]
    drop = _compare("classification", _EYE[labels], variant, labels).drops["macro_f1"].drop
    assert drop.interval is None
    assert drop.note.startswith("it depends on about 2 examples, too few")


def test_a_users_function_that_waits_is_not_called_thousands_of_times(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that waits for another process uses no CPU time of this one, but its wall time counts."""
    (tmp_path / "my_wait.py").write_text(
        "import time\n"
        "calls = []\n"
        "def metric(outputs, labels):\n"
        "    calls.append(1)\n"
        "    time.sleep(0.2)\n"
        "    return {'rate': (outputs.argmax(1) == labels).mean()}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    labels = np.arange(300) % 4
    runs = [Run({"y": _EYE[np.where(np.arange(300) % step == 0, 0, labels)]}, "") for step in (10, 7)]
    drop = drops(ComparisonSettings(task="my_wait:metric", metric="rate", labels=labels), runs[0], runs[1])["rate"].drop
    assert "too long for thousands of resamples" in drop.note
    assert len(importlib.import_module("my_wait").calls) == 4


def test_a_users_error_is_no_metric(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Higher is better for a custom metric: one with the name of an error would be judged in the wrong direction."""
    (tmp_path / "my_error.py").write_text(
        "def metric(outputs, labels):\n    return {'mae': abs(outputs[:, 0] - labels)}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = Run({"y": np.ones((4, 1))}, "")
    with pytest.raises(EvaluationError, match=r"metric 'mae' is the better the lower, .* such as negative_mae"):
        run.figures(ComparisonSettings(task="my_error:metric", metric="", labels=np.ones(4)), 4)


def test_what_a_users_function_imports_does_not_make_it_slow(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow first call is ignored; a function that is always slow is not resampled, and the note has its time."""
    (tmp_path / "my_slow.py").write_text(
        "import time\n"
        "calls = []\n"
        "def work(seconds):\n"
        "    end = time.process_time() + seconds\n"
        "    while time.process_time() < end: pass\n"
        "def at_first(outputs, labels):\n"
        "    calls or work(0.1)\n"
        "    calls.append(1)\n"
        "    return {'rate': (outputs.argmax(1) == labels).mean()}\n"
        "def always(outputs, labels):\n"
        "    work(0.1)\n"
        "    return {'rate': (outputs.argmax(1) == labels).mean()}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    labels = np.arange(300) % 4
    runs = [Run({"y": _EYE[np.where(np.arange(300) % step == 0, 0, labels)]}, "") for step in (10, 7)]
    for name in ("at_first", "always"):
        drop = drops(ComparisonSettings(task=f"my_slow:{name}", metric="rate", labels=labels), runs[0], runs[1])[
            "rate"
        ].drop
        assert (drop.interval is None) == (name == "always")
        assert ("too long for thousands of resamples" in drop.note) == (name == "always")
        runs = [Run(run.outputs, "") for run in runs]


def test_only_the_judged_number_of_a_users_function_is_resampled(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a custom function, only the judged metric without values per example is resampled."""
    (tmp_path / "my_numbers.py").write_text(
        "def metric(outputs, labels):\n"
        "    hit = (outputs.argmax(1) == labels).mean()\n"
        "    return {'rate': hit, 'other': 2 * hit, 'each': (outputs.argmax(1) == labels) * 1.0}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    random = np.random.default_rng(3)
    labels = random.integers(0, 4, 300)
    reference = np.where(random.uniform(size=300) < 0.9, labels, 0)
    variant = np.where(random.uniform(size=300) < 0.9, reference, 1)
    runs = [Run({"y": _EYE[decisions]}, "") for decisions in (reference, variant)]
    measured = drops(ComparisonSettings(task="my_numbers:metric", metric="rate", labels=labels), runs[0], runs[1])
    assert list(measured) == ["rate", "other", "each"]
    other = measured["other"].drop
    assert (other.interval, other.method) == (None, "")
    assert other.points == pytest.approx(2 * (measured["rate"].drop.points or 0.0))
    assert other.note.startswith("only the judged metric of a function of one's own is resampled")
    assert measured["rate"].drop.method == "paired bootstrap"
    assert measured["each"].drop.method == "paired proportions"
    assert measured["rate"].drop.points == pytest.approx(measured["each"].drop.points)
    assert measured["rate"].drop.interval == pytest.approx(measured["each"].drop.interval, abs=1.5)


def test_metrics_that_labels_do_not_define_are_left_out() -> None:
    """With one class there is no AUC, without positives no F1; the other metrics are computed."""

    def names(label: int) -> list[str]:
        settings = ComparisonSettings(task="binary", metric="accuracy", labels=np.full(3, label))
        return list(measured_metrics(settings, _run("binary", np.array([[0.1], [0.2], [0.9]])), 3))

    assert names(0) == ["accuracy", "log_loss", "ece"]
    assert names(1) == ["accuracy", "average_precision", "f1", "log_loss", "ece"]


def test_classes_go_by_name_where_they_have_one() -> None:
    """Drops by class and flips have the classes' names; a class without a name keeps its number."""
    labels = np.array([0, 0, 1, 1, 2, 2] * 5)
    changed = np.where(np.arange(30) == 2, 0, labels)
    settings = ComparisonSettings(task="classification", metric="accuracy", labels=labels, classes=("cat", "dog"))
    comparison = compare(settings, *(Run({"y": _EYE[decisions]}, "probabilities") for decisions in (labels, changed)))
    assert [value.value for value in comparison.slices[0].slice.values] == ["dog", "cat", "2"]
    assert comparison.flips is not None
    assert [(flip.label, flip.reference, flip.variant) for flip in comparison.flips.lost] == [("dog", "dog", "cat")]
