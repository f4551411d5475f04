"""The gate as configured."""

import math
from typing import Any

import pytest

from edgequant.errors import ConfigError
from edgequant.gate import Gate, parse_gate


def test_every_key_is_taken_as_written() -> None:
    """A gate holds the four keys of the config, and reports only what was asked."""
    gate = parse_gate({"max_drop_points": 1, "confidence": 0.9, "max_size_ratio": 0.5, "prefer": "latency_ms"})
    assert gate == Gate(max_drop_points=1, confidence=0.9, max_size_ratio=0.5, prefer="latency_ms")
    assert parse_gate({"max_drop_points": 0.0}).asked() == {
        "max_drop_points": 0.0,
        "confidence": 0.95,
        "prefer": "size_bytes",
    }


@pytest.mark.parametrize("values", [{}, {"confidence": 0.9}, {"prefer": "latency_ms"}, {"max_drop_points": None}])
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
        ({"prefer": "size"}, "gate.prefer: unknown 'size'; choose from size_bytes, latency_ms, drop_points"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(values: dict[str, Any], message: str) -> None:
    """Each wrong key or value is one error that names it."""
    with pytest.raises(ConfigError, match=message):
        parse_gate(values)
