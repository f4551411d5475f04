"""A training pipeline that ends with the best quantized model: train a small CNN on handwritten digits, then quantize it.

``python pipeline.py DIRECTORY`` runs it on this machine. ``python pipeline.py DIRECTORY --component quantize.yaml`` does the same with the
quantization as `edgequant compile --components` wrote it, which needs nothing of edgequant here but that file.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from kfp import components, dsl, local


@dsl.component(base_image="python:3.11", packages_to_install=["tensorflow==2.21.0", "scikit-learn==1.9.1"])
def train(epochs: int, model: dsl.Output[dsl.Model], examples: dsl.Output[dsl.Dataset]) -> None:
    """Trains a small CNN on scikit-learn's handwritten digits.

    Args:
        epochs: How often it sees each of them.
        model: The trained model, as a SavedModel.
        examples: What it was trained on and what it was not, train.npz and test.npz.
    """
    from pathlib import Path

    import numpy as np
    import tensorflow as tf
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype(np.float32)
    order = np.random.default_rng(17).permutation(len(images))
    split = {"train": order[:1200], "test": order[1200:]}
    Path(examples.path).mkdir(parents=True)
    for name, rows in split.items():
        np.savez(Path(examples.path) / f"{name}.npz", pixels=images[rows], digit=labels[rows])

    tf.keras.utils.set_random_seed(17)
    layers = tf.keras.layers
    network = tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 1), name="pixels"),
            layers.Rescaling(1 / 16),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    network.fit(images[split["train"]], labels[split["train"]], epochs=epochs, verbose=0)
    network.export(model.path, verbose=False)


@dsl.component(base_image="python:3.11")
def patterns(examples: dsl.Input[dsl.Dataset], name: str) -> list[str]:
    """Returns where the examples of one half are, as the quantization reads them.

    Args:
        examples: The examples.
        name: train or test.
    """
    # On a cluster the quantization reads from the object store itself; here the artifact is a folder.
    where = examples.uri if "://" in examples.uri else examples.path
    return [f"{where}/{name}.npz"]


def make_pipeline(quantize: Any) -> Any:
    """Returns the pipeline around a quantization: the one of the package, or a compiled one."""

    @dsl.pipeline(name="train-and-quantize")
    def train_and_quantize(epochs: int = 10, tracking_uri: str = "") -> dsl.Artifact:
        trained = train(epochs=epochs)
        calibration = patterns(examples=trained.outputs["examples"], name="train")
        evaluation = patterns(examples=trained.outputs["examples"], name="test")
        quantized = quantize(
            saved_model=trained.outputs["model"],
            name="digits",
            calibration_examples=calibration.output,
            evaluation_examples=evaluation.output,
            label="digit",
            calibration_count=200,
            variants=["float32", "integer_only"],
            gate={"max_drop_points": 2.0},
            experiment="digits",
            tracking_uri=tracking_uri,
        )
        return quantized.output

    return train_and_quantize


def quantization(component: str | None) -> Any:
    """Returns the quantization in a file, or that of the package."""
    if component:
        return components.load_component_from_file(component)
    from edgequant_pipelines import quantize

    return quantize


def main() -> None:
    """Runs the pipeline on this machine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--component", help="The compiled quantization; left out: that of the package.")
    given = parser.parse_args()
    directory = given.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    # What train needs is installed here already, as edgequant[all] has it.
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(directory / "runs"))
    run = make_pipeline(quantization(given.component))(tracking_uri=f"sqlite:///{directory / 'mlflow.db'}")
    result = json.loads((Path(run.output.path) / "result.json").read_text())
    # KFP's runner may leave print indenting what it prints.
    sys.stdout.write(f"{result['outcome']}: {result['best']}; {run.output.path}\n")


if __name__ == "__main__":
    main()
