"""How far a variant's outputs are from the reference's, with or without labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import OutputDrift
from edgequant.outputs import sqnr_db
from edgequant.task import DECIDING, MULTILABEL
from edgequant.validation.metrics.classification import chunks, probabilities

# What float32 values that are meant to be equal may differ by, as a share of them.
_ROUNDING = 1e-5


def agreement(
    reference: Mapping[str, NDArray[Any]], variant: Mapping[str, NDArray[Any]], *, apart: bool = False
) -> NDArray[np.float64]:
    """Returns, per example, 1 minus the error of the output that agrees least on average, in its spread; no less than 0.

    The error is ‖variant - reference‖, and the spread the root mean square over the examples of ‖reference - its mean‖: so an
    output that always answers its mean agrees with nothing, however large that is, and no output hides behind another. One
    that does not vary is taken by its root mean square.

    Args:
        reference: Float arrays by output name, the example first.
        variant: The same of another model.
        apart: Whether each number of an output stands for itself, as the targets of a regression do.
    """
    least = np.ones(len(next(iter(reference.values()))))
    for name, expected in reference.items():
        actual = variant[name]
        spread = _spread(expected, apart=apart)
        total = sum(_agreed(expected[rows], actual[rows], spread).sum(axis=0) for rows in chunks(expected))
        worst = int(np.argmin(total))
        parts = [_agreed(expected[rows], actual[rows], spread)[:, worst] for rows in chunks(expected)]
        agreed = np.concatenate(parts)
        if agreed.mean() < least.mean():
            least = agreed
    return least


def _agreed(expected: NDArray[Any], actual: NDArray[Any], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns 1 minus the errors in their spreads, no less than 0, [examples, spreads]: one for all numbers, or one each."""
    errors = np.abs(_flat(actual) - _flat(expected))
    if len(spread) != errors.shape[1]:
        errors = np.sqrt((errors**2).sum(axis=1, keepdims=True))
    return np.clip(1.0 - errors / spread, 0.0, 1.0)


def _spread(output: NDArray[Any], *, apart: bool) -> NDArray[np.float64]:
    """Returns the root mean square of an output's distance from its mean, [1], or of each of its numbers', [numbers].

    Where that is 0 it is that of the output itself, or 1 where that is 0, too.
    """
    count = len(output)
    mean = sum(_flat(output[rows]).sum(axis=0) for rows in chunks(output)) / count
    far = sum(((_flat(output[rows]) - mean) ** 2).sum(axis=0) for rows in chunks(output)) / count
    size = sum((_flat(output[rows]) ** 2).sum(axis=0) for rows in chunks(output)) / count
    if not apart:
        far, size = far.sum(keepdims=True), size.sum(keepdims=True)
    spread = np.sqrt(np.where(far > _ROUNDING**2 * size, far, size))
    return np.where(spread > 0, spread, 1.0)


def constant(outputs: Mapping[str, NDArray[Any]]) -> list[str]:
    """Returns the names of the outputs that are the same for all of several examples."""
    return [
        name
        for name, values in outputs.items()
        if len(values) > 1 and all((values[rows] == values[:1]).all() for rows in chunks(values))
    ]


def output_drift(expected: NDArray[Any], actual: NDArray[Any]) -> OutputDrift:
    """Returns how far the values of one output are from the reference's, both [examples, …].

    The signal-to-noise ratio is over all values of all examples: 10 log10(Σ expected² / Σ (found - expected)²). The cosine
    is the mean of the examples'; of an output of one value per example it is that of all values as one vector.
    """
    signal, noise, largest = 0.0, 0.0, 0.0
    # Of one value per example the cosine is 1 or 0: that of the whole set says more.
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
    )


def divergence(task: str, reading: str, expected: NDArray[Any], actual: NDArray[Any]) -> float | None:
    """Returns the mean over examples of the Kullback-Leibler divergence of the variant's probabilities, in nats.

    That is Σ p log(p/q) with the reference's p and the variant's q; for multilabel the sum over the classes of that of each yes
    and no. Probabilities are taken to be no less than 1e-7: quantized outputs are 0 for many classes.

    Source: Kullback & Leibler 1951, "On information and sufficiency", Annals of Mathematical Statistics 22.

    Returns:
        The divergence, or None where outputs are no probabilities.
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
    """Returns the cosine of each example; that of nothing and nothing is 1, of nothing and something 0."""
    return _angle((values * other).sum(axis=1), (values**2).sum(axis=1), (other**2).sum(axis=1))


def _angle(
    product: NDArray[np.float64], energy: NDArray[np.float64], other_energy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns cosines from the products and the energies of vectors."""
    norms = np.sqrt(energy) * np.sqrt(other_energy)
    cosine = product / np.where(norms > 0, norms, 1.0)
    return np.where((energy == 0) & (other_energy == 0), 1.0, np.clip(cosine, -1.0, 1.0))


def _flat(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values, np.float64).reshape(len(values), -1)
