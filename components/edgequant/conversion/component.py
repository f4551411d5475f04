"""The convert step as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("conversion"), install_kfp_package=False)
def convert(
    model: dsl.Input[dsl.Model],
    signature: str,
    variants: list[str],
    calibration_set: dsl.Input[dsl.Dataset],
    evaluation_set: dsl.Input[dsl.Dataset],
    variant_set: dsl.Output[dsl.Model],
    allow_mismatch: bool = False,
    check_stability: bool = False,
    time_limit_seconds: float = 1800.0,
    memory_limit_bytes: int = 0,
) -> None:
    """Converts a model to every variant, each in a process of its own, and proves that each is what its name says.

    Args:
        model: The model.
        signature: The key of the signature to convert.
        variants: The variants' names.
        calibration_set: The calibration set.
        evaluation_set: The evaluation set, which may hold none of the calibration examples and must be alike.
        variant_set: One .tflite file per variant, and what became of each.
        allow_mismatch: Whether to make calibrated variants even if the calibration set does not match the evaluation set.
        check_stability: Whether to calibrate on each half of the set as well, and compare.
        time_limit_seconds: How long one conversion may take.
        memory_limit_bytes: How much memory one conversion may use; 0: its share of the machine's.
    """
    from pathlib import Path

    from edgequant.conversion.step import ConversionRequest
    from edgequant.conversion.step import convert as run
    from edgequant.steps import step

    with step("convert"):
        run(
            ConversionRequest(
                model=Path(model.path),
                signature=signature,
                variants=variants,
                calibration_set=Path(calibration_set.path),
                evaluation_set=Path(evaluation_set.path),
                allow_mismatch=allow_mismatch,
                check_stability=check_stability,
                time_limit_seconds=time_limit_seconds,
                memory_limit_bytes=memory_limit_bytes,
            ),
            Path(variant_set.path),
        )
