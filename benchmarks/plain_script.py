"""The same work as `edgequant run` on ResNet-8, the way a script does it: one process, no library of ours.

Reads TFRecords, draws calibration images equally from each class, converts five variants, evaluates each on all test
images, measures latency, compares with float32, writes a page, and logs runs and models to MLflow. What it leaves out is
what scripts leave out: checks of data and of converted files, isolation, intervals, duplicates, resumption.

Usage: plain_script.py DATA_DIRECTORY WORK_DIRECTORY
"""

import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

CALIBRATION = 500
RUNS = 200


def read(pattern: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns images, float32 [examples, 32, 32, 3], and labels, int64 [examples]."""
    features = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
    }
    images, labels = [], []
    for record in tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(pattern))):
        example = tf.io.parse_single_example(record, features)
        images.append(tf.io.decode_png(example["image/encoded"], channels=3).numpy().astype(np.float32))
        labels.append(int(example["image/class/label"]))
    return np.stack(images), np.array(labels)


def draw(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns calibration images, equally many of each class."""
    random = np.random.default_rng(17)
    classes = np.unique(labels)
    each = CALIBRATION // len(classes)
    rows = [random.choice(np.flatnonzero(labels == label), each, replace=False) for label in classes]
    drawn: np.ndarray = images[np.concatenate(rows)]
    return drawn


def convert(model: str, variant: str, calibration: np.ndarray) -> bytes:
    """Returns the flatbuffer of a variant."""
    converter = tf.lite.TFLiteConverter.from_saved_model(model)
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant in ("full_int8", "integer_only"):
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in calibration)
    if variant == "integer_only":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    flatbuffer: bytes = converter.convert()
    return flatbuffer


def evaluate(path: Path, images: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Returns the predicted class of each image, and the seconds of some invocations."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    predictions = np.empty(len(images), np.int64)
    for row, image in enumerate(images):
        interpreter.set_tensor(source["index"], quantized(image[np.newaxis], source))
        interpreter.invoke()
        predictions[row] = interpreter.get_tensor(target["index"]).argmax()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - start)
    return predictions, times


def quantized(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Returns values as the input tensor takes them."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    integers: np.ndarray = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max)
    return integers.astype(detail["dtype"])


def main(data: Path, work: Path) -> None:
    """Does it all."""
    train_images, train_labels = read(str(data / "train-*.tfrecord"))
    images, labels = read(str(data / "test-*.tfrecord"))
    calibration = draw(train_images, train_labels)
    variants = ["float32", "float16", "weights_only", "full_int8", "integer_only"]
    paths = {}
    for variant in variants:
        paths[variant] = work / f"{variant}.tflite"
        paths[variant].write_bytes(convert(str(data / "saved_model"), variant, calibration))
    found = {variant: evaluate(path, images) for variant, path in paths.items()}

    reference = found["float32"][0]
    mlflow.set_tracking_uri(f"sqlite:///{work / 'mlflow.db'}")
    mlflow.create_experiment("resnet8", (work / "mlartifacts").as_uri())
    mlflow.set_experiment("resnet8")
    rows, versions = [], {}
    for variant, (predictions, times) in found.items():
        metrics = {
            "accuracy": float((predictions == labels).mean()),
            "agreement": float((predictions == reference).mean()),
            "size_bytes": paths[variant].stat().st_size,
            "latency_p50_ms": float(np.median(times) * 1000),
        }
        rows.append(
            f"<tr><td>{variant}</td>" + "".join(f"<td>{value:.4f}</td>" for value in metrics.values()) + "</tr>"
        )
        with mlflow.start_run(run_name=variant):
            mlflow.log_params({"variant": variant, "calibration": CALIBRATION})
            mlflow.log_metrics(metrics)
            info = mlflow.pyfunc.log_model(
                name=variant,
                python_model=str(Path(__file__).with_name("plain_model.py")),
                artifacts={"tflite": str(paths[variant])},
                input_example=images[:1],
                pip_requirements=["mlflow-skinny", "pandas", "numpy", "ai-edge-litert"],
            )
            versions[variant] = info.model_uri
        print(variant, metrics, flush=True)
    page = work / "report.html"
    page.write_text(f"<table>{''.join(rows)}</table>")
    with mlflow.start_run(run_name="summary"):
        mlflow.log_artifact(str(page))
    mlflow.register_model(versions["full_int8"], "resnet8-tflite")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
