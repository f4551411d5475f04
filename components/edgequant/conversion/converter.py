"""Calls the TFLite converter. The one module that imports TensorFlow; it runs in child processes only."""

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgequant.conversion.converter_errors import explain
from edgequant.conversion.stateful_calibration import resetting
from edgequant.errors import ModelError
from edgequant.model_files import KERAS, ModelFiles, needs_tf_keras

Calibration = dict[str, NDArray[Any]]


def convert(
    files: ModelFiles,
    signature: str,
    variant: str,
    calibration: Calibration,
    starts: NDArray[np.bool_] | None = None,
) -> bytes:
    """Returns the flatbuffer of one variant.

    Args:
        files: The model.
        signature: The key of the signature to convert; the file holds no other.
        variant: The variant's name.
        calibration: Arrays by input name, the example first.
        starts: Whether each example starts a sequence, and variables are reset; None: all do.

    Raises:
        ModelError: The model cannot be loaded or converted; the message names unsupported operators.
    """
    with tempfile.TemporaryDirectory(prefix="edgequant-") as scratch:
        path = _export_keras(files.path, Path(scratch)) if files.format == KERAS else files.path
        if files.format != KERAS and needs_tf_keras(path):
            import tf_keras  # noqa: F401 - registers what a SavedModel of Keras 2 refers to
        try:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(path), signature_keys=[signature])
            _SETTINGS[variant](converter, _representative(calibration))
            with resetting(np.ones(_count(calibration), np.bool_) if starts is None else starts):
                flatbuffer: bytes = converter.convert()
        except ModelError:
            raise
        except Exception as error:  # The converter and TensorFlow raise many kinds; each is a failure of the model.
            raise ModelError(explain(error)) from error
    return flatbuffer


def _count(calibration: Calibration) -> int:
    return len(next(iter(calibration.values())))


def _representative(calibration: Calibration) -> Callable[[], Iterator[Calibration]]:
    def examples() -> Iterator[Calibration]:
        for row in range(_count(calibration)):
            yield {name: np.ascontiguousarray(values[row : row + 1]) for name, values in calibration.items()}

    return examples


def _float32(converter: Any, _: Callable[[], Iterator[Calibration]]) -> None:
    del converter


def _float16(converter: Any, _: Callable[[], Iterator[Calibration]]) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _weights_only(converter: Any, _: Callable[[], Iterator[Calibration]]) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _full_int8(converter: Any, representative: Callable[[], Iterator[Calibration]]) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative


def _integer_only(converter: Any, representative: Callable[[], Iterator[Calibration]]) -> None:
    _full_int8(converter, representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8


def _int16x8(converter: Any, representative: Callable[[], Iterator[Calibration]]) -> None:
    _full_int8(converter, representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]


_SETTINGS: dict[str, Callable[[Any, Callable[[], Iterator[Calibration]]], None]] = {
    "float32": _float32,
    "float16": _float16,
    "weights_only": _weights_only,
    "full_int8": _full_int8,
    "integer_only": _integer_only,
    "int16x8": _int16x8,
}


def _export_keras(path: Path, scratch: Path) -> Path:
    """Writes a ``.keras`` model as a SavedModel whose inputs have the names of its input layers."""
    target = scratch / "saved_model"
    try:
        keras = _keras_of(path)
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name) for tensor in model.inputs]
        structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input

        def serve(*values: Any) -> Any:
            return model(tf.nest.pack_sequence_as(structure, values), training=False)

        # An archive tracks the model's variables; a plain `tf.saved_model.save` of a Keras 3 model loses them silently.
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serving_default", serve, input_signature=specs)
        archive.write_out(str(target))
    except Exception as error:  # Keras raises many kinds; safe mode refuses code inside the file.
        raise ModelError(f"{path.name} cannot be loaded: {explain(error)}") from error
    return target


def _keras_of(path: Path) -> Any:
    """Returns the Keras module that wrote a file: `keras` 3, or `tf_keras` for Keras 2."""
    with zipfile.ZipFile(path) as archive:
        version = json.loads(archive.read("metadata.json"))["keras_version"]
    if version.startswith("2."):
        import tf_keras

        return tf_keras
    import keras

    return keras
