"""The ratio of two medians measured in turn, with an interval."""

import math

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.benchmark import Ratio

_CONFIDENCE = 0.95
_RESAMPLES = 1000
_SEED = 17
_FEWEST_ROUNDS = 20
_NOISE = 0.10


def median_ratio(times: NDArray[np.float64], baseline: NDArray[np.float64]) -> Ratio:
    """Returns the ratio of the medians of two models' times, with a 95% interval.

    By the circular block bootstrap (Politis and Romano 1992, "A circular block-resampling procedure for stationary data"):
    whole blocks of successive rounds are drawn, since a noisy moment lasts for more than one, with both models' times of a
    round together, since it touches both. Blocks are the cube root of the rounds long (Hall, Horowitz and Jing 1995, "On
    blocking rules for the bootstrap with dependent data").

    Args:
        times: A model's times, [rounds], in order.
        baseline: The baseline's, of the same rounds.
    """
    rounds = len(times)
    value = float(np.median(times) / np.median(baseline))
    length = math.ceil(rounds ** (1 / 3))
    blocks = math.ceil(rounds / length)
    random = np.random.default_rng(_SEED)
    found = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        starts = random.integers(0, rounds, blocks)
        drawn = ((starts[:, np.newaxis] + np.arange(length)) % rounds).reshape(-1)[:rounds]
        found[number] = np.median(times[drawn]) / np.median(baseline[drawn])
    tail = (1 - _CONFIDENCE) / 2
    low, high = (float(end) for end in np.quantile(found, [tail, 1 - tail]))
    wide = low < value * (1 - _NOISE) or high > value * (1 + _NOISE)
    return Ratio(value=value, low=low, high=high, confidence=_CONFIDENCE, noisy=wide or rounds < _FEWEST_ROUNDS)
