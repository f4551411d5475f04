"""Whether decisions depend on the labels: the permutation test of independence, on the number of agreements."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, hypergeom, norm

# The standard deviation of the agreements from which their distribution under permutations is taken as normal. Below, they are counted.
_NORMAL_FROM = 4.0
_PERMUTATIONS = 1999
_SEED = 17


def agreement_p_value(decided: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> float:
    """Returns the one-sided p-value of agreements between decisions and labels; a small one says that there are more than by chance.

    It is the test that Cohen's kappa is above zero: under independence every permutation of the labels is as likely, so that the
    agreements have the mean Σ aₖbₖ/n and the variance [Σ aₖbₖ − Σ aₖbₖ(aₖ + bₖ)/n + (Σ aₖbₖ)²/n²]/(n − 1), where aₖ and bₖ count decisions
    and labels of class k (Hoeffding 1951, a combinatorial central limit theorem). Two classes have the hypergeometric distribution
    (Fisher's exact test); where the variance is small, permutations are drawn. Labels of one class alone are compared with a guess among all classes.

    Args:
        decided: The decided class of each example.
        labels: Its label.
        classes: The number of classes.
    """
    count, agreements = len(labels), int((decided == labels).sum())
    decisions, labelled = (np.bincount(each, minlength=classes).astype(float) for each in (decided, labels))
    if labelled.max() == count:
        return float(binom.sf(agreements - 1, count, 1 / classes))
    if classes == 2:
        both = int((decided & labels).sum())
        return float(hypergeom.sf(both - 1, count, int(labelled[1]), int(decisions[1])))
    products = decisions * labelled
    mean = products.sum() / count
    spread = products.sum() - (products * (decisions + labelled)).sum() / count + mean**2
    deviation = sqrt(max(spread, 0.0) / (count - 1))
    if deviation >= _NORMAL_FROM:
        # Agreements are whole: half of one is the correction for continuity.
        return float(norm.sf((agreements - 0.5 - mean) / deviation))
    generator = np.random.default_rng(_SEED)
    as_many = sum(int((decided == generator.permutation(labels)).sum()) >= agreements for _ in range(_PERMUTATIONS))
    return (1 + as_many) / (1 + _PERMUTATIONS)


def many_agreements_p_value(decided: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Returns the same for a yes or no by class, [examples, classes], whose rows are permuted as a whole.

    With D and L the centred decisions and labels, the trace of DᵀL has the mean 0 and the variance Σ (DᵀD ∘ LᵀL)/(n − 1).
    """
    first, second = (each.astype(float) - each.mean(axis=0) for each in (decided, labels))
    variance = float(((first.T @ first) * (second.T @ second)).sum()) / max(len(labels) - 1, 1)
    if variance <= 0:
        return 1.0
    covariance = float((first * second).sum())
    if variance >= _NORMAL_FROM**2 / 4:
        return float(norm.sf(covariance / sqrt(variance)))
    generator = np.random.default_rng(_SEED)
    rounding = 1e-9 * max(1.0, abs(covariance))
    as_many = sum(
        float((first * generator.permutation(second)).sum()) >= covariance - rounding for _ in range(_PERMUTATIONS)
    )
    return (1 + as_many) / (1 + _PERMUTATIONS)


def cohens_kappa(decided: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> float:
    """Returns Cohen's kappa: the share of agreements beyond those of chance, 1 for full agreement; 0 where it is undefined."""
    count = len(labels)
    decisions, labelled = (np.bincount(each, minlength=classes) / count for each in (decided, labels))
    expected = float(decisions @ labelled)
    return (float((decided == labels).mean()) - expected) / (1 - expected) if expected < 1 else 0.0
