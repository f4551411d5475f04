"""References that are not fit to compare with: no better than chance, in another order, or below what is expected."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from edgequant.artifacts.verdict import ReferenceCheck
from edgequant.errors import ConfigError
from edgequant.outputs import PROBABILITIES
from edgequant.reference import Expected, check_reference, from_training, parse_reference
from edgequant.validation.comparison.compare import ComparisonSettings, Run
from edgequant.validation.gate.reference_check import ReferenceFacts, check_reference_run
from edgequant.validation.statistics.association import agreement_p_value

_NAMES = ("dot", "cross", "square", "stripe_h", "stripe_v")
_RANDOM = np.random.default_rng
Values: TypeAlias = NDArray[Any]


def _check(
    settings: ComparisonSettings, output: Values, facts: ReferenceFacts | None = None
) -> tuple[ReferenceCheck, tuple[str, ...]]:
    reading = PROBABILITIES if settings.task != "regression" else ""
    return check_reference_run(settings, Run({"y": output}, reading), facts or ReferenceFacts(), 0.95)


def _five(labels: Values, decisions: Values, facts: ReferenceFacts | None = None) -> ReferenceCheck:
    settings = ComparisonSettings(task="classification", metric="accuracy", labels=labels, classes=_NAMES)
    return _check(settings, np.eye(5)[decisions] * 0.8 + 0.04, facts)[0]


def _labels(count: int = 1000) -> Values:
    return np.tile(np.arange(5), count // 5)


def _nine_in_ten(labels: Values) -> Values:
    return np.where(np.arange(len(labels)) % 10 == 0, (labels + 1) % 5, labels)


def test_a_good_reference_gives_its_metric_beside_chance() -> None:
    """Nine of ten are right, and one answer for all would be right on a fifth."""
    check = _five(_labels(), _nine_in_ten(_labels()))
    assert check.invalid == ""
    assert check.sentence == (
        "float32's accuracy is 0.9000, chance level 0.2000 (always answering dot, the most frequent class)."
    )


def test_two_exchanged_classes_are_noticed_by_name() -> None:
    """With two of five names exchanged, 540 of 1,000 are right, and 900 would be."""
    check = _five(_labels(), np.array([0, 1, 3, 2, 4])[_nine_in_ten(_labels())])
    assert check.invalid.startswith("the labels may be in another order than the outputs: float32's accuracy is ")
    assert check.invalid.endswith(" 0.9000 were its outputs read otherwise (square as stripe_h, stripe_h as square)")


@pytest.mark.parametrize(("offset", "how"), [(1, "after"), (4, "before")])
def test_labels_one_class_number_off_are_noticed(offset: int, how: str) -> None:
    """Labels from 1, or with a background class, are those of the next or the previous output."""
    check = _five((_labels() + offset) % 5, _labels())
    assert f"(each as the class {how} it)" in check.invalid


def test_inverted_answers_are_noticed() -> None:
    """A model of two classes that answers the other one each time is read as inverted."""
    labels = np.arange(200) % 2
    settings = ComparisonSettings(task="binary", metric="accuracy", labels=labels)
    check, _ = _check(settings, 0.9 - 0.8 * labels[:, None])
    assert "would be 1.0000 were its outputs read otherwise (0 as 1 and 1 as 0)" in check.invalid


def test_two_classes_that_a_weak_model_confuses_are_not_another_order() -> None:
    """A model that takes most crosses for dots answers no dot as a cross: it is weak, and valid."""
    labels = _labels()
    decisions = np.where((labels == 1) & (np.arange(1000) % 4 > 0), 0, labels)
    assert _five(labels, decisions).invalid == ""


@pytest.mark.parametrize("decisions", [np.arange(1000) // 5 % 5, np.zeros(1000, np.int64)])
def test_a_reference_that_guesses_is_invalid(decisions: Values) -> None:
    """Answers that do not depend on the label are no better than chance, constant ones included."""
    check = _five(_labels(), decisions)
    assert check.invalid.startswith("float32's accuracy is 0.2000, chance level 0.2000 (always answering dot")
    assert (
        "not significantly better than chance (permutation test of Cohen's kappa, 99%, 1,000 examples)" in check.invalid
    )


def test_labels_of_other_examples_are_invalid() -> None:
    """Shuffled labels are guessed: of 200 shuffles about 2 pass at 99%, and hardly ever more than 8."""
    labels = _labels(500)
    passed = sum(agreement_p_value(labels, _RANDOM(seed).permutation(labels), 5) < 0.01 for seed in range(200))
    assert passed <= 8


@pytest.mark.parametrize("right", [0.3, 0.5])
def test_a_weak_model_is_valid(right: float) -> None:
    """30% right of five classes is weak and better than chance: over 500 examples, 50 of 50 such models pass."""
    labels = _labels(500)
    for seed in range(50):
        random = _RANDOM(seed)
        decisions = np.where(random.random(500) < right, labels, (labels + random.integers(1, 5, 500)) % 5)
        assert agreement_p_value(decisions, labels, 5) < 0.01, seed


@pytest.mark.parametrize("metric", ["accuracy", "f1", "auc"])
def test_accuracy_given_away_for_a_rare_answer_is_valid(metric: str) -> None:
    """With 3% positives, a model that finds all with 50 false alarms is less accurate than one that finds none, but not worse."""
    labels = (np.arange(1000) % 100 < 3).astype(np.int64)
    decisions = labels.copy()
    decisions[3::20] = 1
    settings = ComparisonSettings(task="binary", metric=metric, labels=labels)
    check, notes = _check(settings, 0.8 * decisions[:, None] + 0.1)
    assert check.invalid == ""
    assert any("a constant answer is as good" in note for note in notes) == (metric == "accuracy")


def test_three_examples_tell_nothing() -> None:
    """Three right answers of three may be luck: a note, and no invalid reference."""
    settings = ComparisonSettings(task="binary", metric="accuracy", labels=np.array([0, 1, 0]))
    check, notes = _check(settings, np.array([[0.1], [0.9], [0.1]]))
    assert (check.invalid, notes) == ("", ("3 examples are too few to tell float32 from chance",))


@pytest.mark.parametrize(
    ("answer", "invalid"),
    [
        (lambda y, noise: y + 3 * noise, False),
        (lambda y, noise: 0 * y + noise, True),
        (lambda y, noise: 0 * noise + y.mean(), True),
        (lambda y, noise: 0 * noise - y, True),
        (lambda y, noise: 0.3 * y + 0.3 * noise, False),
    ],
)
def test_a_regression_is_compared_with_the_mean(answer: Callable[[Values, Values], Values], invalid: bool) -> None:
    """Noise, a constant and the wrong sign are no better than the labels' mean; a weak fit is."""
    labels = np.linspace(-10.0, 10.0, 300)[:, None]
    settings = ComparisonSettings(task="regression", metric="mae", labels=labels)
    check, _ = _check(settings, answer(labels, _RANDOM(3).normal(size=(300, 1))))
    assert bool(check.invalid) == invalid
    assert "chance level 5.0167 (always giving the labels' median)" in check.sentence


def test_numbers_in_another_unit_are_said_to_be() -> None:
    """Grams for kilograms are worse than the mean, and follow the labels."""
    labels = np.linspace(1.0, 10.0, 300)[:, None]
    settings = ComparisonSettings(task="regression", metric="mae", labels=labels)
    check, _ = _check(settings, 1000 * labels)
    assert "though they correlate at 1.00: is one of them in another unit?" in check.invalid


@pytest.mark.parametrize(("wrong", "invalid"), [(0.2, False), (0.5, True)])
def test_many_labels_are_compared_with_independent_ones(wrong: float, invalid: bool) -> None:
    """Answers with every second one changed at random know nothing; with every fifth, they do."""
    random = _RANDOM(5)
    labels = (random.random((400, 3)) < [0.1, 0.4, 0.5]).astype(np.int64)
    decided = np.where(random.random(labels.shape) < wrong, 1 - labels, labels)
    settings = ComparisonSettings(task="multilabel", metric="accuracy", labels=labels)
    check, _ = _check(settings, 0.8 * decided + 0.1)
    assert bool(check.invalid) == invalid


def test_labels_shifted_by_a_row_leave_no_more_than_chance() -> None:
    """Each output beside the label of the row before it guesses, wherever the source is in no order of its own."""
    truth = _RANDOM(7).integers(0, 5, 400)
    assert _five(np.roll(truth, 1), truth).invalid.startswith("float32")
    assert _five(truth, truth).invalid == ""


@pytest.mark.parametrize(("expected", "invalid"), [(0.905, False), (0.92, True), (0.5, False)])
def test_a_configured_value_is_to_be_reached(expected: float, invalid: bool) -> None:
    """0.9 reaches 0.905 within a point, and not 0.92; to be better than expected is fine."""
    facts = ReferenceFacts(expected=Expected(values={"accuracy": expected}))
    check = _five(_labels(), _nine_in_ten(_labels()), facts)
    assert bool(check.invalid) == invalid
    assert f"expected {expected:.4f} (reference in the configuration)" in check.sentence
    if invalid:
        assert check.invalid.startswith(
            "float32's accuracy is 0.9000, and 0.9200 within 1 points was expected (reference in the configuration)"
        )


def test_an_error_is_to_be_as_small_as_expected() -> None:
    """A mean absolute error of 1 is 17 hundredths of the labels' standard deviation: 0.9 is reached within 2 points, 0.8 is not."""
    labels = np.linspace(-10.0, 10.0, 300)[:, None]
    settings = ComparisonSettings(task="regression", metric="mae", labels=labels)
    for expected, invalid in ((0.9, False), (0.8, True), (2.0, False)):
        facts = ReferenceFacts(expected=Expected(values={"mae": expected}, within_points=2.0))
        assert bool(_check(settings, labels + 1, facts)[0].invalid) == invalid, expected


@pytest.mark.parametrize(
    ("logged", "expected", "invalid"),
    [
        ({"accuracy": 0.98}, 0.98, True),
        ({"accuracy": 0.92}, 0.92, False),
        ({"accuracy": 0.999, "val_accuracy": 0.91}, 0.91, False),
        ({"loss": 0.1}, None, False),
        ({"accuracy": 98.0}, None, False),
    ],
)
def test_the_training_runs_value_is_to_be_reached(
    logged: dict[str, float], expected: float | None, invalid: bool
) -> None:
    """A held-out metric goes before that of the training examples; another unit or another name is not compared."""
    settings = ComparisonSettings(task="classification", metric="accuracy", labels=_labels(), classes=_NAMES)
    facts = ReferenceFacts(logged=logged, training_run="the training run of models:/m/1")
    check, notes = _check(settings, np.eye(5)[_nine_in_ten(_labels())], facts)
    assert check.expected.get("accuracy") == expected
    assert bool(check.invalid) == invalid
    if invalid:
        assert "(accuracy of the training run of models:/m/1)" in check.invalid
    assert any("which accuracy cannot be" in note for note in notes) == (logged.get("accuracy") == 98.0)


def test_without_labels_nothing_is_known_of_the_reference() -> None:
    """The sentence says so, and agreement goes on as before."""
    check, _ = _check(ComparisonSettings(task="none", metric="agreement"), np.zeros((10, 5)))
    assert check.sentence == "float32's own quality is unknown, as the examples have no labels."
    assert check.invalid == ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"accuracy": "high"}, "reference.accuracy: 'high' is not a number"),
        ({"within_points": -1}, "reference.within_points: -1 is not a number of 0 or more"),
        ({"accuracy": 87}, "reference.accuracy: 87 is not possible; 0 to 1 is, and 0.95 is 95%"),
        ({"acuracy": 0.9}, "reference: classification has no metric 'acuracy'; choose from accuracy,"),
    ],
)
def test_an_expectation_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    """The message names the key, the value and what is allowed."""
    with pytest.raises(ConfigError, match=message[:20]) as error:
        check_reference(parse_reference(values), "classification", labelled=True)
    assert message in str(error.value)


def test_an_expectation_needs_labels() -> None:
    """Without labels no metric of the reference is known."""
    with pytest.raises(ConfigError, match=r"reference.accuracy: needs labels"):
        check_reference(parse_reference({"accuracy": 0.9}), "classification", labelled=False)


def test_a_training_run_without_the_metric_expects_nothing() -> None:
    """Only the metric of the same name counts."""
    assert from_training({"loss": 0.2}, "the run", "accuracy") == Expected()
