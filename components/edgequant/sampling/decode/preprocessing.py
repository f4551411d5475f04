"""Converts a record's features to model inputs with the dtypes and shapes of the model's signature."""

import io
import math
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import ConfigError, ExamplesError, did_you_mean
from edgequant.sampling.formats.features import Feature, Features, take
from edgequant.signature import ModelSignature, TensorSpec
from edgequant.task import load_function

IMAGE = "image"
_PIL_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# What Pillow raises on damaged images.
_DAMAGE = (OSError, ValueError, SyntaxError, IndexError, EOFError, struct.error, zlib.error)
_KEYS = ("feature", "decode", "resize", "scale", "offset")

Preprocess = Callable[[Features], dict[str, NDArray[Any]]]


class NotFiniteError(ExamplesError):
    """An example holds NaN or infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSource:
    """How one model input is made.

    Attributes:
        feature: The feature that it is made from.
        decode: ``image`` for PNG or JPEG bytes, or None to use the values unchanged.
        resize: Height and width to resize an image to, or None to keep its size.
        scale: The factor that values are multiplied by.
        offset: The number that is added afterwards.
    """

    feature: str
    decode: str | None = None
    resize: tuple[int, int] | None = None
    scale: float = 1.0
    offset: float = 0.0


def input_sources(declared: Mapping[str, Any], signature: ModelSignature) -> dict[str, InputSource]:
    """Returns how each input of the signature is made; one that is not declared is made from the feature of the same name.

    Args:
        declared: By input name, a feature's name or a mapping of `feature`, `decode`, `resize`, `scale`, `offset`.
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
    return {name: input_source(name, declared.get(name, name)) for name in names}


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
    resize = _size(declared.get("resize"), where)
    if resize is not None and decode is None:
        raise ConfigError(f"{where}.resize: only images are resized; it needs decode: {IMAGE}")
    return InputSource(
        feature=feature,
        decode=decode,
        resize=resize,
        scale=_number(declared.get("scale", 1.0), f"{where}.scale"),
        offset=_number(declared.get("offset", 0.0), f"{where}.offset"),
    )


def _size(declared: object, where: str) -> tuple[int, int] | None:
    if declared is None:
        return None
    # KFP turns the integers inside a mapping into floats.
    sizes = [
        int(size)
        for size in (declared if isinstance(declared, list | tuple) else ())
        if isinstance(size, int | float) and not isinstance(size, bool) and size >= 1 and size == size // 1
    ]
    if len(sizes) != 2 or not isinstance(declared, list | tuple) or len(declared) != 2:
        raise ConfigError(f"{where}.resize: {declared!r} is not [height, width] in pixels")
    return sizes[0], sizes[1]


def _number(declared: object, where: str) -> float:
    try:
        # YAML reads 1e-3 as text.
        number = float(declared) if isinstance(declared, int | float | str) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(declared, bool) or not math.isfinite(number):
        raise ConfigError(f"{where}: {declared!r} is not a number")
    return number


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
        values = _decode_image(feature, source, spec)
    elif isinstance(feature, tuple):
        raise ExamplesError(
            f"feature {source.feature!r} is bytes or text; input {spec.name!r} takes {spec.dtype} (decode: image turns PNG and JPEG into pixels)"
        )
    else:
        values = feature
    if source.scale != 1.0 or source.offset != 0.0:
        values = values.astype(np.float32) * np.float32(source.scale) + np.float32(source.offset)
    return values


def _decode_image(feature: Feature, source: InputSource, spec: TensorSpec) -> NDArray[Any]:
    """Returns the pixels of a PNG or JPEG, uint8 [height, width, channels], channels as the input has."""
    from PIL import Image, UnidentifiedImageError

    if not isinstance(feature, tuple) or len(feature) != 1:
        raise ExamplesError(f"feature {source.feature!r} is not one byte string; decode: image takes PNG or JPEG bytes")
    shape = spec.example_shape or ()
    channels = shape[-1] if len(shape) == 3 else 3
    try:
        with Image.open(io.BytesIO(feature[0]), formats=("PNG", "JPEG")) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"it has pixels of mode {image.mode}; 8 bits a channel are needed")
            picture = image.convert(_PIL_MODES.get(channels or 3, "RGB"))
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        reason = "its format is neither" if isinstance(error, UnidentifiedImageError) else error
        raise ExamplesError(
            f"feature {source.feature!r} is not a PNG or JPEG image that can be decoded ({reason})"
        ) from error
    if source.resize is not None:
        height, width = source.resize
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


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
