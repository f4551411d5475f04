"""The signal-to-quantization-noise ratio, as every step tells it."""

import math


def sqnr_db(signal: float, noise: float) -> float | None:
    """Returns 10 log10(signal / noise), in dB, of two energies (sums of squares); None where either is nought."""
    return 10 * math.log10(signal / noise) if signal and noise else None
