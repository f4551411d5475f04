"""Resizes images as ``tf.image.resize`` does, without TensorFlow: models are trained on these pixels, and Pillow's differ by up to 52.

Each axis has a few weighted source pixels for every output pixel. The formulas follow TensorFlow's kernels:
``resize_bilinear_op``, ``resize_bicubic_op``, ``resize_area_op``, ``resize_nearest_neighbor_op`` (all with half-pixel centers but
area) and ``scale_and_translate_op`` (Lanczos, and the others when antialiased).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import ConfigError, did_you_mean

STRETCH, CROP, PAD = "stretch", "crop", "pad"
BILINEAR, NEAREST, BICUBIC, AREA = "bilinear", "nearest", "bicubic", "area"
METHODS = (BILINEAR, NEAREST, BICUBIC, AREA, "lanczos3", "lanczos5")
FITS = (STRETCH, CROP, PAD)
_KEYS = ("size", "method", "antialias", "fit")
# Methods that TensorFlow never antialiases.
_NEVER_ANTIALIASED = (NEAREST, AREA)
# The resolution of TensorFlow's table of bicubic weights.
_TABLE = 1024

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """How an image is resized.

    Attributes:
        size: Height and width in pixels.
        method: The interpolation, one of `METHODS`.
        antialias: Whether source pixels are averaged when the image shrinks.
        fit: What becomes of another aspect ratio: ``stretch`` changes it, ``crop`` cuts the center out as
            ``keras.utils.image_dataset_from_directory(crop_to_aspect_ratio=True)`` does, ``pad`` adds zeros around it as
            ``tf.image.resize_with_pad`` does.
    """

    size: tuple[int, int]
    method: str = BILINEAR
    antialias: bool = False
    fit: str = STRETCH


@dataclass(frozen=True, slots=True)
class _Taps:
    """The source pixels of each output pixel along an axis: their indices and weights, both [output, taps]."""

    indices: NDArray[np.int64]
    weights: Floats


def parse_resize(declared: object, where: str) -> Resize | None:
    """Returns how to resize; None when nothing is declared.

    Args:
        declared: ``[height, width]``, or a mapping of `size`, `method`, `antialias`, `fit`.
        where: The key, for messages.

    Raises:
        ConfigError: A key is unknown or a value is not allowed.
    """
    if declared is None:
        return None
    if not isinstance(declared, Mapping):
        return Resize(size=_size(declared, where))
    for key in declared:
        if key not in _KEYS:
            raise ConfigError(
                f"{where}: unknown key {key!r}; allowed are {', '.join(_KEYS)}{did_you_mean(str(key), _KEYS)}"
            )
    if "size" not in declared:
        raise ConfigError(f"{where}: has no size; size: [height, width] is needed")
    method, fit = declared.get("method", BILINEAR), declared.get("fit", STRETCH)
    antialias = declared.get("antialias", False)
    _check_choice(f"{where}.method", method, METHODS)
    _check_choice(f"{where}.fit", fit, FITS)
    if not isinstance(antialias, bool):
        raise ConfigError(f"{where}.antialias: {antialias!r} is not allowed; true and false are")
    if antialias and method in _NEVER_ANTIALIASED:
        raise ConfigError(
            f"{where}.antialias: TensorFlow does not antialias the method {method!r}; it goes with bilinear, bicubic,"
            " lanczos3 and lanczos5"
        )
    return Resize(size=_size(declared["size"], f"{where}.size"), method=method, antialias=antialias, fit=fit)


def resize_image(image: NDArray[Any], resize: Resize) -> NDArray[Any]:
    """Returns an image resized.

    Args:
        image: [height, width, channels].
        resize: How.

    Returns:
        float32; the image's own dtype with the method ``nearest`` and for an image that already has the size, as in TensorFlow.
    """
    height, width = image.shape[:2]
    if resize.fit == CROP:
        image = _cropped(image, resize.size)
    if resize.fit != PAD:
        return _stretched(image, resize.size, resize)
    # float32 throughout, as in TensorFlow, where it decides how sizes round.
    ratio = max(np.float32(height) / np.float32(resize.size[0]), np.float32(width) / np.float32(resize.size[1]))
    fitting = [np.float32(length) / ratio for length in (height, width)]
    inner = (max(int(fitting[0]), 1), max(int(fitting[1]), 1))
    resized = _stretched(image, inner, resize)
    padded = np.zeros((*resize.size, image.shape[2]), resized.dtype)
    top, left = (int((np.float32(whole) - part) / 2) for whole, part in zip(resize.size, fitting, strict=True))
    padded[top : top + inner[0], left : left + inner[1]] = resized
    return padded


def _check_choice(where: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(
            f"{where}: {value!r} is unknown; choose from {', '.join(allowed)}{did_you_mean(str(value), allowed)}"
        )


def _size(declared: object, where: str) -> tuple[int, int]:
    # KFP turns the integers inside a mapping into floats.
    sizes = [
        int(size)
        for size in (declared if isinstance(declared, list | tuple) else ())
        if isinstance(size, int | float) and not isinstance(size, bool) and size >= 1 and size == size // 1
    ]
    if len(sizes) != 2 or not isinstance(declared, list | tuple) or len(declared) != 2:
        raise ConfigError(f"{where}: {declared!r} is not [height, width] in pixels")
    return sizes[0], sizes[1]


def _cropped(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Returns the largest central part of the aspect ratio of a size."""
    height, width = image.shape[:2]
    cut_height = min(height, int(float(width * size[0]) / size[1]))
    cut_width = min(width, int(float(height * size[1]) / size[0]))
    top, left = int((height - cut_height) / 2), int((width - cut_width) / 2)
    return image[top : top + max(cut_height, 1), left : left + max(cut_width, 1)]


def _stretched(image: NDArray[Any], size: tuple[int, int], resize: Resize) -> NDArray[Any]:
    if image.shape[:2] == size:
        return image
    axes = [_taps(resize.method, resize.antialias, *lengths) for lengths in zip(image.shape[:2], size, strict=True)]
    if resize.method == NEAREST:
        return image[axes[0].indices[:, 0]][:, axes[1].indices[:, 0]]
    return _weighted(_weighted(image, axes[0], 0), axes[1], 1)


def _weighted(image: NDArray[Any], taps: _Taps, axis: int) -> Floats:
    """Returns the weighted sums of the source pixels along an axis."""
    shape = [1, 1, 1]
    shape[axis] = len(taps.weights)
    total: Floats = np.take(image, taps.indices[:, 0], axis=axis) * taps.weights[:, 0].reshape(shape)
    for tap in range(1, taps.weights.shape[1]):
        total += np.take(image, taps.indices[:, tap], axis=axis) * taps.weights[:, tap].reshape(shape)
    return total


@lru_cache(maxsize=256)
def _taps(method: str, antialias: bool, source: int, target: int) -> _Taps:
    """Returns the source pixels and their weights for an axis of `source` pixels that is to have `target`."""
    scale = np.float32(source) / np.float32(target)
    centers = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * scale
    if method == NEAREST:
        indices = np.minimum(np.floor(centers), source - 1)
        return _Taps(indices.astype(np.int64)[:, np.newaxis], np.ones((target, 1), np.float32))
    if method == AREA:
        return _area(source, target, float(scale))
    if method == BILINEAR and not antialias:
        # TensorFlow repeats the pixels at the edges; its antialiased kernel leaves what is outside out.
        lower = np.floor(centers - np.float32(0.5))
        share = centers - np.float32(0.5) - lower
        both = np.clip(np.stack([lower, lower + 1], axis=1), 0, source - 1).astype(np.int64)
        return _Taps(both, np.stack([1 - share, share], axis=1).astype(np.float32))
    if method == BICUBIC and not antialias:
        return _bicubic(source, centers)
    return _kernel(_KERNELS[method], antialias, source, centers, float(scale))


def _area(source: int, target: int, scale: float) -> _Taps:
    """Returns the shares of the source pixels that an output pixel covers."""
    starts = np.arange(target, dtype=np.float32) * np.float32(scale)
    ends = (np.arange(target, dtype=np.float32) + 1) * np.float32(scale)
    first = np.floor(starts)
    indices = first[:, np.newaxis] + np.arange(math.ceil(scale) + 1)
    overlap = np.minimum(indices + 1, ends[:, np.newaxis]) - np.maximum(indices, starts[:, np.newaxis])
    weights = np.clip(overlap, 0, None) / scale
    return _Taps(np.clip(indices, 0, source - 1).astype(np.int64), weights.astype(np.float32))


def _bicubic(source: int, centers: Floats) -> _Taps:
    """Returns the four pixels of Keys's cubic convolution; pixels outside of the image are left out."""
    positions = centers - np.float32(0.5)
    floor = np.floor(positions)
    share = np.rint((positions - floor) * _TABLE) / _TABLE
    indices = floor[:, np.newaxis] + np.arange(-1, 3)
    weights = _keys_cubic(np.abs(share[:, np.newaxis] - np.arange(-1, 3)))
    return _normalized(indices, weights, source)


def _kernel(
    kernel: tuple[float, Callable[[NDArray[Any]], NDArray[Any]]],
    antialias: bool,
    source: int,
    centers: Floats,
    scale: float,
) -> _Taps:
    """Returns the pixels within a kernel's radius, which antialiasing widens when the image shrinks."""
    radius, function = kernel
    widening = max(scale, 1.0) if antialias else 1.0
    first = np.ceil(centers - radius * widening - 0.5)
    count = min(2 * math.ceil(radius * widening) + 1, source)
    first = np.clip(first, 0, source - count)
    indices = first[:, np.newaxis] + np.arange(count)
    weights = function(np.abs(indices + 0.5 - centers[:, np.newaxis]) / widening)
    return _normalized(indices, weights, source)


def _normalized(indices: NDArray[Any], weights: NDArray[Any], source: int) -> _Taps:
    weights = np.where((indices >= 0) & (indices < source), weights, 0.0)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return _Taps(np.clip(indices, 0, source - 1).astype(np.int64), weights.astype(np.float32))


def _triangle(distance: NDArray[Any]) -> NDArray[Any]:
    return np.clip(1.0 - distance, 0.0, None)


def _keys_cubic(distance: NDArray[Any]) -> NDArray[Any]:
    """Returns Keys's cubic kernel with a = −0.5 (R. Keys, Cubic convolution interpolation, 1981)."""
    near = ((1.5 * distance - 2.5) * distance) * distance + 1.0
    far = ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return np.where(distance < 1.0, near, np.where(distance < 2.0, far, 0.0))


def _lanczos(radius: float) -> tuple[float, Callable[[NDArray[Any]], NDArray[Any]]]:
    # sinc of NumPy is sin(πx) / (πx).
    return radius, lambda distance: np.where(distance < radius, np.sinc(distance) * np.sinc(distance / radius), 0.0)


_KERNELS = {
    BILINEAR: (1.0, _triangle),
    BICUBIC: (2.0, _keys_cubic),
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}
