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


def weight(model: Any, tensor: Any, dtype: str) -> StoredWeights | None:
    """Returns a constant tensor as stored weights; None if it holds none.

    Args:
        model: The unpacked flatbuffer.
        tensor: The constant tensor.
        dtype: The name of its type.
    """
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


def unpacked_constants(graph: Any, stored: dict[int, Any], name_of: Callable[[Any], str]) -> dict[int, int]:
    """Returns the constant behind each tensor that only quantizes or dequantizes a constant.

    Args:
        graph: The graph.
        stored: Its constant tensors by index.
        name_of: Returns the name of an operator.
    """
    sources: dict[int, int] = {}
    for operator in graph.operators:
        if name_of(operator) in ("QUANTIZE", "DEQUANTIZE"):
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
