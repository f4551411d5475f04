"""Flips, the examples on which the decisions of two models differ, and confusion matrices."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Confusion, Flip, Flips, class_name

# The most flips of each direction, and the most kinds of mistakes, that are listed.
_NAMED = 50
# The most classes of a confusion matrix: it grows with their square, and a larger one is not readable.
_MATRIX = 50


def flips(
    reference: NDArray[Any], variant: NDArray[Any], labels: NDArray[Any] | None, classes: Sequence[str] = ()
) -> Flips:
    """Returns the examples on which the decisions of two models differ.

    Args:
        reference: The reference's decisions, [examples], or [examples, classes] for multilabel, where an example is right if
            the decisions of all classes are.
        variant: The variant's decisions.
        labels: The labels in the same form, or None.
        classes: The names of the classes; empty if they only have numbers.
    """

    def names(decision: Any) -> str:
        values = np.asarray(decision)
        numbers = [int(values)] if values.ndim == 0 else np.flatnonzero(values).tolist()
        return ", ".join(class_name(number, classes) for number in numbers) or "none"

    changed = int(_any(reference != variant).sum())
    if labels is None:
        return Flips(changed=changed)
    reference_right, variant_right = ~_any(reference != labels), ~_any(variant != labels)
    lost, gained = np.flatnonzero(reference_right & ~variant_right), np.flatnonzero(~reference_right & variant_right)

    def named(rows: NDArray[np.intp]) -> tuple[Flip, ...]:
        return tuple(
            Flip(
                example=int(row), label=names(labels[row]), reference=names(reference[row]), variant=names(variant[row])
            )
            for row in rows[:_NAMED]
        )

    return Flips(
        changed=changed,
        right_to_wrong=len(lost),
        wrong_to_right=len(gained),
        lost=named(lost),
        gained=named(gained),
    )


def confusion(decisions: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> Confusion:
    """Returns the confusion matrix and the most frequent mistakes.

    Args:
        decisions: The predicted class, [examples].
        labels: The label, [examples].
        classes: The number of classes.
    """
    from sklearn.metrics import confusion_matrix

    wrong = decisions != labels
    pairs, counts = np.unique(np.stack([labels[wrong], decisions[wrong]]), axis=1, return_counts=True)
    often = np.argsort(-counts, kind="stable")[:_NAMED]
    matrix = confusion_matrix(labels, decisions, labels=np.arange(classes)) if classes <= _MATRIX else np.zeros((0, 0))
    return Confusion(
        examples=len(labels),
        counts=tuple(tuple(int(count) for count in row) for row in matrix),
        mistakes=tuple((int(pairs[0, index]), int(pairs[1, index]), int(counts[index])) for index in often),
    )


def _any(differs: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(differs.reshape(len(differs), -1).any(axis=1))
