"""Flatbuffers of every kind, made by TensorFlow's converter itself, read back; and flatbuffers that are damaged."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st

from edgequant.errors import ModelError
from edgequant.inspection import Inspection, Tensor, inspect_bytes, inspect_model


def _types(inspection: Inspection) -> dict[str, dict[str, int]]:
    return {name: operator.types for name, operator in inspection.ops.items()}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("float32", "float32"),
        ("float16", "float16"),
        ("dynamic_range", "dynamic_range"),
        ("full_int8", "full_int8"),
        ("integer_only", "integer_only"),
        ("int16x8", "int16x8"),
        ("int16_edges", "int16x8"),
        ("island", "full_int8"),
        ("mixed", "mixed"),
        ("words", "float32"),
        ("double", "float32"),
        ("double_int8", "full_int8"),
        ("double_int16", "int16x8"),
        # Tables of embeddings: GATHER computes nothing, and what the constants hold tells.
        ("tables", "float32"),
        ("tables_float16", "float16"),
        ("tables_dynamic", "dynamic_range"),
        ("tables_int8", "full_int8"),
        ("volume_dynamic", "float32"),
        ("trained", "float32"),
    ],
)
def test_the_kind_is_found(name: str, kind: str, tflite: Path) -> None:
    """Each way to convert gives a file of its own kind, also where there are no weights to go by."""
    assert inspect_model(tflite / f"{name}.tflite").kind == kind


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        # 400 and 90 rows of 16 numbers, of 4, 2 and 1 bytes.
        ("tables", {"GATHER": {"FLOAT32": 4 * 490 * 16}}),
        ("tables_float16", {"GATHER": {"FLOAT16": 2 * 490 * 16}}),
        ("tables_dynamic", {"GATHER": {"INT8": 490 * 16}}),
        ("volume_dynamic", {"CONV_3D": {"FLOAT32": 4 * 27 * 4 * 16}}),
        # Behind a pair of QUANTIZE and DEQUANTIZE.
        ("trained", {"FULLY_CONNECTED": {"FLOAT32": 4 * 64}}),
        # Token ids and shapes are no weights.
        ("words", {"GATHER": {"FLOAT32": 4 * 9 * 8}}),
        ("double", {}),
    ],
)
def test_weights_are_what_the_constants_hold(name: str, weights: dict[str, dict[str, int]], tflite: Path) -> None:
    """Bytes by type, for the operator that computes with them."""
    stored = inspect_model(tflite / f"{name}.tflite").weights
    assert {op: {dtype: one.bytes for dtype, one in types.items()} for op, types in stored.items()} == weights


@pytest.mark.parametrize(
    ("name", "convolution", "dense", "small_weights"),
    [
        ("float32", "FLOAT32/FLOAT32/FLOAT32", {"FLOAT32/FLOAT32/FLOAT32": 2}, 1),
        ("float16", "FLOAT32/FLOAT16/FLOAT32", {"FLOAT32/FLOAT16/FLOAT32": 2}, 0),
        # The dense layer of 64 weights is too small to be quantized without calibration.
        ("dynamic_range", "FLOAT32/INT8/FLOAT32", {"FLOAT32/FLOAT32/FLOAT32": 1, "FLOAT32/INT8/FLOAT32": 1}, 1),
        ("full_int8", "INT8/INT8/INT8", {"INT8/INT8/INT8": 2}, 0),
        ("integer_only", "INT8/INT8/INT8", {"INT8/INT8/INT8": 2}, 0),
        ("int16x8", "INT16/INT8/INT16", {"INT16/INT8/INT16": 2}, 0),
    ],
)
def test_compute_operators_are_counted_by_type(
    name: str, convolution: str, dense: dict[str, int], small_weights: int, tflite: Path
) -> None:
    """The table of the TFLite notes: input, weight and output types of convolutions and dense layers."""
    inspection = inspect_model(tflite / f"{name}.tflite")
    assert _types(inspection)["CONV_2D"] == {convolution: 1}
    assert _types(inspection)["FULLY_CONNECTED"] == dense
    assert inspection.small_weights == small_weights


@pytest.mark.parametrize(
    "name", ["float32", "float16", "dynamic_range", "full_int8", "integer_only", "int16x8", "words"]
)
def test_the_census_is_the_runtimes(name: str, tflite: Path) -> None:
    """The operators are those that the runtime lists, each as often."""
    path = tflite / f"{name}.tflite"
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=resolver)
    listed = Counter(operator["op_name"] for operator in interpreter._get_ops_details())
    assert {name: operator.count for name, operator in inspect_model(path).ops.items()} == dict(listed)


@pytest.mark.parametrize("name", ["float32", "full_int8", "integer_only", "int16_edges", "words"])
def test_inputs_and_outputs_are_the_runtimes(name: str, tflite: Path) -> None:
    """Names are the signature's; dtypes, open dimensions, scales and zero points are what the runtime reports."""
    path = tflite / f"{name}.tflite"
    interpreter = Interpreter(model_path=str(path))
    signature = interpreter._get_full_signature_list()["serving_default"]
    inspection = inspect_model(path)
    for result, names, details in (
        (inspection.inputs, signature["inputs"], interpreter.get_input_details()),
        (inspection.outputs, signature["outputs"], interpreter.get_output_details()),
    ):
        expected = {detail["index"]: detail for detail in details}
        assert [tensor.name for tensor in result] == [
            next(key for key, index in names.items() if index == detail["index"]) for detail in details
        ]
        for tensor in result:
            detail = expected[names[tensor.name]]
            scale, zero_point = detail["quantization"]
            assert tensor.dtype.lower() == np.dtype(detail["dtype"]).name
            assert tensor.shape == tuple(detail["shape_signature"])
            assert (tensor.scale or 0.0, tensor.zero_point or 0) == (scale, zero_point)


def test_a_tensor_with_several_names_is_an_output_under_each(small_models: dict[str, bytes]) -> None:
    """Two outputs that are one tensor, and one that is the input, have their own names and shapes."""
    inspection = inspect_bytes(small_models["steps"])
    assert [(tensor.name, tensor.shape) for tensor in inspection.inputs] == [("x", (-1, -1, 4))]
    assert sorted((tensor.name, tensor.shape) for tensor in inspection.outputs) == [
        ("all", (-1, -1, 4)),
        ("last", (-1, 4)),
        ("same", (-1, -1, 4)),
        ("x", (-1, -1, 4)),
    ]


def test_float_islands_are_named(tflite: Path) -> None:
    """An operator that computes in float between integer ones is named with its output; in a float file none is."""
    assert [text.split(" ")[0] for text in inspect_model(tflite / "island.tflite").float_islands] == ["CUMSUM"]
    assert [text.split(" ")[0] for text in inspect_model(tflite / "mixed.tflite").float_islands] == ["CUMSUM"]
    for name in ("float32", "float16", "dynamic_range", "full_int8", "integer_only", "int16x8"):
        assert inspect_model(tflite / f"{name}.tflite").float_islands == ()


def test_flex_and_custom_operators_are_told_apart(tflite: Path) -> None:
    """An operator that needs the Flex delegate is not a custom one, and both keep their names."""
    flex, custom = inspect_model(tflite / "flex.tflite"), inspect_model(tflite / "custom.tflite")
    assert (flex.flex, flex.custom) == (("FlexMatrixDeterminant",), ())
    assert (custom.flex, custom.custom) == ((), ("MatrixDeterminant",))


def test_a_file_without_a_signature_has_the_graphs_names(tflite: Path) -> None:
    """Inputs and outputs of an older file bear the names of their tensors, and an absent zero point is 0."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder  # type: ignore[import-untyped]

    model = schema.ModelT.InitFromPackedBuf((tflite / "integer_only.tflite").read_bytes(), 0)
    model.signatureDefs = None
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].name = b"old name"
    graph.tensors[graph.inputs[0]].quantization.zeroPoint = None
    builder = Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    inspection = inspect_bytes(bytes(builder.Output()))
    assert inspection.kind == "integer_only"
    assert [tensor.name for tensor in inspection.inputs] == ["old name"]
    assert inspection.inputs[0].zero_point == 0
    assert inspection.inputs[0] == Tensor(
        name="old name", dtype="INT8", shape=(-1, 6, 6, 4), scale=inspection.inputs[0].scale, zero_point=0
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a TFLite flatbuffer: its identifier is b''; b'TFL3' is needed"),
        (b"abc", "is not a TFLite flatbuffer: its identifier is b''; b'TFL3' is needed"),
        (b"hello, world", "is not a TFLite flatbuffer: its identifier is b'o, w'; b'TFL3' is needed"),
        (b"\0\0\0\0TFL3", "is a damaged TFLite flatbuffer ("),
        (b"\xff\xff\xff\x7fTFL3", "is a damaged TFLite flatbuffer ("),
    ],
)
def test_other_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    """An empty file, a text file, and a header with nothing behind it: one line with the path and what was found."""
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        inspect_model(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    """What is not a file is refused with its path."""
    for path in (tmp_path, tmp_path / "none.tflite"):
        with pytest.raises(ModelError) as caught:
            inspect_model(path)
        assert str(caught.value) == f"{path}: not found, or not a file; a .tflite file is needed"


def _refusal(content: bytes) -> str | None:
    """Returns why bytes are refused, or None when they are read; anything else but a ModelError is the test's failure."""
    try:
        inspect_bytes(content, "model")
    except ModelError as error:
        return str(error)
    return None


def _is_one_line(refusal: str | None) -> bool:
    return refusal is None or (refusal.startswith("model: is a damaged TFLite flatbuffer (") and "\n" not in refusal)


@settings(deadline=None, max_examples=500, derandomize=True)
@given(data=st.data())
def test_damage_never_crashes(tflite: Path, data: st.DataObject) -> None:
    """Random bytes anywhere in a real file leave it readable or refused, never anything else."""
    content = bytearray((tflite / data.draw(st.sampled_from(["double.tflite", "integer_only.tflite"]))).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert _is_one_line(_refusal(bytes(content)))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(data=st.data())
def test_truncation_never_crashes(tflite: Path, data: st.DataObject) -> None:
    """A file that was cut anywhere is readable or refused."""
    content = (tflite / "integer_only.tflite").read_bytes()
    assert _is_one_line(_refusal(content[: data.draw(st.integers(8, len(content) - 1))]))
