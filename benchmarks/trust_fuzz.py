"""Judges random pairs of models with the gate, and counts the blessed ones whose measured drop is past the limit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.verdict import BLESSED
from edgequant.gate import Gate
from edgequant.validation.comparison.compare import ComparisonSettings, Run, compare
from edgequant.validation.gate.decide import Evidence, judge

_METRICS = {
    "classification": ("accuracy", "macro_f1", "log_loss"),
    "binary": ("accuracy", "auc", "f1", "average_precision"),
    "regression": ("mae", "rmse", "r2"),
}
_HIGHER = ("accuracy", "macro_f1", "auc", "f1", "average_precision", "r2")


def blessed_past_limit(count: int, seed: int) -> int:
    """Returns how many of random comparisons are blessed although the drop that NumPy computes, or the comparison's own, is past the limit."""
    rng = np.random.default_rng(seed)
    return sum(_is_past_limit(rng) for _ in range(count))


def _is_past_limit(rng: np.random.Generator) -> bool:
    task = str(rng.choice(list(_METRICS)))
    metric = str(rng.choice(_METRICS[task]))
    reference, variant, labels = _outputs(task, rng)
    settings = ComparisonSettings(task=task, metric=metric, labels=labels)
    reading = "" if task == "regression" else "probabilities"
    comparison = compare(settings, Run({"y": reference}, reading), Run({"y": variant}, reading))
    limit = float(rng.choice([0.25, 0.5, 1.0, 2.0, 5.0]))
    evidence = Evidence(
        variant="full_int8",
        metric=metric,
        comparison=comparison,
        size_bytes=1,
        reference_size_bytes=2,
        kind=None,
        benchmark=None,  # type: ignore[arg-type]
    )
    verdict, _, _ = judge(Gate(max_drop_points=limit), evidence)
    if verdict != BLESSED:
        return False
    points = comparison.drops[metric].drop.points
    independent = _drop_points(task, metric, reference, variant, labels)
    return points is None or points > limit or (independent is not None and independent > limit + 1e-9)


def _drop_points(
    task: str, metric: str, reference: NDArray[Any], variant: NDArray[Any], labels: NDArray[Any]
) -> float | None:
    """Returns the drop by NumPy and scikit-learn; None where it is a metric that the product scales in its own way."""
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    def score(outputs: NDArray[Any]) -> float | None:
        if metric == "accuracy":
            decided = outputs.argmax(axis=1) if task == "classification" else outputs.reshape(-1) >= 0.5
            return float((decided == labels).mean())
        if metric == "auc":
            return float(roc_auc_score(labels, outputs.reshape(-1)))
        if metric == "average_precision":
            return float(average_precision_score(labels, outputs.reshape(-1)))
        if metric == "f1":
            return float(f1_score(labels, outputs.reshape(-1) >= 0.5))
        if metric == "mae":
            return -float((np.abs(outputs - labels) / labels.std(axis=0)).mean())
        return None

    first, second = score(reference), score(variant)
    return None if first is None or second is None else 100 * (first - second)


def _outputs(task: str, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Returns the outputs of a reference and a variant, and the labels: from equal to unrelated, of 30 to 2,000 examples."""
    count = int(rng.integers(30, 2_000))
    noise = float(rng.choice([0, 0.01, 0.05, 0.2, 1.0]))
    skill = float(rng.uniform(0.3, 6))
    if task == "regression":
        numbers = rng.normal(0, 3, (count, int(rng.integers(1, 4))))
        reference = numbers + rng.normal(0, 3 / skill, numbers.shape)
        return reference, reference + rng.normal(0, 3 * noise, numbers.shape), numbers
    classes = 2 if task == "binary" else int(rng.integers(3, 12))
    labels = rng.integers(0, classes, count)
    labels[:classes] = np.arange(classes)
    logits = rng.normal(0, 1, (count, classes)) + skill * np.eye(classes)[labels]
    other = logits + rng.normal(0, 3 * noise, logits.shape)
    # A fault of one class only: what an average over all hides.
    if rng.random() < 0.3:
        hurt = labels == rng.integers(classes)
        other[hurt] += rng.normal(0, 4, (int(hurt.sum()), classes))
    first, second = (np.exp(values) / np.exp(values).sum(axis=1, keepdims=True) for values in (logits, other))
    if task == "binary":
        return first[:, 1:], second[:, 1:], labels
    return first, second, labels
