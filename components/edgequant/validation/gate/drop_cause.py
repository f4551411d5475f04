"""What a drop comes from, by comparison of an 8-bit variant with int16x8 and weights_only.

All three have 8-bit weights. full_int8 and integer_only compute in 8-bit activations, int16x8 in 16-bit ones over the same calibrated
ranges, and weights_only in float32 activations that need no calibration.
"""

from collections.abc import Mapping
from dataclasses import replace

from edgequant.artifacts.verdict import VariantVerdict
from edgequant.variants import VARIANTS

_WIDE, _WEIGHTS = "int16x8", "weights_only"
# The least drop that has a cause, in points; less is shown as 0.0.
_LEAST_POINTS = 0.05
# A variant without the cause keeps at most half of the drop.
_HALF = 0.5


def with_causes(judged: Mapping[str, VariantVerdict]) -> dict[str, VariantVerdict]:
    """Returns the verdicts, with a note on the cause of the drop of each calibrated 8-bit variant."""
    causes = {name: drop_cause(name, judged) for name in judged}
    return {
        name: replace(variant, notes=(*variant.notes, causes[name])) if causes[name] else variant
        for name, variant in judged.items()
    }


def drop_cause(name: str, judged: Mapping[str, VariantVerdict]) -> str:
    """Returns a sentence on what the drop of a calibrated 8-bit variant comes from, or on the variant that would show it.

    Args:
        name: The name of the variant.
        judged: The verdicts by variant.

    Returns:
        The sentence; "" for other variants, and without a drop that is more than chance.
    """
    drop = judged[name].drop_points
    if name == _WIDE or name not in VARIANTS or not VARIANTS[name].calibrated or drop is None:
        return ""
    interval = judged[name].drop_interval_points
    if drop < _LEAST_POINTS or (interval is not None and interval[0] <= 0):
        return ""
    wide, weights = (_drop(other, judged) for other in (_WIDE, _WEIGHTS))
    kept = [
        f"{other} keeps {_points(points)}"
        for other, points in ((_WIDE, wide), (_WEIGHTS, weights))
        if points is not None
    ]
    if not kept:
        return (
            f"to know whether the {drop:.1f} points are lost in the 8-bit activations or in the weights, add {_WIDE} and"
            f" {_WEIGHTS} to variants"
        )
    kept[1:] = [text.replace(" keeps", "") for text in kept[1:]]
    return f"{', '.join(kept)} of the {drop:.1f} points: {_conclusion(drop, wide, weights)}"


def _drop(name: str, judged: Mapping[str, VariantVerdict]) -> float | None:
    return judged[name].drop_points if name in judged else None


def _points(drop: float) -> str:
    return f"{max(drop, 0.0):.1f}"


def _conclusion(drop: float, wide: float | None, weights: float | None) -> str:
    """Returns what the drops of int16x8 and of weights_only, one of which is known, tell of a drop."""
    of_wide, of_weights = (None if other is None else other > _HALF * drop for other in (wide, weights))
    if of_weights is None:
        if of_wide:
            return (
                f"the loss is in the weights or in the calibrated ranges; add {_WEIGHTS} to variants to tell them apart"
            )
        return "the loss is in the 8-bit activations"
    if of_weights:
        if of_wide is False:
            return "the two disagree, so that the cause is not known from them"
        return "the loss is in the 8-bit weights"
    if of_wide is None:
        return (
            f"the loss is in the activations; add {_WIDE} to variants to tell their 8 bits from the calibrated ranges"
        )
    if of_wide:
        return "the loss is in the calibrated ranges of the activations, which int16x8 has as well"
    return "the loss is in the 8-bit activations"
