"""Inspects a ``.tflite`` flatbuffer: its inputs and outputs, the types that its operators compute in, and its kind.

No interpreter and no TensorFlow: only the flatbuffer schema that LiteRT ships.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgequant.errors import ModelError
from edgequant.stored_weights import (
    SMALL_WEIGHTS,
    Weights,
    elements,
    graph_weights,
    is_constant,
    merged,
    unpacked_constants,
)

IDENTIFIER = b"TFL3"

# Operators that do the arithmetic of a network: where their operands are, by position.
# Source: the operand order of each builtin operator in the TFLite schema.
_COMPUTE = {
    "CONV_2D": (0, 1),
    "DEPTHWISE_CONV_2D": (0, 1),
    "FULLY_CONNECTED": (0, 1),
    "TRANSPOSE_CONV": (2, 1),
    "CONV_3D": (0, 1),
    "BATCH_MATMUL": (0, 1),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (0, 2),
    "SVDF": (0, 1),
}
_FLOATS = ("FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16")
_BOUNDARY = ("QUANTIZE", "DEQUANTIZE")
# Operators that read rows of a table: where the table is. Their results have its type, and are no arithmetic.
_TABLES = {"GATHER": 0, "EMBEDDING_LOOKUP": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output of the model.

    Attributes:
        name: Its name in the signature, or in the graph when the file has no signature.
        dtype: Its type as the schema names it, such as ``INT8``.
        shape: Its dimensions; -1 where one is not fixed.
        scale: The scale when it is quantized per tensor.
        zero_point: The zero point when it is quantized per tensor.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCount:
    """How often an operator occurs.

    Attributes:
        count: Its occurrences.
        types: Occurrences by ``input/weight/output`` types for compute operators, ``input/output`` for others.
    """

    count: int
    types: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a flatbuffer holds.

    Attributes:
        kind: ``float32``, ``float16``, ``dynamic_range``, ``full_int8``, ``integer_only``, ``int16x8`` or ``mixed``.
        inputs: Its inputs.
        outputs: Its outputs.
        ops: The operators by name.
        float_islands: Operators that compute in float, as ``NAME (output tensor)``, when others compute in integers.
        flex: TensorFlow operators that need the Flex delegate.
        custom: Custom operators.
        small_weights: Float weights of compute operators and tables with fewer elements than the converter quantizes on its own.
        weights: What the constants hold, by operator and by type.
    """

    kind: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    ops: dict[str, OperatorCount]
    float_islands: tuple[str, ...] = ()
    flex: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()
    small_weights: int = 0
    weights: Weights = field(default_factory=dict)


@dataclass(slots=True)
class _Census:
    """The counts of one pass over the operators."""

    ops: dict[str, Counter[str]] = field(default_factory=dict)
    compute: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    floats: list[str] = field(default_factory=list)
    custom: list[str] = field(default_factory=list)
    small_weights: int = 0
    integers: set[str] = field(default_factory=set)
    weights: Weights = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)


def inspect_model(path: Path) -> Inspection:
    """Returns what a ``.tflite`` file holds.

    Raises:
        ModelError: The file is missing, or not a TFLite flatbuffer.
    """
    if not path.is_file():
        raise ModelError(f"{path}: not found, or not a file; a .tflite file is needed")
    data = path.read_bytes()
    if data[4:8] != IDENTIFIER:
        raise ModelError(
            f"{path}: is not a TFLite flatbuffer: its identifier is {data[4:8]!r}; {IDENTIFIER!r} is needed"
        )
    return inspect_bytes(data, str(path))


def inspect_bytes(data: bytes, name: str = "model") -> Inspection:
    """Returns what a TFLite flatbuffer holds.

    Raises:
        ModelError: The flatbuffer is damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        census = _Census()
        for graph in model.subgraphs:
            _count(model, graph, census, schema)
            census.weights = merged(census.weights, _weights(model, graph, schema))
        inputs, outputs = _interface(model, schema)
    except Exception as error:  # The generated reader raises struct, index and type errors on damaged bytes.
        raise ModelError(f"{name}: is a damaged TFLite flatbuffer ({type(error).__name__}: {error})") from error
    kind = _kind(census, inputs + outputs)
    return Inspection(
        kind=kind,
        inputs=inputs,
        outputs=outputs,
        ops={
            op: OperatorCount(count=types.total(), types=dict(sorted(types.items())))
            for op, types in sorted(census.ops.items())
        },
        float_islands=tuple(census.floats) if census.integers else (),
        flex=tuple(sorted({op for op in census.custom if op.startswith("Flex")})),
        custom=tuple(sorted({op for op in census.custom if not op.startswith("Flex")})),
        small_weights=census.small_weights,
        weights=census.weights,
    )


def _weights(model: Any, graph: Any, schema: Any) -> Weights:
    types, operators = _names(schema.TensorType), _names(schema.BuiltinOperator)
    return graph_weights(model, graph, types, lambda code: _operator(code, operators)[0])


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _count(model: Any, graph: Any, census: _Census, schema: Any) -> None:
    types = _names(schema.TensorType)
    operators = _names(schema.BuiltinOperator)
    stored = {index: tensor for index, tensor in enumerate(graph.tensors) if is_constant(model, tensor)}
    unpacked = unpacked_constants(model, graph, stored, lambda code: _operator(code, operators)[0])

    def dtype(index: int) -> str:
        return types[graph.tensors[index].type] if index >= 0 else "-"

    for operator in graph.operators:
        name, is_custom = _operator(model.operatorCodes[operator.opcodeIndex], operators)
        if is_custom:
            census.custom.append(name)
        operands = [int(index) for index in (operator.inputs if operator.inputs is not None else ())]
        results = [int(index) for index in (operator.outputs if operator.outputs is not None else ())]
        result = dtype(results[0]) if results else "-"
        if name in _COMPUTE and len(operands) > max(_COMPUTE[name]):
            source, kernel = (operands[position] for position in _COMPUTE[name])
            stored_as = types[graph.tensors[unpacked.get(kernel, kernel)].type]
            census.compute[dtype(source), stored_as, result] += 1
            key = f"{dtype(source)}/{stored_as}/{result}"
            if stored_as == "FLOAT32" and kernel in stored and elements(graph.tensors[kernel]) < SMALL_WEIGHTS:
                census.small_weights += 1
        else:
            first = next((dtype(index) for index in operands if index not in stored), "-")
            key = f"{first}/{result}"
        census.ops.setdefault(name, Counter())[key] += 1
        if name in _BOUNDARY:
            continue
        if name in _TABLES and (table := operands[_TABLES[name]]) in stored:
            census.small_weights += dtype(table) == "FLOAT32" and elements(graph.tensors[table]) < SMALL_WEIGHTS
            census.tables.add(dtype(table))
            if dtype(table) == "INT8":
                # Rows of a quantized table; what is done with them tells whether the model computes in integers.
                continue
        touched = {dtype(index) for index in operands if index not in stored} | {dtype(index) for index in results}
        if touched & set(_FLOATS):
            census.floats.append(f"{name} ({_text(graph.tensors[results[0]].name) if results else '-'})")
        else:
            census.integers |= touched & {"INT8", "INT16", "UINT8"}


def _operator(code: Any, operators: dict[int, str]) -> tuple[str, bool]:
    if code.customCode is not None:
        return _text(code.customCode), True
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return operators.get(number, f"BUILTIN_{number}"), False


def _text(value: bytes | str | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else (value or "")


def _interface(model: Any, schema: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    types = _names(schema.TensorType)
    graph = model.subgraphs[0]
    inputs: dict[int, list[str]] = {}
    outputs: dict[int, list[str]] = {}
    for signature in (model.signatureDefs or [])[:1]:
        graph = model.subgraphs[signature.subgraphIndex]
        for names, items in ((inputs, signature.inputs), (outputs, signature.outputs)):
            for item in items or []:
                names.setdefault(item.tensorIndex, []).append(_text(item.name))

    def describe(index: int, name: str) -> Tensor:
        tensor = graph.tensors[index]
        dynamic = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
        quantization = tensor.quantization
        scales: Any = quantization.scale if quantization is not None and quantization.scale is not None else ()
        zeros: Any = quantization.zeroPoint if len(scales) == 1 and quantization.zeroPoint is not None else (0,)
        return Tensor(
            name=name,
            dtype=types[tensor.type],
            shape=tuple(int(size) for size in (dynamic if dynamic is not None else ())),
            scale=float(scales[0]) if len(scales) == 1 else None,
            zero_point=int(zeros[0]) if len(scales) == 1 else None,
        )

    def describe_all(indices: Any, names: dict[int, list[str]]) -> tuple[Tensor, ...]:
        """Describes a tensor under each of its names: two outputs may be the same tensor, or an output may be an input."""
        unique = dict.fromkeys(int(index) for index in indices)
        return tuple(
            describe(index, name) for index in unique for name in names.get(index, [_text(graph.tensors[index].name)])
        )

    return describe_all(graph.inputs, inputs), describe_all(graph.outputs, outputs)


def _kind(census: _Census, interface: tuple[Tensor, ...]) -> str:
    """Returns the kind by the compute operators; "mixed" where they differ."""
    compute = set(census.compute)
    float_edges = any(tensor.dtype in _FLOATS for tensor in interface)
    if compute and all(entry == ("INT8", "INT8", "INT8") for entry in compute):
        return "full_int8" if float_edges else ("mixed" if census.floats else "integer_only")
    if compute and all(entry[0] == entry[2] == "INT16" and entry[1] == "INT8" for entry in compute):
        return "int16x8"
    if any(entry[0] != "FLOAT32" or entry[2] != "FLOAT32" for entry in compute):
        return "mixed"
    if not compute and census.integers:
        return _kind_without_compute(census, float_edges=float_edges)
    if not compute and census.tables == {"INT8"} and not census.floats and not float_edges:
        return "integer_only"
    stored = {dtype for types in census.weights.values() for dtype in types}
    if "FLOAT16" in stored:
        return "float16"
    return "dynamic_range" if stored & {"INT8", "INT4"} else "float32"


def _kind_without_compute(census: _Census, *, float_edges: bool) -> str:
    """Returns the kind of a network without weights to multiply by, such as one of additions alone, by its activations."""
    if not census.floats and census.integers == {"INT8"}:
        return "full_int8" if float_edges else "integer_only"
    return "int16x8" if not census.floats and census.integers == {"INT16"} else "mixed"
