"""Measures how long decoding and resizing take beside Pillow, and how far JPEG's two inverse transforms are apart.

- resize: milliseconds per image for each method from 375 × 500 and from 1,200 × 1,600 to 224 × 224, the median of many, and for
  comparison Pillow's bilinear filter, which antialiases.
- decode: milliseconds per JPEG with ``jpeg: fast`` and ``jpeg: accurate``, and Pillow's.
- jpeg: the mean and the largest difference in levels between the two, over the images.

Usage: pixels.py [--images FOLDER] [--json FILE]

Without a folder of JPEGs, images of smooth colors with edges and noise are made.
"""

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from edgequant.sampling.decode.pixels import decode_image
from edgequant.sampling.decode.resizing import METHODS, Resize, resize_image

SOURCES = ((375, 500), (1200, 1600))
TARGET = (224, 224)
ROUNDS = 15
MOST_IMAGES = 200


def made_image(height: int, width: int, seed: int) -> np.ndarray:
    """Returns smooth colors with edges and some noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = random.uniform(5, 60, (3, 2))
    levels = [128 + 90 * np.sin(x / a + y / b) + 40 * ((x * a + y * b) % 997 > 500) for a, b in waves]
    noisy = np.stack(levels, axis=-1) + random.normal(0, 5, (height, width, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def jpegs(folder: Path | None) -> list[bytes]:
    """Returns the JPEGs of a folder, or made ones."""
    if folder:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
        return [path.read_bytes() for path in paths[:MOST_IMAGES]]
    made = []
    for seed in range(20):
        stream = io.BytesIO()
        Image.fromarray(made_image(375, 500, seed)).save(stream, "JPEG", quality=90)
        made.append(stream.getvalue())
    return made


def milliseconds(act: Callable[[], object]) -> float:
    """Returns the median time of a call, after one that is not counted."""
    act()
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        act()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def resize_times() -> dict[str, dict[str, float]]:
    """Returns milliseconds per image, by source size and method."""
    found = {}
    for size in SOURCES:
        pixels = made_image(*size, seed=1)
        picture = Image.fromarray(pixels)
        times = {"Pillow's bilinear": milliseconds(lambda: picture.resize(TARGET[::-1], Image.Resampling.BILINEAR))}  # noqa: B023
        for method in METHODS:
            times[method] = milliseconds(lambda: resize_image(pixels, Resize(size=TARGET, method=method)))  # noqa: B023
        antialiased = Resize(size=TARGET, antialias=True)
        times["bilinear, antialias"] = milliseconds(lambda: resize_image(pixels, antialiased))  # noqa: B023
        found[f"{size[0]} x {size[1]}"] = times
    return found


def decode_times(data: bytes) -> dict[str, float]:
    """Returns milliseconds for a JPEG, by transform."""
    return {
        "fast": milliseconds(lambda: decode_image(data, 3, "fast")),
        "accurate": milliseconds(lambda: decode_image(data, 3, "accurate")),
        "Pillow": milliseconds(lambda: np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))),
    }


def jpeg_difference(images: list[bytes]) -> dict[str, float]:
    """Returns the difference between both transforms in levels: the median of the images' means, and the largest of all."""
    means, largest = [], 0
    for data in images:
        fast, accurate = (decode_image(data, 3, jpeg).astype(np.int16) for jpeg in ("fast", "accurate"))
        difference = np.abs(fast - accurate)
        means.append(float(difference.mean()))
        largest = max(largest, int(difference.max()))
    return {
        "images": len(means),
        "mean": statistics.median(means),
        "least": min(means),
        "most": max(means),
        "max": largest,
    }


def main() -> None:
    """Measures and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="a folder of JPEGs")
    parser.add_argument("--json", type=Path, help="a file to write the figures to")
    arguments = parser.parse_args()
    images = jpegs(arguments.images)
    resizing = resize_times()
    decoding = {"decode": decode_times(images[0]), "jpeg": jpeg_difference(images)}
    table = Table(title="milliseconds per image to 224 x 224")
    table.add_column("method")
    for source in resizing:
        table.add_column(source, justify="right")
    for method in next(iter(resizing.values())):
        table.add_row(method, *(f"{times[method]:.2f}" for times in resizing.values()))
    Console().print(table)
    for name, figures in decoding.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in figures.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({"resize": resizing, **decoding}, indent=1))


if __name__ == "__main__":
    main()
