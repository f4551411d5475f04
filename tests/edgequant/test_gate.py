"""The gate as configured."""

import math
from typing import Any

import pytest

from edgequant.errors import ConfigError
from edgequant.gate import Gate, check_gate, parse_gate


def test_every_key_is_taken_as_written() -> None:
    """A gate holds the keys of the config, and reports only what was asked."""
    gate = parse_gate({"max_drop_points": 1, "confidence": 0.9, "max_size_ratio": 0.5, "prefer": "latency_ms"})
    assert gate == Gate(max_drop_points=1, confidence=0.9, max_size_ratio=0.5, prefer="latency_ms")
    assert parse_gate({"max_drop_points": 0.0}).settings() == {
        "max_drop_points": 0.0,
        "confidence": 0.95,
        "prefer": "size_bytes",
    }


@pytest.mark.parametrize("values", [{}, {"confidence": 0.9}, {"prefer": "latency_ms"}])
def test_a_gate_that_limits_nothing_is_none(values: dict[str, Any]) -> None:
    """Without a limit there is no gate: confidence and preference alone judge nothing."""
    assert not parse_gate(values)


def test_a_limit_of_zero_is_a_gate() -> None:
    """To allow no drop at all is a limit, not its absence."""
    assert parse_gate({"max_drop_points": 0})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_drop_point": 1.0}, "gate: unknown key 'max_drop_point'; .*did you mean 'max_drop_points'"),
        ({"max_drop_points": "1"}, "gate.max_drop_points: '1' is not a number"),
        ({"max_drop_points": True}, "gate.max_drop_points: True is not a number"),
        ({"max_drop_points": -0.1}, "gate.max_drop_points: -0.1 is not a number of 0 or more"),
        ({"max_drop_points": math.nan}, "gate.max_drop_points: nan is not a number"),
        ({"max_drop_points": math.inf}, "gate.max_drop_points: inf is not a number"),
        ({"max_size_ratio": [0.5]}, r"gate.max_size_ratio: \[0.5\] is not a number"),
        ({"confidence": 0.5}, "gate.confidence: 0.5 is not between 0.5 and 1"),
        ({"confidence": 1}, "gate.confidence: 1 is not between 0.5 and 1"),
        ({"confidence": 95}, "gate.confidence: 95 is not between 0.5 and 1"),
        ({"confidence": "high"}, "gate.confidence: 'high' is not a number"),
        ({"max_size_bytes": -1}, "gate.max_size_bytes: -1 is not a number of 0 or more"),
        ({"max_latency_ratio": "fast"}, "gate.max_latency_ratio: 'fast' is not a number"),
        ({"max_worst_class_drop_points": -2}, "gate.max_worst_class_drop_points: -2 is not a number of 0 or more"),
        ({"max_drop_points_vs_champion": True}, "gate.max_drop_points_vs_champion: True is not a number"),
        ({"max_drop_vs_champion": 1}, "unknown key 'max_drop_vs_champion'.*did you mean 'max_drop_points_vs_champion'"),
        ({"max_drop_points_vs_baseline": 1}, "unknown key .*; it is named 'max_drop_points_vs_champion' now"),
        ({"min_metric": "0.9"}, "gate.min_metric: '0.9' is not a number"),
        ({"min_metric": math.inf}, "gate.min_metric: inf is not a number"),
        ({"min_agreement": 99}, "gate.min_agreement: 99 is not a share of 0 to 1; 0.99 is 99%"),
        ({"min_agreement": -0.1}, "gate.min_agreement: -0.1 is not a number of 0 or more"),
        ({"integer_only": "yes"}, "gate.integer_only: 'yes' is not allowed; required is"),
        ({"integer_only": 1.5}, "gate.integer_only: 1.5 is not allowed"),
        ({"max_drop_points": None}, "gate.max_drop_points: is empty; give a value, or leave the key out"),
        ({"metric": 3}, "gate.metric: 3 is not the name of a metric"),
        ({"prefer": "size_byte"}, "gate.prefer: unknown 'size_byte'; .*did you mean 'size_bytes'"),
        ({"prefer": ["drop_points"]}, "gate.prefer: unknown"),
        ({"prefer": "size"}, "gate.prefer: unknown 'size'; choose from size_bytes, latency_ms, drop_points"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(values: dict[str, Any], message: str) -> None:
    """Each wrong key or value is one error that names it."""
    with pytest.raises(ConfigError, match=message):
        parse_gate(values)


@pytest.mark.parametrize(("value", "expected"), [("required", "required"), (True, "required"), (False, None)])
def test_integer_only_is_required_or_not(value: object, expected: str | None) -> None:
    """YAML's true is the word, and false is its absence, which limits nothing."""
    gate = parse_gate({"integer_only": value})
    assert gate.integer_only == expected
    assert bool(gate) == (expected is not None)


def test_r2_may_be_asked_to_be_more_than_a_negative_number() -> None:
    """A least metric may be negative: R² is, for a model that is worse than the mean."""
    gate = parse_gate({"min_metric": -0.5, "metric": "r2"})
    check_gate(gate, "regression", labelled=True, champion=False)


@pytest.mark.parametrize(
    ("task", "values"),
    [
        ("classification", {"metric": "macro_f1", "min_metric": 0.9, "max_worst_class_drop_points": 5}),
        ("classification", {"metric": "log_loss", "max_drop_points": 5}),
        ("binary", {"metric": "auc", "max_drop_points": 1}),
        ("multilabel", {"metric": "subset_accuracy", "max_worst_class_drop_points": 5}),
        ("regression", {"max_drop_points": 5}),
        ("my.module:metric", {"metric": "anything", "min_metric": 0.5}),
        ("none", {"max_drop_points": 1, "min_agreement": 0.9}),
    ],
)
def test_a_gate_that_suits_the_task(task: str, values: dict[str, Any]) -> None:
    """What the task can tell may be asked."""
    check_gate(parse_gate(values), task, labelled=True, champion=False)


@pytest.mark.parametrize(
    ("task", "labelled", "values", "message"),
    [
        ("classification", True, {"metric": "auc"}, "gate.metric: classification has no metric 'auc'; choose from acc"),
        ("classification", True, {"metric": "macrof1"}, "no metric 'macrof1'.*did you mean 'macro_f1'"),
        (
            "regression",
            True,
            {"metric": "max_error"},
            "gate.metric: max_error is the greatest of all errors, which hangs on one example",
        ),
        ("regression", True, {"min_metric": 0.5}, "gate.min_metric: mae is the better the lower; .*metric: r2"),
        (
            "classification",
            True,
            {"min_metric": 95},
            "gate.min_metric: 95 is more than accuracy can be, which is 1 at most",
        ),
        ("regression", True, {"metric": "r2", "min_metric": 1.5}, "gate.min_metric: 1.5 is more than r2 can be"),
        ("regression", True, {"max_worst_class_drop_points": 1}, "needs classes; the task is 'regression'"),
        ("classification", False, {"metric": "macro_f1"}, "gate.metric: needs labels"),
        ("classification", False, {"min_metric": 0.5}, "gate.min_metric: needs labels"),
        ("classification", False, {"max_worst_class_drop_points": 1}, "gate.max_worst_class_drop_points: needs labels"),
        ("none", True, {"min_metric": 0.5}, "gate.min_metric: needs labels; without them, and for task: none"),
        (
            "my:metric",
            False,
            {},
            "task: 'my:metric' is called with outputs and labels, and the examples have no labels",
        ),
        ("none", True, {"max_drop_points_vs_champion": 1}, "there is nothing to compare with; give champion: models:/"),
    ],
)
def test_a_gate_that_the_task_cannot_answer(task: str, labelled: bool, values: dict[str, Any], message: str) -> None:
    """What the task, the labels or the models cannot tell is refused before anything is run."""
    with pytest.raises(ConfigError, match=message):
        check_gate(parse_gate(values), task, labelled=labelled, champion=False)
