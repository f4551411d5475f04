"""Every metric against scikit-learn, SciPy, or a sum by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from sklearn import metrics as sklearn_metrics

from edgequant.metric_table import METRICS
from edgequant.outputs import read
from edgequant.validation.comparison.drop_intervals import OwnInterval, own_interval
from edgequant.validation.metrics.classification import FLOOR, probabilities
from edgequant.validation.metrics.compute import figures

_RANDOM = np.random.default_rng(11)
_COUNT = 500


def _classes(classes: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    labels = _RANDOM.integers(0, classes, _COUNT)
    return labels, np.eye(classes)[labels] * 1.5 + _RANDOM.normal(size=(_COUNT, classes))


@pytest.mark.parametrize("soft", [True, False], ids=["probabilities", "logits"])
def test_classification_is_scikit_learns(soft: bool) -> None:
    """Each metric is scikit-learn's, of logits as of the probabilities they stand for."""
    labels, logits = _classes(8)
    likely = special.softmax(logits, axis=1)
    output = likely if soft else logits
    decided = logits.argmax(axis=1)
    metrics = figures("classification", read("classification", output), {"y": output}, labels)
    values = {name: figure.value for name, figure in metrics.items()}
    every = np.arange(8)
    assert tuple(values) == METRICS["classification"]
    assert values["accuracy"] == sklearn_metrics.accuracy_score(labels, decided)
    assert values["top_5_accuracy"] == sklearn_metrics.top_k_accuracy_score(labels, likely, k=5, labels=every)
    assert values["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(labels, decided, average="macro"))
    assert values["micro_f1"] == pytest.approx(sklearn_metrics.f1_score(labels, decided, average="micro"))
    assert values["log_loss"] == pytest.approx(sklearn_metrics.log_loss(labels, likely), rel=1e-5)
    assert values["ece"] == pytest.approx(_guo(likely, labels))


def _guo(likely: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Returns the expected calibration error as Guo et al. 2017 write it, by SciPy's binning."""
    confidence, right = likely.max(axis=1), likely.argmax(axis=1) == labels
    edges = np.linspace(0, 1, 16)
    count, _, _ = stats.binned_statistic(confidence, right, "count", edges)
    accuracy, _, _ = stats.binned_statistic(confidence, right, "mean", edges)
    mean, _, _ = stats.binned_statistic(confidence, confidence, "mean", edges)
    filled = count > 0
    return float((count[filled] / len(labels) * np.abs(accuracy[filled] - mean[filled])).sum())


def test_calibration_error_by_hand() -> None:
    """Four answers at 0.7, three of them right: off by 0.05; two at 0.9, one right: off by 0.4; so (0.2 + 0.8) / 6."""
    output = np.array([[0.7, 0.3]] * 4 + [[0.9, 0.1]] * 2)
    labels = np.array([0, 0, 0, 1, 0, 1])
    metrics = figures("classification", "probabilities", {"y": output}, labels)
    assert metrics["ece"].value == pytest.approx((4 * 0.05 + 2 * 0.4) / 6)


def test_top_5_needs_more_than_5_classes() -> None:
    """Among five classes the label is always within the best five: there is no such metric."""
    labels, logits = _classes(5)
    assert "top_5_accuracy" not in figures("classification", "logits", {"y": logits}, labels)


def test_equal_scores_do_not_flatter_the_top_5() -> None:
    """Where a quantized output is 0 for most classes, those of a lower number come first, as they do for top 1."""
    output = np.zeros((2, 10))
    output[:, 9] = 1.0
    metrics = figures("classification", "probabilities", {"y": output}, np.array([3, 4]))
    assert metrics["top_5_accuracy"].each is not None
    assert metrics["top_5_accuracy"].each.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("soft", [True, False], ids=["probabilities", "logits"])
def test_binary_is_scikit_learns(units: int, soft: bool) -> None:
    """One unit or two, probabilities or logits: each metric is scikit-learn's of the same scores."""
    labels = _RANDOM.integers(0, 2, _COUNT)
    logits = 1.5 * labels - 0.5 + _RANDOM.normal(size=_COUNT)
    yes = special.expit(logits)
    output = {
        (1, True): yes[:, None],
        (1, False): logits[:, None],
        (2, True): np.stack([1 - yes, yes], axis=1),
        (2, False): np.stack([np.zeros(_COUNT), logits], axis=1),
    }[units, soft]
    metrics = figures("binary", read("binary", output), {"y": output}, labels)
    values = {name: figure.value for name, figure in metrics.items()}
    decided = (yes >= 0.5).astype(int)
    assert tuple(values) == METRICS["binary"]
    assert values["accuracy"] == sklearn_metrics.accuracy_score(labels, decided)
    assert values["auc"] == pytest.approx(sklearn_metrics.roc_auc_score(labels, yes))
    assert values["average_precision"] == pytest.approx(sklearn_metrics.average_precision_score(labels, yes))
    assert values["f1"] == pytest.approx(sklearn_metrics.f1_score(labels, decided))
    assert values["log_loss"] == pytest.approx(sklearn_metrics.log_loss(labels, yes), rel=1e-5)
    assert values["ece"] == pytest.approx(_guo(np.stack([1 - yes, yes], axis=1), labels))


def test_multilabel_is_scikit_learns() -> None:
    """Shares of right classes, of examples right in all, and F1 over classes and over all."""
    labels = (_RANDOM.uniform(size=(_COUNT, 6)) < 0.3).astype(np.int64)
    output = np.clip(labels * 0.4 + _RANDOM.uniform(0, 0.6, size=labels.shape), 0, 1)
    decided = (output >= 0.5).astype(int)
    metrics = figures("multilabel", "probabilities", {"y": output}, labels)
    assert tuple(metrics) == METRICS["multilabel"]
    assert metrics["accuracy"].value == pytest.approx(1 - sklearn_metrics.hamming_loss(labels, decided))
    assert metrics["subset_accuracy"].value == sklearn_metrics.accuracy_score(labels, decided)
    assert metrics["macro_f1"].value == pytest.approx(sklearn_metrics.f1_score(labels, decided, average="macro"))
    assert metrics["micro_f1"].value == pytest.approx(sklearn_metrics.f1_score(labels, decided, average="micro"))


@pytest.mark.parametrize("width", [1, 3])
def test_regression_is_scikit_learns(width: int) -> None:
    """MAE, RMSE, R² and the greatest error, of numbers and of vectors."""
    labels = _RANDOM.normal(5.0, 2.0, size=(_COUNT, width))
    output = labels + _RANDOM.normal(size=labels.shape)
    metrics = figures("regression", "", {"y": output}, labels[:, 0] if width == 1 else labels, spread=2.0)
    assert tuple(metrics) == METRICS["regression"]
    assert metrics["mae"].value == pytest.approx(sklearn_metrics.mean_absolute_error(labels, output))
    assert metrics["rmse"].value == pytest.approx(np.sqrt(sklearn_metrics.mean_squared_error(labels, output)))
    assert metrics["r2"].value == pytest.approx(sklearn_metrics.r2_score(labels, output))
    assert metrics["max_error"].value == pytest.approx(np.abs(labels - output).max())


_BINARY = _RANDOM.integers(0, 2, 200)
_MULTILABEL = (_RANDOM.uniform(size=(200, 3)) < 0.4).astype(np.int64)


@pytest.mark.parametrize(
    ("task", "output", "labels"),
    [
        ("classification", *_classes(7)[::-1]),
        ("binary", np.round(_BINARY + _RANDOM.normal(size=200), 1)[:, None], _BINARY),
        ("multilabel", np.clip(_MULTILABEL * 0.3 + _RANDOM.uniform(0, 0.7, (200, 3)), 0, 1), _MULTILABEL),
        ("regression", _RANDOM.normal(size=(200, 2)), _RANDOM.normal(size=(200, 2))),
    ],
    ids=["classification", "binary, with ties", "multilabel", "regression"],
)
def test_what_is_resampled_is_the_metric_itself(task: str, output: NDArray[Any], labels: NDArray[Any]) -> None:
    """Counting each example as often as it is drawn gives the metric of the drawn examples, as scikit-learn has it."""
    reading = read(task, output)
    metrics = figures(task, reading, {"y": output}, labels)
    rows = np.sort(np.random.default_rng(1).integers(0, len(labels), len(labels)))
    drawn = figures(task, reading, {"y": output[rows]}, labels[rows])
    weights = np.bincount(rows, minlength=len(labels)).astype(np.float64)
    everything = np.ones(len(labels))
    weighted = {name: figure.weighted for name, figure in metrics.items() if figure.weighted is not None}
    assert weighted
    for name, take in weighted.items():
        expected = pytest.approx([metrics[name].value, drawn[name].value])
        assert take.over(np.stack([everything, weights])) == expected, name


@pytest.mark.parametrize(
    ("task", "output", "reading", "expected"),
    [
        ("classification", [[0.0, 0.0]], "logits", [[0.5, 0.5]]),
        ("classification", [[0.25, 0.25]], "probabilities", [[0.5, 0.5]]),
        ("classification", [[0.0, 0.0]], "probabilities", [[0.5, 0.5]]),
        ("classification", [[1e4, 0.0]], "logits", [[1 / (1 + FLOOR), FLOOR / (1 + FLOOR)]]),
        ("binary", [[0.2]], "probabilities", [[0.8, 0.2]]),
        ("binary", [[0.0]], "logits", [[0.5, 0.5]]),
        ("multilabel", [[0.0, 700.0]], "logits", [[0.5, 1 - FLOOR]]),
    ],
)
def test_probabilities(task: str, output: list[list[float]], reading: str, expected: list[list[float]]) -> None:
    """Logits pass a softmax or a sigmoid; probabilities are brought to a sum of 1, none below the floor."""
    assert probabilities(task, np.array(output), reading) == pytest.approx(np.array(expected))


def test_each_metric_has_its_own_interval() -> None:
    """Accuracy gets Wilson's, a loss that of a mean, F1 a bootstrap's; ECE and the greatest error have none."""
    labels, logits = _classes(6)
    metrics = figures("classification", "logits", {"y": logits}, labels)
    methods = {name: own_interval(figure, _COUNT, 0.95).method for name, figure in metrics.items()}
    assert methods == {
        "accuracy": "wilson",
        "top_5_accuracy": "wilson",
        "macro_f1": "bootstrap",
        "micro_f1": "wilson",
        "log_loss": "mean",
        "ece": "",
    }
    for name, figure in metrics.items():
        ends = own_interval(figure, _COUNT, 0.95).ends
        if name == "ece":  # Resampling makes gaps where there are none, so that its interval would be beside it.
            assert ends is None
            assert "resampling, which makes gaps" in figure.note
            continue
        assert ends is not None
        assert ends[0] < figure.value < ends[1]
    errors = figures("regression", "", {"y": logits[:, :1]}, labels)
    assert own_interval(errors["max_error"], _COUNT, 0.95) == OwnInterval(note=errors["max_error"].note)


def test_r2_is_that_of_the_numbers_that_vary() -> None:
    """Of three numbers of a label one is constant: R² is scikit-learn's over the other two, and defined."""
    random = np.random.default_rng(5)
    labels = random.normal(size=(50, 3)) * (1.0, 0.0, 30.0) + (0.0, 0.1, 5.0)
    output = labels + random.normal(size=(50, 3)) * (0.3, 0.01, 9.0)
    r2 = figures("regression", "", {"y": output}, labels)["r2"]
    assert r2.value == pytest.approx(sklearn_metrics.r2_score(labels[:, [0, 2]], output[:, [0, 2]]))
    assert r2.weighted is not None
    assert r2.weighted.value() == pytest.approx(r2.value)
    constant = np.ones((50, 3))
    assert np.isnan(figures("regression", "", {"y": output}, constant)["r2"].value)
