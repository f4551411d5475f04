"""Writes a convolutional model as float32.tflite and full_int8.tflite to a directory, with TensorFlow's own converter."""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def main(directory: Path) -> None:
    """Writes both."""
    keras.utils.set_random_seed(17)
    image = keras.Input((64, 64, 3), name="image")
    seen = image
    for width in (32, 64, 128):
        seen = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(seen)
        seen = keras.layers.MaxPooling2D()(seen)
    scores = keras.layers.Dense(10, activation="softmax")(keras.layers.GlobalAveragePooling2D()(seen))
    keras.Model(image, scores).export(str(directory / "model"), verbose=False)
    examples = np.random.default_rng(1).standard_normal((32, 1, 64, 64, 3)).astype(np.float32)
    for name in ("float32", "full_int8"):
        converter = tf.lite.TFLiteConverter.from_saved_model(str(directory / "model"))
        if name == "full_int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([example] for example in examples)
        (directory / f"{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
