"""Conversions of real models, read back by the LiteRT interpreter itself."""

import hashlib
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray
from tests.edgequant.conversion.ending_converter import convert_one_or_crash

from edgequant.artifacts.variant_set import CONVERTED, VariantSet, load_variant_set
from edgequant.conversion.step import ConversionRequest, convert
from edgequant.errors import ConfigError, ConversionError, ExamplesError, ModelError
from edgequant.variants import VARIANTS

Arrays = dict[str, NDArray[Any]]

# The digits model's layers that matter here: the third convolution's kernel, and the first one's activations.
_KERNEL = (64, 3, 3, 64)
_ACTIVATIONS = (1, 8, 8, 32)


def _interpreter(path: Path) -> Any:
    interpreter = Interpreter(
        model_path=str(path),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def _dtypes(details: list[dict[str, Any]], shape: tuple[int, ...] | None = None) -> set[str]:
    """Returns the dtypes of the tensors of a shape; a kernel's own scratch tensors have no name and do not count."""
    named = [item for item in details if item["name"]]
    return {np.dtype(item["dtype"]).name for item in named if shape is None or tuple(item["shape"]) == shape}


def _answers(path: Path, examples: Arrays) -> Arrays:
    """Runs a float model as LiteRT's documentation says, by its signature."""
    runner = Interpreter(model_path=str(path), num_threads=1).get_signature_runner()
    rows = [
        runner(**{name: values[row : row + 1] for name, values in examples.items()})
        for row in range(len(next(iter(examples.values()))))
    ]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize(
    ("variant", "edges", "kernel", "activations"),
    [
        ("float32", {"float32"}, {"float32"}, {"float32"}),
        ("float16", {"float32"}, {"float16", "float32"}, {"float32"}),
        ("weights_only", {"float32"}, {"int8"}, {"float32"}),
        ("full_int8", {"float32"}, {"int8"}, {"int8"}),
        ("integer_only", {"int8"}, {"int8"}, {"int8"}),
        ("int16x8", {"float32"}, {"int8"}, {"int16"}),
    ],
)
def test_a_variant_is_what_its_name_says(
    digits_variants: VariantSet, variant: str, edges: set[str], kernel: set[str], activations: set[str]
) -> None:
    """The runtime itself reports the dtypes that each name promises, at the edges and inside.

    A float16 kernel is unpacked into a float32 tensor before use: the runtime lists both.
    """
    interpreter = _interpreter(digits_variants.model(variant))
    tensors = interpreter.get_tensor_details()
    assert _dtypes(interpreter.get_input_details()) == edges
    assert _dtypes(interpreter.get_output_details()) == edges
    assert _dtypes(tensors, _KERNEL) == kernel
    assert _dtypes(tensors, _ACTIVATIONS) == activations


def test_only_the_integer_variants_have_no_float_tensor(digits_variants: VariantSet) -> None:
    """Integer only means that no tensor of the file is a float, so that a processor without floats can run it."""
    floats = {
        name: "float32" in _dtypes(_interpreter(digits_variants.model(name)).get_tensor_details()) for name in VARIANTS
    }
    assert floats == dict.fromkeys(VARIANTS, True) | {"integer_only": False}


def test_sizes_are_in_order(digits_variants: VariantSet) -> None:
    """Half the bits take about half the bytes, a quarter about a quarter; the manifest has the sizes and digests of the files."""
    sizes = {name: digits_variants.model(name).stat().st_size for name in VARIANTS}
    assert sizes["float16"] < 0.6 * sizes["float32"]
    for name in ("weights_only", "full_int8", "integer_only", "int16x8"):
        assert sizes[name] < 0.4 * sizes["float32"]
    for name, size in sizes.items():
        content = digits_variants.model(name).read_bytes()
        assert digits_variants[name].size_bytes == size
        assert digits_variants[name].sha256 == hashlib.sha256(content).hexdigest()


def test_the_quantized_digits_agree_with_the_float_ones(digits: Path, digits_variants: VariantSet) -> None:
    """On 300 unseen digits every variant names the same digit as the float model at least 98 times of 100."""
    with np.load(digits / "test.npz", allow_pickle=False) as arrays:
        pixels = arrays["pixels"][:300]
    named = {}
    for name in VARIANTS:
        interpreter = Interpreter(model_path=str(digits_variants.model(name)), num_threads=1)
        interpreter.allocate_tensors()
        source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        scale, zero = source["quantization"]
        results = []
        for row in pixels:
            value = row[None] if not scale else np.clip(np.round(row[None] / scale) + zero, -128, 127).astype(np.int8)
            interpreter.set_tensor(source["index"], value)
            interpreter.invoke()
            results.append(interpreter.get_tensor(result["index"])[0].argmax())
        named[name] = np.array(results)
    for name in VARIANTS:
        assert (named[name] == named["float32"]).mean() >= 0.98, name


def test_conversion_is_deterministic(
    digits_model: Path, digits_calibration: Path, digits_variants: VariantSet, tmp_path: Path
) -> None:
    """Converting again gives the same bytes, so that a digest identifies a variant."""
    names = ["float32", "weights_only", "integer_only"]
    request = ConversionRequest(
        model=digits_model, signature="serving_default", variants=names, calibration_set=digits_calibration
    )
    convert(request, tmp_path / "again")
    again = load_variant_set(tmp_path / "again")
    for name in names:
        assert again.model(name).read_bytes() == digits_variants.model(name).read_bytes()


_FORMATS = (
    "keras_3_saved_model",
    "keras_2_saved_model",
    "keras_3_file",
    "keras_2_file",
    "keras_file_of_many",
    "tensorflow_1",
    "two_inputs",
    "two_outputs",
    "tokens",
    "two_signatures",
    "open_length",
)


@pytest.mark.parametrize("name", _FORMATS)
def test_the_float_variant_answers_as_tensorflow_does(
    name: str,
    converted: Callable[[str], VariantSet],
    examples: Callable[[str], Arrays],
    expected: Callable[[str], Arrays],
) -> None:
    """Whatever wrote the model, its float32 file has TensorFlow's outputs by name, to rounding error."""
    answers = _answers(converted(name).model("float32"), examples(name))
    assert set(answers) == set(expected(name))
    for output, values in expected(name).items():
        np.testing.assert_allclose(answers[output], values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", _FORMATS)
def test_every_format_is_really_quantized(name: str, converted: Callable[[str], VariantSet]) -> None:
    """The runtime finds int8 inputs and outputs (tokens stay int32), and no float tensor, in every integer-only file."""
    variants = converted(name)
    interpreter = _interpreter(variants.model("integer_only"))
    assert _dtypes(interpreter.get_input_details()) == ({"int32", "int8"} if name == "tokens" else {"int8"})
    assert _dtypes(interpreter.get_output_details()) == {"int8"}
    assert "float32" not in _dtypes(interpreter.get_tensor_details())
    assert "int8" in _dtypes(_interpreter(variants.model("weights_only")).get_tensor_details())


def test_only_the_chosen_signature_is_converted(converted: Callable[[str], VariantSet]) -> None:
    """A file made from one of two signatures holds that one alone: its inputs, its outputs, its weights."""
    for name in ("float32", "full_int8"):
        interpreter = _interpreter(converted("two_signatures").model(name))
        assert interpreter.get_signature_list() == {"see": {"inputs": ["image"], "outputs": ["seen"]}}
        shapes = {tuple(item["shape"]) for item in interpreter.get_tensor_details()}
        assert (32, 3, 3, 4) in shapes  # The convolution's kernel.
        assert not shapes & {(40, 32), (32, 40)}  # The dense layer's weights.


def test_tokens_cannot_be_16_bits(converted: Callable[[str], VariantSet]) -> None:
    """The converter cannot calibrate an int32 input for 16-bit activations: that variant fails and says so."""
    assert converted("tokens")["int16x8"].status == "failed"
    assert "calibration" in str(converted("tokens")["int16x8"].reason)
    assert converted("tokens").converted == ("float32", "weights_only", "integer_only", "full_int8")


def test_a_model_without_float_edges_keeps_both_int8_promises(converted: Callable[[str], VariantSet]) -> None:
    """Words in, a class out: there is no float input or output to keep, and full_int8 is the integer-only file."""
    assert {"full_int8", "integer_only"} <= set(converted("words_to_class").converted)


def test_small_weights_are_not_called_quantized(converted: Callable[[str], VariantSet]) -> None:
    """When every weight is too small for the converter to quantize, weights_only fails with that reason; int8 does not."""
    variants = converted("small_weights")
    assert variants["weights_only"].reason == (
        "does not match its variant: no weight was quantized; the converter leaves weights of fewer than 1,024 elements as they are"
        " (1 here)"
    )
    assert variants.converted == ("float32", "integer_only", "full_int8", "int16x8")


def test_an_operator_without_an_int8_kernel_is_named(converted: Callable[[str], VariantSet]) -> None:
    """It becomes a float island that full_int8 notes; integer_only and int16x8 fail, and name it."""
    variants = converted("without_int8_kernel")
    assert variants["full_int8"].notes == ("computes in float in CUMSUM (Cumsum)",)
    assert "CUMSUM FLOAT32/FLOAT32" in str(variants["integer_only"].reason)
    assert "'CUMSUM'" in str(variants["int16x8"].reason)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("unsupported", "LiteRT has no operator for tf.MatrixDeterminant"),
        ("double_precision", "LiteRT has no operator for tf.MatMul of f64"),
        (
            "lstm",
            "LiteRT has no operator for tf.TensorListReserve"
            " (a recurrent layer: give it unroll=True, or export the model with a batch of 1)",
        ),
        (
            "lost_variables",
            "the SavedModel has lost its variables: they are read and never set; save the model with model.export()",
        ),
    ],
)
def test_a_reference_that_cannot_be_made_ends_the_step(
    name: str, message: str, request_for: Callable[..., ConversionRequest], tmp_path: Path
) -> None:
    """One line says why, operators by name, and nothing is written."""
    with pytest.raises(ConversionError) as caught:
        convert(request_for(name, "float32"), tmp_path / "out")
    assert str(caught.value) == f"the reference float32 failed: {message}"
    assert list(tmp_path.iterdir()) == []


def test_code_in_a_keras_file_is_refused(request_for: Callable[..., ConversionRequest], tmp_path: Path) -> None:
    """A .keras file is loaded in safe mode: a Python lambda inside it is not run."""
    with pytest.raises(ConversionError, match=r"model\.keras cannot be loaded: .*[Ll]ambda"):
        convert(request_for("code_inside", "float32"), tmp_path / "out")


def test_a_converter_crash_costs_only_its_variants(
    request_for: Callable[..., ConversionRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The converter may end its process, here while it calibrates: the other variants are there."""
    monkeypatch.setattr("edgequant.conversion.step.convert_one", convert_one_or_crash)
    names = ("float32", "weights_only", "full_int8", "integer_only", "int16x8")
    convert(request_for("keras_3_saved_model", *names), tmp_path / "variants")
    variants = load_variant_set(tmp_path / "variants")
    assert variants.converted == ("float32", "weights_only")
    for name in names[2:]:
        assert variants[name].reason == "the process was killed by SIGSEGV"
        assert variants[name].size_bytes is None
        assert not (variants.path / name).exists()


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"time_limit_seconds": 0.01}, "took longer than 0.01 s"),
        ({"memory_limit_bytes": 2**20}, "GiB of memory; 0.0 GiB are allowed"),
    ],
)
def test_a_limit_is_a_reason(
    limit: dict[str, Any], message: str, request_for: Callable[..., ConversionRequest], tmp_path: Path
) -> None:
    """A conversion past its time or memory is stopped, and the reason is in the error."""
    with pytest.raises(ConversionError, match=message):
        convert(request_for("small_weights", "float32", **limit), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, np.inf], "input 'features' holds NaN or infinity; calibration needs finite values"),
        ([np.nan, 0.0], "input 'features' holds NaN or infinity; calibration needs finite values"),
    ],
)
def test_values_that_are_not_finite_are_refused(
    values: list[float],
    message: str,
    request_for: Callable[..., ConversionRequest],
    calibration_set: Callable[[Mapping[str, NDArray[Any]]], Path],
    tmp_path: Path,
) -> None:
    """The converter does not check its examples: neither NaN nor infinity gets that far."""
    features = np.zeros((2, 8), np.float32)
    features[:, 3] = values
    request = request_for("small_weights", "float32", calibration_set=calibration_set({"features": features}))
    with pytest.raises(ExamplesError, match=message):
        convert(request, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_no_examples_are_refused(
    request_for: Callable[..., ConversionRequest],
    calibration_set: Callable[[Mapping[str, NDArray[Any]]], Path],
    tmp_path: Path,
) -> None:
    """Without examples the converter would make a float model and call it int8."""
    empty = calibration_set({"features": np.zeros((0, 8), np.float32)})
    with pytest.raises(ExamplesError, match="holds no examples; one or more are needed to calibrate"):
        convert(request_for("small_weights", "float32", calibration_set=empty), tmp_path / "out")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"feature": np.zeros((2, 8), np.float32)},
            "holds the inputs ['feature']; signature 'serving_default' takes ['features']",
        ),
        (
            {"features": np.zeros((2, 9), np.float32)},
            "input 'features' is float32 [9] per example; signature 'serving_default' takes features float32 [N, 8]",
        ),
        (
            {"features": np.zeros((2, 8), np.float64)},
            "input 'features' is float64 [8] per example; signature 'serving_default' takes features float32 [N, 8]",
        ),
    ],
)
def test_a_calibration_set_of_another_model_is_refused(
    inputs: Arrays,
    message: str,
    request_for: Callable[..., ConversionRequest],
    calibration_set: Callable[[Mapping[str, NDArray[Any]]], Path],
    tmp_path: Path,
) -> None:
    """The message names the input, what was found, and what the model takes."""
    request = request_for("small_weights", "float32", calibration_set=calibration_set(inputs))
    with pytest.raises(ExamplesError) as caught:
        convert(request, tmp_path / "out")
    assert str(caught.value) == f"{request.calibration_set}: {message}"


def test_an_unknown_signature_names_the_nearest(request_for: Callable[..., ConversionRequest], tmp_path: Path) -> None:
    """A signature that is not there is named with those that are."""
    message = "it has see, serving_default; did you mean 'see'?"
    with pytest.raises(ModelError) as caught:
        convert(request_for("two_signatures", "float32", signature="sea"), tmp_path / "out")
    assert str(caught.value).endswith(message)


def test_wrong_requests_are_refused_at_once(request_for: Callable[..., ConversionRequest], tmp_path: Path) -> None:
    """An unknown variant and a missing model end the step before any process starts."""
    with pytest.raises(ConfigError, match="unknown variant 'int4'"):
        convert(request_for("small_weights", "float32", "int4"), tmp_path / "out")
    with pytest.raises(ModelError, match="does not exist"):
        convert(request_for("small_weights", "float32", model=tmp_path / "none"), tmp_path / "out")


def test_a_script_needs_no_main_guard(request_for: Callable[..., ConversionRequest], tmp_path: Path) -> None:
    """A script may call convert at module level: the child processes do not run it again."""
    request = request_for("small_weights", "float32", "integer_only")
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        from pathlib import Path
        from edgequant.conversion.step import ConversionRequest, convert
        print("at module level")
        convert(
            ConversionRequest(model=Path({str(request.model)!r}), signature="serving_default",
                    variants=["float32", "integer_only"], calibration_set=Path({str(request.calibration_set)!r})),
            Path({str(tmp_path / "out")!r}),
        )
        """),
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("at module level") == 1
    assert load_variant_set(tmp_path / "out").converted == ("float32", "integer_only")


def test_the_manifest_says_what_was_converted(
    digits_model: Path, digits_calibration: Path, digits_variants: VariantSet
) -> None:
    """The variant set names the model by its digest, the calibration set by its own, and the converter by its version."""
    from importlib.metadata import version

    content = digits_variants.content
    assert content.model_sha256 == hashlib.sha256(digits_model.read_bytes()).hexdigest()
    assert content.calibration_sha256 == hashlib.sha256((digits_calibration / "manifest.json").read_bytes()).hexdigest()
    assert content.converter == f"tensorflow {version('tensorflow')}"
    assert list(content.variants) == list(VARIANTS)
    manifest = json.loads((digits_variants.path / "manifest.json").read_text())
    assert set(manifest["files"]) == {f"{name}/model.tflite" for name in VARIANTS}


@pytest.mark.parametrize("variant", ["full_int8", "int16x8"])
def test_calibration_resets_the_variables_before_each_example(
    variant: str, request_for: Callable[..., ConversionRequest], calibration_set: Any, tmp_path: Path
) -> None:
    """A running sum that starts at 1 is 4 at most on examples of 3, however many these are; without a reset, 19."""
    examples = calibration_set({"values": np.full((6, 8), 3.0, np.float32)})
    convert(request_for("streaming", "float32", variant, calibration_set=examples), tmp_path / "variants")
    variants = load_variant_set(tmp_path / "variants")
    assert variants[variant].status == CONVERTED, variants[variant].reason
    (port,) = quantized_output(variants.model(variant))
    # int8 covers 0 to 4 in 255 steps; int16 is symmetric, with 32,767 steps from 0 to 4.
    assert port == pytest.approx({"full_int8": 4 / 255, "int16x8": 4 / 32767}[variant], rel=1e-3)


def quantized_output(path: Path) -> list[float]:
    """Returns the scale of the tensor that becomes the float output of a model."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    assert [signature.signatureKey for signature in model.signatureDefs] == [b"serving_default"]
    graph = model.subgraphs[0]
    (last,) = (each for each in graph.operators if each.outputs is not None and graph.outputs[0] in each.outputs)
    return [float(scale) for scale in graph.tensors[last.inputs[0]].quantization.scale]


def test_a_calibration_set_of_another_scale_blocks_what_it_calibrates(
    digits: Path, digits_model: Path, calibration_set: Callable[..., Path], tmp_path: Path
) -> None:
    """Before anything is converted: calibrated variants are blocked with the likely mistake, and float32 is made."""
    with np.load(digits / "train.npz", allow_pickle=False) as arrays:
        pixels = arrays["pixels"][:300]
    calibration = calibration_set({"pixels": pixels[:64] / np.float32(255)})
    evaluation = calibration_set({"pixels": pixels[64:]}, first=64)
    request = ConversionRequest(
        model=digits_model,
        signature="serving_default",
        variants=["float32", "full_int8", "integer_only"],
        calibration_set=calibration,
        evaluation_set=evaluation,
        check_stability=True,
    )
    convert(request, tmp_path / "variants")
    content = load_variant_set(tmp_path / "variants").content
    assert {name: variant.status for name, variant in content.variants.items()} == {
        "float32": "converted",
        "full_int8": "blocked",
        "integer_only": "blocked",
    }
    reason = content.variants["full_int8"].reason
    assert reason is not None
    assert "255 times smaller than the evaluation inputs: is `scale` missing in one of them?" in reason
    assert "calibration.allow_mismatch: true" in reason
    assert content.stability is None
