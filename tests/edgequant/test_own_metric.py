"""A metric of one's own: a function of a file, and what it asks for by the names of its parameters."""

import numpy as np
import pytest
from scipy import stats

from edgequant.errors import ConfigError, EvaluationError
from edgequant.outputs import glance
from edgequant.own_metric import MetricInputs, own_metrics
from edgequant.task import check_task_name
from edgequant.validation.comparison.compare import ComparisonSettings, Run, compare

TASK = "ranking.py:score"
# The mean over queries of the rank correlation of outputs and labels.
SOURCE = """
import numpy as np
from scipy import stats

def score(outputs, labels, *, inputs, features, groups):
    assert len(inputs["x"]) == len(features["weight"]) == len(groups) == len(labels)
    correlations = [
        features["weight"][groups == query][0] * stats.spearmanr(outputs[groups == query, 0], labels[groups == query])[0]
        for query in np.unique(groups)
    ]
    return {"correlation": float(np.mean(correlations))}
"""


def _given(count: int, source: str = SOURCE) -> MetricInputs:
    queries = np.array([f"q{row // 5}" for row in range(count)])
    weights = np.full(count, 2.0)
    return MetricInputs(source=source, inputs={"x": np.arange(count)}, features={"weight": weights}, groups=queries)


def test_it_gets_what_it_asks_for_by_name() -> None:
    """The correlation of five documents of each query, by SciPy; of the first examples where fewer were run."""
    random = np.random.default_rng(1)
    outputs, labels = random.standard_normal((20, 1)), random.standard_normal(20)
    expected = np.mean([2 * stats.spearmanr(outputs[at : at + 5, 0], labels[at : at + 5])[0] for at in (0, 5)])
    assert glance(TASK, {"y": outputs[:10]}, labels, _given(20)) == {"correlation": pytest.approx(expected)}


def test_a_function_of_outputs_and_labels_gets_no_more() -> None:
    """Nothing is passed that it does not name."""
    source = "def score(outputs, labels):\n    return {'a': float(outputs.mean() + labels.mean())}"
    assert own_metrics(TASK, {"y": np.ones(3)}, np.arange(3), _given(3, source)) == {"a": 2.0}


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("features", r"task ranking.py:score: takes features; none is kept \(examples.keep\)"),
        ("groups", r"task ranking.py:score: takes groups; the examples have none \(examples.group\)"),
        (
            "weights",
            "task ranking.py:score: raised TypeError: score.* missing 1 required positional argument: 'weights'",
        ),
    ],
)
def test_it_cannot_ask_for_what_there_is_not(parameter: str, message: str) -> None:
    """The message names the key that provides it."""
    given = MetricInputs(source=f"def score(outputs, labels, {parameter}):\n    return {{'a': 1.0}}")
    with pytest.raises(EvaluationError, match=message):
        own_metrics(TASK, {"y": np.ones(3)}, np.arange(3), given)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "ranking.py cannot be run: ZeroDivisionError: division by zero"),
        ("def scor(): ...", "ranking.py has no function 'score'"),
    ],
)
def test_a_file_that_cannot_be_run_is_named(source: str, message: str) -> None:
    """The file is run once, when the metric is called for the first time."""
    with pytest.raises(ConfigError, match=message):
        own_metrics(TASK, {"y": np.ones(3)}, np.arange(3), MetricInputs(source=source))


@pytest.mark.parametrize("task", ["/metrics/ranking.py:score", "ranking.py:score", "package.module:score"])
def test_a_task_may_be_a_function_of_a_file(task: str) -> None:
    """As a function of a module."""
    assert check_task_name(task) == task


@pytest.mark.parametrize("task", ["ranking.py", "ranking.py:", "ranking.py:a b", "s3://bucket/ranking.py:score"])
def test_a_file_needs_a_function(task: str) -> None:
    """And is on this machine."""
    with pytest.raises(ConfigError, match=r"task: unknown task .*FILE\.py:function or package\.module:function"):
        check_task_name(task)


def test_a_resample_gets_its_own_groups_and_features() -> None:
    """Of 30 queries whole ones are drawn; the function checks that all that it gets has one length."""
    random = np.random.default_rng(2)
    outputs, given = random.standard_normal((150, 1)), _given(150)
    labels = outputs[:, 0] + random.standard_normal(150)
    settings = ComparisonSettings(task=TASK, metric="correlation", labels=labels, groups=given.groups, given=given)
    noisy = outputs + random.standard_normal((150, 1))
    comparison = compare(settings, Run({"y": outputs}, ""), Run({"y": noisy}, ""))
    drop = comparison.drops["correlation"].drop
    assert drop.method == "paired cluster bootstrap", drop
    assert drop.interval is not None
    assert drop.points is not None
    assert drop.interval[0] < drop.points < drop.interval[1]
