"""Converts a record's features to model inputs with the dtypes and shapes of the model's signature."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import ConfigError, ExamplesError, did_you_mean
from edgequant.sampling.decode.normalizing import Normalize, number, parse_normalize
from edgequant.sampling.decode.pixels import FAST, JPEG, decode_image
from edgequant.sampling.decode.resizing import Resize, parse_resize, resize_image
from edgequant.sampling.formats.features import Feature, Features, take
from edgequant.signature import ModelSignature, TensorSpec
from edgequant.task import load_function

IMAGE = "image"
_KEYS = ("feature", "decode", "jpeg", "resize", "scale", "offset", "normalize")

Preprocess = Callable[[Features], dict[str, NDArray[Any]]]


class NotFiniteError(ExamplesError):
    """An example holds NaN or infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSource:
    """How one model input is made.

    Attributes:
        feature: The feature that it is made from.
        decode: ``image`` for PNG or JPEG bytes, or None to use the values unchanged.
        jpeg: Which inverse transform decodes a JPEG: ``fast`` as TensorFlow by default, or ``accurate``.
        resize: How an image is resized, or None to keep its size.
        scale: The factor that values are multiplied by.
        offset: The number that is added afterwards.
        normalize: How values are normalized after that, or None.
    """

    feature: str
    decode: str | None = None
    jpeg: str = FAST
    resize: Resize | None = None
    scale: float = 1.0
    offset: float = 0.0
    normalize: Normalize | None = None

    @property
    def changes_values(self) -> bool:
        """Whether values are scaled, shifted or normalized."""
        return self.scale != 1.0 or self.offset != 0.0 or self.normalize is not None


def input_sources(declared: Mapping[str, Any], signature: ModelSignature) -> dict[str, InputSource]:
    """Returns how each input of the signature is made; one that is not declared is made from the feature of the same name.

    Args:
        declared: By input name, a feature's name or a mapping of `feature`, `decode`, `jpeg`, `resize`, `scale`, `offset`,
            `normalize`.
        signature: The model's signature.

    Raises:
        ConfigError: A declared input is not the model's, or its mapping is wrong.
    """
    names = [spec.name for spec in signature.inputs]
    for name in declared:
        if name not in names:
            raise ConfigError(
                f"examples.inputs: {name!r} is not an input of the model; its inputs are {', '.join(names)}{did_you_mean(name, names)}"
            )
    sources = {spec.name: input_source(spec.name, declared.get(spec.name, spec.name)) for spec in signature.inputs}
    for spec in signature.inputs:
        _check_channels(sources[spec.name], spec)
    return sources


def input_source(name: str, declared: object) -> InputSource:
    """Returns how one input is made.

    Raises:
        ConfigError: The declaration is wrong.
    """
    where = f"examples.inputs.{name}"
    if isinstance(declared, str):
        return InputSource(feature=declared)
    if not isinstance(declared, Mapping):
        raise ConfigError(f"{where}: {declared!r} is neither a feature's name nor a mapping of {', '.join(_KEYS)}")
    for key in declared:
        if key not in _KEYS:
            raise ConfigError(
                f"{where}: unknown key {key!r}; allowed are {', '.join(_KEYS)}{did_you_mean(str(key), _KEYS)}"
            )
    feature = declared.get("feature", name)
    if not isinstance(feature, str) or not feature:
        raise ConfigError(f"{where}.feature: {feature!r} is not a feature's name")
    decode = declared.get("decode")
    if decode not in (None, IMAGE):
        raise ConfigError(f"{where}.decode: {decode!r} is unknown; allowed is {IMAGE!r}")
    resize = parse_resize(declared.get("resize"), f"{where}.resize")
    _check_combination(declared, where)
    jpeg = declared.get("jpeg", FAST)
    if jpeg not in JPEG:
        raise ConfigError(f"{where}.jpeg: {jpeg!r} is unknown; choose from {', '.join(JPEG)}")
    return InputSource(
        feature=feature,
        decode=decode,
        jpeg=jpeg,
        resize=resize,
        scale=number(declared.get("scale", 1.0), f"{where}.scale"),
        offset=number(declared.get("offset", 0.0), f"{where}.offset"),
        normalize=parse_normalize(declared.get("normalize"), f"{where}.normalize"),
    )


def _check_combination(declared: Mapping[str, Any], where: str) -> None:
    """Checks that the keys of a declaration go together.

    Raises:
        ConfigError: They do not.
    """
    if declared.get("decode") is None:
        for key, verb in (("resize", "resized"), ("jpeg", "decoded")):
            if declared.get(key) is not None:
                raise ConfigError(f"{where}.{key}: only images are {verb}; it needs decode: {IMAGE}")
    normalize = declared.get("normalize")
    if isinstance(normalize, Mapping) and "mode" in normalize and not declared.keys().isdisjoint(("scale", "offset")):
        raise ConfigError(
            f"{where}.normalize: mode: {normalize['mode']} is for values from 0 to 255; remove scale and offset"
        )


def _check_channels(source: InputSource, spec: TensorSpec) -> None:
    """Checks that the input has as many channels as it is normalized with.

    Raises:
        ConfigError: It has another number.
    """
    needed = source.normalize.channels if source.normalize else None
    actual = spec.example_shape[-1] if spec.example_shape else None
    if needed and actual and actual != needed:
        raise ConfigError(f"examples.inputs.{spec.name}.normalize: is for {needed} channels; the model takes {spec}")


def load_preprocess(name: str, source: str) -> Preprocess:
    """Returns the user's function that makes model inputs from features.

    Args:
        name: ``FILE.py:function`` or ``package.module:function``.
        source: The text of FILE.py; "" for a module to import.

    Raises:
        ConfigError: There is no such function, or the file cannot be run.
    """
    try:
        return partial(_call, load_function(name, source), name)
    except ConfigError as error:
        raise ConfigError(f"examples.preprocess: {error}") from error


def check_source(name: str, source: str) -> None:
    """Checks that a user's file is Python and defines the function, without running it: its modules may be elsewhere.

    Args:
        name: ``FILE.py:function``.
        source: The text of the file; "" for a module or a file in a bucket, which is not checked.

    Raises:
        ConfigError: It is not.
    """
    path, _, function = name.rpartition(":")
    try:
        body = ast.parse(source, path).body
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"examples.preprocess: {path} is not valid Python ({error})") from error
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    plain = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.Expr)
    if source and all(isinstance(node, plain) for node in body) and function not in defined:
        raise ConfigError(f"examples.preprocess: {path} has no function {function!r}")


def from_sources(sources: Mapping[str, InputSource], signature: ModelSignature) -> Preprocess:
    """Returns the function that makes model inputs as declared."""
    specs = {spec.name: spec for spec in signature.inputs}

    def preprocess(features: Features) -> dict[str, NDArray[Any]]:
        return {name: _make(take(features, source.feature), source, specs[name]) for name, source in sources.items()}

    return preprocess


def fit(values: Mapping[str, NDArray[Any]], signature: ModelSignature) -> dict[str, NDArray[Any]]:
    """Returns the values in the dtype and shape of each input of the signature.

    Numbers are converted where nothing but float precision is lost; a flat list takes the shape of its input.

    Raises:
        NotFiniteError: A value is NaN or infinite.
        ExamplesError: An input is missing or unknown, or a dtype or shape does not fit.
    """
    names = [spec.name for spec in signature.inputs]
    if sorted(values) != sorted(names):
        hints = {did_you_mean(value, names) for value in values if value not in names}
        raise ExamplesError(
            f"preprocess made inputs {sorted(values)}; the model takes {sorted(names)}{min(hints, default='')}"
        )
    return {spec.name: _fit(np.asarray(values[spec.name]), spec) for spec in signature.inputs}


def _call(function: Callable[..., Any], name: str, features: Features) -> dict[str, NDArray[Any]]:
    plain = {
        key: value[0] if isinstance(value, tuple) and len(value) == 1 else value for key, value in features.items()
    }
    try:
        result = function(plain)
    except (Exception, SystemExit) as error:  # The user's code may raise anything; its message is reported.
        raise ExamplesError(f"{name} raised {type(error).__name__}: {error}") from error
    if not isinstance(result, Mapping):
        raise ExamplesError(f"{name} returned a {type(result).__name__}; a dict of input arrays is needed")
    try:
        return {str(key): np.asarray(value) for key, value in result.items()}
    except ValueError as error:
        raise ExamplesError(f"{name} returned values that make no array ({error})") from error


def _make(feature: Feature, source: InputSource, spec: TensorSpec) -> NDArray[Any]:
    if source.decode == IMAGE:
        values = _decode(feature, source, spec)
    elif isinstance(feature, tuple):
        raise ExamplesError(
            f"feature {source.feature!r} is bytes or text; input {spec.name!r} takes {spec.dtype} (decode: image turns PNG and JPEG into pixels)"
        )
    else:
        values = feature
    if source.scale != 1.0 or source.offset != 0.0:
        values = values.astype(np.float32) * np.float32(source.scale) + np.float32(source.offset)
    return source.normalize.apply(values) if source.normalize else values


def _decode(feature: Feature, source: InputSource, spec: TensorSpec) -> NDArray[Any]:
    """Returns the pixels of a PNG or JPEG [height, width, channels], channels as the input has, resized as declared."""
    if not isinstance(feature, tuple) or len(feature) != 1:
        raise ExamplesError(f"feature {source.feature!r} is not one byte string; decode: image takes PNG or JPEG bytes")
    shape = spec.example_shape or ()
    channels = (shape[-1] if len(shape) == 3 else 3) or 3
    try:
        pixels: NDArray[Any] = decode_image(feature[0], channels, source.jpeg)
    except ExamplesError as error:
        raise ExamplesError(f"feature {source.feature!r} {error}") from error
    if source.resize is None:
        return pixels
    resized = resize_image(pixels, source.resize)
    if resized.dtype.kind == "f" and np.dtype(spec.dtype).kind in "iu" and not source.changes_values:
        rounded: NDArray[np.uint8] = np.clip(np.rint(resized), 0, 255).astype(np.uint8)
        return rounded
    return resized


def _fit(value: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    dtype = np.dtype(spec.dtype)
    if value.dtype.kind not in "iufb":
        raise ExamplesError(f"input {spec.name!r} is {value.dtype}; the model takes {spec}")
    if value.dtype.kind == "f" and dtype.kind != "f":
        raise ExamplesError(
            f"input {spec.name!r} is {value.dtype}; the model takes {spec}, and values are not rounded implicitly"
        )
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise NotFiniteError(f"input {spec.name!r} holds NaN or infinity")
    with np.errstate(over="ignore"):
        converted = value.astype(dtype)
    if not np.isfinite(converted.astype(np.float64)).all() or (
        value.dtype.kind != "f" and not (converted == value).all()
    ):
        raise ExamplesError(
            f"input {spec.name!r} holds values from {value.min()} to {value.max()} that {dtype} cannot hold"
        )
    return converted.reshape(_example_shape(value.shape, spec))


def _example_shape(shape: tuple[int, ...], spec: TensorSpec) -> tuple[int, ...]:
    """Returns the shape that one example takes: unchanged where the signature allows it, or a flat list's new shape."""
    expected = spec.example_shape or ()
    if spec.allows(shape):
        return shape
    fixed = tuple(size for size in expected if size is not None)
    if len(shape) <= 1 and len(fixed) == len(expected) and int(np.prod(shape)) == int(np.prod(fixed)):
        return fixed
    raise ExamplesError(f"input {spec.name!r} has the shape {list(shape)} in an example; the model takes {spec}")
