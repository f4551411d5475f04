"""Whether the reference is better than chance: the level of the best constant answer, and a test for each kind of task."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from edgequant.artifacts.comparison import class_name
from edgequant.errors import EvaluationError
from edgequant.outputs import PROBABILITIES
from edgequant.own_metric import own_metrics
from edgequant.task import BINARY, CLASSIFICATION, DECIDING, MULTILABEL, REGRESSION, is_custom
from edgequant.validation.comparison.compare import ComparisonSettings, Run
from edgequant.validation.metrics.compute import figures
from edgequant.validation.statistics import mean_drop_interval
from edgequant.validation.statistics.association import agreement_p_value, many_agreements_p_value

# A guessing reference passes once in a hundred times, however low the gate's confidence is.
LEAST_CONFIDENCE = 0.99
# Metrics of scores, which a threshold that suits no example does not spoil.
_OF_SCORES = ("auc", "average_precision", "log_loss")
# The permutations of a custom metric, and the longest call of it that is repeated as often.
_PERMUTATIONS, _SLOW_SECONDS = 199, 0.02
_SEED = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class ChanceLevel:
    """The value of a metric without any knowledge of the inputs.

    Attributes:
        value: The value; None where none is known.
        answer: What gives it, such as ``always answering cat, the most frequent class``.
    """

    value: float | None
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChanceTest:
    """The result of a test against chance.

    Attributes:
        is_better: Whether the reference is significantly better than chance.
        can_tell: Whether a reference without an error would be, on these examples.
        statistic: The name of the test.
        confidence: Its confidence level.
    """

    is_better: bool
    can_tell: bool
    statistic: str
    confidence: float


def classes_of(settings: ComparisonSettings, run: Run) -> int:
    """Returns the number of classes that a model decides between."""
    output = next(iter(run.outputs.values()))
    return 2 if settings.task == BINARY else int(output.reshape(len(output), -1).shape[1])


def chance_level(settings: ComparisonSettings, run: Run) -> ChanceLevel:
    """Returns the chance level of the judged metric: its best value among constant answers.

    For a metric of one's own it is the value with the outputs in a random order.

    Args:
        settings: The settings of the comparison, with labels.
        run: The reference's outputs.
    """
    labels = np.asarray(settings.labels)[: len(run)]
    if is_custom(settings.task):
        order = np.random.default_rng(_SEED).permutation(len(labels))
        value = _custom(settings, run, labels)(order)
        return ChanceLevel(value=value, answer="its outputs in a random order")
    metric = run.figures(settings, len(run))[settings.metric]
    if settings.task in (CLASSIFICATION, BINARY) and len(np.unique(labels)) == 1:
        # The best constant answer would be right each time.
        is_accuracy = settings.metric == "accuracy"
        return ChanceLevel(
            value=1 / classes_of(settings, run) if is_accuracy else None,
            answer="a guess among all classes" if is_accuracy else "",
        )
    values = [
        figures(settings.task, PROBABILITIES, {"": constant}, labels, settings.spread)[settings.metric].value
        for constant in _constants(settings, run, labels)
    ]
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return ChanceLevel(value=None, answer="")
    best = max(known) if metric.higher_is_better else min(known)
    return ChanceLevel(value=float(best), answer=_answer(settings, labels))


def _constants(settings: ComparisonSettings, run: Run, labels: NDArray[np.generic]) -> list[NDArray[np.float64]]:
    """Returns outputs that are the same for all examples: the shares of the classes and yes, or the mean and the median."""
    if settings.task == REGRESSION:
        values = np.asarray(labels, np.float64).reshape(len(labels), -1)
        rows = [values.mean(axis=0), np.median(values, axis=0)]
    elif settings.task == CLASSIFICATION:
        counts = np.bincount(labels.astype(np.int64), minlength=classes_of(settings, run))
        # One class alone is no better known than another.
        rows = [counts / len(labels)]
    else:
        values = np.asarray(labels, np.float64).reshape(len(labels), -1)
        share = values.mean(axis=0)
        rows = [share, np.ones_like(share)]
        if settings.task == MULTILABEL:
            combinations, counts = np.unique(values, axis=0, return_counts=True)
            rows.append(combinations[counts.argmax()])
    return [np.broadcast_to(row, (len(labels), len(row))) for row in rows]


def _answer(settings: ComparisonSettings, labels: NDArray[np.generic]) -> str:
    """Returns a description of the answer that reaches the chance level."""
    if settings.task in (CLASSIFICATION, BINARY) and settings.metric == "accuracy":
        most = int(np.bincount(labels.astype(np.int64)).argmax())
        return f"always answering {class_name(most, settings.classes)}, the most frequent class"
    if settings.task == REGRESSION:
        return f"always giving the labels' {'median' if settings.metric == 'mae' else 'mean'}"
    return "the best constant answer"


def chance_test(settings: ComparisonSettings, run: Run, gate_confidence: float) -> ChanceTest | None:
    """Returns whether the reference is better than chance; None where that cannot be tested.

    - classification, binary, multilabel: the permutation test of independence of decisions and labels (Cohen's kappa above zero).
      With labels of one class alone, the exact binomial test against a guess among all classes.
    - binary, judged by a metric of its scores: the one-sided Mann-Whitney test, which is that of an AUC above 0.5.
    - regression: R² above 0, or a mean absolute error below that of the labels' median: Hall's skewness-corrected t statistic of the paired
      differences of the errors.
    - a metric of one's own: the permutation test of the metric itself, where it is quick and depends on which output has which label.

    Args:
        settings: The settings of the comparison, with labels.
        run: The reference's outputs.
        gate_confidence: The confidence level of the gate.
    """
    if not np.isfinite(run.figures(settings, len(run))[settings.metric].value):
        return None
    confidence = max(gate_confidence, LEAST_CONFIDENCE)
    labels = np.asarray(settings.labels)[: len(run)]
    if settings.task in DECIDING:
        statistic, observed, perfect = _decisions_test(settings, run, labels)
        return ChanceTest(
            is_better=observed < 1 - confidence,
            can_tell=perfect < 1 - confidence,
            statistic=statistic,
            confidence=confidence,
        )
    if settings.task == REGRESSION:
        values = np.asarray(labels, np.float64).reshape(len(labels), -1)[:, settings.varies]
        output = next(iter(run.outputs.values())).astype(np.float64).reshape(len(labels), -1)[:, settings.varies]
        if not values.size:
            return None
        return ChanceTest(
            is_better=_smaller_errors(values, output, confidence),
            can_tell=_smaller_errors(values, values, confidence),
            statistic="Hall's t statistic",
            confidence=confidence,
        )
    return _custom_test(settings, run, labels, confidence)


def _decisions_test(settings: ComparisonSettings, run: Run, labels: NDArray[np.generic]) -> tuple[str, float, float]:
    """Returns the name of the test, its p-value, and the p-value of a model without an error."""
    known, decided = labels.astype(np.int64), run.decisions(settings, len(run)).astype(np.int64)
    if settings.task == MULTILABEL:
        return "permutation test", many_agreements_p_value(decided, known), many_agreements_p_value(known, known)
    classes = classes_of(settings, run)
    perfect = agreement_p_value(known, known, classes)
    if settings.metric in _OF_SCORES and settings.task == BINARY and 0 < known.sum() < len(known):
        scores = next(iter(run.outputs.values())).astype(np.float64).reshape(len(known), -1)
        ranked = scores[:, -1] - (scores[:, 0] if scores.shape[1] == 2 else 0)
        test = mannwhitneyu(ranked[known == 1], ranked[known == 0], alternative="greater")
        return "Mann-Whitney test", float(test.pvalue), perfect
    return "permutation test of Cohen's kappa", agreement_p_value(decided, known, classes), perfect


def _smaller_errors(labels: NDArray[np.float64], output: NDArray[np.float64], confidence: float) -> bool:
    """Returns whether squared or absolute errors are smaller than those of the best constant, each in its label's own spread."""
    spread, each = labels.std(axis=0), 1 - (1 - confidence) / 2
    squared = ((labels - labels.mean(axis=0)) ** 2 - (labels - output) ** 2) / spread**2
    absolute = (np.abs(labels - np.median(labels, axis=0)) - np.abs(labels - output)) / spread
    ends = (mean_drop_interval(difference.mean(axis=1), each) for difference in (squared, absolute))
    return any(end is not None and end[0] > 0 for end in ends)


def _custom(
    settings: ComparisonSettings, run: Run, labels: NDArray[np.generic]
) -> Callable[[NDArray[np.int64]], float | None]:
    """Returns the judged custom metric as a function of the order of the outputs; its value is None where it is undefined."""

    def value(order: NDArray[np.int64]) -> float | None:
        outputs = {name: output[order] for name, output in run.first(len(labels)).items()}
        try:
            given = settings.given.of(slice(len(labels)))
            return float(own_metrics(settings.task, outputs, labels, given)[settings.metric].mean())
        except (EvaluationError, KeyError):
            return None

    return value


def _custom_test(
    settings: ComparisonSettings, run: Run, labels: NDArray[np.generic], confidence: float
) -> ChanceTest | None:
    """Returns the permutation test of a custom metric; None if it is slow, undefined, or the same for any order of the outputs."""
    metric, generator = _custom(settings, run, labels), np.random.default_rng(_SEED)
    started = time.perf_counter()
    observed = metric(np.arange(len(labels)))
    if observed is None or time.perf_counter() - started > _SLOW_SECONDS or 1 - confidence <= 1 / (1 + _PERMUTATIONS):
        return None
    values = [metric(generator.permutation(len(labels))) for _ in range(_PERMUTATIONS)]
    known = [value for value in values if value is not None]
    if len(known) < _PERMUTATIONS or len({round(value, 12) for value in (*known, observed)}) == 1:
        return None
    p_value = (1 + sum(value >= observed for value in known)) / (1 + _PERMUTATIONS)
    return ChanceTest(
        is_better=p_value < 1 - confidence,
        # With few examples a permutation often restores the order of the labels.
        can_tell=sum(value >= max(known) for value in known) / _PERMUTATIONS < 1 - confidence,
        statistic="permutation test of the metric",
        confidence=confidence,
    )
