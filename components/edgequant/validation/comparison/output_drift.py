"""The difference of a variant's outputs from the reference's, which needs no labels: SQNR, cosine, divergence, agreement."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import OutputDrift
from edgequant.outputs import sqnr_db
from edgequant.task import DECIDING, MULTILABEL
from edgequant.validation.metrics.classification import chunks, probabilities

# The relative rounding error of float32 values that should be equal.
_ROUNDING = 1e-5


def agreement(
    reference: Mapping[str, NDArray[Any]], variant: Mapping[str, NDArray[Any]], *, apart: bool = False
) -> NDArray[np.float64]:
    """Returns 1 minus the relative error of the output that agrees least on average, at least 0, [examples].

    The relative error is ‖variant - reference‖ over the spread, the root mean square over the examples of ‖reference - its mean‖.
    So an output that is always the mean has no agreement, however large the mean is, and the worst output decides. The spread
    of a constant output is its root mean square.

    Args:
        reference: Float arrays by output name, the example axis first.
        variant: The same arrays of the variant.
        apart: Whether each number of an output is compared separately, as the targets of a regression are.
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
    """Returns 1 minus the errors over the spreads, at least 0, [examples, spreads]: of all numbers together, or of each number."""
    errors = np.abs(_flat(actual) - _flat(expected))
    if len(spread) != errors.shape[1]:
        errors = np.sqrt((errors**2).sum(axis=1, keepdims=True))
    return np.clip(1.0 - errors / spread, 0.0, 1.0)


def _spread(output: NDArray[Any], *, apart: bool) -> NDArray[np.float64]:
    """Returns the root mean square of an output's distance from its mean, [1], or of each of its numbers, [numbers].

    For a constant output it is the root mean square of the output itself, and 1 if that is 0, too.
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
    """Returns the names of the outputs that are constant over two or more examples."""
    return [
        name
        for name, values in outputs.items()
        if len(values) > 1 and all((values[rows] == values[:1]).all() for rows in chunks(values))
    ]


def output_drift(expected: NDArray[Any], actual: NDArray[Any]) -> OutputDrift:
    """Returns the difference of one output from the reference's, both [examples, …].

    The signal-to-quantization-noise ratio is over all values of all examples: 10 log10(Σ expected² / Σ (actual - expected)²). The
    cosine similarity is the mean over the examples; for an output of one value per example it is that of all values as one vector.
    """
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
