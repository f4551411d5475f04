"""Trains the demonstration's model like a user's training code, and registers it in MLflow.

Run as ``python -m edgequant_pipelines.demo.train DIRECTORY``. It writes ``DIRECTORY/train.npz`` and ``test.npz`` and logs
to ``DIRECTORY/mlflow.db``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

_SEED = 17
_EPOCHS = 30
_TRAINING_SHARE = 0.6


def main(directory: Path) -> None:
    """Trains, evaluates and registers the model ``digits``."""
    import mlflow
    import tensorflow as tf
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype(np.float32)
    order = np.random.default_rng(_SEED).permutation(len(images))
    cut = int(len(order) * _TRAINING_SHARE)
    split = {"train": order[:cut], "test": order[cut:]}
    for name, rows in split.items():
        np.savez(directory / f"{name}.npz", allow_pickle=False, pixels=images[rows], digit=labels[rows])
    print(f"{cut:,} of {len(order):,} handwritten digits to train on", flush=True)

    tf.keras.utils.set_random_seed(_SEED)
    model = build(tf.keras)
    model.fit(images[split["train"]], labels[split["train"]], epochs=_EPOCHS, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(images[split["test"]], labels[split["test"]], verbose=0)
    print(f"{_EPOCHS} epochs, test accuracy {accuracy:.4f}", flush=True)

    mlflow.set_tracking_uri(f"sqlite:///{directory / 'mlflow.db'}")
    experiment = mlflow.get_experiment_by_name("digits-training")
    experiment_id = (
        experiment.experiment_id
        if experiment
        else mlflow.create_experiment("digits-training", (directory / "mlartifacts").as_uri())
    )
    with mlflow.start_run(experiment_id=experiment_id, run_name="digits"):
        mlflow.log_params({"epochs": _EPOCHS, "seed": _SEED})
        mlflow.log_metric("test_accuracy", accuracy)
        info = mlflow.tensorflow.log_model(model, name="model", registered_model_name="digits")
    print(f"registered as digits version {info.registered_model_version}", flush=True)


def build(keras: Any) -> Any:
    """Returns a small CNN for 8 × 8 pixels of 0 to 16.

    Args:
        keras: The Keras module to build with.
    """
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="pixels"),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]))
