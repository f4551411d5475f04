"""Writes the .tflite files of the `small_models` fixture to a directory, with TensorFlow's own converter."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

_ROWS = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "double": lambda x: {"y": 2.0 * x},
    "log": lambda x: {"y": tf.math.log(x)},
    "two": lambda x: {"a/b": x + 1.0, "..": tf.reduce_sum(x, axis=1, keepdims=True)},
    "wide": lambda x: {"y": tf.concat([x, x], axis=1)},
    "row": lambda x: {"y": tf.gather(tf.constant(_ROWS), tf.cast(x[:, 0], tf.int32))},
    "open": lambda x: {"y": x + 0.0},
    "sums": lambda x: {"y": tf.reduce_sum(x, axis=1, keepdims=True)},
    "total": lambda x: {"y": tf.reduce_sum(x)},
    "centred": lambda x: {"y": x - tf.reduce_mean(x, axis=0, keepdims=True)},
    "lists": lambda x: [x + 1.0, 2.0 * x],
    "some": lambda x: {"y": tf.boolean_mask(x, x[:, 0] > 0)},
    "range": lambda x: {"y": tf.reshape(tf.range(0.0, x[0, 0]), (1, -1))},
    "root": lambda x: {"y": tf.nn.softmax(tf.sqrt(x) + tf.abs(x))},
    "countdown": lambda x: {"y": _countdown(x)},
    "steps": lambda x: {"all": 2.0 * x, "last": x[:, -1], "same": 2.0 * x, "x": x},
}
_SHAPES = {"open": [None, None], "sums": [None, None], "steps": [None, None, 4]}


def _countdown(x: Any) -> Any:
    """Takes 1 from every value of 1 or more, until there is none: in five million rounds at most, as larger values are cut."""
    start = tf.minimum(x, 5_000_000.0)
    return tf.while_loop(lambda v: tf.reduce_any(v >= 1.0), lambda v: (tf.where(v < 1.0, v, v - 1.0),), [start])[0]


class Counter(tf.Module):  # type: ignore[misc]
    """Adds the sum of all inputs so far to its input: one resource variable, in ``count``; 10 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.count = tf.Variable(10.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def serve(self, x: Any) -> Any:
        """Returns the input plus the new count."""
        return {"y": x + self.count.assign_add(tf.reduce_sum(x))}


def recurrent() -> Any:
    """Returns an LSTM that converts to one operator, whose state is two variable tensors."""
    import tf_keras

    tf_keras.utils.set_random_seed(1)
    model = tf_keras.Sequential([tf_keras.layers.Input((5, 3), batch_size=1, name="x"), tf_keras.layers.LSTM(4)])
    module = tf.Module()
    module.model = model
    spec = tf.TensorSpec([1, 5, 3], tf.float32, name="x")
    module.serve = tf.function(lambda x: {"y": model(x)}, input_signature=[spec])
    return module


def main(directory: Path) -> None:
    """Writes a file for each function."""
    for name, module in (("counter", Counter()), ("recurrent", recurrent())):
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})
            (directory / f"{name}.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    for name, function in _FUNCTIONS.items():
        module = tf.Module()
        spec = tf.TensorSpec(_SHAPES.get(name, [None, 4]), tf.float32, name="x")
        module.serve = tf.function(function, input_signature=[spec])
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})
            (directory / f"{name}.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
