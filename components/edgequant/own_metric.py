"""A metric of one's own: the function, and what it may ask for beside outputs and labels."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.example_set import ExampleSet
from edgequant.errors import ConfigError, EvaluationError
from edgequant.metric_table import is_lower_better
from edgequant.task import load_function

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MetricInputs:
    """What a metric of one's own gets, by the names of its parameters, beside outputs and labels.

    Attributes:
        source: The text of the file that it is in; "" for a module.
        inputs: The model inputs by name, the example first.
        features: The features that ``examples.keep`` names, the example first.
        groups: The group of each example; None without groups.
        rows: The examples of the arrays that it gets: a slice, or their numbers; None for all.
    """

    source: str = ""
    inputs: Arrays = field(default_factory=dict)
    features: Arrays = field(default_factory=dict)
    groups: NDArray[np.str_] | None = None
    rows: Any = None

    def of(self, rows: Any) -> "MetricInputs":
        """Returns the same of some examples: a slice, or their numbers."""
        return replace(self, rows=rows)

    def arguments(self, function: Callable[..., Any], task: str) -> dict[str, Any]:
        """Returns what a function asks for by parameter name.

        Raises:
            EvaluationError: It asks for features or groups, and there are none.
        """
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:  # A function in C without a signature.
            return {}
        if "features" in parameters and not self.features:
            raise EvaluationError(f"task {task}: takes features; none is kept (examples.keep)")
        if "groups" in parameters and self.groups is None:
            raise EvaluationError(f"task {task}: takes groups; the examples have none (examples.group)")
        rows = slice(None) if self.rows is None else self.rows
        # Only what is asked for is copied, since each of thousands of resamples has its own examples.
        arguments: dict[str, Any] = {
            name: {key: array[rows] for key, array in arrays.items()}
            for name, arrays in (("inputs", self.inputs), ("features", self.features))
            if name in parameters
        }
        if "groups" in parameters and self.groups is not None:
            arguments["groups"] = self.groups[rows]
        return arguments


def metric_inputs(examples: ExampleSet, source: str) -> MetricInputs:
    """Returns what a metric may ask for of an evaluation set."""
    return MetricInputs(source=source, inputs=examples.inputs, features=examples.features, groups=examples.groups)


def own_metrics(
    task: str, outputs: Arrays, labels: NDArray[Any], given: MetricInputs | None = None
) -> dict[str, NDArray[np.float64]]:
    """Returns the metrics of a custom function by name, the main one first: a number, or one per example.

    Args:
        task: The function's name.
        outputs: Arrays by output name, the example first.
        labels: The labels.
        given: What it may ask for by parameter name, of the same examples.

    Raises:
        ConfigError: There is no such function.
        EvaluationError: It fails, asks for what there is not, or does not return metrics.
    """
    given = given or MetricInputs()
    values = dict(outputs) if len(outputs) > 1 else next(iter(outputs.values()))
    try:
        function = load_function(task, given.source)
        returned = function(values, labels, **given.arguments(function, task))
    except (ConfigError, EvaluationError):
        raise
    except (Exception, SystemExit) as error:  # The user's own code: whatever it raises is reported as its own message.
        raise EvaluationError(f"task {task}: raised {type(error).__name__}: {error}") from error
    if not isinstance(returned, Mapping) or not returned:
        raise EvaluationError(f"task {task}: returned {returned!r}; a dict of floats is needed, the main metric first")
    try:
        results = {str(name): np.asarray(value, dtype=np.float64) for name, value in returned.items()}
    except (TypeError, ValueError) as error:
        raise EvaluationError(f"task {task}: returned {returned!r}; its values are not numbers ({error})") from error
    for name, value in results.items():
        if is_lower_better(name):
            raise EvaluationError(
                f"task {task}: metric {name!r} is the better the lower, and a metric of one's own is the better the higher;"
                f" return it with a minus sign and another name, such as negative_{name}"
            )
        if value.shape not in ((), (len(labels),)):
            raise EvaluationError(
                f"task {task}: metric {name!r} has the shape {list(value.shape)}; a number is needed, or one for each of the {len(labels):,} examples"
            )
        if not np.isfinite(value.mean()):
            raise EvaluationError(f"task {task}: metric {name!r} is {value.mean()}; metrics are finite numbers")
    return results
