"""Metrics of all examples that hardly an example changes: how often a variant at or past the limit is blessed, and what it would take."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from edgequant.artifacts.verdict import Check
from edgequant.gate import Gate
from edgequant.outputs import PROBABILITIES
from edgequant.validation.comparison.compare import ComparisonSettings, Run, compare, measured_metrics
from edgequant.validation.comparison.drop_intervals import mean_drop_ends, paired_drop
from edgequant.validation.gate.checks import Limit, check_drop, check_least
from edgequant.validation.gate.data_warnings import caveats
from edgequant.validation.metrics.classification import binary, classification, multilabel
from edgequant.validation.metrics.metric import Figure

# Draws labels, and the outputs of the reference and of the variant.
Drawn = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
Draw = Callable[[np.random.Generator], Drawn]
_MEASURES: dict[str, Callable[[NDArray[Any], NDArray[np.int64], str], dict[str, Figure]]] = {
    "auc": binary,
    "average_precision": binary,
    "f1": binary,
    "macro_f1": classification,
    "labels_macro_f1": multilabel,
    "labels_micro_f1": multilabel,
}


def _yes_or_no(count: int, share: float, missed: float = 0.0, raised: float = 0.0, noise: float = 0.0) -> Draw:
    """A share of yes; the variant misses some of them, ranks some no above all, and is off by a little elsewhere."""

    def draw(random: np.random.Generator) -> Drawn:
        labels = (random.random(count) < share).astype(np.int64)
        # Each score is another's: of equal ones a false alarm would cost all alike.
        reference = np.where(labels == 1, 0.9, 0.1) + random.uniform(-0.05, 0.05, count)
        reference += 15 * noise * random.normal(size=count)
        variant = reference + noise * random.normal(size=count)
        variant[(labels == 1) & (random.random(count) < missed)] = -4.0
        variant[(labels == 0) & (random.random(count) < raised)] = 4.0
        return labels, reference[:, None], variant[:, None]

    return draw


def _three(count: int, rare: float, missed: float, turned: float = 0.0) -> Draw:
    """Three classes, one of them rare and missed by the variant; of the others it turns a share over."""

    def draw(random: np.random.Generator) -> Drawn:
        labels = random.choice(3, count, p=[0.6, 0.4 - rare, rare])
        reference = np.where((random.random(count) < turned) & (labels < 2), 1 - labels, labels)
        variant = np.where((random.random(count) < turned) & (labels < 2), 1 - reference, reference)
        variant[(labels == 2) & (random.random(count) < missed)] = 0
        return labels, np.eye(3)[reference], np.eye(3)[variant]

    return draw


def _two_labels(count: int, rare: float, missed: float) -> Draw:
    """A yes or no in each of two classes, the second rare and missed by the variant."""

    def draw(random: np.random.Generator) -> Drawn:
        labels = (random.random((count, 2)) < [0.5, rare]).astype(np.int64)
        variant = labels.copy()
        variant[random.random(count) < missed, 1] = 0
        return labels, labels.astype(np.float64), variant.astype(np.float64)

    return draw


def _ten_labels(count: int, share: float, missed: float) -> Draw:
    """All of ten classes in a share of the examples and none in the others; of some the variant misses all ten."""

    def draw(random: np.random.Generator) -> Drawn:
        labels = np.repeat((random.random((count, 1)) < share).astype(np.int64), 10, axis=1)
        variant = labels * (random.random((count, 1)) >= missed)
        return labels, labels.astype(np.float64), variant.astype(np.float64)

    return draw


def _blessed(metric: str, draw: Draw, points: float, sets: int) -> float:
    """Returns the share of simulated sets in which the variant is blessed; without a yes there is no metric, and no blessing."""
    random, blessed = np.random.default_rng(31), 0
    for _ in range(sets):
        labels, *outputs = draw(random)
        metrics = [
            _MEASURES[metric](output, labels, PROBABILITIES)[metric.removeprefix("labels_")] for output in outputs
        ]
        # A drop past the limit is not blessed, whatever its interval: that need not be computed.
        if np.isfinite(metrics[0].value) and metrics[0].value - metrics[1].value <= points / 100:
            drop = paired_drop(metrics[0], metrics[1], len(labels), 0.95)
            limit = Limit(name="max_drop_points", value=points, confidence=0.95)
            blessed += check_drop(limit, drop, metric).verdict == "blessed"
    return blessed / sets


# Missing 20% of the positives costs 11 points of F1 and 20 of AUC; a tenth of a percent of false alarms above all of 2%, 15 of
# average precision. All are past the limit of 1 point.
_PAST = {
    "F1, 2% of 400 missed": ("f1", _yes_or_no(400, 0.02, missed=0.2)),
    "F1, 1% of 1,000 missed": ("f1", _yes_or_no(1000, 0.01, missed=0.1)),
    "F1, 2% of 400, false alarms": ("f1", _yes_or_no(400, 0.02, raised=0.001)),
    "AUC, 2% of 400 missed": ("auc", _yes_or_no(400, 0.02, missed=0.2)),
    "AUC, 2% of 400 missed, noise": ("auc", _yes_or_no(400, 0.02, missed=0.2, noise=0.01)),
    "AUC, 98% of 400, false alarms": ("auc", _yes_or_no(400, 0.98, raised=0.2)),
    "average precision, 2% of 400 missed": ("average_precision", _yes_or_no(400, 0.02, missed=0.2)),
    "average precision, 2% of 1,000, false alarms": ("average_precision", _yes_or_no(1000, 0.02, raised=0.001)),
    "average precision, 20% of 1,000, false alarms": ("average_precision", _yes_or_no(1000, 0.2, raised=0.001)),
    "macro F1, 1% of 400 missed": ("macro_f1", _three(400, 0.01, 0.3)),
    "macro F1, 1% of 400 missed, others turned": ("macro_f1", _three(400, 0.01, 0.3, turned=0.02)),
    "macro F1 of labels, 2% of 400 missed": ("labels_macro_f1", _two_labels(400, 0.02, 0.2)),
}


@pytest.mark.parametrize("name", list(_PAST))
def test_a_variant_past_the_limit_is_hardly_blessed_where_it_does_not_show(name: str) -> None:
    """Of 35 sets, few of which show a loss, at most 6% are blessed."""
    assert _blessed(*_PAST[name], points=1.0, sets=35) <= 0.06


def _at_limit(share: float) -> dict[str, tuple[str, Draw]]:
    """Variants of which each drops 5 points exactly, of 1,000 examples with so many yes."""
    lost = 0.05
    # F1 of a share m missed of right answers is (1 - m) / (1 - m / 2), that of b false alarms to each yes 1 / (1 + b / 2).
    missed, alarms = 2 * lost / (1 + lost), 2 * lost / (1 - lost)
    above = optimize.brentq(lambda q: q / share * math.log(1 + share / q) - lost, 1e-12, 0.1)
    return {
        "F1, missed": ("f1", _yes_or_no(1000, share, missed=missed)),
        "F1, false alarms": ("f1", _yes_or_no(1000, share, raised=alarms * share / (1 - share))),
        "AUC, missed": ("auc", _yes_or_no(1000, share, missed=lost)),
        "AUC, missed, noise": ("auc", _yes_or_no(1000, share, missed=lost, noise=0.01)),
        "average precision, false alarms": ("average_precision", _yes_or_no(1000, share, raised=above / (1 - share))),
        "average precision, false alarms, noise": (
            "average_precision",
            _yes_or_no(1000, share, raised=above / (1 - share), noise=0.01),
        ),
        "micro F1 of labels, missed": ("labels_micro_f1", _ten_labels(1000, share, missed)),
    }


@pytest.mark.long
@pytest.mark.parametrize("share", [0.035, 0.065, 0.2])
@pytest.mark.parametrize("name", list(_at_limit(0.2)))
def test_a_variant_at_the_limit_is_blessed_in_at_most_six_percent(name: str, share: float) -> None:
    """Of 250 sets with so many yes: too few to bless anything, about as many as it takes, and more."""
    metric, draw = _at_limit(share)[name]
    assert _blessed(metric, draw, points=5.0, sets=250) <= 0.06


def _same(metric: str, yes: NDArray[np.bool_], points: float = 10.0) -> Check:
    """Returns the check of a variant that finds every yes and nothing else, as the reference does."""
    labels = yes.astype(np.int64)
    figure = binary(np.where(yes, 0.9, 0.1)[:, None], labels, PROBABILITIES)[metric]
    limit = Limit(name="max_drop_points", value=points, confidence=0.95)
    return check_drop(limit, paired_drop(figure, figure, len(labels), 0.95), metric)


@pytest.mark.parametrize("metric", ["f1", "auc", "average_precision"])
def test_where_nothing_changes_it_is_enough_of_the_rarer_kind_that_is_asked_for(metric: str) -> None:
    """Of 400 with 2% yes no number of no helps: the check tells how many would, and of so many of the same mix it blesses."""
    check = _same(metric, np.arange(400) % 50 == 0)
    assert check.verdict == "inconclusive"
    assert check.need is not None
    assert check.sentence.startswith(
        f"{metric} does not change: nothing that it is made of changes in any of 400 examples, so that it does in at most"
        " 0.75% of all at 95%, one-sided, which lose at most "
    )
    assert f"; the limit is 10; about {check.need.examples:,} evaluation examples would settle it" in check.sentence
    assert _same(metric, np.arange(check.need.examples + 50) % 50 == 0).verdict == "blessed"
    assert _same(metric, np.arange(check.need.examples * 0.9) % 50 == 0).verdict == "inconclusive"


def test_changes_that_cancel_out_are_not_none() -> None:
    """Two hundred apart, so that they are left out together, one hit is lost and one gained: that is not said to be no change."""
    labels = np.ones(400, np.int64)
    reference, variant = np.ones((400, 1)), np.ones((400, 1))
    reference[7], variant[207] = 0.0, 0.0
    before, after = (binary(output, labels, PROBABILITIES)["f1"] for output in (reference, variant))
    drop = paired_drop(before, after, 400, 0.95)
    assert drop.drop.note.startswith("it depends on about 1 example, too few")


def test_a_number_of_ones_own_that_nothing_changes_is_not_judged(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A custom metric has no worst-case bound: the sentence says so, and that no number of examples settles it."""
    (tmp_path / "my_rate.py").write_text(
        "def metric(outputs, labels):\n    return {'rate': float((labels == 0).mean())}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    labels = np.arange(400) % 2
    run = Run({"y": np.eye(2)[labels]}, "")
    comparison = compare(ComparisonSettings(task="my_rate:metric", metric="rate", labels=labels), run, run)
    limit = Limit(name="max_drop_points", value=1.0, confidence=0.95)
    check = check_drop(limit, comparison.drops["rate"], "rate")
    assert (check.verdict, check.need, check.interval) == ("inconclusive", None, None)
    assert "how far it would move with one that does is not known" in check.sentence
    assert "no number of evaluation examples would settle it" in check.sentence


_HALF = np.arange(1000) % 2
_TWO = np.column_stack([_HALF, 1 - _HALF])


@pytest.mark.parametrize(
    ("task", "metric", "labels", "reference", "variant", "lost"),
    [
        ("binary", "f1", _HALF, _HALF, np.full(1000, 0.3), 100.0),
        ("binary", "auc", _HALF, _HALF, np.full(1000, 0.3), 50.0),
        ("binary", "auc", _HALF, _HALF, 1 - _HALF, 100.0),
        ("multilabel", "macro_f1", _TWO, _TWO, 0 * _TWO, 100.0),
        ("multilabel", "micro_f1", _TWO, _TWO, 0 * _TWO, 100.0),
        ("classification", "macro_f1", _HALF, _TWO[:, ::-1], _TWO, 100.0),
    ],
)
def test_a_model_that_loses_all_is_rejected(
    task: str, metric: str, labels: NDArray[Any], reference: NDArray[Any], variant: NDArray[Any], lost: float
) -> None:
    """What is the same whichever examples are left out need not be nothing: a drop of everything is as sure as can be."""
    shape = (1000, -1)
    runs = [Run({"y": 0.8 * values.reshape(shape) + 0.1}, PROBABILITIES) for values in (reference, variant)]
    comparison = compare(ComparisonSettings(task=task, metric=metric, labels=labels), *runs)
    check = check_drop(Limit(name="max_drop_points", value=1.0, confidence=0.95), comparison.drops[metric], metric)
    assert check.verdict == "rejected", check.sentence
    assert check.measured == pytest.approx(lost)
    assert f"{metric} drops {lost:.2f} points, at least " in check.sentence
    assert check.interval is not None
    assert lost - 2 < check.interval[0] < lost


def _off_by_less_than_their_spread(count: int, random: np.random.Generator) -> Drawn:
    """Numbers near right, of which the variant has one of a hundred wrong by 0.9 standard deviations: RMSE is 3.4 points more."""
    labels = random.normal(size=count)
    reference = labels + 0.1 * random.normal(size=count)
    variant = reference + 1e-4 * random.normal(size=count) + 0.9 * (random.random(count) < 0.01)
    return labels, reference[:, None], variant[:, None]


@pytest.mark.long
@pytest.mark.parametrize(("metric", "limit"), [("rmse", 1.0), ("r2", 0.5)])
@pytest.mark.parametrize("count", [50, 100])
def test_rounding_is_no_sign_of_what_was_not_seen(metric: str, limit: float, count: int) -> None:
    """Also where each example changes a little, a few examples bless no RMSE and no R²: what one of them may lose is not among them."""
    random = np.random.default_rng(count)
    blessed = 0
    for _ in range(60):
        labels, *outputs = _off_by_less_than_their_spread(count, random)
        settings = ComparisonSettings(task="regression", metric=metric, labels=labels)
        reference_metric, variant_metric = (
            Run({"y": output}, "").figures(settings, count)[metric] for output in outputs
        )
        drop = paired_drop(reference_metric, variant_metric, count, 0.95)
        blessed += (
            check_drop(Limit(name="max_drop_points", value=limit, confidence=0.95), drop, metric).verdict == "blessed"
        )
    assert blessed <= 0.06 * 60


def test_an_rmse_that_does_not_change_takes_so_many_examples() -> None:
    """Squares of what was not seen add up with those that were: an RMSE of 0.1 rises by 1 point when 0.0021 of all are off by a deviation."""
    random = np.random.default_rng(8)
    limit = Limit(name="max_drop_points", value=1.0, confidence=0.95)
    labels = random.normal(size=2000)
    labels = (labels - labels.mean()) / labels.std()
    errors = np.where(np.arange(2000) % 2, 0.1, -0.1)
    needed = math.ceil(math.log(0.05) / math.log1p(0.1**2 - 0.11**2))
    for count, verdict in ((1000, "inconclusive"), (2000, "blessed")):
        run = Run({"y": (labels + errors)[:count, None]}, "")
        comparison = compare(ComparisonSettings(task="regression", metric="rmse", labels=labels), run, run)
        check = check_drop(limit, comparison.drops["rmse"], "rmse")
        assert check.verdict == verdict, check.sentence
        if verdict == "inconclusive":
            assert check.need is not None
            assert check.need.examples == pytest.approx(needed, rel=0.02)


def _least(metric: str, output: NDArray[Any], labels: NDArray[np.int64], limit: float) -> Check:
    task = "binary"
    run = Run({"y": output}, PROBABILITIES)
    comparison = compare(ComparisonSettings(task=task, metric=metric, labels=labels), run, run)
    bound = Limit(name="min_metric", value=limit, confidence=0.95)
    return check_least(bound, comparison.measures[metric], metric, len(labels), comparison.own[metric])


@pytest.mark.parametrize("metric", ["f1", "auc", "average_precision"])
def test_a_metric_of_one_is_judged_by_what_was_not_seen(metric: str) -> None:
    """2,000 balanced examples, all right: of 3 others F1 and AUC lose 0.2 to 0.3 points, average precision 1.7: 0.9 is held."""
    labels = np.arange(2000) % 2
    check = _least(metric, labels[:, None].astype(np.float64), labels, 0.9)
    assert check.verdict == "blessed"
    changed = 2000 * (1 - 0.05 ** (1 / 2000))
    falls = {
        "f1": changed / (2000 - changed),
        "auc": changed / 1000,
        "average_precision": changed / 1000 * math.log(1 + 1000 / changed),
    }
    assert check.interval == pytest.approx((1 - falls[metric], 1.0), abs=1e-4)
    assert check.sentence.startswith(f"{metric} is 1.0000, whichever of 2,000 examples are left out, at least ")


def test_a_metric_of_one_on_few_examples_tells_how_many_it_takes() -> None:
    """Of 20 balanced examples, 3 others could cost 0.15 of F1: more are needed to hold 0.9, and their number is told."""
    labels = np.arange(20) % 2
    check = _least("f1", labels[:, None].astype(np.float64), labels, 0.9)
    assert check.verdict == "inconclusive"
    assert check.need is not None
    again = np.arange(check.need.examples + 1) % 2
    assert _least("f1", again[:, None].astype(np.float64), again, 0.9).verdict == "blessed"
    assert _least("f1", again[:-8, None].astype(np.float64), again[:-8], 0.9).verdict == "inconclusive"


def test_a_metric_that_few_examples_make_tells_how_many_would_do() -> None:
    """Two of 2,000 are missed: a bootstrap of those says nothing, and of about 5,000 examples some five would be."""
    labels = np.arange(2000) % 2
    output = labels.astype(np.float64)
    output[[1, 3]] = 0.0
    check = _least("f1", output[:, None], labels, 0.9)
    assert (check.verdict, check.interval) == ("inconclusive", None)
    assert "too few examples make a difference; about 4,8" in check.sentence
    assert "evaluation examples would do for one" in check.sentence


def test_a_metric_is_not_held_by_examples_that_were_not_seen() -> None:
    """Twenty yes of about one score: resamples know of no other, and yet 3 of 20 may have one; of twenty times as many they may not."""
    random = np.random.default_rng(4)

    def draw(count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        labels = (np.arange(count) % 50 == 0).astype(np.int64)
        return np.where(labels == 1, 1.0, 0.7 * random.normal(size=count))[:, None], labels

    output, labels = draw(1000)
    measured = measured_metrics(
        ComparisonSettings(task="binary", metric="auc", labels=labels), Run({"y": output}, PROBABILITIES), 1000
    )["auc"]
    assert measured.interval is not None
    limit = measured.interval[0] - 0.01
    check = _least("auc", output, labels, limit)
    assert (check.verdict, check.need is None) == ("inconclusive", False)
    assert check.interval is not None
    assert check.interval[0] == pytest.approx(measured.value - 1000 * (1 - 0.05 ** (1 / 1000)) / 20)
    assert _least("auc", *draw(20_000), limit).verdict == "blessed"


def test_a_set_with_too_few_yes_is_noticed_before_any_verdict() -> None:
    """Of 400 with 8 yes, F1 within 1 point cannot be shown of a variant that changes nothing: the note tells the number of the check."""
    yes = np.arange(400) % 50 == 0
    settings = ComparisonSettings(task="binary", metric="f1", labels=yes.astype(np.int64))
    (note,) = caveats(Gate(max_drop_points=1.0), settings, Run({"y": np.where(yes, 0.9, 0.1)[:, None]}, PROBABILITIES))
    check = _same("f1", yes, 1.0)
    assert check.need is not None
    assert note == (
        "400 examples are too few to bless a variant, even one that changes nothing:"
        f" max_drop_points of 1 takes {check.need.examples:,}"
    )


@pytest.mark.parametrize("count", [2, 3, 5, 10, 30, 100, 200, 400])
def test_a_mean_whose_rare_losses_few_examples_show_is_blessed_in_at_most_6_percent(count: int) -> None:
    """Errors that hardly change but for 5% of the examples, with the drop at the limit: 4,000 sets of each size."""
    random = np.random.default_rng([23, count])
    size = (4000, count)
    sets = random.normal(0.0, 0.01, size) + (random.random(size) < 0.05) * random.exponential(0.4, size)
    ends = [mean_drop_ends(row, 0.95) for row in sets]
    assert np.mean([interval is not None and interval[1] <= 0.05 * 0.4 for interval in ends]) <= 0.06


def test_an_auc_that_is_lost_whole_is_rejected_however_few_examples_it_hangs_on() -> None:
    """A variant with one score for all examples has lost its AUC: it is rejected, although few examples are influential."""
    random = np.random.default_rng(31)
    labels = (np.arange(228) < 143).astype(np.int64)
    scores = np.where(labels == 1, 0.9, 0.1) + random.uniform(-0.05, 0.05, 228)
    scores[[5, 9]] = 0.01
    settings = ComparisonSettings(task="binary", metric="auc", labels=labels)
    runs = [Run({"y": values[:, None]}, PROBABILITIES) for values in (scores, np.full(228, 0.57))]
    drop = compare(settings, runs[0], runs[1]).drops["auc"]
    assert drop.drop.interval is None
    assert drop.least_points is not None
    assert 1.0 < drop.least_points < (drop.drop.points or 0.0)
    check = check_drop(Limit(name="max_drop_points", value=1.0, confidence=0.95), drop, "auc")
    assert (check.verdict, check.measured) == ("rejected", drop.drop.points)
    assert "examples that it depends on: more than the 1 allowed" in check.sentence
    assert check_drop(Limit(name="max_drop_points", value=49.0, confidence=0.95), drop, "auc").verdict == "inconclusive"


def test_a_few_changes_alone_reject_nothing() -> None:
    """A drop beyond the limit that a few more examples could undo is inconclusive."""
    labels = (np.arange(400) < 100).astype(np.int64)
    reference = np.where(labels == 1, 0.9, 0.1)
    variant = reference.copy()
    variant[:2] = 0.2
    settings = ComparisonSettings(task="binary", metric="f1", labels=labels)
    drop = compare(
        settings, Run({"y": reference[:, None]}, PROBABILITIES), Run({"y": variant[:, None]}, PROBABILITIES)
    ).drops["f1"]
    assert (drop.drop.points or 0.0) > 1.0
    check = check_drop(Limit(name="max_drop_points", value=1.0, confidence=0.95), drop, "f1")
    assert check.verdict == "inconclusive"
