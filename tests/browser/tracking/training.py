"""Trains three models of handwritten digits, each wider than the one before, and registers them as versions of ``digits``.

Run as ``python training.py DIRECTORY URI…``. It writes ``DIRECTORY/train.npz`` and ``test.npz``, and logs the models to each of
the MLflow servers: a training run and a version for each.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

WIDTHS = (8, 16, 32)
_SEED = 17
_EPOCHS = 20
_TRAINING_EXAMPLES = 1078


def main(directory: Path, uris: list[str]) -> None:
    """Trains the models and logs each to every server."""
    import mlflow
    import tensorflow as tf
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(_SEED).permutation(len(images))
    pixels, digits = images.reshape(-1, 8, 8, 1).astype(np.float32)[order], labels[order]
    cut = _TRAINING_EXAMPLES
    np.savez(directory / "train.npz", allow_pickle=False, pixels=pixels[:cut], digit=digits[:cut])
    np.savez(directory / "test.npz", allow_pickle=False, pixels=pixels[cut:], digit=digits[cut:])
    for width in WIDTHS:
        tf.keras.utils.set_random_seed(_SEED)
        model = build(tf.keras, width)
        model.fit(pixels[:cut], digits[:cut], epochs=_EPOCHS, batch_size=32, verbose=0)
        _, accuracy = model.evaluate(pixels[cut:], digits[cut:], verbose=0)
        for uri in uris:
            mlflow.set_tracking_uri(uri)
            mlflow.set_experiment("digits-training")
            with mlflow.start_run(run_name=f"digits of width {width}"):
                mlflow.log_params({"width": width, "epochs": _EPOCHS, "seed": _SEED})
                mlflow.log_metric("test_accuracy", accuracy)
                # Requirements that are given are not looked for in another process.
                mlflow.tensorflow.log_model(
                    model, name="model", registered_model_name="digits", pip_requirements=["tensorflow"]
                )


def build(keras: Any, width: int) -> Any:
    """Returns a small CNN for 8 × 8 pixels of 0 to 16.

    Args:
        keras: The Keras module to build with.
        width: How many channels its first layer has.
    """
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="pixels"),
            layers.Rescaling(1 / 16),
            layers.Conv2D(width, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * width, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
