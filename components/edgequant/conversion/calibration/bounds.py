"""Distribution-free bounds on what two honest draws of one source can differ by.

They hold for any distribution (sparse, heavy-tailed, constant, integer), since they use nothing but the ranks of whole examples; ties
only make them more cautious.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

# The probability with which an honest pair of sets is blocked, and is remarked on, over all tests of the pair together.
BLOCK_ERROR = 1e-6
REMARK_ERROR = 1e-3
# By how much a draw by weights may prefer some examples: their weights are not known here.
_MOST_PREFERRED = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRatios:
    """By how much a draw by classes makes honest sets differ.

    Attributes:
        rarest: The largest ratio of a class's share of the evaluation set to its share of the calibration set; 1 where all
            examples were drawn alike.
        commonest: The largest ratio of a class's share of the calibration set to its share of the evaluation set.
        variation: The total variation distance of the class shares: by so much the distributions of any statistic differ.
        unmatched: The share of evaluation examples whose class has no calibration example, where the draw explains it.
    """

    rarest: float = 1.0
    commonest: float = 1.0
    variation: float = 0.0
    unmatched: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """How the two sets were drawn, as far as it makes honest sets differ.

    Attributes:
        calibration: The number of calibration examples.
        evaluation: The number of evaluation examples.
        classes: By how much the shares of the classes make them differ.
        extreme: The number of calibration examples taken because they hold extreme values.
    """

    calibration: int
    evaluation: int
    classes: ClassRatios = ClassRatios()
    extreme: int = 0

    def by_weight(self) -> "Draws":
        """Returns the same draws, of which the calibration set was weighted."""
        classes = replace(
            self.classes,
            rarest=self.classes.rarest * _MOST_PREFERRED,
            commonest=self.classes.commonest * _MOST_PREFERRED,
            variation=max(self.classes.variation, 1 - 1 / _MOST_PREFERRED),
        )
        return replace(self, classes=classes)

    def evaluation_exceeds(self, share: float) -> float:
        """Returns how likely so many evaluation examples are beyond the most extreme calibration example on one side.

        Where classes were drawn in other shares, n calibration examples bound the evaluation set like n / `rarest` drawn alike: the
        density ratio of both draws is at most `rarest`.
        """
        beyond = math.floor(max(share - self.classes.unmatched, 0.0) * self.evaluation + 0.5)
        return all_beyond(beyond, self.evaluation, math.floor(self.calibration / self.classes.rarest))

    def calibration_exceeds(self, share: float) -> float:
        """Returns how likely so many calibration examples are beyond the most extreme evaluation example on one side."""
        beyond = max(round(share * self.calibration) - self.extreme, 0)
        return all_beyond(beyond, self.calibration, math.floor(self.evaluation / self.classes.commonest))

    def distance_limit(self, error: float, calibration: int, evaluation: int) -> float:
        """Returns the Kolmogorov-Smirnov distance that honest draws exceed with at most a probability.

        The two-sample Dvoretzky-Kiefer-Wolfowitz inequality with the constant e, which holds for all sample sizes (Wei and Dudley,
        Two-sample Dvoretzky-Kiefer-Wolfowitz inequalities, 2012), plus what the rule of the draw explains.

        Args:
            error: The probability.
            calibration: The number of calibration examples of the statistic.
            evaluation: The number of evaluation examples.
        """
        noise = math.sqrt(math.log(math.e / error) * (calibration + evaluation) / (2 * calibration * evaluation))
        return noise + self.classes.variation + self.extreme / max(self.calibration, 1)


def all_beyond(beyond: int, examples: int, others: int) -> float:
    """Returns the probability that the so many greatest of two exchangeable samples together are all of the first one.

    Of the ways to choose which ranks the first sample has, these are C(m, k) / C(m + n, k).

    Args:
        beyond: How many of the first sample are above all of the second, k.
        examples: The size of the first sample, m.
        others: The size of the second, n.
    """
    if beyond <= 0 or others <= 0:
        return 1.0
    log = math.lgamma(examples + 1) - math.lgamma(examples - beyond + 1)
    log -= math.lgamma(examples + others + 1) - math.lgamma(examples + others - beyond + 1)
    return math.exp(log)


def distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Returns the Kolmogorov-Smirnov distance of two samples: the largest difference of their distribution functions."""
    values = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())
