"""The promise that each variant's name makes, against inspections written by hand."""

import pytest

from edgequant.conversion.promises import broken_promise, notes
from edgequant.inspection import Inspection, OperatorCount, Tensor
from edgequant.stored_weights import StoredWeights, Weights
from edgequant.variants import VARIANTS


def _tensor(dtype: str) -> Tensor:
    return Tensor(name="x", dtype=dtype, shape=(-1, 4))


def _inspection(
    kind: str,
    ops: dict[str, dict[str, int]] | None = None,
    edges: tuple[str, str] = ("FLOAT32", "FLOAT32"),
    *,
    float_islands: tuple[str, ...] = (),
    flex: tuple[str, ...] = (),
    custom: tuple[str, ...] = (),
    small_weights: int = 0,
    weights: Weights | None = None,
) -> Inspection:
    types = ops if ops is not None else {"FULLY_CONNECTED": {"FLOAT32/FLOAT32/FLOAT32": 1}}
    return Inspection(
        kind=kind,
        inputs=(_tensor(edges[0]),),
        outputs=(_tensor(edges[1]),),
        ops={name: OperatorCount(count=sum(counts.values()), types=counts) for name, counts in types.items()},
        float_islands=float_islands,
        flex=flex,
        custom=custom,
        small_weights=small_weights,
        weights=weights or {},
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_a_kept_promise_has_no_reason(name: str) -> None:
    """A file of the kind that the variant promises is what it says."""
    assert broken_promise(VARIANTS[name], _inspection(VARIANTS[name].kind)) is None


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(
    "kind", ["float32", "float16", "dynamic_range", "full_int8", "integer_only", "int16x8", "mixed"]
)
def test_any_other_kind_is_a_broken_promise(name: str, kind: str) -> None:
    """A file of any other kind does not match its variant."""
    edges = ("INT8", "INT8") if kind == "integer_only" else ("FLOAT32", "FLOAT32")
    reason = broken_promise(VARIANTS[name], _inspection(kind, edges=edges))
    assert (reason is None) == (kind == VARIANTS[name].kind)
    assert reason is None or reason.startswith("does not match its variant: ")


@pytest.mark.parametrize(
    ("variant", "inspection", "reason"),
    [
        (
            "float32",
            _inspection("float32", flex=("FlexErf", "FlexFFT")),
            "does not match its variant: needs the Flex delegate for FlexErf, FlexFFT",
        ),
        (
            "full_int8",
            _inspection("full_int8", custom=("MyOp",)),
            "does not match its variant: has the custom operators MyOp",
        ),
        (
            "float32",
            _inspection("float32", {"READ_VARIABLE": {"RESOURCE/FLOAT32": 1}}),
            "the SavedModel has lost its variables: they are read and never set; save the model with model.export()",
        ),
        (
            "float32",
            _inspection("float32", {"READ_VARIABLE": {"-/-": 1}, "ASSIGN_VARIABLE": {"-/-": 1}}),
            None,
        ),
        (
            "weights_only",
            _inspection("float32", small_weights=3),
            "does not match its variant: no weight was quantized; the converter leaves weights of fewer than 1,024 elements as they"
            " are (3 here)",
        ),
        (
            "weights_only",
            _inspection(
                "float32",
                small_weights=2,
                weights={"CONV_3D": {"FLOAT32": StoredWeights(tensors=2, bytes=14_688, small=1, large=1)}},
            ),
            "does not match its variant: no weight was quantized; the converter leaves weights of fewer than 1,024 elements as they"
            " are (2 here); it does not quantize the weights of CONV_3D (14,688 B) unless activations are quantized too",
        ),
        (
            "weights_only",
            _inspection("float32", weights={"ADD": {"FLOAT32": StoredWeights(tensors=1, bytes=8_000)}}),
            "does not match its variant: no weight was quantized; the model has no matrix, kernel or table",
        ),
        ("float16", _inspection("float32"), "does not match its variant: no weight was quantized; the model has none"),
        (
            "integer_only",
            _inspection("mixed", {"CUMSUM": {"FLOAT32/FLOAT32": 2}, "ADD": {"INT8/INT8": 5}}),
            "does not match its variant: its kind is mixed, integer_only is needed; it has 2 CUMSUM FLOAT32/FLOAT32",
        ),
        (
            "float16",
            _inspection("full_int8", {"ADD": {"INT8/INT8": 5}}),
            "does not match its variant: its kind is full_int8, float16 is needed; it has 5 ADD INT8/INT8",
        ),
        (
            "float32",
            _inspection("mixed", {}),
            "does not match its variant: its kind is mixed, float32 is needed; it has no operators",
        ),
        (
            "integer_only",
            _inspection("mixed", {f"OP{number}": {"FLOAT32/FLOAT32": 1} for number in range(8)}),
            "does not match its variant: its kind is mixed, integer_only is needed; it has "
            + ", ".join(f"1 OP{number} FLOAT32/FLOAT32" for number in range(6))
            + " and 2 more",
        ),
        # Nothing to keep float at the edges: words in, a class out.
        ("full_int8", _inspection("integer_only", edges=("INT32", "INT64")), None),
        (
            "full_int8",
            _inspection("integer_only", {"ADD": {"INT8/INT8": 1}}, edges=("INT32", "INT8")),
            "does not match its variant: its kind is integer_only, full_int8 is needed; it has 1 ADD INT8/INT8",
        ),
    ],
)
def test_the_reason_names_what_is_wrong(variant: str, inspection: Inspection, reason: str | None) -> None:
    """The reason names the promise, the actual kind, and the operators, float ones first."""
    assert broken_promise(VARIANTS[variant], inspection) == reason


@pytest.mark.parametrize(
    ("variant", "inspection", "expected"),
    [
        ("float32", _inspection("float32", small_weights=2), ()),
        (
            "weights_only",
            _inspection("dynamic_range", small_weights=2),
            ("2 weights of fewer than 1,024 elements stay float",),
        ),
        (
            "weights_only",
            _inspection("dynamic_range", small_weights=1),
            ("1 weight of fewer than 1,024 elements stays float",),
        ),
        (
            "weights_only",
            _inspection(
                "dynamic_range",
                weights={
                    "CONV_3D": {"FLOAT32": StoredWeights(tensors=1, bytes=13_824, large=1)},
                    "FULLY_CONNECTED": {"INT8": StoredWeights(tensors=1, bytes=4_096, large=1)},
                },
            ),
            ("weights stay float, since the converter does not quantize them on their own: CONV_3D (13,824 B)",),
        ),
        ("weights_only", _inspection("dynamic_range", float_islands=("SOFTMAX (y)",)), ()),
        (
            "full_int8",
            _inspection("full_int8", float_islands=("CUMSUM (a)", "NEG (b)")),
            ("computes in float in CUMSUM (a), NEG (b)",),
        ),
    ],
)
def test_notes_say_what_a_reader_should_know(variant: str, inspection: Inspection, expected: tuple[str, ...]) -> None:
    """Weights that stayed float, and float islands in an int8 file; nothing where it goes without saying."""
    assert notes(VARIANTS[variant], inspection) == expected
