"""The variant table, and the check of a list of names."""

import pytest

from edgequant.errors import ConfigError
from edgequant.variants import REFERENCE, VARIANTS, check_variants


def test_the_table_is_the_plans() -> None:
    """Six variants, in this order, each with its promise; those that calibrate are the three with integer activations."""
    assert {name: (variant.kind, variant.calibrated) for name, variant in VARIANTS.items()} == {
        "float32": ("float32", False),
        "float16": ("float16", False),
        "weights_only": ("dynamic_range", False),
        "full_int8": ("full_int8", True),
        "integer_only": ("integer_only", True),
        "int16x8": ("int16x8", True),
    }
    assert all(name == variant.name for name, variant in VARIANTS.items())
    assert next(iter(VARIANTS)) == REFERENCE


def test_good_names_come_back_in_their_order() -> None:
    """Any order is good as long as the reference is there."""
    names = ["integer_only", "float32", "float16"]
    assert check_variants(names) == names


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["float32", "full_int"],
            "variants: unknown variant 'full_int'; choose from float32, float16, weights_only, full_int8, integer_only,"
            " int16x8; did you mean 'full_int8'?",
        ),
        (
            ["float32", "bits"],
            "variants: unknown variant 'bits'; choose from float32, float16, weights_only, full_int8, integer_only, int16x8",
        ),
        (["float32", "float16", "float32"], "variants: 'float32' is named 2 times; name it once"),
        (
            ["float16"],
            "variants: 'float32' is missing from ['float16']; it is the reference that every other variant is compared with",
        ),
        ([], "variants: 'float32' is missing from []; it is the reference that every other variant is compared with"),
    ],
)
def test_wrong_lists_are_refused(names: list[str], message: str) -> None:
    """An unknown name, with the nearest known one; a repeated name; a list without the reference."""
    with pytest.raises(ConfigError) as caught:
        check_variants(names)
    assert str(caught.value) == message
