"""The LiteRT interpreter, as on a device: accepts and returns floats, and quantizes at the inputs and outputs.

This is the only module that imports LiteRT's interpreter. It imports nothing else of this package, because a copy of it is
logged to MLflow with every model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
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
class Variables:
    """The variables of a model: what it remembers from one invocation to the next.

    Attributes:
        tensors: Whether it has variable tensors, such as the state of an LSTM operator.
        resources: The names of resource variables that an invocation assigns.
        initializers: The subgraphs that give resource variables their initial values, in order.
        initialized: The names of the variables that these subgraphs assign.
    """

    tensors: bool = False
    resources: frozenset[str] = frozenset()
    initializers: tuple[int, ...] = ()
    initialized: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.tensors or bool(self.resources)

    def without_initial_value(self) -> str | None:
        """Returns the first resource variable without an initial value in the file; None if all have one."""
        return min(self.resources - self.initialized, default=None)


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
        with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
            self._variables = variables(data)

    @property
    def is_stateful(self) -> bool:
        """Whether an invocation changes variables that the next one reads."""
        return bool(self._variables)

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

    def invoke(self, prepared: Mapping[int, NDArray[Any]], *, keep_state: bool = False) -> None:
        """Runs the model once on what `prepare` or `prepare_batch` returned.

        Args:
            prepared: The tensors.
            keep_state: Whether variables keep the values of the invocation before, for the next example of a sequence; by
                default they are reset, so that examples are independent.

        Raises:
            InterpreterError: The runtime fails on it, or its variables cannot be reset.
        """
        if not keep_state:
            self.reset()
        self.place(prepared)
        self.run()

    def reset(self) -> None:
        """Sets all variables to their initial values.

        `Interpreter.reset_all_variables` leaves resource variables as they are: the subgraphs that initialize them run again.

        Raises:
            InterpreterError: A resource variable has no initial value in the file.
        """
        if not self._variables:
            return
        unknown = self._variables.without_initial_value()
        if unknown is not None:
            raise InterpreterError(
                f"{self._path}: the variable {unknown!r} has no initial value in the file, so that it cannot be reset"
                " before each example; export the model with its variables initialized"
            )
        self._interpreter.reset_all_variables()
        for subgraph in self._variables.initializers:
            # CALL_ONCE releases the subgraph's memory after its run; otherwise this call does nothing.
            self._interpreter._interpreter.AllocateTensors(subgraph)
            self._interpreter._interpreter.Invoke(subgraph)

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


def variables(flatbuffer: bytes | mmap) -> Variables:
    """Returns the variables of a model.

    Resource variables that are only assigned by an initializing subgraph are constants and do not count.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(flatbuffer, 0)
    codes = [model.OperatorCodes(index).BuiltinCode() for index in range(model.OperatorCodesLength())]
    graphs = [model.Subgraphs(index) for index in range(model.SubgraphsLength())]
    tensors = any(graph.Tensors(index).IsVariable() for graph in graphs for index in range(graph.TensorsLength()))
    if schema.BuiltinOperator.VAR_HANDLE not in codes:
        return Variables(tensors=tensors)
    initializers: set[int] = set()
    named: list[set[str]] = []
    assigns: list[bool] = []
    for graph in graphs:
        names: set[str] = set()
        assigned = False
        for operator in map(graph.Operators, range(graph.OperatorsLength())):
            code, options = codes[operator.OpcodeIndex()], operator.BuiltinOptions()
            if code == schema.BuiltinOperator.CALL_ONCE:
                once = schema.CallOnceOptions()
                once.Init(options.Bytes, options.Pos)
                initializers.add(once.InitSubgraphIndex())
            elif code == schema.BuiltinOperator.VAR_HANDLE:
                handle = schema.VarHandleOptions()
                handle.Init(options.Bytes, options.Pos)
                names.add((handle.SharedName() or b"").decode("utf-8", "replace"))
            assigned |= code == schema.BuiltinOperator.ASSIGN_VARIABLE
        named.append(names)
        assigns.append(assigned)
    run = [index for index in range(len(graphs)) if index not in initializers]
    return Variables(
        tensors=tensors,
        # A handle may be passed to the subgraph that assigns it, such as the body of a loop.
        resources=frozenset().union(*(named[index] for index in run)) if any(assigns[i] for i in run) else frozenset(),
        initializers=tuple(sorted(initializers)),
        initialized=frozenset().union(*(named[index] for index in initializers)),
    )


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
