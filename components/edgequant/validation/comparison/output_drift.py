"""The difference of a variant's outputs from the reference's, which needs no labels: SQNR, cosine, divergence."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import OutputDrift
from edgequant.outputs import sqnr_db
from edgequant.task import DECIDING, MULTILABEL
from edgequant.validation.comparison.channels import ChannelErrors, channels_of, worst_axis_errors
from edgequant.validation.metrics.classification import chunks, probabilities


def output_drift(expected: NDArray[Any], actual: NDArray[Any], by_channel: ChannelErrors | None = None) -> OutputDrift:
    """Returns the difference of one output from the reference's, both [examples, …].

    The signal-to-quantization-noise ratio is over all values of all examples: 10 log10(Σ expected² / Σ (actual - expected)²). The
    cosine similarity is the mean over the examples; for an output of one value per example it is that of all values as one vector.

    Args:
        expected: The reference's output.
        actual: The variant's.
        by_channel: The errors by channel, if they are known.
    """
    by_channel = by_channel or worst_axis_errors(channels_of(expected), expected, actual)
    signal, noise, largest = 0.0, 0.0, 0.0
    # The cosine of single values is 1 or -1, so that of the whole set is computed.
    alone = expected[:1].size == 1
    cosines = np.ones(len(expected))
    product, other_energy = 0.0, 0.0
    for rows in chunks(expected):
        values, other = _flat(expected[rows]), _flat(actual[rows])
        errors = other - values
        signal += float((values**2).sum())
        noise += float((errors**2).sum())
        largest = max(largest, float(np.abs(errors).max(initial=0.0)))
        if alone:
            product += float((values * other).sum())
            other_energy += float((other**2).sum())
        else:
            cosines[rows] = _cosine(values, other)
    if alone:
        cosines = _angle(np.array([product]), np.array([signal]), np.array([other_energy]))
    return OutputDrift(
        sqnr_db=sqnr_db(signal, noise),
        cosine=float(cosines.mean()),
        largest_error=largest,
        agreement=float(by_channel.agreement.mean()) if len(by_channel.agreement) else None,
        worst=by_channel.of_worst() if len(by_channel.agreement) else None,
        constants=by_channel.constants(),
    )


def divergence(task: str, reading: str, expected: NDArray[Any], actual: NDArray[Any]) -> float | None:
    """Returns the mean Kullback-Leibler divergence of the variant's probabilities from the reference's, in nats.

    It is Σ p log(p/q) with the reference's p and the variant's q; for multilabel, the sum of the binary divergences of the
    classes. Probabilities are clipped at 1e-7, because quantized outputs are 0 for many classes.

    Source: Kullback & Leibler 1951, "On information and sufficiency", Annals of Mathematical Statistics 22.

    Returns:
        The divergence; None for tasks without probabilities.
    """
    if task not in DECIDING:
        return None
    total = 0.0
    for rows in chunks(expected):
        p, q = probabilities(task, expected[rows], reading), probabilities(task, actual[rows], reading)
        terms = p * np.log(p / q)
        if task == MULTILABEL:
            terms += (1 - p) * np.log((1 - p) / (1 - q))
        total += float(terms.sum())
    return max(total / len(expected), 0.0)


def _cosine(values: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the cosine similarity of each example; 1 for two zero vectors, 0 for one."""
    return _angle((values * other).sum(axis=1), (values**2).sum(axis=1), (other**2).sum(axis=1))


def _angle(
    product: NDArray[np.float64], energy: NDArray[np.float64], other_energy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns cosine similarities from the inner products and the squared norms of vectors."""
    norms = np.sqrt(energy) * np.sqrt(other_energy)
    cosine = product / np.where(norms > 0, norms, 1.0)
    return np.where((energy == 0) & (other_energy == 0), 1.0, np.clip(cosine, -1.0, 1.0))


def _flat(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values, np.float64).reshape(len(values), -1)
