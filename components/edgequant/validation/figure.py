"""One metric of one model, and what its interval can be made from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.validation.reach import Reach
from edgequant.validation.statistics import Resampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One metric of one model.

    Attributes:
        value: The metric over all examples; NaN when it is not defined on them.
        each: The value of each example, whose mean the metric is, [examples]; None when it gives one number for all.
        weighed: The metric where examples are counted more than once or not at all; None when it cannot be taken so.
        reach: How far examples that are not among these could move it; None when that is not known, or it is a mean of values.
        higher_is_better: False for errors.
        unit: How much of the metric is 100 points: 1, or the labels' standard deviation for errors.
        note: Why it can have no interval; "" when it can.
    """

    value: float
    each: NDArray[np.float64] | None = None
    weighed: Resampled | None = None
    reach: Reach | None = None
    higher_is_better: bool = True
    unit: float = 1.0
    note: str = ""


def mean_of(each: NDArray[Any], *, higher_is_better: bool = True, unit: float = 1.0) -> Figure:
    """Returns the metric that is the mean of a value per example."""
    values = np.asarray(each, np.float64)
    return Figure(value=float(values.mean()), each=values, higher_is_better=higher_is_better, unit=unit)
