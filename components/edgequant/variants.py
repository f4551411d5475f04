"""The table of variants."""

from dataclasses import dataclass

from edgequant.errors import ConfigError, did_you_mean

REFERENCE = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to convert a model, and the kind that the result must have.

    Attributes:
        name: The variant's name.
        summary: A short description.
        kind: The kind that an inspection of its flatbuffer must find.
        calibrated: Whether the converter needs a representative dataset.
    """

    name: str
    summary: str
    kind: str
    calibrated: bool = False


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(name=REFERENCE, summary="no optimization; the reference", kind="float32"),
        Variant(name="float16", summary="float16 weights", kind="float16"),
        Variant(name="weights_only", summary="int8 weights, activations quantized on the fly", kind="dynamic_range"),
        Variant(
            name="full_int8",
            summary="int8 weights and activations, float input and output",
            kind="full_int8",
            calibrated=True,
        ),
        Variant(
            name="integer_only",
            summary="int8 throughout, input and output included",
            kind="integer_only",
            calibrated=True,
        ),
        Variant(
            name="int16x8",
            summary="int16 activations, int8 weights (slow on XNNPACK)",
            kind="int16x8",
            calibrated=True,
        ),
    )
}


def check_variants(names: list[str]) -> list[str]:
    """Returns the names if each is known and unique, and the reference is among them.

    Raises:
        ConfigError: A name is unknown or repeated, or the reference is missing.
    """
    for name in names:
        if name not in VARIANTS:
            hint = did_you_mean(name, VARIANTS)
            raise ConfigError(f"variants: unknown variant {name!r}; choose from {', '.join(VARIANTS)}{hint}")
        if names.count(name) > 1:
            raise ConfigError(f"variants: {name!r} is named {names.count(name)} times; name it once")
    if REFERENCE not in names:
        raise ConfigError(
            f"variants: {REFERENCE!r} is missing from {names}; it is the reference that every other variant is compared with"
        )
    return names
