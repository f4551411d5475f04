"""Compares latencies with those of the runtime's own benchmark.

A small convolutional model, float32 and int8, is measured by the benchmark step in turn with copies of both, as in a pipeline, and alone by
the runtime's own benchmark. Other work on the machine can only slow either of them down, so medians are the least of the rounds.

float32_ratio     our median over the runtime's own; 0.9 to 1.1 on a machine with no other load
full_int8_ratio   the same for int8

Usage: latency.py [--rounds N] [--json FILE]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgequant.artifacts.example_set import ExampleSetWriter, Provenance
from edgequant.benchmarking.latency import TrialPlan, measure
from edgequant.model_process import run_in_child
from runtime_benchmark import runtimes_own_ms

MODELS = ("float32", "full_int8")
SHAPE = (64, 64, 3)
EXAMPLES = 16
RUNS = 400


def prepare(folder: Path) -> None:
    """Writes the models. With TensorFlow: in a process of its own, so that nothing is measured beside it."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(17)
    image = keras.Input(SHAPE, name="image")
    values = image
    for width in (32, 64, 128):
        values = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(values)
        values = keras.layers.MaxPooling2D()(values)
    scores = keras.layers.Dense(10, activation="softmax")(keras.layers.GlobalAveragePooling2D()(values))
    keras.Model(image, scores).export(str(folder / "model"), verbose=False)
    examples = np.random.default_rng(1).standard_normal((32, 1, *SHAPE)).astype(np.float32)
    for name in MODELS:
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "model"))
        if name == "full_int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([example] for example in examples)
        (folder / f"{name}.tflite").write_bytes(converter.convert())


def write_examples(target: Path) -> None:
    """Writes the evaluation set: images of noise."""
    images = np.random.default_rng(2).standard_normal((EXAMPLES, *SHAPE)).astype(np.float32)
    with ExampleSetWriter(target, EXAMPLES) as writer:
        for number, image in enumerate(images):
            writer.add(f"{number:064x}", {"image": image}, None)
        writer.finish(
            Provenance(
                purpose="evaluation",
                signature="serving_default",
                seed=0,
                rule="all",
                requested=EXAMPLES,
                records_read=EXAMPLES,
                duplicates=0,
            )
        )


def our_ms(folder: Path) -> dict[str, float]:
    """Returns the median of each model in one trial of the benchmark step, in turn with a copy of each."""
    paths = {f"{name} {copy}": folder / f"{name}.tflite" for copy in (1, 2) for name in MODELS}
    plan = TrialPlan(
        paths=paths,
        evaluation_set=folder / "examples",
        examples=EXAMPLES,
        runs=RUNS,
        budget_seconds=60.0,
        resolver="xnnpack",
    )
    outcome = run_in_child(measure, plan, seconds=120.0)
    if not isinstance(outcome.value, tuple):
        sys.exit(f"{folder}: {outcome.value or outcome.failure}")
    timings, _ = outcome.value
    return {name: float(np.median(timings[f"{name} 1"].nanoseconds)) / 1e6 for name in MODELS}


def main() -> None:
    """Runs the rounds and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare(arguments.prepare)
        return
    ours, theirs = dict.fromkeys(MODELS, float("inf")), dict.fromkeys(MODELS, float("inf"))
    with tempfile.TemporaryDirectory(prefix="edgequant-benchmark-") as name:
        folder = Path(name)
        command = [sys.executable, __file__, "--prepare", str(folder)]
        subprocess.run(command, check=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}, stderr=subprocess.DEVNULL)
        write_examples(folder / "examples")
        for _ in range(arguments.rounds):
            for model, median in our_ms(folder).items():
                ours[model] = min(ours[model], median)
                theirs[model] = min(theirs[model], runtimes_own_ms(folder / f"{model}.tflite", RUNS, folder))
    values = {f"{model}_ratio": ours[model] / theirs[model] for model in MODELS}
    for model in MODELS:
        shown = f"{ours[model]:.3f} ms, the runtime's own {theirs[model]:.3f} ms"
        print(f"{model}_ratio {values[f'{model}_ratio']:.3f}   ({shown}; wanted: 0.9 to 1.1)")
    if arguments.json:
        arguments.json.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
