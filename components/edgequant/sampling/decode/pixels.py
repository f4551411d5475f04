"""Decodes images to the pixels that TensorFlow decodes."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import ExamplesError

FAST, ACCURATE = "fast", "accurate"
JPEG = (FAST, ACCURATE)
_JPEG_START = b"\xff\xd8\xff"
_PIL_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_JPEG_SPACES = {1: "GRAY", 3: "RGB", 4: "RGBA"}
# libpng's weights of red, green and blue, in units of 2⁻¹⁵; it does not round. Pillow's differ by one level.
_GRAY_BITS = 15
_GRAY = (9797, 19234, 3737)
# What Pillow and simplejpeg raise on damaged images.
_DAMAGE = (OSError, ValueError, SyntaxError, IndexError, EOFError, struct.error, zlib.error)


def decode_image(data: bytes, channels: int, jpeg: str) -> NDArray[np.uint8]:
    """Returns the pixels of a PNG or JPEG, uint8 [height, width, channels].

    As in TensorFlow, 16 bits are reduced to the upper 8, palettes are resolved, an alpha channel that is not needed is dropped
    and not blended, and an orientation in EXIF is ignored.

    Args:
        data: The file's bytes.
        channels: 1, 3 or 4.
        jpeg: ``fast`` for the inverse transform that ``tf.io.decode_jpeg`` uses by default, or ``accurate``.

    Raises:
        ExamplesError: It is neither, or damaged.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        pixels = _decode_jpeg(data, channels, jpeg) if data.startswith(_JPEG_START) else None
        if pixels is None:
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                pixels = _converted(_eight_bits(image), channels)
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        reason = "its format is neither" if isinstance(error, UnidentifiedImageError) else error
        raise ExamplesError(f"is not a PNG or JPEG image that can be decoded ({reason})") from error
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _decode_jpeg(data: bytes, channels: int, jpeg: str) -> NDArray[np.uint8] | None:
    """Returns the pixels of a JPEG; None for four inks, which libjpeg-turbo does not convert and Pillow does."""
    import simplejpeg

    if simplejpeg.decode_jpeg_header(data, strict=True)[2] in ("CMYK", "YCCK"):
        return None
    space = _JPEG_SPACES.get(channels, "RGB")
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, space, fastdct=jpeg == FAST, strict=True)
    return pixels


def _converted(image: Any, channels: int) -> NDArray[np.uint8]:
    """Returns the pixels of a Pillow image in a number of channels."""
    if channels != 1 or image.mode in ("1", "L", "LA"):
        return np.asarray(image.convert(_PIL_MODES.get(channels, "RGB")))
    weighted = np.asarray(image.convert("RGB")).astype(np.int32) @ np.array(_GRAY, np.int32)
    return (weighted >> _GRAY_BITS).astype(np.uint8)


def _eight_bits(image: Any) -> Any:
    """Returns an image of 16 bits with the upper 8 of them; others unchanged."""
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
