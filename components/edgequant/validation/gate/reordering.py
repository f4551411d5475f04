"""Whether the reference would be right were its outputs read in another order: of the classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import binom

from edgequant.artifacts.comparison import class_name
from edgequant.task import BINARY, CLASSIFICATION
from edgequant.validation.comparison.compare import ComparisonSettings, Run
from edgequant.validation.gate.chance import classes_of
from edgequant.validation.gate.wording import listed
from edgequant.variants import REFERENCE

# Another order must be twice as right, by this much: a weak model that confuses two classes is not one in another order.
_LEAST_RATIO, _LEAST_INCREASE = 2.0, 0.2
# The assignment problem takes cubic time.
_MOST_CLASSES = 1000
_OFFSETS = (1, -1)
_BOTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Another reading of the decisions.

    Attributes:
        decided: The class of each example by this reading.
        how: How it reads the outputs.
    """

    decided: NDArray[np.int64]
    how: str


def other_class_order(settings: ComparisonSettings, run: Run, confidence: float) -> str:
    """Returns a sentence if another order of the classes makes the reference significantly more accurate; else "".

    Candidates are the next and the previous class number, and every cycle of the best one-to-one assignment of decided to labelled classes
    (linear assignment problem over the confusion matrix). Each is tested by McNemar's exact test, with Bonferroni's correction for the number of
    offsets, or of cycles of that length.

    Args:
        settings: The settings of the comparison.
        run: The reference's outputs.
        confidence: The confidence level of the test.
    """
    if settings.labels is None or settings.task not in (CLASSIFICATION, BINARY):
        return ""
    labels, classes = np.asarray(settings.labels)[: len(run)].astype(np.int64), classes_of(settings, run)
    decided = run.decisions(settings, len(run)).astype(np.int64)
    if classes > _MOST_CLASSES or len(np.unique(labels)) < _BOTH:
        return ""
    readings = [
        *_offsets(decided, labels, classes, confidence),
        *_assigned(decided, labels, classes, (settings.classes, confidence)),
    ]
    if not readings:
        return ""
    # The first of equal ones: an offset explains more than a list of classes.
    best = max(readings, key=lambda reading: int((reading.decided == labels).sum()))
    before, after = (float((each == labels).mean()) for each in (decided, best.decided))
    return (
        f"the labels may be in another order than the outputs: {REFERENCE}'s accuracy is {before:.4f}, and would be"
        f" {after:.4f} were its outputs read otherwise ({best.how})"
    )


def _offsets(
    decided: NDArray[np.int64], labels: NDArray[np.int64], classes: int, confidence: float
) -> Iterator[_Reading]:
    """Yields the readings as the next or the previous class that are significantly better; with two classes they are one."""
    for offset in _OFFSETS if classes > _BOTH else ():
        shifted = (decided + offset) % classes
        if _is_better(decided, shifted, labels, log(len(_OFFSETS) / (1 - confidence))):
            yield _Reading(decided=shifted, how=f"each as the class {'after' if offset > 0 else 'before'} it")


def _assigned(
    decided: NDArray[np.int64], labels: NDArray[np.int64], classes: int, naming: tuple[tuple[str, ...], float]
) -> Iterator[_Reading]:
    """Yields the reading by those cycles of the best assignment that are significantly better, if there are any."""
    names, confidence = naming
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (decided, labels), 1)
    _, assigned = linear_sum_assignment(table, maximize=True)
    reading = np.arange(classes)
    for cycle in _cycles(assigned):
        members = np.isin(labels, cycle)
        log_limit = len(cycle) * log(classes) - log(len(cycle)) - log(1 - confidence)
        if _is_better(decided[members], assigned[decided[members]], labels[members], log_limit):
            reading[cycle] = assigned[cycle]
    moved = [
        "0 as 1 and 1 as 0"
        if classes == _BOTH and not names
        else f"{class_name(int(output), names)} as {class_name(int(name), names)}"
        for output, name in enumerate(reading)
        if output != name and table[output, name]
    ]
    if moved:
        yield _Reading(decided=reading[decided], how=listed(list(dict.fromkeys(moved))))


def _cycles(assigned: NDArray[np.int64]) -> Iterator[list[int]]:
    """Yields the cycles of a permutation that move something."""
    seen = np.zeros(len(assigned), np.bool_)
    for start in range(len(assigned)):
        cycle: list[int] = []
        at = start
        while not seen[at]:
            seen[at] = True
            cycle.append(at)
            at = int(assigned[at])
        if len(cycle) > 1:
            yield cycle


def _is_better(
    before: NDArray[np.int64], after: NDArray[np.int64], labels: NDArray[np.int64], log_limit: float
) -> bool:
    """Returns whether another reading is significantly better, and twice as right by the mean recall of the classes.

    Args:
        before: The decisions.
        after: The decisions as read otherwise.
        labels: The labels.
        log_limit: The logarithm of the number of hypotheses over the level of significance.
    """
    right, as_read = before == labels, after == labels
    gained, lost = int((as_read & ~right).sum()), int((right & ~as_read).sum())
    if gained <= lost or float(binom.logsf(gained - 1, gained + lost, 0.5)) > -log_limit:
        return False
    return _is_twice_as_right(_mean_recall(right, labels), _mean_recall(as_read, labels))


def _is_twice_as_right(before: float, after: float) -> bool:
    return after >= _LEAST_RATIO * before and after - before >= _LEAST_INCREASE


def _mean_recall(right: NDArray[np.bool_], labels: NDArray[np.int64]) -> float:
    counts = np.bincount(labels)
    return float((np.bincount(labels, weights=right)[counts > 0] / counts[counts > 0]).mean())
