"""The value of one metric of one model, with the data for its interval."""

from dataclasses import dataclass, replace
from math import inf
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Ends
from edgequant.validation.statistics import Clusters, Resampled
from edgequant.validation.statistics.worst_case import WorstCase, mean_worst_case


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The value of one metric of one model.

    Attributes:
        value: The metric over all examples; NaN if it is undefined on them.
        each: The value of each example, whose mean is the metric, [examples]; None for a metric without values per example.
        weighted: The metric over weighted examples, for the bootstrap; None if it cannot be resampled.
        worst_case: The worst-case bound on changes that are not observed; None if it is unknown.
        higher_is_better: False for errors.
        bounds: The least and the greatest possible value.
        scaled: The metric in the unit of its drops: errors in standard deviations of each number of the label. None if that is
            the metric's own unit.
        note: The reason why it has no interval; "" if it can have one.
    """

    value: float
    each: NDArray[np.float64] | None = None
    weighted: Resampled | None = None
    worst_case: WorstCase | None = None
    higher_is_better: bool = True
    bounds: Ends = (-inf, inf)
    scaled: Self | None = None
    note: str = ""

    def by(self, clusters: Clusters | None) -> Self:
        """Returns the metric whose bootstrap draws whole groups of examples."""
        if clusters is None:
            return self
        return replace(
            self,
            weighted=None if self.weighted is None else self.weighted.by(clusters),
            scaled=None if self.scaled is None else self.scaled.by(clusters),
        )

    @property
    def judged(self) -> "Figure":
        """The metric in the unit of its drops, of which 1 is 100 points."""
        return self.scaled or self


def mean_of(each: NDArray[Any]) -> Figure:
    """Returns the metric that is the mean of a value per example."""
    values = np.asarray(each, np.float64)
    return Figure(value=float(values.mean()), each=values, worst_case=mean_worst_case)


def share_of(each: NDArray[Any]) -> Figure:
    """Returns the metric that is the mean of a share per example, 0 to 1."""
    return replace(mean_of(each), bounds=(0.0, 1.0))
