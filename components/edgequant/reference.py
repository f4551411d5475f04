"""What the reference is expected to reach: as configured, or as its training run logged."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgequant.errors import ConfigError, did_you_mean
from edgequant.metric_table import BY_NAME, METRICS
from edgequant.task import NONE, is_custom

WITHIN = "within_points"
# The tolerance on a configured value, and on one that a training run logged, possibly over other examples.
CONFIGURED_POINTS, LOGGED_POINTS = 1.0, 5.0
# The prefixes of a metric over held-out examples, the one preferred first. Without a prefix it may be over the training examples.
_HELD_OUT = ("test_", "eval_", "evaluation_", "val_", "validation_", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The values that the reference is expected to reach.

    Attributes:
        values: The expected value of each metric, by name.
        within_points: By how many points it may miss them; None for the default.
        source: Where the values come from; "" for the configuration.
    """

    values: dict[str, float] = field(default_factory=dict)
    within_points: float | None = None
    source: str = ""

    def settings(self) -> dict[str, float]:
        """Returns the expectation as in the configuration."""
        return self.values | ({} if self.within_points is None else {WITHIN: self.within_points})

    @property
    def tolerance(self) -> float:
        """By how many points the reference may miss the values."""
        default = LOGGED_POINTS if self.source else CONFIGURED_POINTS
        return default if self.within_points is None else self.within_points


def parse_reference(values: Mapping[str, Any]) -> Expected:
    """Returns the expectation that the section ``reference`` of a configuration describes.

    Raises:
        ConfigError: A value is not a finite number, or the tolerance is negative.
    """
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"reference.{key}: {value!r} is not a number")
    within = values.get(WITHIN)
    if within is not None and within < 0:
        raise ConfigError(f"reference.{WITHIN}: {within!r} is not a number of 0 or more")
    metrics = {key: float(value) for key, value in values.items() if key != WITHIN}
    return Expected(values=metrics, within_points=None if within is None else float(within))


def check_reference(expected: Expected, task: str, *, labelled: bool) -> None:
    """Checks that the metrics of an expectation are the task's, and their values possible.

    Raises:
        ConfigError: They are not, or the examples have no labels.
    """
    for metric, value in expected.values.items():
        if not labelled or task == NONE:
            raise ConfigError(f"reference.{metric}: needs labels; without them no metric of the reference is known")
        if is_custom(task):
            continue
        names = METRICS[task]
        if metric not in names:
            raise ConfigError(
                f"reference: {task} has no metric {metric!r}; choose from {', '.join(names)}, and {WITHIN}"
                f"{did_you_mean(metric, (*names, WITHIN))}"
            )
        low, high = BY_NAME[metric].bounds
        if not low <= value <= high:
            raise ConfigError(f"reference.{metric}: {value:g} is not possible; {low:g} to {high:g} is, and 0.95 is 95%")


def from_training(logged: Mapping[str, float], source: str, metric: str) -> Expected:
    """Returns what a training run logged of a metric: over held-out examples where it did, else by the metric's own name.

    Args:
        logged: The metrics of the training run.
        source: The run, for messages.
        metric: The metric.
    """
    for name in (f"{prefix}{metric}" for prefix in _HELD_OUT):
        if name in logged:
            return Expected(values={metric: logged[name]}, source=f"{name} of {source}")
    return Expected()
