"""The gate as configured: the limits that a variant must satisfy to be blessed."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgequant.errors import ConfigError, did_you_mean
from edgequant.metric_table import BY_NAME, METRICS, is_lower_better
from edgequant.task import (
    BINARY,
    CLASSIFICATION,
    MULTILABEL,
    NONE,
    is_custom,
)

PREFERENCES = ("size_bytes", "latency_ms", "drop_points")
REQUIRED = "required"
# Limits that are numbers of 0 or more, and those of them that are shares.
_NUMBERS = (
    "max_drop_points",
    "max_drop_points_vs_champion",
    "max_worst_class_drop_points",
    "max_size_ratio",
    "max_size_bytes",
    "max_latency_ratio",
)
_SHARES = ("min_agreement",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The limits that a variant must satisfy.

    Attributes:
        max_drop_points: The largest drop of the metric below the reference, in percentage points, or None.
        max_drop_points_vs_champion: The largest drop below the champion, in percentage points, or None.
        max_worst_class_drop_points: The largest drop of any class below the reference, in percentage points, or None.
        min_metric: The smallest value of the metric itself, or None.
        min_agreement: The smallest share of examples on which it agrees with the reference, or None.
        max_size_ratio: The largest file size, relative to the reference's, or None.
        max_size_bytes: The largest file size in bytes, or None.
        max_latency_ratio: The largest median latency, relative to the reference's on the machine of the benchmark, or None.
        integer_only: ``required`` when the file must compute in integers, its input and output included, or None.
        metric: The metric that `max_drop_points`, `max_drop_points_vs_champion` and `min_metric` are about; None for the
            task's main one.
        confidence: How sure one must be.
        prefer: What the best blessed variant has least of: ``size_bytes``, ``latency_ms`` or ``drop_points``.
    """

    max_drop_points: float | None = None
    max_drop_points_vs_champion: float | None = None
    max_worst_class_drop_points: float | None = None
    min_metric: float | None = None
    min_agreement: float | None = None
    max_size_ratio: float | None = None
    max_size_bytes: float | None = None
    max_latency_ratio: float | None = None
    integer_only: str | None = None
    metric: str | None = None
    confidence: float = 0.95
    prefer: str = "size_bytes"

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in CHECKS)

    def settings(self) -> dict[str, float | str]:
        """Returns the gate as configured, without the keys that are unset."""
        return {key: value for key, value in asdict(self).items() if value is not None}


# The keys that are limits, in the order in which they are reported.
CHECKS = tuple(name for name in Gate.__dataclass_fields__ if name not in ("metric", "confidence", "prefer"))


def parse_gate(values: Mapping[str, Any]) -> Gate:
    """Returns the gate that a mapping describes.

    Raises:
        ConfigError: A key is unknown, or a value is not allowed.
    """
    _check_keys(values)
    settings = dict(values)
    if "integer_only" in settings:
        settings["integer_only"] = _required(settings["integer_only"])
    gate = Gate(**settings)
    for key in (*_NUMBERS, *_SHARES, "confidence", "min_metric"):
        _check_number(key, getattr(gate, key), negative=key == "min_metric")
    for key in _SHARES:
        value = getattr(gate, key)
        if value is not None and value > 1:
            raise ConfigError(f"gate.{key}: {value:g} is not a share of 0 to 1; 0.99 is 99%")
    if not 0.5 < gate.confidence < 1:
        raise ConfigError(f"gate.confidence: {gate.confidence} is not between 0.5 and 1; 0.95 is usual")
    if gate.prefer not in PREFERENCES:
        raise ConfigError(
            f"gate.prefer: unknown {gate.prefer!r}; choose from {', '.join(PREFERENCES)}"
            f"{did_you_mean(str(gate.prefer), PREFERENCES)}"
        )
    if gate.metric is not None and (not isinstance(gate.metric, str) or not gate.metric):
        raise ConfigError(f"gate.metric: {gate.metric!r} is not the name of a metric, such as macro_f1")
    return gate


def _check_keys(values: Mapping[str, Any]) -> None:
    """Checks that every key is one of the gate's and has a value: an empty one would silently limit nothing."""
    allowed = tuple(Gate.__dataclass_fields__)
    for key, value in values.items():
        if key not in allowed:
            raise ConfigError(
                f"gate: unknown key {key!r}; allowed are {', '.join(allowed)}{did_you_mean(str(key), allowed)}"
            )
        if value is None:
            raise ConfigError(f"gate.{key}: is empty; give a value, or leave the key out")


def check_gate(gate: Gate, task: str, *, labelled: bool, champion: bool) -> None:
    """Checks that the limits of a gate apply to the task, the labels and the models.

    Args:
        gate: The gate.
        task: The task.
        labelled: Whether the evaluation examples have labels.
        champion: Whether a champion is configured.

    Raises:
        ConfigError: A limit does not apply, or the task is a function of labels and there are none.
    """
    if is_custom(task) and not labelled:
        raise ConfigError(
            f"task: {task!r} is called with outputs and labels, and the examples have no labels; give examples.label, or task: none"
        )
    labelled = labelled and task != NONE
    for key in ("metric", "min_metric", "max_worst_class_drop_points"):
        if getattr(gate, key) is not None and not labelled:
            raise ConfigError(f"gate.{key}: needs labels; without them, and for task: none, there is agreement alone")
    if gate.max_worst_class_drop_points is not None and task not in (CLASSIFICATION, BINARY, MULTILABEL):
        raise ConfigError(f"gate.max_worst_class_drop_points: needs classes; the task is {task!r}")
    if gate.max_drop_points_vs_champion is not None and not champion:
        raise ConfigError(
            "gate.max_drop_points_vs_champion: there is nothing to compare with; give champion: models:/NAME@ALIAS"
        )
    if task in METRICS:
        _check_metric(gate, task)


def _check_metric(gate: Gate, task: str) -> None:
    """Checks that the metric is one of the task's, and that the gate's limits can be applied to it."""
    names = METRICS[task]
    metric = gate.metric or names[0]
    if metric not in names:
        raise ConfigError(
            f"gate.metric: {task} has no metric {metric!r}; choose from {', '.join(names)}{did_you_mean(metric, names)}"
        )
    if reason := BY_NAME[metric].no_interval:
        raise ConfigError(f"gate.metric: {metric} {reason}, so that no drop in it can be judged")
    if gate.min_metric is not None and is_lower_better(metric):
        better = ", ".join(name for name in names if not is_lower_better(name))
        raise ConfigError(f"gate.min_metric: {metric} is the better the lower; name another by metric: {better}")
    if gate.min_metric is not None and gate.min_metric > 1:
        raise ConfigError(
            f"gate.min_metric: {gate.min_metric:g} is more than {metric} can be, which is 1 at most; 0.95 is 95%"
        )


def _required(value: object) -> str | None:
    """Returns ``required``, or None for false."""
    if value in (REQUIRED, True):
        return REQUIRED
    if value is False:
        return None
    raise ConfigError(f"gate.integer_only: {value!r} is not allowed; required is, or leave it out")


def _check_number(key: str, value: object, *, negative: bool) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        raise ConfigError(f"gate.{key}: {value!r} is not a number{'' if negative else ' of 0 or more'}")
    if value < 0 and not negative:
        raise ConfigError(f"gate.{key}: {value!r} is not a number of 0 or more")
