"""The table of metrics: declared once, and what is declared is what is computed."""

import numpy as np
import pytest

from edgequant.metric_table import BY_NAME, METRICS, TABLE
from edgequant.task import TASKS
from edgequant.validation.metrics.compute import figures

RANDOM = np.random.default_rng(7)
LABELS = RANDOM.integers(0, 6, 60)
SCORES = RANDOM.random((60, 6))
DATA = {
    "classification": (SCORES, LABELS),
    "binary": (SCORES[:, :1], LABELS % 2),
    "multilabel": (SCORES, (SCORES.round() + RANDOM.integers(0, 2, (60, 6))).astype(np.int64) % 2),
    "regression": (SCORES[:, :1], LABELS.astype(np.float64)),
}


def test_every_metric_is_declared_once() -> None:
    """A name stands for one metric, and every task named is one."""
    assert len(BY_NAME) == len(TABLE)
    assert {task for spec in TABLE for task in spec.tasks} <= set(TASKS)


@pytest.mark.parametrize("task", METRICS)
def test_what_is_declared_is_computed(task: str) -> None:
    """Each task computes the metrics of its rows, in their order, within their bounds and in their direction."""
    output, labels = DATA[task]
    computed = figures(task, "probabilities", {"y": output}, labels)
    assert tuple(computed) == METRICS[task]
    for name, figure in computed.items():
        low, high = BY_NAME[name].bounds
        assert low <= figure.value <= high
        assert figure.higher_is_better == BY_NAME[name].higher_is_better


@pytest.mark.parametrize("task", METRICS)
def test_a_perfect_model_is_at_the_better_bound(task: str) -> None:
    """The declared direction is the metric's own: outputs that equal the labels reach the better end, or come near it."""
    _, labels = DATA[task]
    one_hot = np.eye(6)[labels] if task == "classification" else labels.reshape(len(labels), -1).astype(np.float64)
    worse = np.roll(one_hot, 1, axis=0)
    best, other = (figures(task, "probabilities", {"y": output}, labels) for output in (one_hot, worse))
    for name in METRICS[task]:
        if BY_NAME[name].higher_is_better:
            assert best[name].value == pytest.approx(1.0)
            assert other[name].value <= best[name].value
        else:
            assert best[name].value == pytest.approx(0.0, abs=1e-5)
            assert other[name].value >= best[name].value
