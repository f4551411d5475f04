"""Warnings about evaluation sets and references that limit what a verdict means."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgequant.artifacts.benchmark import Benchmark, Environment
from edgequant.gate import Gate
from edgequant.outputs import PROBABILITIES
from edgequant.validation.comparison.compare import ComparisonSettings, Run, compare
from edgequant.validation.gate.checks import Limit, check_drop
from edgequant.validation.gate.class_check import check_worst_class
from edgequant.validation.gate.data_warnings import caveats, label_counts
from edgequant.validation.gate.decide import Evidence, judge
from edgequant.validation.statistics import paired_drop_interval

_NAMES = ("dot", "cross", "square", "stripe_h", "stripe_v")


def _run(decisions: NDArray[Any]) -> Run:
    return Run({"y": np.eye(5)[decisions] * 0.8 + 0.04}, PROBABILITIES)


def _settings(labels: NDArray[Any], metric: str = "accuracy") -> ComparisonSettings:
    return ComparisonSettings(task="classification", metric=metric, labels=labels, classes=_NAMES)


def _evidence(settings: ComparisonSettings, run: Run, missing: str, everywhere: str = "") -> Evidence:
    """Returns what a variant that answers as the reference does is judged by."""
    environment = Environment(cpu="a CPU", cores=2, threads=1, delegate="", runtime="", load_average=0.0)
    return Evidence(
        variant="small",
        metric=settings.metric,
        comparison=compare(settings, run, run),
        size_bytes=1,
        reference_size_bytes=2,
        kind=None,
        benchmark=Benchmark(model_sha256={}, latencies={}, failures={}, environment=environment),
        missing=missing,
        everywhere=everywhere,
    )


def _labels() -> NDArray[np.int64]:
    return np.tile(np.arange(5), 200)


def test_a_good_reference_on_enough_examples_needs_no_word() -> None:
    """An accuracy of 0.9 on a thousand examples of all classes has no warning."""
    labels = _labels()
    decisions = np.where(np.arange(1000) % 10 == 0, (labels + 1) % 5, labels)
    gate = Gate(max_drop_points=1.0, min_agreement=0.98, max_worst_class_drop_points=5.0)
    assert caveats(gate, _settings(labels), _run(decisions)) == ()


def test_classes_without_an_example_are_named() -> None:
    """If all examples have one of five classes, the other four are named first, and every class is counted."""
    labels = np.zeros(400, np.int64)
    settings, run = _settings(labels), _run(labels)
    assert label_counts(settings, run, len(run)).counts == {
        "dot": 400,
        "cross": 0,
        "square": 0,
        "stripe_h": 0,
        "stripe_v": 0,
    }
    (note,) = caveats(Gate(max_drop_points=1.0), settings, run)
    assert note == "4 of 5 classes have no evaluation example: cross, square, stripe_h, stripe_v"


@pytest.mark.parametrize(
    ("metric", "verdicts"), [("accuracy", ["blessed", "inconclusive"]), ("macro_f1", ["inconclusive"] * 2)]
)
def test_what_is_about_all_classes_is_not_blessed_on_some(metric: str, verdicts: list[str]) -> None:
    """On one class of five accuracy may be blessed; macro F1 and the drop by class are open, with the reason."""
    labels = np.zeros(400, np.int64)
    settings, run = _settings(labels, metric), _run(labels)
    evidence = _evidence(settings, run, label_counts(settings, run, len(run)).missing)
    _, checks, _ = judge(Gate(max_drop_points=1.0, max_worst_class_drop_points=1.0), evidence)
    assert [check.verdict for check in checks] == verdicts
    assert "4 of 5 classes have no evaluation example: cross, square" in checks[1].sentence
    _, (check,), _ = judge(Gate(max_worst_class_drop_points=0.1), evidence)
    assert (check.verdict, check.need) == ("inconclusive", None)
    assert "of those nothing is known until there are examples" in check.sentence


def test_classes_of_many_that_all_have_or_hardly_any_lacks_are_named() -> None:
    """Multilabel examples without a class are a group, too: none of them shows no false alarms, five are too few."""
    labels = np.ones((1000, 3), np.int64)
    labels[:5, 1] = 0
    labels[::2, 2] = 0
    settings = ComparisonSettings(task="multilabel", metric="accuracy", labels=labels, classes=("all", "most", "half"))
    run = Run({"y": 0.8 * labels + 0.1}, PROBABILITIES)
    gate = Gate(max_worst_class_drop_points=2.0)
    everywhere, few = caveats(gate, settings, run)
    assert everywhere == "every evaluation example has all, and none is without"
    needed = next(count for count in range(1, 1000) if paired_drop_interval(0, 0, count, 0.95)[1] <= 0.02)
    assert f"max_worst_class_drop_points of 2 takes {needed} of each group; without most has 5" in few
    known = label_counts(settings, run, 1000)
    evidence = _evidence(settings, run, known.missing, known.everywhere)
    _, (check,), _ = judge(Gate(max_worst_class_drop_points=50.0), evidence)
    assert (check.verdict, everywhere in check.sentence) == ("inconclusive", True)
    _, (check,), _ = judge(Gate(max_drop_points=1.0), evidence)
    assert check.verdict == "blessed"


def test_one_class_of_its_own_has_two_groups() -> None:
    """A multilabel task of one class has two groups, with and without it, and not two classes."""
    labels = np.arange(1000)[:, None] % 2
    variant = labels.copy()
    variant[:60:2] = 1
    settings = ComparisonSettings(task="multilabel", metric="accuracy", labels=labels, classes=("cat",))
    runs = [Run({"y": 0.8 * decisions + 0.1}, PROBABILITIES) for decisions in (labels, variant)]
    (by_class,) = compare(settings, *runs).slices
    check = check_worst_class(Limit(name="max_worst_class_drop_points", value=6.0, confidence=0.95), by_class)
    assert check.sentence.startswith("of 2 groups by class, without cat loses most: 6.00 points; no group loses")


def test_a_set_too_small_to_bless_is_noticed() -> None:
    """With 20 unchanged examples neither check can be blessed: the numbers are those that the checks need."""
    labels = np.tile(np.arange(5), 4)
    gate = Gate(max_drop_points=1.0, min_agreement=0.99, max_worst_class_drop_points=5.0)
    (note,) = caveats(gate, _settings(labels), _run(labels))
    assert note.startswith(
        "20 examples are too few to bless a variant, even one that changes nothing: max_drop_points of 1"
    )
    assert "min_agreement of 0.99 takes 299" in note
    # 58 of a class with 4 of 20 examples are 290 of all.
    assert note.endswith("takes 58 of each class; dot has 4; 299 are needed in all")


def test_few_examples_of_numbers_are_said_to_be_few() -> None:
    """Limits on errors and on agreement of values need their number of examples, too."""
    labels = np.linspace(-1.0, 1.0, 30)[:, None]
    run, gate = Run({"y": labels * 0.9}, ""), Gate(max_drop_points=1.0, min_agreement=0.99)
    expected = (
        "30 examples are too few to bless a variant, even one that changes nothing: max_drop_points of 1 takes 299"
    )
    (note,) = caveats(gate, ComparisonSettings(task="regression", metric="mae", labels=labels), run)
    assert note == f"{expected}; min_agreement of 0.99 takes 299"
    (note,) = caveats(Gate(max_drop_points=1.0), ComparisonSettings(task="none", metric="agreement"), run)
    assert note == expected


@pytest.mark.parametrize(
    ("task", "metric", "labelled"),
    [
        ("classification", "accuracy", True),
        ("classification", "log_loss", True),
        ("classification", "agreement", False),
        ("regression", "mae", True),
        ("regression", "agreement", False),
        ("none", "agreement", False),
    ],
)
@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_the_note_and_the_check_give_one_number_of_examples(
    task: str, metric: str, labelled: bool, noise: float
) -> None:
    """What a limit takes according to the note is what its check needs, for a variant that is equal or nearly so."""
    output = np.random.default_rng(3).normal(size=(60, 3))
    labels = (output.argmax(axis=1) if task == "classification" else 0.9 * output) if labelled else None
    settings = ComparisonSettings(task=task, metric=metric, labels=labels)
    reference, variant = Run({"y": output}, "logits"), Run({"y": output + noise * output**2}, "logits")
    (note,) = caveats(Gate(max_drop_points=1.0), settings, reference)
    check = check_drop(
        Limit(name="max_drop_points", value=1.0, confidence=0.95),
        compare(settings, reference, variant).drops[metric],
        metric,
    )
    assert check.need is not None
    assert note.endswith(f"max_drop_points of 1 takes {check.need.examples}")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones((300, 1)), "the label is the same in all examples: "),
        (np.column_stack([np.linspace(0, 1, 300), np.ones(300)]), "number 1 of a label is the same in all examples: "),
    ],
)
def test_labels_that_do_not_vary_are_noticed(labels: Any, message: str) -> None:
    """Without a standard deviation errors count in the label's own unit, and a warning says so."""
    settings = ComparisonSettings(task="regression", metric="mae", labels=labels)
    notes = caveats(Gate(max_drop_points=1.0), settings, Run({"y": labels + 0.001}, ""))
    assert any(note.startswith(message) for note in notes)
