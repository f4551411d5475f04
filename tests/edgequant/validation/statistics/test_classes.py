"""Drops by class, by hand, and the simultaneous coverage of their intervals by simulation."""

from functools import cache

import numpy as np
import pytest

from edgequant.validation import statistics
from edgequant.validation.statistics import class_drops, paired_drop_interval


def test_each_class_has_its_drop_at_the_confidence_of_all() -> None:
    """Of three classes, one without examples, each end is at √0.95; the greatest drop is the second's."""
    result = class_drops([(2, 1, 100), (3, 0, 20), (0, 0, 0)], 0.95)
    first, second, third = result.drops
    assert third is None
    assert first is not None
    assert second is not None
    assert (first.lost, first.gained, first.count, first.drop) == (2, 1, 100, 0.01)
    assert first.interval == paired_drop_interval(2, 1, 100, 0.95**0.5)
    assert second.interval == paired_drop_interval(3, 0, 20, 0.95**0.5)
    assert (result.worst, second.drop) == (1, 0.15)


def test_the_greatest_drop_is_bounded_below_with_the_correction_and_above_without() -> None:
    """One class that surely drops and one of few examples bound it: below by the first, above by the second."""
    result = class_drops([(60, 0, 1000), (0, 0, 10)], 0.95)
    assert result.worst == 0
    assert result.worst_interval == (
        paired_drop_interval(60, 0, 1000, 0.95**0.5)[0],
        paired_drop_interval(0, 0, 10, 0.95)[1],
    )


def test_one_class_needs_no_correction() -> None:
    """Alone, a class has the interval that all examples have."""
    result = class_drops([(7, 2, 500)], 0.95)
    assert result.worst_interval == paired_drop_interval(7, 2, 500, 0.95)


def test_of_equal_drops_the_surer_one_is_the_worst() -> None:
    """Of equal drops, the one with more examples has the greater lower end."""
    assert class_drops([(1, 0, 10), (10, 0, 100)], 0.95).worst == 1


def test_no_examples_at_all_are_refused() -> None:
    """There is no worst class of none."""
    with pytest.raises(ValueError, match="none of 2 has examples"):
        class_drops([(0, 0, 0), (0, 0, 0)], 0.95)


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize(("drop", "gained"), [(0.0, 0.02), (0.02, 0.01), (0.05, 0.0)])
def test_all_classes_hold_at_once(classes: int, drop: float, gained: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,000 simulated sets of 200 examples a class, at most 6% have any lower end, or any upper end, on the wrong side.

    Without the correction nearly every set of 100 classes would have. The greatest drop is bounded as seldom wrongly.
    """
    monkeypatch.setattr(statistics.classes, "paired_drop_interval", cache(paired_drop_interval))
    random = np.random.default_rng([3, classes, round(1e3 * drop)])
    sets = random.multinomial(200, [drop + gained, gained, 1 - drop - 2 * gained], size=(1000, classes))
    wrong = np.zeros(4)
    for tables in sets:
        result = class_drops([(int(lost), int(won), 200) for lost, won, _ in tables], 0.95)
        ends = np.array([each.interval for each in result.drops if each is not None])
        lower, upper = result.worst_interval
        wrong += (bool((ends[:, 0] > drop).any()), bool((ends[:, 1] < drop).any()), lower > drop, upper < drop)
    assert (wrong / len(sets) <= 0.06).all()
