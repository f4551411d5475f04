"""Model inputs of features: as declared, by a user's function, and in the dtype and shape of the signature."""

import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edgequant.errors import ConfigError, ExamplesError
from edgequant.sampling.decode.preprocessing import (
    InputSource,
    NotFiniteError,
    fit,
    from_sources,
    input_source,
    input_sources,
    load_preprocess,
)
from edgequant.sampling.decode.resizing import Resize
from edgequant.sampling.formats.features import Feature, Features
from edgequant.signature import ModelSignature, TensorSpec

# 2 rows, 3 columns.
GRAY = np.array([[0, 128, 255], [10, 20, 30]], np.uint8)
RED_TO_BLUE = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]], np.uint8)


def takes(shape: tuple[int | None, ...], dtype: str = "float32", name: str = "x") -> ModelSignature:
    """Returns the signature of a model with one input, of a shape without the batch."""
    return ModelSignature(key="s", inputs=(TensorSpec(name=name, dtype=dtype, shape=(None, *shape)),), outputs=())


def encoded(pixels: NDArray[np.uint8], kind: str = "PNG") -> tuple[bytes, ...]:
    """Returns pixels as the bytes of an image file."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
    return (data.getvalue(),)


def make(declared: Any, feature: Feature, signature: ModelSignature) -> NDArray[Any]:
    """Returns the model's one input, made of the feature "f" as declared."""
    name = signature.inputs[0].name
    preprocess = from_sources(input_sources({name: declared}, signature), signature)
    return fit(preprocess({"f": feature}), signature)[name]


def test_a_bare_string_is_a_feature() -> None:
    """A string names the feature that feeds the input."""
    assert input_source("x", "image/encoded") == InputSource(feature="image/encoded")


def test_a_mapping_says_how() -> None:
    """A mapping names the feature and what is done to it; KFP's floats are whole pixels."""
    declared = {"feature": "f", "decode": "image", "resize": [32.0, 48.0], "scale": "1e-3", "offset": -1}
    assert input_source("x", declared) == InputSource(
        feature="f", decode="image", resize=Resize(size=(32, 48)), scale=0.001, offset=-1.0
    )


def test_the_feature_of_the_same_name_is_the_default() -> None:
    """An input that is not declared, or whose mapping names no feature, is fed by the feature of its name."""
    signature = ModelSignature(
        key="s", inputs=tuple(TensorSpec(name=name, dtype="float32", shape=(None, 1)) for name in "ab"), outputs=()
    )
    sources = input_sources({"b": {"scale": 2}}, signature)
    assert sources == {"a": InputSource(feature="a"), "b": InputSource(feature="b", scale=2.0)}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            3,
            r"examples.inputs.x: 3 is neither a feature's name nor a mapping of feature, decode, jpeg, resize, scale, offset, normalize",
        ),
        ({"featur": "f"}, r"examples.inputs.x: unknown key 'featur'; allowed are .*; did you mean 'feature'\?"),
        ({"feature": 3}, r"examples.inputs.x.feature: 3 is not a feature's name"),
        ({"decode": "jpeg"}, r"examples.inputs.x.decode: 'jpeg' is unknown; allowed is 'image'"),
        ({"resize": [8, 8]}, r"examples.inputs.x.resize: only images are resized; it needs decode: image"),
        ({"decode": "image", "resize": [8]}, r"examples.inputs.x.resize: \[8\] is not \[height, width\]"),
        ({"decode": "image", "resize": 8}, r"examples.inputs.x.resize: 8 is not \[height, width\]"),
        ({"decode": "image", "resize": ["a", 8]}, r"examples.inputs.x.resize: \['a', 8\] is not \[height, width\]"),
        ({"decode": "image", "resize": [0, 8]}, r"examples.inputs.x.resize: \[0, 8\] is not \[height, width\]"),
        ({"decode": "image", "resize": [8, 8, 3]}, r"examples.inputs.x.resize: \[8, 8, 3\] is not \[height, width\]"),
        ({"decode": "image", "resize": [8, 2.5]}, r"examples.inputs.x.resize: \[8, 2.5\] is not \[height, width\]"),
        (
            {"decode": "image", "resize": {"method": "area"}},
            r"examples.inputs.x.resize: has no size; size: \[height, width\]",
        ),
        ({"decode": "image", "resize": {"size": [8], "fit": "pad"}}, r"examples.inputs.x.resize.size: \[8\] is not"),
        (
            {"decode": "image", "resize": {"size": [8, 8], "method": "cubic"}},
            r"examples.inputs.x.resize.method: 'cubic' is unknown; choose from bilinear, nearest, bicubic, area, lanczos3",
        ),
        (
            {"decode": "image", "resize": {"size": [8, 8], "fit": "fill"}},
            r"examples.inputs.x.resize.fit: 'fill' is unknown; choose from stretch, crop, pad",
        ),
        (
            {"decode": "image", "resize": {"size": [8, 8], "method": "area", "antialias": True}},
            r"examples.inputs.x.resize.antialias: TensorFlow does not antialias the method 'area'; it goes with bilinear",
        ),
        (
            {"decode": "image", "resize": {"size": [8, 8], "antialias": "no"}},
            r"examples.inputs.x.resize.antialias: 'no' is not allowed; true and false are",
        ),
        (
            {"decode": "image", "resize": {"size": [8, 8], "antialas": True}},
            r"examples.inputs.x.resize: unknown key 'antialas'; allowed are size, method, antialias, fit; did you mean",
        ),
        ({"decode": "image", "jpeg": "slow"}, r"examples.inputs.x.jpeg: 'slow' is unknown; choose from fast, accurate"),
        ({"jpeg": "fast"}, r"examples.inputs.x.jpeg: only images are decoded; it needs decode: image"),
        ({"normalize": "tf"}, r"examples.inputs.x.normalize: 'tf' is not a mapping of mode, or of mean and std"),
        (
            {"normalize": {"mode": "keras"}},
            r"examples.inputs.x.normalize.mode: 'keras' is unknown; choose from tf, torch, caffe",
        ),
        (
            {"normalize": {"mode": "tf", "mean": 1}},
            r"examples.inputs.x.normalize: mode: tf has its own mean and std; give",
        ),
        (
            {"normalize": {"mode": "tf"}, "scale": 2},
            r"examples.inputs.x.normalize: mode: tf is for values from 0 to 255;",
        ),
        (
            {"normalize": {"std": [1, 0]}},
            r"examples.inputs.x.normalize.std: \[1, 0\] is not allowed; numbers above 0 are",
        ),
        ({"normalize": {"mean": []}}, r"examples.inputs.x.normalize.mean: is empty; a number, or one for each channel"),
        (
            {"normalize": {"mean": [1, 2], "std": [1, 2, 3]}},
            r"examples.inputs.x.normalize: mean has 2 numbers and std 3;",
        ),
        ({"normalize": {"mean": ["a"]}}, r"examples.inputs.x.normalize.mean: 'a' is not a number"),
        ({"normalize": {"sd": 1}}, r"examples.inputs.x.normalize: unknown key 'sd'; allowed are mode, mean, std"),
        ({"scale": "big"}, r"examples.inputs.x.scale: 'big' is not a number"),
        ({"scale": 10**400}, r"examples.inputs.x.scale: 10+ is not a number"),
        ({"scale": True}, r"examples.inputs.x.scale: True is not a number"),
        ({"offset": float("nan")}, r"examples.inputs.x.offset: nan is not a number"),
        ({"offset": None}, r"examples.inputs.x.offset: None is not a number"),
    ],
)
def test_wrong_declarations(declared: Any, message: str) -> None:
    """A wrong declaration is an error that names the input, the key, the value and what is allowed."""
    with pytest.raises(ConfigError, match=f"^{message}"):
        input_source("x", declared)


def test_an_input_that_the_model_has_not() -> None:
    """A declared input that is not the model's is an error that names the model's, and the nearest."""
    with pytest.raises(
        ConfigError,
        match=r"^examples.inputs: 'input1' is not an input of the model; its inputs are input_1; did you mean",
    ):
        input_sources({"input1": "f"}, takes((1,), name="input_1"))


def test_png_gray() -> None:
    """A gray PNG feeds an input of one channel with its pixels."""
    made = make({"feature": "f", "decode": "image"}, encoded(GRAY), takes((2, 3, 1)))
    assert made.dtype == np.float32
    assert np.array_equal(made[..., 0], GRAY)


def test_png_rgb() -> None:
    """A color PNG feeds an input of three channels, red first."""
    made = make({"feature": "f", "decode": "image"}, encoded(RED_TO_BLUE), takes((2, 3, 3), "uint8"))
    assert made.dtype == np.uint8
    assert np.array_equal(made, RED_TO_BLUE)


def test_png_takes_the_channels_of_the_input() -> None:
    """A gray image repeats for three channels; a color image becomes its luma (0.299, 0.587, 0.114) for one, cut as libpng does."""
    repeated = make({"feature": "f", "decode": "image"}, encoded(GRAY), takes((2, 3, 3)))
    assert np.array_equal(repeated, np.stack([GRAY] * 3, axis=-1))
    luma = make({"feature": "f", "decode": "image"}, encoded(RED_TO_BLUE), takes((2, 3, 1)))
    assert luma[0, :, 0].tolist() == [76, 149, 29]


def test_jpeg() -> None:
    """A JPEG of one color feeds an input with that color, to within JPEG's rounding."""
    pixels = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    made = make({"feature": "f", "decode": "image"}, encoded(pixels, "JPEG"), takes((8, 8, 3)))
    assert np.abs(made - pixels).max() <= 2


def test_resize_only_when_asked() -> None:
    """An image of another size is an error, unless a resize is declared: height first."""
    with pytest.raises(
        ExamplesError, match=r"input 'x' has the shape \[2, 3, 1\] in an example; .*x float32 \[N, 4, 6, 1\]"
    ):
        make({"feature": "f", "decode": "image"}, encoded(GRAY), takes((4, 6, 1)))
    flat = np.full((2, 3), 77, np.uint8)
    resized = make({"feature": "f", "decode": "image", "resize": [4, 6]}, encoded(flat), takes((4, 6, 1)))
    assert np.array_equal(resized, np.full((4, 6, 1), 77))


def test_scale_and_offset() -> None:
    """Values are multiplied, then added to, as float32."""
    made = make({"feature": "f", "scale": 1 / 127.5, "offset": -1}, np.array([0, 255], np.uint8), takes((2,)))
    assert made.dtype == np.float32
    assert made == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize(
    ("feature", "error"),
    [
        ((b"not an image",), "feature 'f' is not a PNG or JPEG image that can be decoded"),
        ((encoded(GRAY)[0][:40],), "feature 'f' is not a PNG or JPEG image that can be decoded"),
        ((b"",), "feature 'f' is not a PNG or JPEG image that can be decoded"),
        ((b"a", b"b"), "feature 'f' is not one byte string; decode: image takes PNG or JPEG bytes"),
        (np.zeros(3), "feature 'f' is not one byte string; decode: image takes PNG or JPEG bytes"),
    ],
    ids=["text", "truncated", "empty", "two", "numbers"],
)
def test_undecodable_images(feature: Feature, error: str) -> None:
    """What is no image that can be decoded is an error that names the feature."""
    with pytest.raises(ExamplesError, match=f"^{error}"):
        make({"feature": "f", "decode": "image"}, feature, takes((2, 3, 1)))


def test_sixteen_bits_become_eight() -> None:
    """Of a PNG of 16 bits the upper 8 count, as TensorFlow decodes it."""
    data = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 256, 65535]], np.uint16)).save(data, "PNG")
    pixels = make({"feature": "f", "decode": "image"}, (data.getvalue(),), takes((1, 4, 1)))
    assert pixels.ravel().tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("tf", [-1.0, 0.0, 1.0]),
        # Keras's documented constants of ImageNet, worked by hand.
        ("torch", [(0 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225]),
        ("caffe", [255 - 103.939, 127.5 - 116.779, 0 - 123.68]),
    ],
)
def test_normalize_by_mode(mode: str, expected: list[float]) -> None:
    """A pixel of red 0, green 127.5, blue 255 becomes what keras.applications makes of it."""
    declared = {"feature": "f", "normalize": {"mode": mode}}
    assert make(declared, np.array([0.0, 127.5, 255.0]), takes((3,))) == pytest.approx(expected, abs=1e-4)


def test_normalize_by_mean_and_std() -> None:
    """Per channel of the last axis, after scale and offset."""
    declared = {"feature": "f", "scale": 2, "offset": 1, "normalize": {"mean": [1, 2], "std": 0.5}}
    assert make(declared, np.array([[0, 1], [2, 3]]), takes((2, 2))).tolist() == [[0.0, 2.0], [8.0, 10.0]]


def test_normalize_for_other_channels() -> None:
    """Three means for an input of one channel are an error before anything is read."""
    with pytest.raises(ConfigError, match=r"examples.inputs.x.normalize: is for 3 channels; the model takes x float32"):
        input_sources({"x": {"normalize": {"mode": "caffe"}}}, takes((4, 4, 1)))


def test_an_integer_input_gets_rounded_pixels() -> None:
    """Interpolated pixels for a model of uint8 are rounded, and stay between 0 and 255."""
    pixels = np.array([[0, 255, 0, 255, 255, 0]], np.uint8)
    declared = {"feature": "f", "decode": "image", "resize": {"size": [1, 11], "method": "lanczos3"}}
    made = make(declared, encoded(pixels), takes((1, 11, 1), "uint8"))
    exact = make(declared, encoded(pixels), takes((1, 11, 1)))
    assert exact.min() < 0
    assert exact.max() > 255
    assert np.array_equal(made, np.clip(np.rint(exact), 0, 255))


def test_a_gif_is_refused() -> None:
    """An image of a format that is not named is an error, though Pillow could decode it."""
    with pytest.raises(ExamplesError, match=r"feature 'f' is not a PNG or JPEG image"):
        make({"feature": "f", "decode": "image"}, encoded(GRAY, "GIF"), takes((2, 3, 1)))


@settings(deadline=None)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG"]))
def test_damaged_images_are_errors_or_images(data: st.DataObject, kind: str) -> None:
    """An image with changed or missing bytes decodes to its size, or is an error, and nothing else is raised."""
    content = bytearray(encoded(RED_TO_BLUE, kind)[0])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        made = make({"feature": "f", "decode": "image"}, (damaged,), takes((None, None, 3)))
    except ExamplesError as error:
        assert "feature 'f' is not a PNG or JPEG image" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert made.shape[-1] == 3


def test_bytes_where_numbers_are_needed() -> None:
    """Bytes that are not declared to be an image are an error that says how they would be."""
    with pytest.raises(ExamplesError, match=r"feature 'f' is bytes or text; input 'x' takes float32 \(decode: image"):
        make("f", (b"\x89PNG",), takes((2, 3, 1)))


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (np.array([1, 2], np.int64), "float32", [1.0, 2.0]),
        (np.array([2**24, -(2**24)], np.int64), "float32", [2.0**24, -(2.0**24)]),
        (np.array([True, False]), "float32", [1.0, 0.0]),
        (np.array([0.1, 0.2]), "float32", [np.float32(0.1), np.float32(0.2)]),
        (np.array([0, 255], np.int64), "uint8", [0, 255]),
        (np.array([-128, 127], np.int64), "int8", [-128, 127]),
        (np.array([1, 0], np.int64), "bool", [True, False]),
    ],
)
def test_numbers_are_converted_without_loss(value: NDArray[Any], dtype: str, expected: list[Any]) -> None:
    """Integers become floats and other integers when they keep their value; floats keep what the dtype can."""
    made = fit({"x": value}, takes((2,), dtype))["x"]
    assert made.dtype == np.dtype(dtype)
    assert made.tolist() == expected


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (np.array([2**24 + 1, 0]), "float32", "input 'x' holds values from 0 to 16777217 that float32 cannot hold"),
        (np.array([0, 256]), "uint8", "input 'x' holds values from 0 to 256 that uint8 cannot hold"),
        (np.array([-1, 0]), "uint8", "input 'x' holds values from -1 to 0 that uint8 cannot hold"),
        (np.array([0, 2]), "bool", "input 'x' holds values from 0 to 2 that bool cannot hold"),
        (np.array([0.0, 1e39]), "float32", "input 'x' holds values from 0.0 to 1e\\+39 that float32 cannot hold"),
        (
            np.array([0.0, 1.0]),
            "int32",
            "input 'x' is float64; the model takes x int32 \\[N, 2\\], and values are not rounded",
        ),
        (np.array(["a", "b"]), "float32", "input 'x' is <U1; the model takes x float32 \\[N, 2\\]"),
        (np.array([1j, 0]), "float32", "input 'x' is complex128; the model takes x float32 \\[N, 2\\]"),
    ],
)
def test_numbers_that_do_not_fit(value: NDArray[Any], dtype: str, message: str) -> None:
    """A value that the input's dtype cannot hold is an error that names the input, the values and the dtype."""
    with pytest.raises(ExamplesError, match=f"^{message}"):
        fit({"x": value}, takes((2,), dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(value: float) -> None:
    """NaN and infinity are an error of their own kind, since they may be skipped."""
    with pytest.raises(NotFiniteError, match=r"^input 'x' holds NaN or infinity$"):
        fit({"x": np.array([0.0, value])}, takes((2,)))


@pytest.mark.parametrize(
    ("shape", "expected", "made"),
    [
        ((6,), (2, 3), (2, 3)),
        ((2, 3), (2, 3), (2, 3)),
        ((4, 5), (None, 5), (4, 5)),
        ((), (1,), (1,)),
        ((1,), (), ()),
        ((1, 1), (1, 1), (1, 1)),
    ],
)
def test_shapes_that_fit(shape: tuple[int, ...], expected: tuple[int | None, ...], made: tuple[int, ...]) -> None:
    """A flat list takes the input's shape; sizes that the signature leaves open are kept."""
    values = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    result = fit({"x": values}, takes(expected))["x"]
    assert result.shape == made
    assert result.reshape(-1).tolist() == values.reshape(-1).tolist()


@pytest.mark.parametrize(
    ("shape", "expected", "named"),
    [
        ((5,), (2, 3), r"\[5\] in an example; the model takes x float32 \[N, 2, 3\]"),
        ((3, 2), (2, 3), r"\[3, 2\] in an example; the model takes x float32 \[N, 2, 3\]"),
        ((1, 2, 3), (2, 3), r"\[1, 2, 3\] in an example; the model takes x float32 \[N, 2, 3\]"),
        ((6,), (None, 3), r"\[6\] in an example; the model takes x float32 \[N, N, 3\]"),
        ((0,), (2,), r"\[0\] in an example; the model takes x float32 \[N, 2\]"),
    ],
)
def test_shapes_that_do_not_fit(shape: tuple[int, ...], expected: tuple[int | None, ...], named: str) -> None:
    """A shape that is neither the input's nor a flat list of its size is an error that names both."""
    with pytest.raises(ExamplesError, match=f"^input 'x' has the shape {named}$"):
        fit({"x": np.zeros(shape, np.float32)}, takes(expected))


def call(source: str, features: Features, signature: ModelSignature | None = None) -> dict[str, NDArray[Any]]:
    """Returns the model inputs that to_inputs of a preprocess.py with this source makes."""
    return fit(load_preprocess("preprocess.py:to_inputs", source)(features), signature or takes((2,)))


def test_preprocess_from_a_file() -> None:
    """A function of the user's file gets arrays, a single byte string as bytes and several as a tuple."""
    source = (
        "import numpy as np\n"
        "def to_inputs(features):\n"
        "    assert features['one'] == b'a' and features['two'] == (b'a', b'b')\n"
        "    return {'x': features['n'].astype(np.float32) / 2}\n"
    )
    made = call(source, {"one": (b"a",), "two": (b"a", b"b"), "n": np.array([3, 5])})
    assert made["x"].tolist() == [1.5, 2.5]


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The source file of an importable module of the user's, to write."""
    path = tmp_path / "edgequant_test_preprocess.py"
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield path
    sys.modules.pop(path.stem, None)


def test_preprocess_from_a_module(user_module: Path) -> None:
    """A function of an importable module is found by package.module:function."""
    user_module.write_text("def to_inputs(features):\n    return {'x': [features['n'], 1]}\n")
    importlib.invalidate_caches()
    made = load_preprocess(f"{user_module.stem}:to_inputs", "")({"n": np.asarray(3)})
    assert made["x"].tolist() == [3, 1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:\n", r"cannot be imported \(SyntaxError: .*line 1\)"),
        ("raise RuntimeError('no luck')\n", r"cannot be imported \(RuntimeError: no luck\)"),
        ("import no_such_module\n", r"cannot be imported \(No module named 'no_such_module'\)"),
        ("x = 1\n", r"has no function 'to_inputs'"),
    ],
    ids=["syntax", "raises", "import", "no-function"],
)
def test_preprocess_module_that_is_wrong(user_module: Path, source: str, message: str) -> None:
    """A module that cannot be imported, or lacks the function, is an error with its own message."""
    user_module.write_text(source)
    importlib.invalidate_caches()
    with pytest.raises(ConfigError, match=rf"^examples.preprocess: edgequant_test_preprocess.*{message}"):
        load_preprocess(f"{user_module.stem}:to_inputs", "")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ndef f(:\n", r"preprocess.py cannot be run: SyntaxError: invalid syntax \(preprocess.py, line 2\)"),
        ("1 / 0\n", r"preprocess.py cannot be run: ZeroDivisionError: division by zero"),
        ("to_inputs = 3\n", r"preprocess.py has no function 'to_inputs'"),
    ],
    ids=["syntax", "raises", "no-function"],
)
def test_preprocess_file_that_is_wrong(source: str, message: str) -> None:
    """A file that cannot be run, or lacks the function, is an error that names the file and the line."""
    with pytest.raises(ConfigError, match=f"^examples.preprocess: {message}"):
        load_preprocess("preprocess.py:to_inputs", source)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('no such color')", "preprocess.py:to_inputs raised ValueError: no such color"),
        ("return [1, 2]", "preprocess.py:to_inputs returned a list; a dict of input arrays is needed"),
        ("return None", "preprocess.py:to_inputs returned a NoneType; a dict of input arrays is needed"),
        (
            "return {'x': [[1], [1, 2]]}",
            r"preprocess.py:to_inputs returned values that make no array \(.*inhomogeneous",
        ),
        ("return {'x1': [1, 2]}", r"preprocess made inputs \['x1'\]; the model takes \['x'\]; did you mean 'x'\?"),
        ("return {}", r"preprocess made inputs \[\]; the model takes \['x'\]"),
        ("return {'x': [1, 2], 'y': 1}", r"preprocess made inputs \['x', 'y'\]; the model takes \['x'\]"),
        ("return {'x': None}", r"input 'x' is object; the model takes x float32 \[N, 2\]"),
    ],
)
def test_preprocess_that_goes_wrong(body: str, message: str) -> None:
    """A function that raises, or returns what is no model input, is an error that says what it did."""
    with pytest.raises(ExamplesError, match=f"^{message}"):
        call(f"def to_inputs(features):\n    {body}\n", {})
