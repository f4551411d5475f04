"""Times evaluation against the runtime's own benchmark and a plain loop, and measures its memory.

For ResNet-8 on test images of CIFAR-10, and for a model whose invocation takes a few microseconds: examples per second
by the runtime's own benchmark (1/median), by a plain Python loop, and by ours on 1 and on 2 threads, as the evaluate step
runs them, in a child process. Rounds run all of them in turn. Other work on the machine can only slow a run, so each figure
is the best of the rounds, and ratios are of those:

rate_ratio           ours on 1 thread over the runtime's own rate, ResNet-8; 0.95 or more is wanted
two_thread_speedup   ours on 2 threads over ours on 1, ResNet-8; 1.9 or more
tiny_speedup         ours on 1 thread over the plain loop, the tiny model; 5 or more
latency_ratio        the benchmark step's p50 over the runtime's own median, ResNet-8; 0.9 to 1.1
memory_ratio         peak memory on 10,000 examples of 224x224x3 float32 over that on 1,000; about 1

Usage: evaluation.py [--data DIRECTORY] [--rounds N] [--json FILE]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from edgequant.artifacts.example_set import ExampleSetWriter, Provenance
from edgequant.benchmarking.latency import TrialPlan, measure
from edgequant.evaluation.prediction import PredictionRequest, Predictions, predict
from edgequant.model_process import run_in_child
from runtime_benchmark import runtimes_own_ms

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data" / "resnet8_cifar10"
# Half a second of work for one thread: a longer run would rarely have the machine to itself.
IMAGES = 4_000
TINY_EXAMPLES = 200_000
LARGE_EXAMPLES = (1_000, 10_000)
LARGE_SHAPE = (224, 224, 3)
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Model:
    """A model to measure: its file, its input's name and file, and how many runs the runtime's own benchmark gets."""

    path: Path
    input_name: str
    inputs: Path
    runs: int


def prepare(data: Path, folder: Path) -> None:
    """Writes the models and the examples. With TensorFlow: in a process of its own, so that nothing is measured beside it."""
    import tensorflow as tf
    import tf_keras  # noqa: F401 - registers what a SavedModel of Keras 2 refers to

    resnet = tf.lite.TFLiteConverter.from_saved_model(str(data / "saved_model")).convert()
    (folder / "resnet8.tflite").write_bytes(resnet)
    feature = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
    with ExampleSetWriter(folder / "images", IMAGES) as writer:
        records = tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(f"{data}/test-*.tfrecord")))
        for number, record in enumerate(records.take(IMAGES)):
            encoded = tf.io.parse_single_example(record, feature)["image/encoded"]
            image = tf.io.decode_png(encoded, channels=3).numpy().astype(np.float32)
            writer.add(f"{number:064x}", {"input_1": image}, None)
        writer.finish(
            Provenance(
                purpose="evaluation",
                signature="serving_default",
                seed=0,
                rule="all",
                requested=IMAGES,
                records_read=IMAGES,
                duplicates=0,
            )
        )
    random = np.random.default_rng(17)
    np.save(folder / "rows.npy", random.standard_normal((TINY_EXAMPLES, 16)).astype(np.float32))
    layers = [tf.constant(random.standard_normal((16, 16)).astype(np.float32) / 4) for _ in range(8)]

    def tiny(x: Any) -> dict[str, Any]:
        for layer in layers:
            x = tf.nn.tanh(tf.matmul(x, layer))
        return {"y": tf.nn.softmax(x)}

    def large(x: Any) -> dict[str, Any]:
        return {"y": tf.reduce_mean(x, axis=(1, 2))}

    for name, function, shape in (("tiny", tiny, (16,)), ("large", large, LARGE_SHAPE)):
        module = tf.Module()
        module.serve = tf.function(function, input_signature=[tf.TensorSpec((None, *shape), tf.float32, name="x")])
        tf.saved_model.save(module, str(folder / name), signatures={"serving_default": module.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / name))
        (folder / f"{name}.tflite").write_bytes(converter.convert())


def plain_rate(model: Model) -> float:
    """Returns the examples per second of a plain loop."""
    from ai_edge_litert.interpreter import Interpreter

    examples = np.load(model.inputs, mmap_mode="r", allow_pickle=False)
    interpreter = Interpreter(model_path=str(model.path), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    start = time.perf_counter()
    for example in examples:
        interpreter.set_tensor(source, example[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target)[0])
    return len(rows) / (time.perf_counter() - start)


def our_run(model: Model, folder: Path, threads: int) -> tuple[Predictions, int]:
    """Returns what came of a run of ours, and the peak memory of its process in bytes."""
    with tempfile.TemporaryDirectory(dir=folder) as outputs:
        request = PredictionRequest(
            model=model.path,
            inputs={model.input_name: model.inputs},
            outputs=Path(outputs),
            threads=threads,
            budget_seconds=HOUR,
        )
        outcome = run_in_child(predict, request, seconds=HOUR)
    if not isinstance(outcome.value, Predictions):
        sys.exit(f"{model.path}: {outcome.value or outcome.failure}")
    return outcome.value, outcome.peak_memory_bytes or 0


def our_p50_seconds(model: Model, evaluation_set: Path) -> float:
    """Returns the median of one invocation by the benchmark step."""
    plan = TrialPlan(
        paths={"float32": model.path},
        evaluation_set=evaluation_set,
        examples=16,
        runs=model.runs,
        budget_seconds=60.0,
        resolver="xnnpack",
    )
    outcome = run_in_child(measure, plan, seconds=120.0)
    if not isinstance(outcome.value, tuple):
        sys.exit(f"{model.path}: {outcome.value or outcome.failure}")
    timings, _ = outcome.value
    return float(np.median(timings["float32"].nanoseconds)) / 1e9


def measure_round(models: dict[str, Model], folder: Path) -> dict[str, float]:
    """Returns the rates of one round, in examples per second, by model and kind."""
    found: dict[str, float] = {}
    for name, model in models.items():
        found[f"{name} runtime"] = 1e3 / runtimes_own_ms(model.path, model.runs, folder)
        found[f"{name} plain"] = plain_rate(model)
        for threads in (1, 2):
            run, _ = our_run(model, folder, threads)
            found[f"{name} ours {threads}"] = run.examples / run.seconds
            found[f"{name} batch {threads}"] = run.batch
    found["resnet8 p50"] = 1 / our_p50_seconds(models["resnet8"], folder / "images")
    return found


def peak_memory(folder: Path) -> list[int]:
    """Returns our peak memory in bytes for each of `LARGE_EXAMPLES`. The examples are files of holes: no disk is used."""
    peaks = []
    for count in LARGE_EXAMPLES:
        path = folder / f"large-{count}.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, *LARGE_SHAPE))
        run, peak = our_run(Model(folder / "large.tflite", "x", path, 0), folder, threads=2)
        assert run.examples == count  # noqa: S101 - a benchmark of less would measure nothing
        peaks.append(peak)
        path.unlink()
    return peaks


def figures(rounds: list[dict[str, float]], peaks: list[int]) -> dict[str, float]:
    """Returns the figures by name: the best of the rounds, and ratios of those."""
    best = {name: max(found[name] for found in rounds) for name in rounds[0]}
    return best | {
        "rate_ratio": best["resnet8 ours 1"] / best["resnet8 runtime"],
        "two_thread_speedup": best["resnet8 ours 2"] / best["resnet8 ours 1"],
        "tiny_speedup": best["tiny ours 1"] / best["tiny plain"],
        "latency_ratio": best["resnet8 runtime"] / best["resnet8 p50"],
        "memory_ratio": peaks[1] / peaks[0],
        "memory_1000_mb": peaks[0] / 1e6,
        "memory_10000_mb": peaks[1] / 1e6,
    }


def _batches(rounds: list[dict[str, float]], name: str) -> list[str]:
    """Returns the batches that were chosen for a model, of all rounds, on 1 and on 2 threads."""
    return [
        f"{threads}: "
        + "/".join(f"{batch:.0f}" for batch in sorted({found[f"{name} batch {threads}"] for found in rounds}))
        for threads in (1, 2)
    ]


def show(values: dict[str, float], rounds: list[dict[str, float]]) -> None:
    """Prints the rates, best and median, and the figures that are asked for."""
    table = Table(
        "examples/s", "runtime's own, 1/median", "plain loop", "ours, 1 thread", "ours, 2 threads", "batch by threads"
    )
    for name in ("resnet8", "tiny"):
        cells = []
        for kind in ("runtime", "plain", "ours 1", "ours 2"):
            median = statistics.median(found[f"{name} {kind}"] for found in rounds)
            cells.append(f"{values[f'{name} {kind}']:,.0f} (median {median:,.0f})")
        table.add_row(name, *cells, ", ".join(_batches(rounds, name)))
    Console(width=140).print(table)
    wanted = {
        "rate_ratio": ">= 0.95",
        "two_thread_speedup": ">= 1.9",
        "tiny_speedup": ">= 5",
        "latency_ratio": "0.9 to 1.1",
    }
    for name, limit in wanted.items():
        print(f"{name} {values[name]:.3f}   (wanted: {limit})")
    sizes = f"{values['memory_1000_mb']:.0f} MB for 1,000 and {values['memory_10000_mb']:.0f} MB for 10,000"
    print(f"memory_ratio {values['memory_ratio']:.3f}   ({sizes} examples of 224x224x3)")


def main() -> None:
    """Runs the rounds and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the resnet8_cifar10 directory")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    if not data.is_dir():
        parser.error(f"--data: {data} does not exist")
    if arguments.prepare:
        prepare(data, arguments.prepare)
        return
    with tempfile.TemporaryDirectory(prefix="edgequant-benchmark-") as name:
        folder = Path(name)
        command = [sys.executable, __file__, "--data", str(data), "--prepare", str(folder)]
        subprocess.run(command, check=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}, stderr=subprocess.DEVNULL)
        models = {
            "resnet8": Model(folder / "resnet8.tflite", "input_1", folder / "images" / "inputs" / "input_1.npy", 2_000),
            "tiny": Model(folder / "tiny.tflite", "x", folder / "rows.npy", 50_000),
        }
        rounds = []
        for number in range(arguments.rounds):
            rounds.append(measure_round(models, folder))
            print(f"round {number + 1}:", *(f"{key} {value:,.0f}" for key, value in rounds[-1].items()), flush=True)
        values = figures(rounds, peak_memory(folder))
    show(values, rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
