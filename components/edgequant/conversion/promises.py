"""Checks that a converted file has the kind that its variant's name promises."""

from edgequant.inspection import Inspection
from edgequant.stored_weights import SMALL_WEIGHTS, StoredWeights
from edgequant.variants import Variant

_MAX_NAMED = 6


def broken_promise(variant: Variant, inspection: Inspection) -> str | None:
    """Returns why a file does not match its variant, with the operators named; None when it does.

    Args:
        variant: The variant it should match.
        inspection: What its flatbuffer holds.
    """
    if inspection.flex:
        return f"does not match its variant: needs the Flex delegate for {', '.join(inspection.flex)}"
    if inspection.custom:
        return f"does not match its variant: has the custom operators {', '.join(inspection.custom)}"
    if "READ_VARIABLE" in inspection.ops and "ASSIGN_VARIABLE" not in inspection.ops:
        return "the SavedModel has lost its variables: they are read and never set; save the model with model.export()"
    if inspection.kind == variant.kind or (variant.kind == "full_int8" and _integers_as_made(inspection)):
        return None
    if variant.kind == "dynamic_range" and inspection.kind == "float32":
        return f"does not match its variant: no weight was quantized; {_why_float(inspection)}"
    if variant.kind == "float16" and inspection.kind == "float32" and not inspection.weights:
        return "does not match its variant: no weight was quantized; the model has none"
    return f"does not match its variant: its kind is {inspection.kind}, {variant.kind} is needed; it has {_operators(inspection)}"


def notes(variant: Variant, inspection: Inspection) -> tuple[str, ...]:
    """Returns remarks about a file that matches its variant."""
    remarks = []
    if variant.kind == "dynamic_range" and inspection.small_weights:
        many = inspection.small_weights != 1
        weights = (
            f"weight{'s' if many else ''} of fewer than {SMALL_WEIGHTS:,} elements stay{'' if many else 's'} float"
        )
        remarks.append(f"{inspection.small_weights} {weights}")
    if variant.kind == "dynamic_range" and (large := _large_floats(inspection)):
        remarks.append(
            f"weights stay float, since the converter does not quantize them on their own: {_bytes_of(large)}"
        )
    if variant.calibrated and inspection.float_islands:
        remarks.append(f"computes in float in {_listed(inspection.float_islands)}")
    return tuple(remarks)


def _why_float(inspection: Inspection) -> str:
    """Returns why the converter quantized no weight on its own."""
    reasons = []
    if inspection.small_weights:
        reasons.append(
            f"the converter leaves weights of fewer than {SMALL_WEIGHTS:,} elements as they are ({inspection.small_weights} here)"
        )
    if large := _large_floats(inspection):
        reasons.append(f"it does not quantize the weights of {_bytes_of(large)} unless activations are quantized too")
    if not reasons:
        reasons.append("the model has no matrix, kernel or table")
    return "; ".join(reasons)


def _large_floats(inspection: Inspection) -> dict[str, StoredWeights]:
    """Returns the float32 weights that are large enough to be quantized, by operator."""
    floats = {name: types.get("FLOAT32", StoredWeights()) for name, types in inspection.weights.items()}
    return {name: weights for name, weights in floats.items() if weights.large}


def _bytes_of(weights: dict[str, StoredWeights]) -> str:
    return _listed(tuple(f"{name} ({stored.bytes:,} B)" for name, stored in weights.items()))


def _integers_as_made(inspection: Inspection) -> bool:
    """Returns whether a model computes in int8 and has no float input or output to keep, such as token ids in and a class out."""
    edges = inspection.inputs + inspection.outputs
    return inspection.kind == "integer_only" and not any(tensor.dtype == "INT8" for tensor in edges)


def _operators(inspection: Inspection) -> str:
    texts = [
        f"{count} {name} {types}"
        for name, operator in inspection.ops.items()
        for types, count in operator.types.items()
    ]
    floats = [text for text in texts if "FLOAT" in text]
    return _listed(tuple(floats or texts)) or "no operators"


def _listed(items: tuple[str, ...]) -> str:
    more = f" and {len(items) - _MAX_NAMED} more" if len(items) > _MAX_NAMED else ""
    return ", ".join(items[:_MAX_NAMED]) + more
