"""Makes one small ``.tflite`` file of every kind, with the TFLite converter's documented settings and none of our code.

Run as ``python make_tflite.py DIRECTORY``: a process of its own, so that the tests need no TensorFlow. The network takes
``image`` [N, 6, 6, 4] and gives ``scores`` [N, 4]: a convolution of 1,152 weights, a dense layer of 8,192, and one of 64.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

random = np.random.default_rng(17)


def weights(*shape: int) -> Any:
    """Returns a variable of normally distributed values."""
    return tf.Variable((random.standard_normal(shape) / 8).astype(np.float32))


def save(path: Path, serve: Callable[..., Any], *specs: Any, **variables: Any) -> Path:
    """Writes a function as a SavedModel."""
    module = tf.Module()
    for name, variable in variables.items():
        setattr(module, name, variable)
    function = tf.function(serve, input_signature=specs)
    tf.saved_model.save(module, str(path), {"serving_default": function})
    return path


def network(path: Path) -> Path:
    """Writes the network of this module's first lines."""
    kernel, first, second = weights(3, 3, 4, 32), weights(512, 16), weights(16, 4)

    def serve(image: Any) -> dict[str, Any]:
        seen = tf.reshape(tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "VALID")), (-1, 512))
        return {"scores": tf.nn.softmax(tf.matmul(tf.nn.relu(tf.matmul(seen, first)), second))}

    return save(path, serve, tf.TensorSpec((None, 6, 6, 4), tf.float32, "image"), kernel=kernel, a=first, b=second)


def images() -> Iterator[list[Any]]:
    """Yields calibration examples of the network."""
    for _ in range(32):
        yield [random.standard_normal((1, 6, 6, 4)).astype(np.float32)]


def converter(path: Path) -> Any:
    """Returns TensorFlow's converter of a SavedModel."""
    return tf.lite.TFLiteConverter.from_saved_model(str(path))


def quantizer(path: Path, examples: Callable[[], Iterator[list[Any]]] = images) -> Any:
    """Returns TensorFlow's converter of a SavedModel, set to calibrate."""
    result = converter(path)
    result.optimizations = [tf.lite.Optimize.DEFAULT]
    result.representative_dataset = examples
    return result


def main(target: Path) -> None:
    """Writes every kind."""
    model = network(target / "network")
    made: dict[str, Any] = {name: converter(model) for name in ("float32", "float16", "dynamic_range")}
    made["float16"].optimizations = [tf.lite.Optimize.DEFAULT]
    made["float16"].target_spec.supported_types = [tf.float16]
    made["dynamic_range"].optimizations = [tf.lite.Optimize.DEFAULT]
    for name in ("full_int8", "integer_only", "int16x8", "int16_edges"):
        made[name] = quantizer(model)
    made["integer_only"].target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    made["integer_only"].inference_input_type = made["integer_only"].inference_output_type = tf.int8
    wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    for name in ("int16x8", "int16_edges"):
        made[name].target_spec.supported_ops = [wide]
    made["int16_edges"].inference_input_type = made["int16_edges"].inference_output_type = tf.int16

    square = tf.TensorSpec((None, 8), tf.float32, "x")
    matrix = weights(8, 8)

    def rows() -> Iterator[list[Any]]:
        for _ in range(8):
            yield [random.standard_normal((1, 8)).astype(np.float32)]

    sums = save(target / "sums", lambda x: {"y": tf.cumsum(tf.matmul(x, matrix), axis=1)}, square, matrix=matrix)
    made["island"] = quantizer(sums, rows)
    made["mixed"] = quantizer(sums, rows)
    made["mixed"].target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    made["mixed"].inference_input_type = made["mixed"].inference_output_type = tf.int8

    det = save(target / "det", lambda x: {"y": tf.linalg.det(tf.reshape(x, (-1, 2, 2)))}, square)
    made["flex"], made["custom"] = converter(det), converter(det)
    made["flex"].target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    made["custom"].allow_custom_ops = True

    table = weights(9, 8)
    specs = [tf.TensorSpec((None, None), tf.int32, "words"), tf.TensorSpec((None, 8), tf.float32, "price")]
    words = save(
        target / "words",
        lambda words, price: {"total": price + tf.reduce_sum(tf.gather(table, words), axis=1), "first": words[:, 0]},
        *specs,
        table=table,
    )
    made["words"] = converter(words)
    double = save(target / "double", lambda x: {"y": x + x}, square)
    made["double"] = converter(double)
    made["double_int8"], made["double_int16"] = quantizer(double, rows), quantizer(double, rows)
    made["double_int16"].target_spec.supported_ops = [wide]
    users, items = weights(400, 16), weights(90, 16)
    score = save(
        target / "tables",
        lambda user, item: {"score": tf.reduce_sum(tf.gather(users, user) * tf.gather(items, item), axis=1)},
        tf.TensorSpec((None,), tf.int32, "user"),
        tf.TensorSpec((None,), tf.int32, "item"),
        users=users,
        items=items,
    )

    def pairs() -> Iterator[list[Any]]:
        for number in range(8):
            yield [np.array([number], np.int32), np.array([number], np.int32)]

    for name in ("tables", "tables_float16", "tables_dynamic"):
        made[name] = converter(score)
        made[name].optimizations = [] if name == "tables" else [tf.lite.Optimize.DEFAULT]
    made["tables_float16"].target_spec.supported_types = [tf.float16]
    made["tables_int8"] = quantizer(score, pairs)
    kernel = weights(3, 3, 3, 4, 16)
    volume = save(
        target / "volume",
        lambda x: {"y": tf.nn.conv3d(x, kernel, [1] * 5, "SAME")},
        tf.TensorSpec((None, 4, 4, 4, 4), tf.float32, "x"),
        kernel=kernel,
    )
    made["volume_dynamic"] = converter(volume)
    made["volume_dynamic"].optimizations = [tf.lite.Optimize.DEFAULT]

    fake = tf.quantization.fake_quant_with_min_max_vars
    trained = save(
        target / "trained",
        lambda x: {"y": fake(tf.matmul(fake(x, -1.0, 1.0), fake(matrix, -3.0, 3.0, narrow_range=True)), -9.0, 9.0)},
        square,
        matrix=matrix,
    )
    made["trained"] = converter(trained)
    for name, maker in made.items():
        (target / f"{name}.tflite").write_bytes(maker.convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
