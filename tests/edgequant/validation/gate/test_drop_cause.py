"""The cause of a drop, by the drops of other variants."""

import pytest

from edgequant.artifacts.verdict import VariantVerdict
from edgequant.validation.gate.drop_cause import drop_cause, with_causes


def _judged(**drops: float | None) -> dict[str, VariantVerdict]:
    return {
        name: VariantVerdict(
            status="converted",
            verdict="rejected",
            drop_points=drop,
            drop_interval_points=None if drop is None else (drop - 1.0, drop + 1.0),
        )
        for name, drop in {"float32": 0.0, **drops}.items()
    }


@pytest.mark.parametrize(
    ("drops", "sentence"),
    [
        (
            {"int16x8": 0.1, "weights_only": 0.2},
            "int16x8 keeps 0.1, weights_only 0.2 of the 2.1 points: the loss is in the 8-bit activations",
        ),
        (
            {"int16x8": 2.0, "weights_only": 1.9},
            "int16x8 keeps 2.0, weights_only 1.9 of the 2.1 points: the loss is in the 8-bit weights",
        ),
        (
            {"int16x8": 2.2, "weights_only": -0.3},
            "int16x8 keeps 2.2, weights_only 0.0 of the 2.1 points: the loss is in the calibrated ranges of the activations,"
            " which int16x8 has as well",
        ),
        (
            {"int16x8": 0.0, "weights_only": 2.0},
            "int16x8 keeps 0.0, weights_only 2.0 of the 2.1 points: the two disagree, so that the cause is not known from them",
        ),
        ({"int16x8": 0.1}, "int16x8 keeps 0.1 of the 2.1 points: the loss is in the 8-bit activations"),
        (
            {"int16x8": 2.0},
            "int16x8 keeps 2.0 of the 2.1 points: the loss is in the weights or in the calibrated ranges; add weights_only to"
            " variants to tell them apart",
        ),
        ({"weights_only": 2.0}, "weights_only keeps 2.0 of the 2.1 points: the loss is in the 8-bit weights"),
        (
            {"weights_only": 0.0, "int16x8": None},
            "weights_only keeps 0.0 of the 2.1 points: the loss is in the activations; add int16x8 to variants to tell their 8"
            " bits from the calibrated ranges",
        ),
        (
            {},
            "to know whether the 2.1 points are lost in the 8-bit activations or in the weights, add int16x8 and weights_only to"
            " variants",
        ),
    ],
)
def test_a_drop_has_its_cause(drops: dict[str, float | None], sentence: str) -> None:
    """A variant that shares what the loss is in keeps more than half of it; one that failed tells nothing."""
    judged = with_causes(_judged(full_int8=2.1, integer_only=2.1, **drops))
    assert judged["full_int8"].notes == judged["integer_only"].notes == (sentence,)
    assert all(judged[name].notes == () for name in ("float32", *drops))


@pytest.mark.parametrize("drop", [None, -1.0, 0.0, 0.04, 0.9])
def test_no_drop_needs_no_cause(drop: float | None) -> None:
    """Without a drop, and with one that may be chance, nothing is said."""
    assert drop_cause("full_int8", _judged(full_int8=drop, int16x8=0.0)) == ""
