"""The metrics of the built-in tasks: each is declared here, once.

To add one, write a row here, its computation in `validation/metrics/`, and its test. Its worst case over examples that were not seen is the
`worst_case` of the `Figure` that the computation returns (`validation/statistics/worst_case.py`).
"""

import math
from dataclasses import dataclass

from edgequant.task import BINARY, CLASSIFICATION, MULTILABEL, REGRESSION, TASKS

SHARE = "share"
LABELS = "labels"
NATS = "nats"
# The bounds of values that are not shares.
_ANY = (-math.inf, math.inf)
_POSITIVE = (0.0, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """A metric.

    Attributes:
        name: Its name.
        tasks: The tasks that have it.
        unit: ``share`` for 0 to 1, ``nats``, or ``labels`` for errors in the labels' unit, whose drop is reported in
            standard deviations of the labels.
        bounds: The smallest and the largest value that it can have.
        higher_is_better: False for errors.
        of_all_classes: Whether its value depends on every class having an example.
        of_examples: Whether it is a mean of right or wrong over single-label examples, so that its drop is one of paired proportions.
        no_interval: Why no drop in it can be judged; "" where it can.
    """

    name: str
    tasks: tuple[str, ...]
    unit: str = SHARE
    bounds: tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True
    of_all_classes: bool = False
    of_examples: bool = False
    no_interval: str = ""


_DECIDED_ONCE = (CLASSIFICATION, BINARY)

# In the order of the report: the first of a task is its main one. Top 5 accuracy needs more than 5 classes.
TABLE = (
    MetricSpec(name="accuracy", tasks=(CLASSIFICATION, BINARY, MULTILABEL), of_examples=True),
    MetricSpec(name="subset_accuracy", tasks=(MULTILABEL,)),
    MetricSpec(name="top_5_accuracy", tasks=(CLASSIFICATION,), of_examples=True),
    MetricSpec(name="auc", tasks=(BINARY,), of_all_classes=True),
    MetricSpec(name="average_precision", tasks=(BINARY,), of_all_classes=True),
    MetricSpec(name="macro_f1", tasks=(CLASSIFICATION, MULTILABEL), of_all_classes=True),
    MetricSpec(name="micro_f1", tasks=(CLASSIFICATION, MULTILABEL), of_examples=True),
    MetricSpec(name="f1", tasks=(BINARY,), of_all_classes=True),
    MetricSpec(name="log_loss", tasks=_DECIDED_ONCE, unit=NATS, bounds=_POSITIVE, higher_is_better=False),
    MetricSpec(
        name="ece",
        tasks=_DECIDED_ONCE,
        bounds=_ANY,
        higher_is_better=False,
        no_interval="is raised by resampling, which makes gaps between confidence and accuracy where there are none",
    ),
    MetricSpec(name="mae", tasks=(REGRESSION,), unit=LABELS, bounds=_POSITIVE, higher_is_better=False),
    MetricSpec(name="rmse", tasks=(REGRESSION,), unit=LABELS, bounds=_POSITIVE, higher_is_better=False),
    MetricSpec(name="r2", tasks=(REGRESSION,), unit="", bounds=(-math.inf, 1.0)),
    MetricSpec(
        name="max_error",
        tasks=(REGRESSION,),
        unit=LABELS,
        bounds=_POSITIVE,
        higher_is_better=False,
        no_interval="is the greatest of all errors, which hangs on one example",
    ),
)
BY_NAME = {spec.name: spec for spec in TABLE}
# The names of each task's metrics, the main one first.
METRICS = {task: names for task in TASKS if (names := tuple(spec.name for spec in TABLE if task in spec.tasks))}


def is_lower_better(metric: str) -> bool:
    """Returns whether a metric is an error; for a custom one, higher is better."""
    return metric in BY_NAME and not BY_NAME[metric].higher_is_better
