"""Examples that belong together: intervals of metrics whose examples are independent between groups only."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# With fewer groups no interval is trusted: Cameron, Gelbach & Miller 2008 call 5 to 30 few, and at 20 the intervals hold
# what they say in simulations (tests of `statistics`).
FEWEST_CLUSTERS = 20
_MOST_CONFIDENCE = 1 - 1e-9


@dataclass(frozen=True, eq=False)
class Clusters:
    """The groups of examples.

    The mean of a value per example is a ratio of two sums over groups, of the values and of the sizes. Its jackknife
    pseudo-values (`values`), which leave out one group at a time, are nearly independent: the interval of the metric is that of
    their mean, with the number of groups as the sample size. For groups of one size these are the groups' means, and the interval
    is Student's of these, corrected for skewness. The variance of groups of different sizes has fewer degrees of freedom, by
    Satterthwaite's approximation (Σ sizes²)² / Σ sizes⁴ - 1.

    Source: Cameron, Gelbach & Miller 2008, "Bootstrap-based improvements for inference with clustered errors", The Review of
    Economics and Statistics 90 (the jackknife, and Student's quantile of the number of groups less 1); Imbens & Kolesár 2016,
    "Robust standard errors in small samples: some practical advice", ibid. 98 (the degrees of freedom). Metrics that are no mean get a bootstrap that draws whole groups: Field & Welsh 2007, "Bootstrapping clustered
    data", JRSS B 69.

    Attributes:
        of: The number of each example's group, from 0, [examples].
    """

    of: NDArray[np.intp]

    @classmethod
    def named(cls, names: NDArray[Any]) -> Self | None:
        """Returns the groups of examples by name; None if each is of one example, so that all examples are independent."""
        _, of, sizes = np.unique(names, return_inverse=True, return_counts=True)
        return cls(of.astype(np.intp)) if (sizes > 1).any() else None

    def of_rows(self, rows: NDArray[Any]) -> "Clusters":
        """Returns the groups of some examples."""
        return Clusters(np.unique(self.of[rows], return_inverse=True)[1].astype(np.intp))

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """The number of examples of each group, [groups]."""
        return np.bincount(self.of).astype(np.float64)

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def effective(self) -> int:
        """The effective number of groups, (Σ sizes)² / Σ sizes², which is smaller if the sizes differ (Kish 1965)."""
        return max(1, int(self.sizes.sum() ** 2 / (self.sizes**2).sum()))

    @property
    def too_few(self) -> str:
        """Why there is no interval; "" if there are enough groups."""
        if len(self) >= FEWEST_CLUSTERS:
            return ""
        return f"the examples belong to {len(self)} groups (examples.group), and an interval needs {FEWEST_CLUSTERS} or more"

    def values(self, each: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the jackknife pseudo-values of a mean, [groups]: their mean is the mean over the examples.

        Args:
            each: The value of each example, [examples].
        """
        mean = float(each.mean())
        sums = np.bincount(self.of, weights=each)
        moves = (len(self) - 1) * (sums - mean * self.sizes) / (self.sizes.sum() - self.sizes)
        return np.asarray(mean + moves - moves.mean(), np.float64)

    def level(self, confidence: float) -> float:
        """Returns the confidence level at which Student's quantile of equal groups is that of groups of these sizes."""
        squares = self.sizes**2
        quantile = stats.t.ppf(confidence, max(float(squares.sum() ** 2 / (squares**2).sum()) - 1, 1.0))
        return min(float(stats.t.cdf(quantile, len(self) - 1)), _MOST_CONFIDENCE)
