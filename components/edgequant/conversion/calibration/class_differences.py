"""Compares the classes of a calibration set with those of an evaluation set."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import class_name
from edgequant.artifacts.example_set import ExampleSet
from edgequant.conversion.calibration.bounds import BLOCK_ERROR, REMARK_ERROR, ClassRatios
from edgequant.conversion.calibration.mismatch_rules import Difference
from edgequant.conversion.calibration.mismatch_wording import percent

# Classes of so many examples without any in the other set: that set was drawn from something else.
_MOST_UNMATCHED = 0.5
_MOST_LISTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassShares:
    """The classes of both sets; without any where labels are not single whole numbers.

    Attributes:
        names: The names of the classes.
        calibration: The number of calibration examples of each.
        evaluation: The number of evaluation examples of each.
    """

    names: tuple[str, ...] = ()
    calibration: NDArray[np.int64]
    evaluation: NDArray[np.int64]

    @property
    def only_evaluation(self) -> tuple[str, ...]:
        """The classes without a calibration example."""
        return self._names((self.calibration == 0) & (self.evaluation > 0))

    @property
    def only_calibration(self) -> tuple[str, ...]:
        """The classes without an evaluation example."""
        return self._names((self.evaluation == 0) & (self.calibration > 0))

    def draw_ratios(self, *, stratified: bool) -> ClassRatios:
        """Returns by how much the classes make honest sets differ.

        Args:
            stratified: Whether calibration examples were divided among the classes, instead of drawn alike.
        """
        if not self.names or not (stratified or len(self.names) <= self.calibration.sum()):
            return ClassRatios()
        first, second = self.calibration / self.calibration.sum(), self.evaluation / self.evaluation.sum()
        variation = float(np.abs(first - second).sum() / 2)
        if not stratified:
            return ClassRatios(variation=variation)
        both = (first > 0) & (second > 0)
        if not both.any():
            return ClassRatios(variation=variation, unmatched=1.0)
        return ClassRatios(
            variation=variation,
            rarest=max(float((second[both] / first[both]).max()), 1.0),
            commonest=max(float((first[both] / second[both]).max()), 1.0),
            unmatched=float(second[first == 0].sum()),
        )

    def differences(self) -> tuple[Difference, ...]:
        """Returns what differs in the classes, a sentence for each set that lacks some."""
        results = (
            self._unmatched(self.calibration, self.evaluation, ("calibration", "evaluation")),
            self._unmatched(self.evaluation, self.calibration, ("evaluation", "calibration")),
        )
        return tuple(result for result in results if result is not None)

    def _unmatched(
        self, lacking: NDArray[np.int64], other: NDArray[np.int64], sets: tuple[str, str]
    ) -> Difference | None:
        """Returns the classes of one set that the other lacks, if chance hardly explains that.

        The share of a distribution that a sample of n misses exceeds its mean by e with a probability of at most exp(-n e^2).
        (McAllester and Ortiz, Concentration inequalities for the missing mass, 2003.)
        """
        missing = (lacking == 0) & (other > 0)
        if not missing.any():
            return None
        examples, shares = int(lacking.sum()), other / other.sum()
        share = float(shares[missing].sum())
        expected = float((shares * (1 - shares) ** examples).sum())
        blocked = expected + math.sqrt(-math.log(BLOCK_ERROR) / examples)
        mismatch = share > max(blocked, _MOST_UNMATCHED) and examples >= len(self.names)
        # A class alone is missed with a probability of (1 - share)^n.
        if not mismatch and (1 - float(shares[missing].max())) ** examples * len(self.names) > REMARK_ERROR:
            return None
        names = self._names(missing)
        more = f" and {len(names) - _MOST_LISTED:,} more" if len(names) > _MOST_LISTED else ""
        verb = "class has" if len(names) == 1 else "classes have"
        return Difference(
            mismatch=mismatch,
            sentence=f"{len(names):,} of {len(self.names):,} {verb} no {sets[0]} example"
            f" ({', '.join(names[:_MOST_LISTED])}{more}), and {percent(share)} of the {sets[1]} examples",
        )

    def _names(self, which: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(name for name, one in zip(self.names, which, strict=True) if one)


def class_shares(calibration: ExampleSet, evaluation: ExampleSet) -> ClassShares:
    """Returns the classes of both sets."""
    none = np.zeros(0, np.int64)
    sets = (calibration.labels, evaluation.labels)
    if any(labels is None or labels.ndim != 1 or labels.dtype.kind not in "iub" for labels in sets):
        return ClassShares(calibration=none, evaluation=none)
    counts = [dict(zip(*np.unique(np.asarray(labels), return_counts=True), strict=True)) for labels in sets]
    numbers = sorted(counts[0].keys() | counts[1].keys())
    return ClassShares(
        names=tuple(class_name(int(number), calibration.provenance.class_names) for number in numbers),
        calibration=np.array([counts[0].get(number, 0) for number in numbers], np.int64),
        evaluation=np.array([counts[1].get(number, 0) for number in numbers], np.int64),
    )
