"""Writes the .tflite files of the `small_models` fixture to a directory, with TensorFlow's own converter."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

_ROWS = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
_FUNCTIONS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "double": lambda x: {"y": 2.0 * x},
    "log": lambda x: {"y": tf.math.log(x)},
    "two": lambda x: {"a/b": x + 1.0, "..": tf.reduce_sum(x, axis=1, keepdims=True)},
    "row": lambda x: {"y": tf.gather(tf.constant(_ROWS), tf.cast(x[:, 0], tf.int32))},
    "open": lambda x: {"y": x + 0.0},
}


def main(directory: Path) -> None:
    """Writes a file for each function."""
    for name, function in _FUNCTIONS.items():
        module = tf.Module()
        shape = [None, None if name == "open" else 4]
        module.serve = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})
            (directory / f"{name}.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
