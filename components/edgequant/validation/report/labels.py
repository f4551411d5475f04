"""The report's view of the labels: the balance of classes in the two sets, or the quantiles of numbers."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import class_name, class_order
from edgequant.artifacts.verdict import Verdict
from edgequant.task import BINARY, CLASSIFICATION, REGRESSION
from edgequant.validation.report.number_format import NOTHING

_CLASSES = 20
_NUMBERS = 20
_QUANTILES = {"least": 0.0, "5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95, "greatest": 1.0}


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class as a row of a table, with its shares in percent."""

    label: str
    source: str
    taken: str
    evaluated: str
    counts: str


@dataclass(frozen=True, slots=True)
class QuantilesRow:
    """A number of the label as a row of a table, with its quantiles by name."""

    number: str
    quantiles: dict[str, str]


def class_rows(verdict: Verdict, labels: NDArray[Any] | None) -> tuple[list[ClassRow], int]:
    """Returns the classes whose shares differ most, and the number of classes not shown; empty for a regression.

    Args:
        verdict: The verdict.
        labels: The labels of the evaluation set; None without labels.
    """
    if verdict.task == REGRESSION:
        return [], 0
    provenance = verdict.calibration.provenance
    spread = provenance.representativeness
    balance = spread.balance if spread else {}
    evaluated = _shares(verdict, labels, known=set(balance))
    names = sorted(balance | evaluated, key=lambda name: class_order(name, verdict.classes))
    shares = {name: (*balance.get(name, (0.0, 0.0)), evaluated.get(name, 0.0)) for name in names}
    order = sorted(shares, key=lambda name: min(shares[name][:2]) - max(shares[name][:2]))
    rows = []
    for name in sorted(order[:_CLASSES], key=names.index):
        source, taken, held_out = (f"{100 * share:.2f}" for share in shares[name])
        count = provenance.classes.get(name)
        counts = f"{count.wanted:,} / {count.available:,} / {count.taken:,}" if count else NOTHING
        if not balance:
            source = taken = NOTHING
        rows.append(ClassRow(name, source, taken, held_out if evaluated else NOTHING, counts))
    return rows, max(len(order) - _CLASSES, 0)


def _shares(verdict: Verdict, labels: NDArray[Any] | None, known: set[str]) -> dict[str, float]:
    """Returns the share of each class of the evaluation set, by the calibration set's name of the class if it has one."""
    if labels is None or verdict.task not in (CLASSIFICATION, BINARY) or not len(labels):
        return {}
    counts = Counter(
        number if (number := str(label)) in known else class_name(int(label), verdict.classes)
        for label in labels.reshape(-1)
    )
    return {name: count / len(labels) for name, count in counts.items()}


def label_quantiles(verdict: Verdict, labels: NDArray[Any] | None) -> tuple[list[QuantilesRow], int]:
    """Returns the quantiles of each number of the evaluation set's labels, and the number of numbers not shown.

    Args:
        verdict: The verdict.
        labels: The labels of the evaluation set, [examples, ...]; None without labels.
    """
    if labels is None or verdict.task != REGRESSION or not len(labels):
        return [], 0
    numbers = np.asarray(labels, np.float64).reshape(len(labels), -1)
    values = np.quantile(numbers[:, :_NUMBERS], list(_QUANTILES.values()), axis=0)
    formatted = [{name: f"{value:.4g}" for name, value in zip(_QUANTILES, of_one, strict=True)} for of_one in values.T]
    names = [str(number) for number in range(len(formatted))] if numbers.shape[1] > 1 else ["label"]
    rows = [QuantilesRow(name, quantiles) for name, quantiles in zip(names, formatted, strict=True)]
    return rows, numbers.shape[1] - len(rows)
