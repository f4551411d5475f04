"""Variants that are not converted: the calibration set does not match, or the model is quantized in training."""

from edgequant.artifacts.calibration_comparison import CalibrationComparison
from edgequant.artifacts.variant_set import BLOCKED, FAILED, ConvertedVariant
from edgequant.conversion.trained_quantization import IMPOSSIBLE, NOT_POSSIBLE
from edgequant.variants import VARIANTS


def withheld(
    names: list[str], comparison: CalibrationComparison | None, *, trained: bool
) -> dict[str, ConvertedVariant]:
    """Returns the results of the variants that are not converted, with the reason.

    Args:
        names: The requested variants.
        comparison: How the calibration set compares with the evaluation set; None if they were not compared.
        trained: Whether the model is quantized in training.
    """
    results = {}
    for name in names:
        if trained and VARIANTS[name].kind in IMPOSSIBLE:
            results[name] = ConvertedVariant(status=FAILED, reason=NOT_POSSIBLE, seconds=0.0)
        elif VARIANTS[name].calibrated and comparison is not None and comparison.blocks:
            results[name] = ConvertedVariant(status=BLOCKED, reason=_mismatch(comparison), seconds=0.0)
    return results


def _mismatch(comparison: CalibrationComparison) -> str:
    return (
        f"not converted, since the calibration set does not match the evaluation set: {'; '.join(comparison.mismatches)};"
        " calibration.allow_mismatch: true converts it all the same"
    )
