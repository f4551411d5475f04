"""One metric of one model, and what its interval can be made from."""

from dataclasses import dataclass, replace
from math import inf
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Ends
from edgequant.validation.statistics import Resampled
from edgequant.validation.statistics.worst_case import WorstCase, mean_worst_case


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One metric of one model.

    Attributes:
        value: The metric over all examples; NaN when it is not defined on them.
        each: The value of each example, whose mean the metric is, [examples]; None when it gives one number for all.
        weighted: The metric with a weight per example, for resampling; None if it cannot be recomputed.
        worst_case: How far changes that no example shows could move it; None if that is unknown.
        higher_is_better: False for errors.
        bounds: What the metric is no less and no more than.
        scaled: The same in the unit that its drop is told in: errors, each number's in the standard deviation of its labels.
            None where that is the metric's own.
        note: Why it can have no interval; "" when it can.
    """

    value: float
    each: NDArray[np.float64] | None = None
    weighted: Resampled | None = None
    worst_case: WorstCase | None = None
    higher_is_better: bool = True
    bounds: Ends = (-inf, inf)
    scaled: Self | None = None
    note: str = ""

    @property
    def judged(self) -> "Figure":
        """The metric in the unit that its drop is told in, of which 1 is 100 points."""
        return self.scaled or self


def mean_of(each: NDArray[Any]) -> Figure:
    """Returns the metric that is the mean of a value per example."""
    values = np.asarray(each, np.float64)
    return Figure(value=float(values.mean()), each=values, worst_case=mean_worst_case)


def share_of(each: NDArray[Any]) -> Figure:
    """Returns the mean of a share of 0 to 1 per example."""
    return replace(mean_of(each), bounds=(0.0, 1.0))
