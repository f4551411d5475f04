"""The interpreter's edges, against values worked by hand and against LiteRT's own interpreter driven by hand."""

from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgequant.litert_interpreter import (
    InterpreterError,
    Model,
    Origin,
    delegate,
    dequantize,
    quantize,
    runtime_version,
)

_INT8, _INT16, _UINT8 = np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.uint8)


def _results(model: Model, example: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    model.invoke(model.prepare(example))
    return model.results()


@pytest.mark.parametrize(
    ("values", "scale", "zero_point", "dtype", "expected"),
    [
        # 0.5 / 0.25 = 2, and so on.
        ([0.0, 0.5, -0.75, 1.0], 0.25, 0, _INT8, [0, 2, -3, 4]),
        ([0.0, 0.5, -0.75, 1.0], 0.25, -5, _INT8, [-5, -3, -8, -1]),
        # 127 and -128 are the ends of int8: 40 / 0.25 = 160 and -40 / 0.25 = -160 are clipped.
        ([31.75, 32.0, 40.0, -32.0, -32.25, -40.0], 0.25, 0, _INT8, [127, 127, 127, -128, -128, -128]),
        ([-1.0, 0.0, 63.75, 64.0], 0.25, 0, _UINT8, [0, 0, 255, 255]),
        ([1.0, -1.0, 8192.0, -8192.5], 0.25, 0, _INT16, [4, -4, 32767, -32768]),
        # Halves go to the even neighbour: 0.5 → 0, 1.5 → 2, 2.5 → 2.
        ([0.5, 1.5, 2.5, -0.5, -1.5], 1.0, 0, _INT8, [0, 2, 2, 0, -2]),
        # Too large for any integer.
        ([1e30, -1e30], 0.25, 3, _INT8, [127, -128]),
    ],
)
def test_quantize_by_hand(
    values: list[float], scale: float, zero_point: int, dtype: np.dtype[Any], expected: list[int]
) -> None:
    """Rounded quotient plus zero point, clipped to the dtype."""
    result = quantize(np.array(values), scale, zero_point, dtype)
    assert result.dtype == dtype
    assert result.tolist() == expected


@pytest.mark.parametrize(
    ("values", "scale", "zero_point", "expected"),
    [
        (np.array([-128, 0, 127], np.int8), 0.5, -128, [0.0, 64.0, 127.5]),
        (np.array([-32768, 0, 32767], np.int16), 0.25, 0, [-8192.0, 0.0, 8191.75]),
        (np.array([0, 128, 255], np.uint8), 2.0, 128, [-256.0, 0.0, 254.0]),
    ],
)
def test_dequantize_by_hand(values: NDArray[Any], scale: float, zero_point: int, expected: list[float]) -> None:
    """The difference from the zero point, times the scale, without the overflow that int8 arithmetic would have."""
    result = dequantize(values, scale, zero_point)
    assert result.dtype == np.float32
    assert result.tolist() == expected


@given(
    number=st.integers(-128, 127),
    scale=st.floats(1e-6, 1e3, allow_nan=False),
    zero_point=st.integers(-128, 127),
)
def test_quantize_undoes_dequantize(number: int, scale: float, zero_point: int) -> None:
    """Every integer stands for a real value that becomes that integer again."""
    values = np.array([number], np.int8)
    assert quantize(dequantize(values, scale, zero_point), scale, zero_point, _INT8).tolist() == [number]


@pytest.mark.parametrize(
    "name", ["float32", "float16", "dynamic_range", "full_int8", "integer_only", "int16x8", "int16_edges"]
)
def test_results_are_those_of_a_loop_by_hand(name: str, tflite: Path) -> None:
    """Bit for bit what LiteRT's interpreter gives when one sets, invokes and gets by hand, example after example."""
    path = tflite / f"{name}.tflite"
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    model = Model(path)
    for image in np.random.default_rng(3).standard_normal((20, 6, 6, 4)).astype(np.float32):
        value = image[None]
        scale, zero_point = source["quantization"]
        if scale:
            limits = np.iinfo(source["dtype"])
            value = np.clip(np.round(value / np.float32(scale)) + zero_point, limits.min, limits.max)
        interpreter.set_tensor(source["index"], value.astype(source["dtype"]))
        interpreter.invoke()
        expected = interpreter.get_tensor(result["index"])[0]
        scale, zero_point = result["quantization"]
        if scale:
            expected = (expected.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
        results = _results(model, {"image": image})
        assert list(results) == ["scores"]
        assert results["scores"].dtype == np.float32
        assert results["scores"].tobytes() == expected.tobytes()


def test_open_dimensions_take_each_examples_size(tflite: Path) -> None:
    """An input whose length the model leaves open takes five words, then two, then five again; outputs keep their names."""
    model = Model(tflite / "words.tflite")
    table = Interpreter(model_path=str(tflite / "words.tflite"))
    table.allocate_tensors()
    embedding = next(
        table.get_tensor(item["index"]) for item in table.get_tensor_details() if tuple(item["shape"]) == (9, 8)
    )
    price = np.arange(8, dtype=np.float32)
    for words in ([1, 2, 3, 4, 5], [8, 0], [0, 0, 7, 7, 7]):
        result = _results(model, {"words": np.array(words, np.int32), "price": price})
        assert set(result) == {"total", "first"}
        np.testing.assert_allclose(result["total"], price + embedding[words].sum(axis=0), rtol=1e-5, atol=1e-6)
        assert result["first"] == words[0]


def test_results_do_not_change_with_the_next_example(tflite: Path) -> None:
    """A result is a copy: the next invocation leaves it as it was."""
    model = Model(tflite / "double.tflite")
    first = _results(model, {"x": np.ones(8, np.float32)})
    second = _results(model, {"x": np.full(8, 3.0, np.float32)})
    assert first["y"].tolist() == [2.0] * 8
    assert second["y"].tolist() == [6.0] * 8


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.uint8, np.bool_])
def test_numbers_of_other_dtypes_are_taken(dtype: type, tflite: Path) -> None:
    """A float input takes any numbers that it can hold."""
    assert _results(Model(tflite / "double.tflite"), {"x": np.ones(8, dtype)})["y"].tolist() == [2.0] * 8


@pytest.mark.parametrize(
    ("name", "example", "message"),
    [
        ("double", {"z": np.zeros(8, np.float32)}, "takes the inputs ['x']; the examples hold ['z']"),
        ("double", {}, "takes the inputs ['x']; the examples hold []"),
        (
            "double",
            {"x": np.zeros(8, np.float32), "z": np.zeros(8, np.float32)},
            "takes the inputs ['x']; the examples hold ['x', 'z']",
        ),
        ("double", {"x": np.zeros(9, np.float32)}, "input 'x' takes [1, 8]; the example is [1, 9] ("),
        ("double", {"x": np.zeros((8, 1), np.float32)}, "input 'x' takes [1, 8]; the example is [1, 8, 1] ("),
        ("double", {"x": np.float32(0)}, "input 'x' takes [1, 8]; the example is [1] ("),
        (
            "integer_only",
            {"image": np.zeros((6, 6, 5))},
            "input 'image' takes [1, 6, 6, 4]; the example is [1, 6, 6, 5] (",
        ),
        (
            "words",
            {"words": np.array([1.5, 2.0]), "price": np.zeros(8)},
            "input 'words' takes int32; the example is float64",
        ),
        ("double", {"x": np.full(8, "a")}, "input 'x' takes float32; the example is <U1"),
    ],
)
def test_an_example_of_another_model_is_refused(
    name: str, example: dict[str, NDArray[Any]], message: str, tflite: Path
) -> None:
    """Wrong names, sizes, ranks and dtypes: one line with the file, the input, what it takes, and what came."""
    path = tflite / f"{name}.tflite"
    with pytest.raises(InterpreterError) as caught:
        Model(path).prepare(example)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "content"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_values_that_integers_cannot_stand_for_are_refused(value: float, content: str, tflite: Path) -> None:
    """One such value of a quantized input, in one example or a batch, is refused in words; a float input takes it."""
    path = tflite / "integer_only.tflite"
    image = np.zeros((6, 6, 4), np.float32)
    image[3, 2, 1] = value
    message = f"{path}: input 'image' holds {content}; it is quantized to int8, which holds finite values only"
    with pytest.raises(InterpreterError) as one:
        Model(path).prepare({"image": image})
    with pytest.raises(InterpreterError) as batch:
        Model(path).prepare_batch({"image": np.stack([np.zeros_like(image), image])})
    assert str(one.value) == str(batch.value) == message
    assert _results(Model(tflite / "double.tflite"), {"x": np.full(8, np.inf)})["y"].tolist() == [np.inf] * 8


def test_a_refused_example_leaves_the_model_usable(tflite: Path) -> None:
    """After an example of the wrong shape the right one still gives the right result."""
    model = Model(tflite / "double.tflite")
    with pytest.raises(InterpreterError):
        model.prepare({"x": np.zeros(9, np.float32)})
    assert _results(model, {"x": np.ones(8, np.float32)})["y"].tolist() == [2.0] * 8


@pytest.mark.parametrize("content", [b"", b"hello, world", b"\0" * 64])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    """What is not a flatbuffer is refused with its path."""
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(InterpreterError, match="LiteRT refuses the model: ") as caught:
        Model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["flex", "custom"])
def test_operators_that_the_runtime_lacks_are_refused(name: str, tflite: Path) -> None:
    """A file that needs the Flex delegate or a custom operator is refused when it is loaded."""
    with pytest.raises(InterpreterError, match="LiteRT refuses the model: ") as caught:
        Model(tflite / f"{name}.tflite")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["float32", "full_int8", "integer_only"])
def test_a_batch_gives_what_its_examples_give(name: str, tflite: Path) -> None:
    """Five examples at once, then two, then one: rows in order, and as one by one."""
    images = np.random.default_rng(4).standard_normal((5, 6, 6, 4)).astype(np.float32)
    model, single = Model(tflite / f"{name}.tflite"), Model(tflite / f"{name}.tflite")
    for count in (5, 2, 1):
        model.invoke(model.prepare_batch({"image": images[:count]}))
        result = model.results_batch(count)["scores"]
        assert result.shape == (count, 4)
        expected = np.stack([_results(single, {"image": image})["scores"] for image in images[:count]])
        np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("resolver", "kind", "name"),
    [
        ("xnnpack", "AUTO", "XNNPACK"),
        ("builtin", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "none"),
        ("reference", "BUILTIN_REF", "none"),
    ],
)
def test_resolvers_are_the_runtimes(resolver: str, kind: str, name: str, tflite: Path) -> None:
    """Each gives, bit for bit, what LiteRT's own interpreter gives with that resolver."""
    path = tflite / "full_int8.tflite"
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=OpResolverType[kind])
    interpreter.allocate_tensors()
    image = np.random.default_rng(5).standard_normal((6, 6, 4)).astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    assert _results(Model(path, resolver=resolver), {"image": image})["scores"].tobytes() == expected.tobytes()
    assert delegate(resolver) == name


def test_an_unknown_resolver_is_refused(tflite: Path) -> None:
    """A resolver that is none is an error that names those there are."""
    with pytest.raises(ValueError, match="unknown resolver 'gpu'; choose from xnnpack, builtin, reference"):
        Model(tflite / "double.tflite", resolver="gpu")


@pytest.mark.parametrize(
    ("value", "origin"),
    [(-1.0, "SQRT"), (np.nan, ""), (4.0, None)],
)
def test_the_operator_that_makes_nan_is_found(
    value: float, origin: str | None, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """softmax(sqrt(x) + abs(x)): sqrt of a negative value is to blame, of NaN the input is, and of 4 nothing."""
    (tmp_path / "root.tflite").write_bytes(small_models["root"])
    model = Model(tmp_path / "root.tflite", resolver="reference", keep_tensors=True)
    model.invoke(model.prepare({"x": np.array([1.0, value, 1.0, 1.0], np.float32)}))
    result = model.first_not_finite()
    assert (result.operator if result else None) == origin
    if origin == "":
        assert result == Origin(operator="", tensor="x")


def test_infinity_is_looked_for_where_there_is_no_nan(small_models: dict[str, bytes], tmp_path: Path) -> None:
    """The logarithm of 0 is minus infinity: that is found too."""
    (tmp_path / "log.tflite").write_bytes(small_models["log"])
    model = Model(tmp_path / "log.tflite", resolver="builtin", keep_tensors=True)
    model.invoke(model.prepare({"x": np.array([1.0, 0.0, 1.0, 1.0], np.float32)}))
    origin = model.first_not_finite()
    assert origin is not None
    assert origin.operator == "LOG"


def test_two_outputs_of_one_name_are_refused(small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A file without a signature whose two outputs have one name: neither is left out in silence."""
    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(small_models["lists"], 0))
    content.signatureDefs = []
    for index in content.subgraphs[0].outputs:
        content.subgraphs[0].tensors[index].name = b"scores"
    builder = flatbuffers.Builder(1024)
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    path = tmp_path / "twins.tflite"
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(InterpreterError, match=r"two of its outputs have one name \('scores', 'scores'\)"):
        Model(path)


def test_the_version_is_the_runtimes() -> None:
    """The runtime's version is that of the installed distribution."""
    from importlib.metadata import version

    assert runtime_version() == f"ai-edge-litert {version('ai-edge-litert')}"


def _y(model: Model, values: NDArray[Any], **state: bool) -> Any:
    model.invoke(model.prepare({"x": values}), **state)
    return model.results()["y"].tolist()


def test_each_example_starts_from_the_initial_values(small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A resource variable of 10 that adds up its inputs is 14 after four ones: the second time as well."""
    (tmp_path / "counter.tflite").write_bytes(small_models["counter"])
    model = Model(tmp_path / "counter.tflite")
    assert model.is_stateful
    ones = np.ones(4, np.float32)
    assert [_y(model, ones) for _ in range(3)] == [[15.0] * 4] * 3
    # Within a sequence: 14, 18, 22; the next sequence starts anew.
    assert [_y(model, ones, keep_state=keep)[0] for keep in (False, True, True, False)] == [15.0, 19.0, 23.0, 15.0]


@pytest.mark.parametrize("name", ["counter", "recurrent"])
@pytest.mark.parametrize("resolver", ["xnnpack", "builtin", "reference"])
def test_a_reset_model_answers_as_a_new_interpreter(
    name: str, resolver: str, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """Resource variables, and the variable tensors of an LSTM operator, are as in a file that was just loaded."""
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(small_models[name])
    random = np.random.default_rng(1)
    used = Model(path, resolver=resolver)
    shape = used.inputs["x"].shape[1:]
    examples = random.standard_normal((5, *shape)).astype(np.float32)
    answers = [_y(used, example) for example in examples]
    assert answers == [_y(Model(path, resolver=resolver), example) for example in examples]
    assert _y(used, examples[0], keep_state=True) != answers[0]


def test_a_variable_without_an_initial_value_cannot_be_reset(small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Without the call of the subgraph that initializes it, the variable is named."""
    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(small_models["counter"], 0))
    graph = content.subgraphs[0]
    once = schema.BuiltinOperator.CALL_ONCE
    graph.operators = [each for each in graph.operators if content.operatorCodes[each.opcodeIndex].builtinCode != once]
    builder = flatbuffers.Builder()
    builder.Finish(content.Pack(builder), b"TFL3")
    path = tmp_path / "uninitialized.tflite"
    path.write_bytes(bytes(builder.Output()))
    model = Model(path)
    with pytest.raises(InterpreterError, match=r"the variable 'Variable' has no initial value in the file"):
        _y(model, np.ones(4, np.float32))


def test_a_model_without_variables_has_no_state(small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Reset does nothing for it."""
    (tmp_path / "double.tflite").write_bytes(small_models["double"])
    model = Model(tmp_path / "double.tflite")
    assert not model.is_stateful
    model.reset()
    assert _y(model, np.ones(4, np.float32)) == [2.0] * 4
