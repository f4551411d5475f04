"""The LiteRT interpreter, as a device would run it: float values in, float values out, quantization at the edges.

The one module that imports LiteRT's interpreter. It imports nothing else of this package, because it travels with every
model that is logged to MLflow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DELEGATE = "XNNPACK"
# By the kind of an input's dtype: the kinds that it can hold, so that no fraction is cut off in silence.
_KINDS = {"f": "fiub", "i": "iub", "u": "iub", "b": "b"}


class InterpreterError(Exception):
    """The runtime refuses a model, or fails on an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Port:
    """An input or output tensor: where it is, and how float values map to it."""

    index: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def quantized(self) -> bool:
        return self.scale != 0.0 and np.issubdtype(self.dtype, np.integer)


def runtime_version() -> str:
    """Returns the runtime's name and version."""
    from importlib.metadata import version

    return f"ai-edge-litert {version('ai-edge-litert')}"


def quantize(values: NDArray[Any], scale: float, zero_point: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Returns real values as integers: ``round(values / scale) + zero_point``, clipped to the dtype.

    Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", equation 1.
    """
    limits = np.iinfo(dtype)
    scaled = np.round(values.astype(np.float32) / np.float32(scale)) + zero_point
    clipped: NDArray[Any] = np.clip(scaled, limits.min, limits.max).astype(dtype)
    return clipped


def dequantize(values: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.float32]:
    """Returns integers as the real values they stand for: ``(values - zero_point) * scale``, float32."""
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


class Model:
    """A ``.tflite`` file loaded into an interpreter of one thread, at batch 1.

    Args:
        path: The file.

    Raises:
        InterpreterError: The runtime refuses the file.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._interpreter = _interpreter_class()(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InterpreterError(f"{path}: LiteRT refuses the model: {_first_line(error)}") from error
        self.inputs, self.outputs = self._ports()
        self._path = path

    def _ports(self) -> tuple[dict[str, _Port], dict[str, _Port]]:
        signatures = self._interpreter._get_full_signature_list()
        inputs = {detail["index"]: detail for detail in self._interpreter.get_input_details()}
        outputs = {detail["index"]: detail for detail in self._interpreter.get_output_details()}
        if not signatures:
            return (
                {detail["name"]: _port(detail) for detail in inputs.values()},
                {detail["name"]: _port(detail) for detail in outputs.values()},
            )
        names = next(iter(signatures.values()))
        return (
            {name: _port(inputs[index]) for name, index in sorted(names["inputs"].items())},
            {name: _port(outputs[index]) for name, index in sorted(names["outputs"].items())},
        )

    def prepare(self, example: Mapping[str, NDArray[Any]]) -> dict[int, NDArray[Any]]:
        """Returns one example's values (without the batch axis) as the tensors that `invoke` takes, by tensor index.

        Raises:
            InterpreterError: The example's names, shapes or dtypes are not the model's.
        """
        if set(example) != set(self.inputs):
            raise InterpreterError(
                f"{self._path}: takes the inputs {sorted(self.inputs)}; the examples hold {sorted(example)}"
            )
        prepared = {}
        for name in self.inputs:
            value = np.asarray(example[name])[np.newaxis]
            if value.shape != self.inputs[name].shape:
                self._resize(name, value.shape)
            port = self.inputs[name]
            if port.quantized:
                value = quantize(value, port.scale, port.zero_point, port.dtype)
            elif value.dtype.kind not in _KINDS.get(port.dtype.kind, port.dtype.kind):
                raise InterpreterError(f"{self._path}: input {name!r} takes {port.dtype}; the example is {value.dtype}")
            prepared[port.index] = np.ascontiguousarray(value, dtype=port.dtype)
        return prepared

    def _resize(self, name: str, shape: tuple[int, ...]) -> None:
        """Fits an input whose size the model leaves open to the example's."""
        port = self.inputs[name]
        try:
            self._interpreter.resize_tensor_input(port.index, shape, strict=True)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InterpreterError(
                f"{self._path}: input {name!r} takes {list(port.shape)}; the example is {list(shape)} ({_first_line(error)})"
            ) from error
        self.inputs, self.outputs = self._ports()

    def invoke(self, prepared: Mapping[int, NDArray[Any]]) -> None:
        """Runs the model once on what `prepare` returned.

        Raises:
            InterpreterError: The runtime fails on it.
        """
        for index, value in prepared.items():
            self._interpreter.set_tensor(index, value)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise InterpreterError(f"{self._path}: LiteRT cannot run the model: {_first_line(error)}") from error

    def results(self) -> dict[str, NDArray[Any]]:
        """Returns the outputs of the last invocation by name, without the batch axis; quantized ones as float32."""
        values = {}
        for name, port in self.outputs.items():
            value = self._interpreter.get_tensor(port.index)
            if port.quantized:
                value = dequantize(value, port.scale, port.zero_point)
            values[name] = value[0] if value.ndim else value
        return values


@cache
def _interpreter_class() -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter


def _port(detail: dict[str, Any]) -> _Port:
    scale, zero_point = detail["quantization"]
    return _Port(
        index=detail["index"],
        dtype=np.dtype(detail["dtype"]),
        shape=tuple(int(size) for size in detail["shape"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
