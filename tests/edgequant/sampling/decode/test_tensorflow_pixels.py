"""Pixels are those of TensorFlow itself, which one child process computes, once for all runs of the tests."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.build_cache import cached

from edgequant.sampling.decode.pixels import decode_image
from edgequant.sampling.decode.resizing import METHODS, Resize, resize_image

SCRIPT = Path(__file__).with_name("make_tensorflow_pixels.py")
# The largest difference in levels of 255: exact but for rounding, or one level.
ALLOWED = {"bilinear": 0.01, "nearest": 0.0, "area": 0.01, "bicubic": 1.0, "lanczos3": 1.0, "lanczos5": 1.0}


def _build(folder: Path) -> None:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(SCRIPT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def folder() -> Path:
    """The directory of TensorFlow's pixels."""
    return cached("tensorflow-pixels", [SCRIPT], _build)


@pytest.fixture(scope="module")
def resized(folder: Path) -> Mapping[str, NDArray[Any]]:
    """TensorFlow's resized images, by source size, target size, method, antialias and fit."""
    return dict(np.load(folder / "resized.npz"))


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_resized_as_tensorflow(method: str, antialias: bool, fit: str, resized: Mapping[str, NDArray[Any]]) -> None:
    """Every method, size and fit within its tolerance of tf.image.resize, resize_with_pad or Keras's smart_resize."""
    count = 0
    for key, expected in resized.items():
        source, target, *rest = key.split("|")
        if rest != [method, str(antialias), fit]:
            continue
        size = _size(source)
        image = np.random.default_rng(size[0]).integers(0, 256, (*size, 3), np.uint8)
        actual = resize_image(image, Resize(size=_size(target), method=method, antialias=antialias, fit=fit))
        assert actual.shape == expected.shape, key
        worst = np.abs(actual.astype(np.float64) - expected.astype(np.float64)).max()
        assert worst <= ALLOWED[method], (key, worst)
        count += 1
    # TensorFlow crops without antialiasing only, and never antialiases nearest and area.
    if fit == "stretch":
        assert count == (0 if antialias and method in ("nearest", "area") else 30)
    else:
        assert count == (0 if method != "bilinear" else 25 if fit == "pad" else 0 if antialias else 24)


def test_decoded_as_tensorflow(folder: Path) -> None:
    """PNG of every kind and JPEG by both transforms: no level differs, whatever the channels, where TensorFlow is exact."""
    for key, expected in np.load(folder / "decoded.npz").items():
        name, channels, jpeg = key.split("|")
        actual = decode_image((folder / name).read_bytes(), int(channels), jpeg)
        assert actual.shape == expected.shape, key
        difference = np.abs(actual.astype(int) - expected.astype(int)).max()
        assert difference == 0, (key, difference)


def _size(text: str) -> tuple[int, int]:
    height, width = text.strip("()").split(",")
    return int(height), int(width)
