"""Computes the metrics of one model over the evaluation set, by task."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import EvaluationError
from edgequant.metric_table import BY_NAME, METRICS, MetricSpec
from edgequant.own_metric import MetricInputs, own_metrics
from edgequant.task import BINARY, CLASSIFICATION, MULTILABEL, REGRESSION, check_fit, is_custom
from edgequant.validation.metrics.classification import binary, classification, multilabel
from edgequant.validation.metrics.metric import Figure, mean_of
from edgequant.validation.statistics import Resampled, one_by_one
from edgequant.validation.statistics.worst_case import r2_worst_case, rmse_worst_case

# The longest call of a custom metric that is resampled thousands of times: CPU time of this process, and wall time, which
# includes waiting and depends on other load of the machine.
_SLOW_SECONDS = 0.02
_SLOW_WALL_SECONDS = 0.1


def figures(
    task: str,
    reading: str,
    outputs: Mapping[str, NDArray[Any]],
    labels: NDArray[Any],
    spread: NDArray[np.float64] | float = 1.0,
) -> dict[str, Figure]:
    """Returns a model's metrics by name, the main one first.

    Args:
        task: The task, not ``none``.
        reading: ``probabilities`` or ``logits``, as `outputs.read` detects for the reference.
        outputs: Float arrays by output name, the example axis first.
        labels: The labels of these examples, in the form of `task.check_label`.
        spread: The standard deviation of each number of a label, [numbers], the unit of drops of a regression's errors.

    Raises:
        ConfigError: The custom metric function does not exist.
        EvaluationError: The outputs do not suit the labels, or the custom metric function fails.
    """
    if is_custom(task):
        return own_figures(task, outputs, labels, MetricInputs())
    output = check_fit(task, outputs, labels)
    if task == REGRESSION:
        computed = _regression(output, labels, spread)
    else:
        computed = {CLASSIFICATION: classification, BINARY: binary, MULTILABEL: multilabel}[task](
            output, labels, reading
        )
    return {name: _as_declared(BY_NAME[name], computed[name]) for name in METRICS[task] if name in computed}


def _as_declared(spec: MetricSpec, figure: Figure) -> Figure:
    """Returns a metric with the direction and bounds of the metric table, and without an interval where the table excludes one."""
    declared = replace(
        figure,
        higher_is_better=spec.higher_is_better,
        bounds=spec.bounds,
        scaled=_as_declared(spec, figure.scaled) if figure.scaled is not None else None,
    )
    if not spec.no_interval:
        return declared
    return replace(declared, weighted=None, note=f"it {spec.no_interval}, so that it has no interval")


def _regression(output: NDArray[Any], labels: NDArray[Any], spread: NDArray[np.float64] | float) -> dict[str, Figure]:
    """Returns the metrics of ``regression`` by name, the main one first."""
    from sklearn.metrics import r2_score

    predicted = np.asarray(output, np.float64).reshape(len(output), -1)
    expected = np.asarray(labels, np.float64).reshape(len(labels), -1)
    errors = predicted - expected
    explained = _explained(expected, errors)
    known = np.isfinite(explained.value())
    varies = np.ptp(expected, axis=0) > 0
    value = float(r2_score(expected[:, varies], predicted[:, varies])) if known else float("nan")
    r2 = Figure(value=value, weighted=explained, worst_case=r2_worst_case(value) if known else None)
    # In standard deviations, so that the errors of a number near 300 do not hide those of a number near 1.
    scaled = _errors(errors / spread)
    plain = {name: replace(figure, scaled=scaled[name]) for name, figure in _errors(errors).items()}
    return {"mae": plain["mae"], "rmse": plain["rmse"], "r2": r2, "max_error": plain["max_error"]}


def _errors(errors: NDArray[np.float64]) -> dict[str, Figure]:
    """Returns the metrics of errors by name, [examples, numbers]."""
    squares = (errors**2).mean(axis=1)

    def over(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sqrt(weights @ squares / weights.sum(axis=1)))

    rmse = Resampled(over, len(errors))
    return {
        "mae": mean_of(np.abs(errors).mean(axis=1)),
        "rmse": Figure(
            value=rmse.value(),
            weighted=rmse,
            worst_case=rmse_worst_case(rmse.value()),
        ),
        "max_error": Figure(
            value=float(np.abs(errors).max()),
        ),
    }


def _explained(expected: NDArray[np.float64], errors: NDArray[np.float64]) -> Resampled:
    """Returns R² over weighted examples, the mean over the label's numbers that vary in them; NaN if none does."""
    # Centred, to avoid cancellation of large numbers.
    centred = expected - expected.mean(axis=0)
    squares, squared_errors = centred**2, errors**2

    def over(weights: NDArray[np.float64]) -> float:
        count = weights.sum()
        energy = weights @ squares - (weights @ centred) ** 2 / count
        # By the range, since rounding gives equal numbers a variance.
        varies = np.ptp(expected[weights > 0], axis=0) > 0 if count >= 2 else np.zeros(len(energy), np.bool_)
        if not varies.any():
            return float("nan")
        return float(np.mean(1 - (weights @ squared_errors)[varies] / energy[varies]))

    return Resampled(one_by_one(over), len(expected))


def own_figures(
    task: str, outputs: Mapping[str, NDArray[Any]], labels: NDArray[Any], given: MetricInputs
) -> dict[str, Figure]:
    """Returns the metrics of a custom function: the mean of values per example, or one number that each resample recomputes.

    Args:
        task: The function's name.
        outputs: Arrays by output name, the example first.
        labels: The labels of these examples.
        given: What the function may ask for; its first examples are these.

    Raises:
        ConfigError: The function does not exist.
        EvaluationError: The function fails.
    """
    given = given.of(slice(len(labels)))
    values, call_time = _timed(task, outputs, labels, given)
    if call_time.is_long:
        # The first call also imports what the function needs.
        values, call_time = _timed(task, outputs, labels, given)
    return {
        name: mean_of(value)
        if value.shape == (len(labels),)
        else Figure(
            value=float(value.mean()),
            weighted=_recomputed((task, name), outputs, labels, given) if not call_time.is_long else None,
            note=f"a call of {task} takes {1000 * call_time.wall_seconds:.0f} ms, too long for thousands of resamples: return a value per example",
        )
        for name, value in values.items()
    }


@dataclass(frozen=True, slots=True)
class _CallTime:
    """The CPU time of this process and the wall time of a call."""

    own_seconds: float
    wall_seconds: float

    @property
    def is_long(self) -> bool:
        """Whether it is too long for thousands of calls, by limits that other load of the machine hardly reaches."""
        return self.own_seconds > _SLOW_SECONDS or self.wall_seconds > _SLOW_WALL_SECONDS


def _timed(
    task: str, outputs: Mapping[str, NDArray[Any]], labels: NDArray[Any], given: MetricInputs
) -> tuple[dict[str, NDArray[np.float64]], _CallTime]:
    """Returns the metrics of a custom function, and the time of the call."""
    own, wall = time.process_time(), time.perf_counter()
    values = own_metrics(task, outputs, labels, given)
    return values, _CallTime(time.process_time() - own, time.perf_counter() - wall)


def _recomputed(
    metric: tuple[str, str], outputs: Mapping[str, NDArray[Any]], labels: NDArray[Any], given: MetricInputs
) -> Resampled:
    """Returns a metric of a function, by both names, that is called for each resample."""
    task, name = metric

    def over(weights: NDArray[np.float64]) -> float:
        rows = np.repeat(np.arange(len(labels)), weights.astype(np.int64))
        try:
            drawn = {key: output[rows] for key, output in outputs.items()}
            value = own_metrics(task, drawn, labels[rows], given.of(rows))[name]
        except (EvaluationError, KeyError):
            # A custom metric may be undefined on a resample, as AUC is with one class.
            return float("nan")
        return float(value.mean())

    return Resampled(one_by_one(over), len(labels))
