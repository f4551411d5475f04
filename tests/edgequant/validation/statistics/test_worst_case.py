"""Worst-case bounds of metrics: against every change of a small set, tried one by one, and against closed forms."""

import math
from collections.abc import Callable
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from edgequant.validation.statistics.worst_case import (
    UnseenChanges,
    WorstCase,
    auc_worst_case,
    average_precision_worst_case,
    f1_worst_case,
    macro_f1_worst_case,
    many_labels_macro_f1_worst_case,
    many_labels_micro_f1_worst_case,
)

Metric = Callable[[NDArray[Any]], float]


def _moves(metric: Metric, answers: NDArray[Any], choices: list[Any], changed: int) -> tuple[float, float]:
    """Returns how far a metric falls and rises at most, over all ways in which so many examples get another answer."""
    moves = []
    for rows in combinations(range(len(answers)), changed):
        for chosen in product(choices, repeat=changed):
            other = answers.copy()
            other[list(rows)] = chosen
            moves.append(metric(other))
    return metric(answers) - min(moves), max(moves) - metric(answers)


def _within(worst_case: WorstCase, share: float, expected: tuple[float, float]) -> None:
    for bound, moved in zip(worst_case(share), expected, strict=True):
        assert moved <= bound + 1e-9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("changed", [1, 2])
def test_no_change_moves_f1_further(seed: int, changed: int) -> None:
    """Of ten decisions, whichever are turned over; and where all are right, or none is a hit, it falls as far as it says."""
    random = np.random.default_rng(seed)
    labels = (random.random(10) < 0.4).astype(np.int64)
    labels[0] = 1
    decisions = np.where(random.random(10) < 0.3, 1 - labels, labels)

    def metric(answers: NDArray[Any]) -> float:
        return float(f1_score(labels, answers, zero_division=0))

    moves = _moves(metric, decisions, [0, 1], changed)
    _within(f1_worst_case(labels, decisions), changed / 10, moves)
    assert f1_worst_case(labels, decisions)(changed / 10)[0] == pytest.approx(moves[0])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("changed", [1, 2])
def test_no_change_moves_the_mean_f1_of_classes_further(seed: int, changed: int) -> None:
    """Of nine examples of three classes, whichever are taken for whichever class."""
    random = np.random.default_rng(seed)
    labels = np.append(random.choice(3, 7, p=[0.6, 0.3, 0.1]), [1, 2])
    decisions = np.where(random.random(9) < 0.3, random.integers(0, 3, 9), labels)

    def metric(answers: NDArray[Any]) -> float:
        return float(f1_score(labels, answers, labels=np.unique(labels), average="macro", zero_division=0))

    _within(macro_f1_worst_case(labels, decisions, 3), changed / 9, _moves(metric, decisions, [0, 1, 2], changed))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("average", "bound"), [("macro", many_labels_macro_f1_worst_case), ("micro", many_labels_micro_f1_worst_case)]
)
def test_no_change_moves_the_f1_of_many_labels_further(
    seed: int, average: str, bound: Callable[[NDArray[Any], NDArray[Any]], WorstCase]
) -> None:
    """Of five examples with a yes or no in three classes, whichever two get whichever answers in all three."""
    random = np.random.default_rng(seed)
    labels = (random.random((5, 3)) < 0.5).astype(np.int64)
    labels[0] = 1
    decisions = np.where(random.random((5, 3)) < 0.2, 1 - labels, labels)

    def metric(answers: NDArray[Any]) -> float:
        return float(f1_score(labels, answers, average=average, zero_division=0))

    moves = _moves(metric, decisions, list(product([0, 1], repeat=3)), 2)
    _within(bound(labels, decisions), 2 / 5, moves)


@pytest.mark.parametrize("seed", range(4))
def test_no_change_moves_the_area_further(seed: int) -> None:
    """Of nine scores, whichever two go to the top, to the bottom or between the others."""
    random = np.random.default_rng(seed)
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0])
    scores = labels + random.normal(size=9)

    def metric(answers: NDArray[Any]) -> float:
        return float(roc_auc_score(labels, answers))

    choices = [scores.min() - 1, scores.max() + 1, float(np.median(scores)) + 1e-6]
    _within(auc_worst_case(labels, metric(scores)), 2 / 9, _moves(metric, scores, choices, 2))


@pytest.mark.parametrize("share", [0.001, 0.003, 0.01])
def test_a_no_above_every_yes_costs_average_precision_most(share: float) -> None:
    """Of a share π of yes, ranked right, a share q of no on top leaves ∫ π / (q + πu) du: it falls by q/π · ln(1 + π/q)."""
    labels = np.repeat([1, 0], [500, 4500])
    fall, rise = average_precision_worst_case(labels.astype(np.float64), labels)(share)
    assert fall == pytest.approx(share / 0.1 * math.log(1 + 0.1 / share), rel=0.01)
    assert rise == pytest.approx(0.0)
    # A yes at the end costs but its own precision.
    assert fall > share / 0.1


def test_no_change_moves_average_precision_further() -> None:
    """Of 1,000 scores that overlap, whichever twenty change among these: the highest or lowest yes, the highest or lowest no."""
    from sklearn.metrics import average_precision_score

    random = np.random.default_rng(2)
    labels = (random.random(1000) < 0.1).astype(np.int64)
    scores = 2.0 * labels + random.normal(size=1000)
    fall, rise = average_precision_worst_case(scores, labels)(0.02)
    value = average_precision_score(labels, scores)
    order = np.argsort(-scores)
    yes, no = order[labels[order] == 1], order[labels[order] == 0]
    for taken in (0, 5, 10, 20):
        for lost, raised in product((yes[:taken], yes[len(yes) - taken :]), (no[: 20 - taken], no[taken - 20 :])):
            worse, better = scores.copy(), scores.copy()
            worse[lost], worse[raised[: 20 - taken]] = -99.0, 99.0
            better[lost], better[raised[: 20 - taken]] = 99.0, -99.0
            # The bound takes each example for many like it; one alone is its own first rank, hence the hundredth.
            assert value - average_precision_score(labels, worse) <= fall + 0.01
            assert average_precision_score(labels, better) - value <= rise + 0.01


def test_three_of_all_examples_may_change_where_none_seen_does() -> None:
    """Of 400, at 95%: 1 - 0.05^(1/400), 2.985 of them; of 200 yes that F1 finds all of, that is 2.985 / (400 - 2.985)."""
    labels = np.repeat([1, 0], 200)
    unseen = UnseenChanges(examples=400, worst_case=f1_worst_case(labels, labels), unit=100.0)
    share = 1 - 0.05 ** (1 / 400)
    assert unseen.share(0.95) == pytest.approx(share)
    moves = unseen.moves(0.95)
    assert moves == pytest.approx((100 * 400 * share / (400 - 400 * share), 0.0))
    assert UnseenChanges(examples=400, worst_case=None).moves(0.95) is None


@pytest.mark.parametrize("room", [0.2, 1.0, 7.0])
def test_as_many_examples_as_are_told_leave_no_more_room(room: float) -> None:
    """The number is the least: of the same mix so many keep F1 within the room, and one less does not."""
    labels = np.repeat([1, 0], [40, 360])
    needed = UnseenChanges(examples=400, worst_case=f1_worst_case(labels, labels), unit=100.0).examples_to_leave(
        room, 0.95
    )
    assert needed is not None

    def moved(count: int) -> float:
        changed = count * (1 - math.pow(0.05, 1 / count))
        return 100 * changed / (0.2 * count - changed)

    assert moved(needed) <= room < moved(needed - 1)
    assert UnseenChanges(examples=400, worst_case=None).examples_to_leave(room, 0.95) is None
    assert UnseenChanges(examples=400, worst_case=f1_worst_case(labels, labels)).examples_to_leave(0.0, 0.95) is None
