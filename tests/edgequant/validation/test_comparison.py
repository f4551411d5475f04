"""A variant against the baseline, on arrays that can be checked by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from edgequant.answers import LOGITS, PROBABILITIES, read
from edgequant.artifacts.comparison import Flip
from edgequant.validation.comparison import Asked, Comparison, Run, alone, compare, drops
from edgequant.validation.statistics import paired_drop_interval, wilson_interval

_EYE = np.eye(4)


def _run(task: str, output: NDArray[Any], reading: str | None = None) -> Run:
    return Run({"y": output}, read(task, output) if reading is None else reading)


def _compare(task: str, baseline: NDArray[Any], variant: NDArray[Any], labels: Any = None, **asked: Any) -> Comparison:
    first = _run(task, baseline)
    known = None if labels is None else np.asarray(labels)
    of = Asked(task=task, metric="", labels=known, **asked)
    return compare(of, first, _run(task, variant, first.reading))


def test_a_drop_is_the_difference_of_accuracies_in_points() -> None:
    """Of four examples the baseline gets three right and the variant two, one of them another: 25 points."""
    found = _compare("classification", _EYE[[0, 1, 2, 0]], _EYE[[0, 2, 3, 3]], [0, 1, 2, 3])
    drop = found.drops["accuracy"].drop
    assert found.examples == 4
    assert drop.points == 25.0
    assert found.agreement.value == 0.25
    lower, upper = paired_drop_interval(2, 1, 4, 0.95)
    assert drop.interval == pytest.approx((100 * lower, 100 * upper))
    assert drop.method == "paired proportions"
    assert found.measures["accuracy"].value == 0.5
    assert found.measures["accuracy"].interval == wilson_interval(2, 4, 0.95)


def test_flips_are_counted_and_named() -> None:
    """Two examples go from right to wrong and one from wrong to right; each is named with its label and both decisions."""
    found = _compare("classification", _EYE[[0, 1, 2, 0]], _EYE[[0, 2, 3, 3]], [0, 1, 2, 3]).flips
    assert found is not None
    assert (found.changed, found.right_to_wrong, found.wrong_to_right) == (3, 2, 1)
    assert found.lost == (
        Flip(example=1, label="1", baseline="1", variant="2"),
        Flip(example=2, label="2", baseline="2", variant="3"),
    )
    assert found.gained == (Flip(example=3, label="3", baseline="0", variant="3"),)


def test_no_more_than_fifty_flips_of_a_kind_are_named() -> None:
    """Of hundreds of flips the first fifty are named, and all are counted."""
    found = _compare("classification", np.tile(_EYE[0], (200, 1)), np.tile(_EYE[1], (200, 1)), np.zeros(200, int)).flips
    assert found is not None
    assert (found.right_to_wrong, len(found.lost), found.lost[-1].example) == (200, 50, 49)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda classes: st.lists(st.tuples(*[st.integers(0, classes - 1)] * 3), min_size=2, max_size=40).map(
            lambda rows: (classes, np.array(rows))
        )
    )
)
def test_laws_of_flips_and_agreement(drawn: tuple[int, NDArray[np.int64]]) -> None:
    """Lost minus gained flips are the drop times the examples; agreement is symmetric, and what is not changed."""
    classes, rows = drawn
    first, second = np.eye(classes)[rows[:, 0]], np.eye(classes)[rows[:, 1]]
    found, swapped = (
        _compare("classification", *pair, labels=rows[:, 2]) for pair in ((first, second), (second, first))
    )
    assert found.flips is not None
    assert swapped.flips is not None
    lost, gained = found.flips.right_to_wrong or 0, found.flips.wrong_to_right or 0
    points = found.drops["accuracy"].drop.points
    assert points is not None
    assert lost - gained == pytest.approx(points / 100 * len(rows))
    assert (swapped.flips.right_to_wrong, swapped.flips.wrong_to_right) == (gained, lost)
    assert found.agreement.value == swapped.agreement.value == pytest.approx(1 - found.flips.changed / len(rows))
    assert swapped.drops["accuracy"].drop.points == pytest.approx(-points)


def test_examples_that_only_one_was_run_on_do_not_count() -> None:
    """A variant that ran out of time is compared over its own first examples."""
    found = _compare("classification", _EYE[[0, 1, 2, 3]], _EYE[[0, 1]], [0, 2, 2, 3])
    assert (found.examples, found.drops["accuracy"].drop.points, found.agreement.value) == (2, 0.0, 1.0)
    found = _compare("classification", _EYE[[0, 1]], _EYE[[0, 1, 2, 3]], [0, 2, 2, 3])
    assert (found.examples, found.measures["accuracy"].value) == (2, 0.5)
    assert found.confusion is not None
    assert found.confusion.examples == 2


def test_without_labels_agreement_stands_in() -> None:
    """An example on which the variant decides otherwise counts as lost; flips are changes, right or wrong not known."""
    found = _compare("classification", _EYE[[0, 1, 2, 3]], _EYE[[0, 1, 2, 0]])
    drop = found.drops["agreement"].drop
    assert drop.points == 25.0
    assert found.agreement.value == 0.75
    assert drop.interval == pytest.approx(tuple(100 * end for end in paired_drop_interval(1, 0, 4, 0.95)))
    assert found.measures == {}
    assert found.flips is not None
    assert (found.flips.changed, found.flips.right_to_wrong) == (1, None)


@pytest.mark.parametrize(
    ("task", "baseline", "variant", "expected"),
    [
        ("classification", _EYE[[0, 1]], _EYE[[0, 2]], 0.5),
        ("binary", np.array([[0.6], [0.4]]), np.array([[0.9], [0.5]]), 0.5),
        ("multilabel", np.array([[0.9, 0.1], [0.9, 0.9]]), np.array([[0.8, 0.7], [0.7, 0.6]]), 0.75),
        ("regression", np.array([[4.0], [-2.0]]), np.array([[3.0], [2.0]]), 0.375),
        ("regression", np.array([[3.0, 4.0], [3.0, 4.0]]), np.array([[3.0, 3.0], [3.0, 4.0]]), 0.9),
        ("none", np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 0.25]]), 0.875),
    ],
)
def test_agreement_is_of_decisions_or_of_values(
    task: str, baseline: NDArray[Any], variant: NDArray[Any], expected: float
) -> None:
    """Equal decisions where the task decides; one minus the relative error where it does not."""
    assert _compare(task, baseline, variant).agreement.value == expected


def test_agreement_is_over_all_outputs_by_name() -> None:
    """Outputs are matched by name, and their errors taken together: ‖(0, 0, 1)‖ of ‖(3, 0, 4)‖ is a fifth."""
    baseline = Run({"a": np.array([[3.0, 0.0]] * 2), "b": np.array([4.0] * 2)}, "")
    variant = Run({"b": np.array([5.0] * 2), "a": np.array([[3.0, 0.0]] * 2)}, "")
    assert compare(Asked(task="none", metric=""), baseline, variant).agreement.value == pytest.approx(0.8)


def test_all_models_are_read_as_the_baseline() -> None:
    """A quantized variant whose logits all fall into 0..1 is still read as logits, as the baseline's are."""
    baseline, variant = np.array([[-3.0], [0.4], [0.2], [5.0]]), np.array([[0.0], [0.4], [0.2], [1.0]])
    assert (read("binary", baseline), read("binary", variant)) == (LOGITS, PROBABILITIES)
    found = _compare("binary", baseline, variant, [0, 1, 1, 1])
    assert found.flips is not None
    assert (found.flips.right_to_wrong, found.flips.changed) == (1, 1)
    assert found.measures["accuracy"].value == 0.75


@pytest.mark.parametrize(("least", "greatest", "reading"), [(0.0, 1.0000005, PROBABILITIES), (-0.01, 0.9, LOGITS)])
def test_rounding_of_a_softmax_is_no_logit(least: float, greatest: float, reading: str) -> None:
    """float32 may leave 0..1 by a rounding error, and by no more."""
    assert read("classification", np.array([[least, greatest]], np.float32)) == reading


def test_regression_tells_errors_in_standard_deviations() -> None:
    """MAE rises from 0 to 1 with labels of standard deviation 2: 50 points, by the paired interval of a mean."""
    labels = np.array([2.0, 6.0] * 4)
    variant = labels + np.array([0.5, 1.5] * 4)
    found = _compare("regression", labels[:, None], variant[:, None], labels)
    drop = found.drops["mae"].drop
    assert drop.points == pytest.approx(50.0)
    expected = stats.ttest_1samp(np.array([25.0, 75.0] * 4), 0.0).confidence_interval(0.9)
    assert drop.interval == pytest.approx((expected.low, expected.high))
    assert drop.method == "paired mean"
    assert found.drops["max_error"].drop.interval is None
    assert "one example" in found.drops["max_error"].drop.note


def test_drops_of_metrics_of_all_examples_are_bootstrapped_and_repeat() -> None:
    """AUC, F1 and average precision get a paired bootstrap interval that holds the drop, the same each time."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 400)
    baseline = (labels + random.normal(size=400))[:, None]
    variant = baseline + random.normal(scale=1.0, size=(400, 1))
    found, again = (_compare("binary", baseline, variant, labels).drops for _ in range(2))
    for name in ("auc", "average_precision", "f1"):
        drop = found[name].drop
        assert drop == again[name].drop
        assert drop.method == "paired bootstrap"
        assert drop.interval is not None
        assert drop.points is not None
        assert drop.interval[0] < drop.points < drop.interval[1]


def test_a_metric_that_nothing_changes_is_told_so() -> None:
    """Equal decisions have no bootstrap interval, and the reason is not that there are too few."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 4, 100)
    output = random.normal(size=(100, 4))
    found = _compare("classification", output, output, labels).drops["macro_f1"]
    assert (found.drop.points, found.drop.interval, found.influential) == (0.0, None, 0.0)
    assert found.drop.note == "nothing that it is made of changes"


def test_few_changes_of_a_metric_of_all_have_no_interval() -> None:
    """Two flips among a hundred examples are too few for a bootstrap, and the drop says so."""
    labels = np.arange(100) % 4
    variant = _EYE[labels].copy()
    variant[:2] = _EYE[[1, 2]]
    drop = _compare("classification", _EYE[labels], variant, labels).drops["macro_f1"].drop
    assert drop.interval is None
    assert drop.note.startswith("it hangs on about 2 examples, too few")


def test_only_the_judged_number_of_a_users_function_is_resampled(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's function that gives one number for all is called anew for the metric that is judged, for no other."""
    (tmp_path / "my_numbers.py").write_text(
        "def metric(outputs, labels):\n"
        "    hit = (outputs.argmax(1) == labels).mean()\n"
        "    return {'rate': hit, 'other': 2 * hit, 'each': (outputs.argmax(1) == labels) * 1.0}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    random = np.random.default_rng(3)
    labels = random.integers(0, 4, 300)
    baseline = np.where(random.uniform(size=300) < 0.9, labels, 0)
    variant = np.where(random.uniform(size=300) < 0.9, baseline, 1)
    runs = [Run({"y": _EYE[decisions]}, "") for decisions in (baseline, variant)]
    found = drops(Asked(task="my_numbers:metric", metric="rate", labels=labels), runs[0], runs[1])
    assert list(found) == ["rate", "other", "each"]
    other = found["other"].drop
    assert (other.interval, other.method) == (None, "")
    assert other.points == pytest.approx(2 * (found["rate"].drop.points or 0.0))
    assert other.note.startswith("only the judged metric of a function of one's own is resampled")
    assert found["rate"].drop.method == "paired bootstrap"
    assert found["each"].drop.method == "paired proportions"
    assert found["rate"].drop.points == pytest.approx(found["each"].drop.points)
    assert found["rate"].drop.interval == pytest.approx(found["each"].drop.interval, abs=1.5)


def test_metrics_that_labels_do_not_define_are_left_out() -> None:
    """With one class alone there is no AUC, and with no yes no F1; the others are there."""

    def names(label: int) -> list[str]:
        asked = Asked(task="binary", metric="accuracy", labels=np.full(3, label))
        return list(alone(asked, _run("binary", np.array([[0.1], [0.2], [0.9]])), 3))

    assert names(0) == ["accuracy", "log_loss", "ece"]
    assert names(1) == ["accuracy", "average_precision", "f1", "log_loss", "ece"]


def test_classes_go_by_name_where_they_have_one() -> None:
    """Drops by class and flips tell a class's name; one beyond the names given keeps its number."""
    labels = np.array([0, 0, 1, 1, 2, 2] * 5)
    changed = np.where(np.arange(30) == 2, 0, labels)
    asked = Asked(task="classification", metric="accuracy", labels=labels, classes=("cat", "dog"))
    found = compare(asked, *(Run({"y": _EYE[decisions]}, "probabilities") for decisions in (labels, changed)))
    assert [value.value for value in found.slices[0].slice.values] == ["dog", "cat", "2"]
    assert found.flips is not None
    assert [(flip.label, flip.baseline, flip.variant) for flip in found.flips.lost] == [("dog", "dog", "cat")]
