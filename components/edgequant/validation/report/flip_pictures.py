"""Small pictures of evaluation examples, for models with an image input."""

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.example_set import ExampleSet, Representativeness

# Returns the picture of a row of the evaluation set as a data URI.
Picture = Callable[[int], str]

_LEAST_SIDE = 4
_CHANNELS = (1, 3, 4)
# The longest side in pixels: 12 pictures of each of six variants are then less than a megabyte.
_SIDE = 56


def pictures(examples: ExampleSet, spread: Representativeness | None) -> Picture | None:
    """Returns a function that draws an example; None if no input is an image.

    Args:
        examples: The evaluation set.
        spread: The statistics of the calibration set, whose range is drawn from black to white; None without them.
    """
    name = next((name for name, values in examples.inputs.items() if is_image(values)), None)
    if name is None:
        return None
    values = examples.inputs[name]
    known = spread.inputs.get(name) if spread else None

    def picture(row: int) -> str:
        image = np.asarray(values[row])
        return data_uri(image, known.range if known else own_range(image))

    return picture


def is_image(values: NDArray[Any]) -> bool:
    """Tells whether values, [examples, …], are images: height, width, and 1, 3 or 4 channels."""
    if values.ndim != 4 or values.dtype.kind not in "fiu":
        return False
    return min(values.shape[1:3]) >= _LEAST_SIDE and values.shape[3] in _CHANNELS


def own_range(image: NDArray[Any]) -> tuple[float, float]:
    """Returns the range from black to white of an image without statistics: 0 to 255 for uint8, else its own range."""
    if image.dtype == np.uint8:
        return 0.0, 255.0
    finite = image[np.isfinite(image)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def data_uri(image: NDArray[Any], ends: tuple[float, float]) -> str:
    """Returns an image as a small PNG in a URI.

    Args:
        image: [height, width, 1, 3 or 4]; a fourth channel is not shown.
        ends: The values of black and of white.
    """
    from PIL import Image

    low, high = ends
    scaled = (image.astype(np.float64) - low) / ((high - low) or 1.0)
    pixels = (255 * np.clip(np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)).round().astype(np.uint8)
    drawn = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3])
    drawn.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    drawn.save(stream, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
