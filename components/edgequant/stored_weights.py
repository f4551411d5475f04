"""The weights of a ``.tflite`` graph: its constants by the operator that reads them and the type that they are stored in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# The converter does not quantize weights of fewer elements when activations are not quantized.
SMALL_WEIGHTS = 1024
_FLOATS = ("FLOAT32", "FLOAT16", "BFLOAT16", "FLOAT64")
# Whole numbers are weights where they have a scale; else they are indices, shapes or a model's own data.
_INTEGERS = ("INT8", "INT4", "UINT8", "INT16")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWeights:
    """Weights of one type that operators of one kind read.

    Attributes:
        tensors: How many there are.
        bytes: The size of their buffers.
        small: How many are matrices or kernels of fewer elements than the converter quantizes on its own.
        large: How many are matrices or kernels of as many or more.
    """

    tensors: int = 0
    bytes: int = 0
    small: int = 0
    large: int = 0

    def __add__(self, other: "StoredWeights") -> "StoredWeights":
        return StoredWeights(
            tensors=self.tensors + other.tensors,
            bytes=self.bytes + other.bytes,
            small=self.small + other.small,
            large=self.large + other.large,
        )


Weights = dict[str, dict[str, StoredWeights]]


def graph_weights(model: Any, graph: Any, types: dict[int, str], name_of: Callable[[Any], str]) -> Weights:
    """Returns the weights of a graph, each with the first operator that computes with it.

    Args:
        model: The unpacked flatbuffer.
        graph: One of its graphs.
        types: The names of tensor types.
        name_of: Returns the name of an operator code.
    """
    stored = {index: tensor for index, tensor in enumerate(graph.tensors) if is_constant(model, tensor)}
    unpacked = unpacked_constants(model, graph, stored, name_of)
    weights: Weights = {}
    seen: set[int] = set()
    for operator in graph.operators:
        operands = [int(index) for index in (operator.inputs if operator.inputs is not None else ())]
        if operator.outputs is not None and any(int(index) in unpacked for index in operator.outputs):
            # A weight that is unpacked belongs to the operator that computes with it.
            continue
        sources = {unpacked.get(index, index) for index in operands} & stored.keys()
        for index in sorted(sources - seen):
            if (one := _weight(model, stored[index], types[stored[index].type])) is not None:
                seen.add(index)
                weights = merged(
                    weights, {name_of(model.operatorCodes[operator.opcodeIndex]): {types[stored[index].type]: one}}
                )
    return weights


def is_constant(model: Any, tensor: Any) -> bool:
    """Returns whether a tensor is stored in the file."""
    buffer = model.buffers[tensor.buffer]
    return bool((buffer.data is not None and len(buffer.data)) or buffer.size)


def _weight(model: Any, tensor: Any, dtype: str) -> StoredWeights | None:
    """Returns a constant tensor of a type as stored weights; None if it holds none."""
    scaled = tensor.quantization is not None and tensor.quantization.scale is not None
    if dtype not in _FLOATS and not (dtype in _INTEGERS and scaled):
        return None
    buffer = model.buffers[tensor.buffer]
    shape = tuple(int(size) for size in (tensor.shape if tensor.shape is not None else ()))
    is_matrix = len(shape) > 1
    count = elements(tensor)
    return StoredWeights(
        tensors=1,
        bytes=len(buffer.data) if buffer.data is not None else int(buffer.size),
        small=int(is_matrix and count < SMALL_WEIGHTS),
        large=int(is_matrix and count >= SMALL_WEIGHTS),
    )


def elements(tensor: Any) -> int:
    """Returns how many elements a tensor has."""
    total = 1
    for size in tensor.shape if tensor.shape is not None else ():
        total *= int(size)
    return total


def unpacked_constants(model: Any, graph: Any, stored: dict[int, Any], name_of: Callable[[Any], str]) -> dict[int, int]:
    """Returns the constant behind each tensor that only quantizes or dequantizes a constant.

    Args:
        model: The unpacked flatbuffer.
        graph: One of its graphs.
        stored: The graph's constant tensors by index.
        name_of: Returns the name of an operator code.
    """
    sources: dict[int, int] = {}
    for operator in graph.operators:
        if name_of(model.operatorCodes[operator.opcodeIndex]) in ("QUANTIZE", "DEQUANTIZE"):
            source = int(operator.inputs[0])
            if source in stored or source in sources:
                sources[int(operator.outputs[0])] = sources.get(source, source)
    return sources


def merged(one: Weights, other: Weights) -> Weights:
    """Returns the weights of two graphs together."""
    names = [*one, *(name for name in other if name not in one)]
    return {
        name: {
            dtype: one.get(name, {}).get(dtype, StoredWeights()) + other.get(name, {}).get(dtype, StoredWeights())
            for dtype in sorted(one.get(name, {}).keys() | other.get(name, {}).keys())
        }
        for name in sorted(names)
    }
