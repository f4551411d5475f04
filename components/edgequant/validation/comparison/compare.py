"""Paired comparison of two models, example by example."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.comparison import Confusion, Flips, Measured, OutputDrift, class_name
from edgequant.outputs import decide
from edgequant.own_metric import MetricInputs
from edgequant.task import BINARY, CLASSIFICATION, DECIDING, MULTILABEL, REGRESSION, is_custom
from edgequant.validation.comparison.channels import (
    ChannelErrors,
    Channels,
    agreement,
    channels_of,
    worst_axis_errors,
)
from edgequant.validation.comparison.drop_intervals import (
    OwnInterval,
    PairedDrop,
    own_interval,
    paired_drop,
    paired_mean,
    unresampled,
)
from edgequant.validation.comparison.flips import confusion, flips
from edgequant.validation.comparison.output_drift import divergence, output_drift
from edgequant.validation.comparison.slices import CLASS, Sliced, by_class_of_many, grouped, sliced
from edgequant.validation.metrics.compute import figures, own_figures
from edgequant.validation.metrics.metric import Figure, share_of
from edgequant.validation.statistics import Clusters

AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonSettings:
    """The settings of a comparison.

    Attributes:
        task: The task.
        metric: The metric that the gate judges.
        labels: The labels of the examples that all models were evaluated on; None if there are none, or if the task needs none.
        slices: The text of a feature's value in each example, by feature.
        classes: The names of the classes; empty if they only have numbers.
        confidence: The confidence level of each one-sided end of a drop, and of the two-sided interval of a metric.
        groups: The group of each example; None if examples are independent.
        given: What a metric of one's own may ask for.
    """

    task: str
    metric: str
    labels: NDArray[Any] | None = None
    groups: NDArray[np.str_] | None = None
    given: MetricInputs = field(default_factory=MetricInputs)
    slices: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    confidence: float = 0.95

    def clusters(self, count: int) -> Clusters | None:
        """Returns the groups of the first examples; None if these are independent."""
        return None if self.groups is None else Clusters.named(self.groups[:count])

    @property
    def spread(self) -> NDArray[np.float64]:
        """The standard deviation of each number of the label, [numbers]; 1 for a constant one, and for other tasks."""
        if self.labels is None or self.task != REGRESSION:
            return np.ones(1)
        return np.where(self.varies, _numbers(self.labels).std(axis=0), 1.0)

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Whether each number of the label varies, [numbers]; by the range, as rounding gives equal numbers a standard deviation."""
        if self.labels is None or self.task != REGRESSION:
            return np.ones(1, np.bool_)
        return np.asarray(np.ptp(_numbers(self.labels), axis=0) > 0)


def _numbers(labels: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(labels, np.float64).reshape(len(labels), -1)


class Run:
    """A model's outputs over the first examples of the evaluation set; its metrics are computed once per number of examples.

    Args:
        outputs: Float arrays by output name, the example axis first.
        reading: ``probabilities`` or ``logits``, as `outputs.read` detects for the reference.
    """

    def __init__(self, outputs: Mapping[str, NDArray[Any]], reading: str) -> None:
        self.outputs = outputs
        self.reading = reading
        self._figures: dict[int, dict[str, Figure]] = {}
        self._channels: dict[int, dict[str, tuple[Channels, ...]]] = {}

    def __len__(self) -> int:
        return len(next(iter(self.outputs.values())))

    def first(self, count: int) -> dict[str, NDArray[Any]]:
        """Returns the outputs of the first examples."""
        return {name: values[:count] for name, values in self.outputs.items()}

    def channels(self, count: int) -> dict[str, tuple[Channels, ...]]:
        """Returns the channels of its outputs over the first examples."""
        if count not in self._channels:
            self._channels[count] = {name: channels_of(values) for name, values in self.first(count).items()}
        return self._channels[count]

    def decisions(self, settings: ComparisonSettings, count: int) -> NDArray[Any]:
        """Returns its decisions for the first examples."""
        return decide(settings.task, next(iter(self.first(count).values())), self.reading)

    def figures(self, settings: ComparisonSettings, count: int) -> dict[str, Figure]:
        """Returns its metrics over the first examples, the main one first; empty without labels."""
        if settings.labels is None:
            return {}
        if count not in self._figures:
            labels = np.asarray(settings.labels[:count])
            if is_custom(settings.task):
                computed = own_figures(settings.task, self.first(count), labels, settings.given)
            else:
                computed = figures(settings.task, self.reading, self.first(count), labels, settings.spread)
            clusters = settings.clusters(count)
            self._figures[count] = {name: figure.by(clusters) for name, figure in computed.items()}
        return self._figures[count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A variant compared with the reference, over the examples that both were evaluated on.

    Attributes:
        examples: The number of examples.
        measures: The variant's metrics with their intervals.
        drops: The drop of each metric from the reference to the variant; without labels, of agreement.
        agreement: The mean agreement with the reference, 0 to 1, and its interval.
        agreeing: The interval of the agreement, and what a sample size is computed from.
        divergence_nats: The mean Kullback-Leibler divergence of its probabilities; None without probabilities.
        flips: The examples with another decision than the reference's; None for tasks without decisions.
        drift: The difference of its values from the reference's, by output.
        confusion: Its confusion matrix; None without labels of exclusive classes.
        slices: Its drops by class, then by each feature.
        own: The intervals of the variant's metrics, and what sample sizes are computed from.
    """

    examples: int
    measures: dict[str, Measured]
    drops: dict[str, PairedDrop]
    agreement: Measured
    agreeing: OwnInterval = field(default_factory=OwnInterval)
    divergence_nats: float | None = None
    flips: Flips | None = None
    drift: dict[str, OutputDrift] = field(default_factory=dict)
    confusion: Confusion | None = None
    slices: tuple[Sliced, ...] = ()
    own: dict[str, OwnInterval] = field(default_factory=dict)


def measured_metrics(settings: ComparisonSettings, run: Run, count: int) -> dict[str, Measured]:
    """Returns a model's metrics over the first examples with their intervals; metrics that are undefined on them are left out."""
    return _measured(settings, run, count, _own(settings, run, count))


def _own(settings: ComparisonSettings, run: Run, count: int) -> dict[str, OwnInterval]:
    return {
        name: own_interval(figure, count, settings.confidence, settings.clusters(count))
        if _has_interval(settings, name, figure)
        else OwnInterval()
        for name, figure in run.figures(settings, count).items()
        if np.isfinite(figure.value)
    }


def _measured(
    settings: ComparisonSettings, run: Run, count: int, own: Mapping[str, OwnInterval]
) -> dict[str, Measured]:
    metrics = run.figures(settings, count)
    return {
        name: Measured(
            value=metrics[name].value,
            interval=estimate.ends,
            method=estimate.method,
            higher_is_better=metrics[name].higher_is_better,
        )
        for name, estimate in own.items()
    }


def drops(settings: ComparisonSettings, reference: Run, variant: Run, only: str = "") -> dict[str, PairedDrop]:
    """Returns the drop of each metric over the examples that both models were evaluated on; without labels, of agreement.

    Args:
        settings: The settings of the comparison.
        reference: The reference or the champion.
        variant: The variant.
        only: The one metric to compare; "" for all.
    """
    count = min(len(reference), len(variant))
    if settings.labels is None:
        errors = {} if settings.task in DECIDING else _channel_errors(reference, variant, count)
        return _drop_in_agreement(settings, _agreements(settings, reference, variant, errors))
    reference_metrics, variant_metrics = reference.figures(settings, count), variant.figures(settings, count)
    clusters = settings.clusters(count)
    return {
        name: paired_drop(reference_metrics[name], variant_metrics[name], count, settings.confidence, clusters)
        if _has_interval(settings, name, reference_metrics[name])
        else unresampled(reference_metrics[name], variant_metrics[name], count)
        for name in reference_metrics
        if name in variant_metrics and only in ("", name)
    }


def compare(settings: ComparisonSettings, reference: Run, variant: Run) -> Comparison:
    """Returns the comparison of a variant with the reference.

    Args:
        settings: The settings of the comparison.
        reference: The reference.
        variant: The variant, evaluated on the same examples or on the first of them.
    """
    count = min(len(reference), len(variant))
    errors = _channel_errors(reference, variant, count)
    agreements = _agreements(settings, reference, variant, errors)
    agreed = share_of(agreements)
    own = _own(settings, variant, count)
    agreeing = own_interval(agreed, count, settings.confidence, settings.clusters(count))
    reference_outputs, variant_outputs = reference.first(count), variant.first(count)
    single = next(iter(reference_outputs))
    return Comparison(
        examples=count,
        measures=_measured(settings, variant, count, own),
        drops=_drop_in_agreement(settings, agreements)
        if settings.labels is None
        else drops(settings, reference, variant),
        agreement=Measured(value=agreed.value, interval=agreeing.ends, method=agreeing.method),
        agreeing=agreeing,
        divergence_nats=divergence(
            settings.task, reference.reading, reference_outputs[single], variant_outputs[single]
        ),
        flips=_flips(settings, reference, variant, count),
        drift={
            name: output_drift(reference_outputs[name], variant_outputs[name], errors[name])
            for name in reference_outputs
        },
        confusion=confused(settings, variant, count),
        slices=_slices(settings, reference, variant, agreements),
        own=own,
    )


def confused(settings: ComparisonSettings, run: Run, count: int) -> Confusion | None:
    """Returns a model's confusion matrix over the first examples; None without labels of exclusive classes."""
    if settings.labels is None or settings.task not in (CLASSIFICATION, BINARY):
        return None
    output = next(iter(run.outputs.values()))
    classes = 2 if settings.task == BINARY else output.reshape(len(output), -1).shape[1]
    return confusion(run.decisions(settings, count), np.asarray(settings.labels[:count]), classes)


def _has_interval(settings: ComparisonSettings, name: str, figure: Figure) -> bool:
    """Tells whether a metric gets an interval: of a custom function, only the judged metric is resampled."""
    if figure.each is not None or not is_custom(settings.task):
        return True
    return name == settings.metric


def _channel_errors(reference: Run, variant: Run, count: int) -> dict[str, ChannelErrors]:
    channels, actual = reference.channels(count), variant.first(count)
    return {
        name: worst_axis_errors(channels[name], expected, actual[name])
        for name, expected in reference.first(count).items()
    }


def _agreements(
    settings: ComparisonSettings, reference: Run, variant: Run, errors: Mapping[str, ChannelErrors]
) -> NDArray[np.float64]:
    """Returns the agreement of the variant with the reference, 0 to 1, over the examples of both, [examples].

    For tasks with decisions it is the share of equal decisions (top-1 agreement); for others see `channels.agreement`.
    """
    count = min(len(reference), len(variant))
    if settings.task in DECIDING:
        same = reference.decisions(settings, count) == variant.decisions(settings, count)
        return np.asarray(same.mean(axis=1) if settings.task == MULTILABEL else same, np.float64)
    return agreement(reference.first(count), variant.first(count), errors)


def _drop_in_agreement(settings: ComparisonSettings, agreements: NDArray[np.float64]) -> dict[str, PairedDrop]:
    decided = settings.task in (CLASSIFICATION, BINARY)
    clusters = settings.clusters(len(agreements))
    return {AGREEMENT: paired_mean(1.0 - agreements, settings.confidence, clusters, decided=decided)}


def _flips(settings: ComparisonSettings, reference: Run, variant: Run, count: int) -> Flips | None:
    if settings.task not in DECIDING:
        return None
    labels = None if settings.labels is None else np.asarray(settings.labels[:count])
    return flips(reference.decisions(settings, count), variant.decisions(settings, count), labels, settings.classes)


def _slices(
    settings: ComparisonSettings, reference: Run, variant: Run, agreements: NDArray[np.float64]
) -> tuple[Sliced, ...]:
    """Returns the drops by class and by feature; empty for a metric without values per example."""
    count = len(agreements)
    reference_scores, variant_scores = np.ones(count), agreements
    groups, clusters = {}, settings.clusters(count)
    if settings.labels is not None:
        first, second = (next(iter(run.figures(settings, count).values())).judged for run in (reference, variant))
        if first.each is None or second.each is None:
            return ()
        sign = 1.0 if first.higher_is_better else -1.0
        reference_scores, variant_scores = sign * first.each, sign * second.each
        labels = np.asarray(settings.labels[:count])
        if settings.task in (CLASSIFICATION, BINARY):
            groups[CLASS] = [
                replace(group, value=class_name(int(group.value), settings.classes))
                for group in grouped(labels, reference_scores, variant_scores, clusters)
            ]
        elif settings.task == MULTILABEL and labels.any():
            decided = [run.decisions(settings, count) for run in (reference, variant)]
            names = [class_name(number, settings.classes) for number in range(labels.shape[1])]
            groups[CLASS] = by_class_of_many(labels, (decided[0], decided[1]), names, clusters)
    groups |= {
        name: grouped(texts[:count], reference_scores, variant_scores, clusters)
        for name, texts in settings.slices.items()
    }
    return tuple(
        sliced(name, members, settings.confidence, count, shared=name == CLASS and settings.task == MULTILABEL)
        for name, members in groups.items()
    )
