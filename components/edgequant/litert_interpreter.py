"""The LiteRT interpreter, as on a device: accepts and returns floats, and quantizes at the inputs and outputs.

This is the only module that imports LiteRT's interpreter. It imports nothing else of this package, because a copy of it is
logged to MLflow with every model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

XNNPACK = "xnnpack"
BUILTIN = "builtin"
REFERENCE = "reference"
# The kernels that run a model: XNNPACK's with the runtime's own for the rest, the runtime's optimized ones, or its reference
# ones. Their int8 outputs may differ by many steps, so a result is only meaningful with its resolver.
RESOLVERS = (XNNPACK, BUILTIN, REFERENCE)
_RESOLVER_TYPES = {XNNPACK: "AUTO", BUILTIN: "BUILTIN_WITHOUT_DEFAULT_DELEGATES", REFERENCE: "BUILTIN_REF"}
# By the kind of an input's dtype: the kinds that convert to it without silently truncating fractions.
_KINDS = {"f": "fiub", "i": "iub", "u": "iub", "b": "b"}


class InterpreterError(Exception):
    """The runtime refuses a model, or fails on an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where values that are not finite come from.

    Attributes:
        operator: The operator's type, as the runtime names it; "" where it is an input that holds them.
        tensor: The name of the tensor that it writes, or of the input.
    """

    operator: str
    tensor: str


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


def delegate(resolver: str) -> str:
    """Returns the name of the delegate that a resolver applies."""
    return "XNNPACK" if resolver == XNNPACK else "none"


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
    """Returns integers as the real values they represent: ``(values - zero_point) * scale``, float32."""
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


class Model:
    """A ``.tflite`` file loaded into an interpreter of one thread.

    Args:
        path: The file.
        resolver: Which kernels run it: one of `RESOLVERS`.
        keep_tensors: Whether to keep the output of every operator, for `first_not_finite`.

    Raises:
        InterpreterError: The runtime refuses the file.
        ValueError: There is no such resolver.
    """

    def __init__(self, path: Path, *, resolver: str = XNNPACK, keep_tensors: bool = False) -> None:
        if resolver not in RESOLVERS:
            raise ValueError(f"resolver: unknown resolver {resolver!r}; choose from {', '.join(RESOLVERS)}")
        self._path = path
        try:
            self._interpreter = _interpreter(path, resolver, keep_tensors=keep_tensors)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InterpreterError(f"{path}: LiteRT refuses the model: {_first_line(error)}") from error
        self.inputs, self.outputs = self._ports()

    def _ports(self) -> tuple[dict[str, _Port], dict[str, _Port]]:
        signatures = self._interpreter._get_full_signature_list()
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if not signatures:
            return self._named("inputs", inputs), self._named("outputs", outputs)
        names = next(iter(signatures.values()))
        details = {detail["index"]: detail for detail in (*inputs, *outputs)}
        return (
            {name: _port(details[index]) for name, index in sorted(names["inputs"].items())},
            {name: _port(details[index]) for name, index in sorted(names["outputs"].items())},
        )

    def _named(self, kind: str, details: list[dict[str, Any]]) -> dict[str, _Port]:
        """Returns the ports of a file without a signature, by the names of their tensors."""
        ports = {detail["name"]: _port(detail) for detail in details}
        if len(ports) != len(details):
            names = ", ".join(repr(detail["name"]) for detail in details)
            raise InterpreterError(f"{self._path}: two of its {kind} have one name ({names}); each needs its own")
        return ports

    def prepare(self, example: Mapping[str, NDArray[Any]]) -> dict[int, NDArray[Any]]:
        """Returns one example's values (without the batch axis) as the tensors that `invoke` takes, by tensor index.

        Raises:
            InterpreterError: The example's names, shapes or dtypes are not the model's, or values that it quantizes are not finite.
        """
        return self.prepare_batch({name: np.asarray(value)[np.newaxis] for name, value in example.items()})

    def prepare_batch(self, examples: Mapping[str, NDArray[Any]]) -> dict[int, NDArray[Any]]:
        """Returns the values of one or more examples, the example first, as the tensors that `invoke` takes.

        Raises:
            InterpreterError: Names, shapes or dtypes are not the model's, it takes no batch of this size, or values that it quantizes
                are not finite.
        """
        if examples.keys() != self.inputs.keys():
            raise InterpreterError(
                f"{self._path}: takes the inputs {sorted(self.inputs)}; the examples hold {sorted(examples)}"
            )
        prepared = {}
        for name in self.inputs:
            value = examples[name]
            if value.shape != self.inputs[name].shape:
                self._resize(name, value.shape)
            port = self.inputs[name]
            if port.quantized:
                if value.dtype.kind == "f" and not np.isfinite(value).all():
                    content = "NaN" if np.isnan(value).any() else "infinity"
                    raise InterpreterError(
                        f"{self._path}: input {name!r} holds {content}; it is quantized to {port.dtype}, which holds"
                        " finite values only"
                    )
                value = quantize(value, port.scale, port.zero_point, port.dtype)
            elif value.dtype.kind not in _KINDS.get(port.dtype.kind, port.dtype.kind):
                raise InterpreterError(f"{self._path}: input {name!r} takes {port.dtype}; the example is {value.dtype}")
            prepared[port.index] = np.ascontiguousarray(value, dtype=port.dtype)
        return prepared

    def _resize(self, name: str, shape: tuple[int, ...]) -> None:
        """Resizes an input with dynamic dimensions to the shape of the example."""
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
        """Runs the model once on what `prepare` or `prepare_batch` returned.

        Raises:
            InterpreterError: The runtime fails on it.
        """
        self.place(prepared)
        self.run()

    def place(self, prepared: Mapping[int, NDArray[Any]]) -> None:
        """Sets the input tensors to what `prepare` or `prepare_batch` returned."""
        for index, value in prepared.items():
            self._interpreter.set_tensor(index, value)

    def run(self) -> None:
        """Runs the model once on the input tensors as they are set.

        Raises:
            InterpreterError: The runtime fails on it.
        """
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise InterpreterError(f"{self._path}: LiteRT cannot run the model: {_first_line(error)}") from error

    def results(self) -> dict[str, NDArray[Any]]:
        """Returns the outputs of the last invocation, on one example, by name and without the batch axis.

        Quantized outputs are returned as float32.

        Raises:
            InterpreterError: An output does not have exactly one row, such as one whose size depends on the values.
        """
        return {name: value[0] for name, value in self.results_batch(1).items()}

    def results_batch(self, count: int) -> dict[str, NDArray[Any]]:
        """Returns the outputs of the last invocation by name, the example first; quantized ones as float32.

        Args:
            count: The number of examples. For one, a scalar output is that of the example.

        Raises:
            InterpreterError: An output does not hold a row per example.
        """
        values = {}
        for name, port in self.outputs.items():
            try:
                value = self._interpreter.get_tensor(port.index)
            except ValueError as error:  # An output of no rows at all.
                raise InterpreterError(f"{self._path}: output {name!r} is empty ({_first_line(error)})") from error
            if count == 1 and not value.ndim:
                value = value[np.newaxis]
            if value.shape[:1] != (count,):
                raise InterpreterError(
                    f"{self._path}: output {name!r} has the shape {list(value.shape)} for {count} example(s);"
                    " its first axis must be the example"
                )
            values[name] = dequantize(value, port.scale, port.zero_point) if port.quantized else value
        return values

    def first_not_finite(self) -> Origin | None:
        """Returns where, in the last invocation, values that are not finite come from; None where it is not known.

        That is the first operator in execution order that wrote NaN, or infinity if no output holds NaN, since infinity
        inside a model may be intended. The model must keep its tensors.
        """
        wrong = (
            np.isnan if any(_holds(np.isnan, self._tensor(port.index)) for port in self.outputs.values()) else np.isinf
        )
        for name, port in self.inputs.items():
            if _holds(wrong, self._interpreter.get_tensor(port.index)):
                return Origin(operator="", tensor=name)
        names = {detail["index"]: detail["name"] for detail in self._interpreter.get_tensor_details()}
        for operator in self._interpreter._get_ops_details():
            for index in operator["outputs"]:
                if index in names and _holds(wrong, self._tensor(index)):
                    return Origin(operator=operator["op_name"], tensor=names[index])
        return None

    def _tensor(self, index: int) -> NDArray[Any]:
        """Returns a tensor's values; none where it has not been written."""
        try:
            value: NDArray[Any] = self._interpreter.get_tensor(index)
        except ValueError:
            return np.empty(0, np.float32)
        return value


def _holds(wrong: Callable[[NDArray[Any]], NDArray[np.bool_]], values: NDArray[Any]) -> bool:
    return values.dtype.kind == "f" and bool(wrong(values).any())


def _interpreter(path: Path, resolver: str, *, keep_tensors: bool) -> Any:
    # Imported here, since a step that only names a resolver need not load the runtime.
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    return Interpreter(
        model_path=str(path),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType[_RESOLVER_TYPES[resolver]],
        experimental_preserve_all_tensors=keep_tensors,
    )


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
