"""Whether the reference is fit to compare with: its own metric beside chance and the expected value, and why it is invalid."""

from dataclasses import dataclass, field

import numpy as np

from edgequant.artifacts.verdict import ReferenceCheck
from edgequant.metric_table import BY_NAME
from edgequant.reference import Expected, from_training
from edgequant.task import NONE, REGRESSION
from edgequant.validation.comparison.compare import ComparisonSettings, Run, measured_metrics
from edgequant.validation.gate.chance import LEAST_CONFIDENCE, ChanceLevel, chance_level, chance_test
from edgequant.validation.gate.reordering import other_class_order
from edgequant.variants import REFERENCE

_POINTS = 100.0
# From this correlation on, numbers that are no better than the mean are likely to be in another unit.
_CORRELATED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFacts:
    """What is known of the reference beside its outputs.

    Attributes:
        expected: The values that the configuration expects.
        logged: The metrics that its training run logged; empty where no run is known.
        training_run: That run, for messages.
    """

    expected: Expected = field(default_factory=Expected)
    logged: dict[str, float] = field(default_factory=dict)
    training_run: str = ""


def check_reference_run(
    settings: ComparisonSettings, run: Run, facts: ReferenceFacts, gate_confidence: float
) -> tuple[ReferenceCheck, tuple[str, ...]]:
    """Returns the check of the reference, and notes on it.

    Args:
        settings: The settings of the comparison.
        run: The reference's outputs.
        facts: What is expected of it.
        gate_confidence: The confidence level of the gate.
    """
    if settings.labels is None or settings.task == NONE:
        sentence = f"{REFERENCE}'s own quality is unknown, as the examples have no labels."
        return ReferenceCheck(sentence=sentence, configured=facts.expected.settings()), ()
    value = run.figures(settings, len(run))[settings.metric].value
    level = chance_level(settings, run)
    expected, notes = _expected(settings, facts)
    missed = _missed(settings, run, expected)
    order = other_class_order(settings, run, LEAST_CONFIDENCE)
    guess, weak = _chance(settings, run, level, gate_confidence)
    invalid = "; ".join(reason for reason in (order or guess, *missed) if reason)
    check = ReferenceCheck(
        metric=settings.metric,
        value=value if np.isfinite(value) else None,
        chance=level.value,
        chance_answer=level.answer,
        expected=expected.values,
        within_points=expected.tolerance if expected.values else None,
        expected_from=_source(expected) if expected.values else "",
        configured=facts.expected.settings(),
        sentence=_sentence(settings, value, level, expected),
        invalid=invalid,
    )
    return check, (*notes, *([weak] if weak and not invalid else []))


def _sentence(settings: ComparisonSettings, value: float, level: ChanceLevel, expected: Expected) -> str:
    """Returns a sentence with the metric beside its chance level and, where there is one, its expected value."""
    metric = settings.metric
    if not np.isfinite(value):
        return f"{REFERENCE}'s {metric} is not defined on these examples."
    chance = "no chance level is known" if level.value is None else f"chance level {level.value:.4f} ({level.answer})"
    parts = [f"{REFERENCE}'s {metric} is {value:.4f}", chance]
    if metric in expected.values:
        parts.append(f"expected {expected.values[metric]:.4f} ({_source(expected)})")
    return f"{', '.join(parts)}."


def _source(expected: Expected) -> str:
    return expected.source or "reference in the configuration"


def _expected(settings: ComparisonSettings, facts: ReferenceFacts) -> tuple[Expected, tuple[str, ...]]:
    """Returns the configured values, else the judged metric as the training run logged it; and a note on one that is not comparable."""
    if facts.expected.values:
        return facts.expected, ()
    logged = from_training(facts.logged, facts.training_run, settings.metric)
    if not logged.values:
        return logged, ()
    value = logged.values[settings.metric]
    low, high = BY_NAME[settings.metric].bounds if settings.metric in BY_NAME else (-np.inf, np.inf)
    if not low <= value <= high:
        return Expected(), (
            f"{logged.source} is {value:g}, which {settings.metric} cannot be ({low:g} to {high:g}): {REFERENCE} is not compared"
            " with it; reference: gives the expected value",
        )
    return Expected(values=logged.values, source=logged.source, within_points=facts.expected.within_points), ()


def _missed(settings: ComparisonSettings, run: Run, expected: Expected) -> tuple[str, ...]:
    """Returns a sentence on each expected value that the reference does not reach.

    A configured value is compared with the measured one. A logged value may be over other examples, so that the better end of the measured
    metric's two-sided interval must miss it, too.
    """
    figures = run.figures(settings, len(run))
    intervals = measured_metrics(settings, run, len(run)) if expected.source else {}
    sentences = []
    for metric, value in expected.values.items():
        if metric not in figures:
            sentences.append(
                f"{metric} was expected to be {value:.4f} and was not measured; there are {', '.join(figures)}"
            )
            continue
        figure = figures[metric]
        sign = 1.0 if figure.higher_is_better else -1.0
        # Errors in the labels' unit count in their standard deviation, as in the gate.
        unit = figure.scaled.value / figure.value if figure.scaled is not None and figure.value else 1.0
        interval = intervals[metric].interval if metric in intervals else None
        reached = figure.value if interval is None else max(sign * end for end in interval) * sign
        if not sign * (value - reached) * unit * _POINTS <= expected.tolerance + 1e-9:
            sentences.append(
                f"{REFERENCE}'s {metric} is {figure.value:.4f}, and {value:.4f} within {expected.tolerance:g} points was expected"
                f" ({_source(expected)}): check the inputs, their scale, and the labels"
            )
    return tuple(sentences)


def _chance(settings: ComparisonSettings, run: Run, level: ChanceLevel, gate_confidence: float) -> tuple[str, str]:
    """Returns why the reference is no better than chance, and else a note if its metric is no better than a constant answer's."""
    figure = run.figures(settings, len(run))[settings.metric]
    test = chance_test(settings, run, gate_confidence)
    beside = "" if level.value is None else f", chance level {level.value:.4f} ({level.answer})"
    own = f"{REFERENCE}'s {settings.metric} is {figure.value:.4f}{beside}"
    if test is not None and not test.is_better and test.can_tell:
        return (
            f"{own}: that is not significantly better than chance ({test.statistic}, {100 * test.confidence:g}%,"
            f" {len(run):,} examples){_unit(settings, run)}; check the labels, the inputs and the model",
            "",
        )
    if test is not None and not test.can_tell:
        return "", f"{len(run):,} examples are too few to tell {REFERENCE} from chance"
    sign = 1.0 if figure.higher_is_better else -1.0
    if test is None or level.value is None or not sign * (figure.value - level.value) <= 0:
        return "", ""
    return "", f"{own}: by this metric a constant answer is as good; gate.metric names another"


def _unit(settings: ComparisonSettings, run: Run) -> str:
    """Returns a remark on numbers that follow the labels in another unit; "" where they do not."""
    if settings.task != REGRESSION or settings.labels is None:
        return ""
    labels = np.asarray(settings.labels, np.float64)[: len(run)].reshape(len(run), -1)
    output = next(iter(run.outputs.values())).astype(np.float64).reshape(len(run), -1)
    if not (np.ptp(labels, axis=0) > 0).all() or not (np.ptp(output, axis=0) > 0).all():
        return ""
    correlation = float(
        np.mean([np.corrcoef(known, given)[0, 1] for known, given in zip(labels.T, output.T, strict=True)])
    )
    return (
        f", though they correlate at {correlation:.2f}: is one of them in another unit?"
        if correlation >= _CORRELATED
        else ""
    )
