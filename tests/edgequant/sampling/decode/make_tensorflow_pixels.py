"""Writes what TensorFlow makes of images: decoded and resized pixels. Run in a process of its own, since TensorFlow is large.

Usage: make_tensorflow_pixels.py DIRECTORY
"""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

SOURCES = ((1, 1), (7, 5), (37, 53), (64, 48), (100, 75))
TARGETS = ((1, 1), (13, 9), (32, 32), (48, 64), (96, 33), (150, 211))
# TensorFlow gives these an alpha channel of 1 or 15, the most of their own bits, where 255 is opaque.
OPAQUE_BELOW_EIGHT_BITS = ("bits.png", "palette.png")
METHODS = {
    "bilinear": (False, True),
    "nearest": (False,),
    "bicubic": (False, True),
    "area": (False,),
    "lanczos3": (False, True),
    "lanczos5": (False, True),
}


def noise(size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """Returns an image of random levels, whose neighbors differ the most."""
    return np.random.default_rng(size[0]).integers(0, 256, (*size, channels), np.uint8)


def photo() -> np.ndarray:
    """Returns smooth colors with edges and some noise, which JPEG compresses as it does photos."""
    y, x = np.mgrid[0:61, 0:83].astype(np.float32)
    levels = np.stack([128 + 100 * np.sin(x / 9), 128 + 100 * np.cos(y / 7), 255 * (x + y > 70)], axis=-1)
    return np.clip(levels + np.random.default_rng(5).normal(0, 6, levels.shape), 0, 255).astype(np.uint8)


def files() -> dict[str, bytes]:
    """Returns image files of many kinds, by name."""
    colors = photo()
    alpha = np.dstack([colors, noise(colors.shape[:2], 1)])
    gray16 = np.random.default_rng(3).integers(0, 65536, (9, 11)).astype(np.uint16)
    palette = Image.fromarray(colors).quantize(16)
    turned = Image.Exif()
    turned[0x0112] = 6  # The orientation.

    def saved(image: Image.Image, kind: str, **options: object) -> bytes:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        return stream.getvalue()

    rgb = Image.fromarray(colors)
    return {
        "rgb.png": saved(rgb, "PNG"),
        "gray.png": saved(rgb.convert("L"), "PNG"),
        "bits.png": saved(rgb.convert("1"), "PNG"),
        "alpha.png": saved(Image.fromarray(alpha), "PNG"),
        "gray-alpha.png": saved(Image.fromarray(alpha).convert("LA"), "PNG"),
        "palette.png": saved(palette, "PNG"),
        "palette-transparent.png": saved(palette, "PNG", transparency=3),
        "gray16.png": saved(Image.fromarray(gray16), "PNG"),
        "rgb.jpg": saved(rgb, "JPEG", quality=90),
        "rgb444.jpg": saved(rgb, "JPEG", quality=70, subsampling=0),
        "progressive.jpg": saved(rgb, "JPEG", quality=80, progressive=True),
        "gray.jpg": saved(rgb.convert("L"), "JPEG", quality=90),
        "turned.jpg": saved(rgb, "JPEG", quality=90, exif=turned),
    }


def resized() -> dict[str, object]:
    """Returns images resized, by source size, target size, method, antialias and fit."""
    resized = {}
    for source in SOURCES:
        image = noise(source)
        for target in TARGETS:
            for method, choices in METHODS.items():
                for antialias in choices:
                    key = f"{source}|{target}|{method}|{antialias}"
                    resized[f"{key}|stretch"] = tf.image.resize(image, target, method, antialias=antialias)
                    # TensorFlow refuses to keep the aspect ratio in one pixel, and below to crop of one.
                    if method == "bilinear" and target != (1, 1):
                        pad = tf.image.resize_with_pad(image, *target, method=method, antialias=antialias)
                        resized[f"{key}|pad"] = pad
            if source != (1, 1):
                crop = tf.keras.preprocessing.image.smart_resize(image, target, interpolation="bilinear")
                resized[f"{source}|{target}|bilinear|False|crop"] = crop
    return resized


def decoded(images: dict[str, bytes]) -> dict[str, object]:
    """Returns image files decoded, by name, channels, and the inverse transform of a JPEG."""
    decoded = {}
    for name, data in images.items():
        for channels in (1, 3, 4):
            if name in OPAQUE_BELOW_EIGHT_BITS and channels == 4:
                continue
            if name.endswith(".png"):
                decoded[f"{name}|{channels}|fast"] = tf.io.decode_png(data, channels)
            elif channels != 4:
                for jpeg, transform in (("fast", ""), ("accurate", "INTEGER_ACCURATE")):
                    decoded[f"{name}|{channels}|{jpeg}"] = tf.io.decode_jpeg(data, channels, dct_method=transform)
    return decoded


def _save(path: Path, images: dict[str, object]) -> None:
    arrays: dict[str, Any] = {key: np.asarray(image) for key, image in images.items()}
    np.savez(path, **arrays)


def main(directory: Path) -> None:
    """Writes ``resized.npz`` and ``decoded.npz``, and the files that were decoded."""
    _save(directory / "resized.npz", resized())
    images = files()
    for name, data in images.items():
        (directory / name).write_bytes(data)
    _save(directory / "decoded.npz", decoded(images))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
