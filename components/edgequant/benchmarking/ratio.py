"""The ratio of two models' median latencies, with a confidence interval over trials."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.benchmark import FEWEST_TRIALS, LEAST_DOUBT, Ratio

_CONFIDENCE = 0.95
_NOISE = 0.10


def median_ratio(
    times: Sequence[NDArray[np.float64]], reference: Sequence[NDArray[np.float64]], *, busy: bool = False
) -> Ratio:
    """Returns the ratio of two models' medians, with a 95% interval.

    Latencies vary more between processes than between invocations of one process, since each process has its own memory
    layout, processor and time. So each trial is a process of its own and yields one ratio of medians. The ratio is their
    geometric mean, and the interval is Student's t interval of the mean of their logarithms.

    Source: Kalibera & Jones 2013, "Rigorous benchmarking in reasonable time", ISMM (repeat at the level that varies).

    Args:
        times: A model's times, [runs] of each trial.
        reference: The reference's, of the same trials.
        busy: Whether the machine's load exceeded its number of processors.
    """
    from scipy import stats

    logs = np.log([np.median(own) / np.median(base) for own, base in zip(times, reference, strict=True)])
    trials, middle = len(logs), float(logs.mean())
    half = 0.0
    if trials > 1:
        error = float(logs.std(ddof=1)) / math.sqrt(trials)
        half = float(stats.t.ppf((1 + _CONFIDENCE) / 2, trials - 1)) * error
    half = max(half, math.log1p(LEAST_DOUBT))
    wide = math.exp(half) > 1 + _NOISE or math.exp(-half) < 1 - _NOISE
    return Ratio(
        value=math.exp(middle),
        low=math.exp(middle - half),
        high=math.exp(middle + half),
        confidence=_CONFIDENCE,
        noisy=wide or trials < FEWEST_TRIALS or busy,
        trials=trials,
    )
