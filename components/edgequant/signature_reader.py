"""Reads a model's signature from its files, without TensorFlow."""

import json
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from edgequant.errors import ModelError, did_you_mean
from edgequant.model_files import KERAS, ModelFiles, find_model
from edgequant.protos import message_class
from edgequant.signature import SUPPORTED_DTYPES, ModelSignature, TensorSpec

SERVING = "serving_default"
# Source: tensorflow/core/framework/types.proto
_DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
# The layers of Keras whose output shape follows from their own configuration, and the name of the only output.
_OUTPUT_LAYERS = ("Dense", "Activation", "Softmax")
_KERAS_OUTPUT = "output_0"
# Source: tensorflow/core/protobuf/saved_model.proto and meta_graph.proto
_MESSAGES = {
    "SavedModel": {2: "meta_graphs repeated MetaGraphDef"},
    "MetaGraphDef": {1: "meta_info_def MetaInfoDef", 5: "signature_def map SignatureDef"},
    "MetaInfoDef": {4: "tags repeated string"},
    "SignatureDef": {1: "inputs map TensorInfo", 2: "outputs map TensorInfo"},
    "TensorInfo": {2: "dtype int32", 3: "tensor_shape TensorShapeProto"},
    "TensorShapeProto": {2: "dim repeated Dim", 3: "unknown_rank bool"},
    "Dim": {1: "size int64"},
}


def read_signature(path: Path, key: str) -> ModelSignature:
    """Returns one signature of the model in a path.

    Raises:
        ModelError: There is no such model or signature, or LiteRT cannot take its inputs.
    """
    files = find_model(path)
    signature = _from_keras(files, key) if files.format == KERAS else _from_saved_model(files, key)
    if not signature.inputs:
        raise ModelError(f"model: {files.path}: signature {key!r} takes no input; one or more are needed")
    for spec in signature.inputs:
        if spec.dtype not in SUPPORTED_DTYPES:
            raise ModelError(
                f"model: {files.path}: input {spec.name!r} is a {spec.dtype}; allowed are {', '.join(SUPPORTED_DTYPES)}"
                " (move string handling out of the exported signature)"
            )
        if spec.shape is None or not spec.shape:
            raise ModelError(f"model: {files.path}: input {spec.name!r} has no batch dimension: {spec}")
        if spec.shape[0] not in (None, 1):
            raise ModelError(
                f"model: {files.path}: input {spec.name!r} has a fixed batch of {spec.shape[0]}: {spec}; it must be open or 1"
            )
    return signature


def _from_saved_model(files: ModelFiles, key: str) -> ModelSignature:
    path = files.path / "saved_model.pb"
    saved_model = _saved_model_class()()
    try:
        saved_model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ModelError(f"model: {path} is not a SavedModel protocol buffer ({error})") from error
    graphs = [graph for graph in saved_model.meta_graphs if "serve" in graph.meta_info_def.tags]
    if len(graphs) != 1:
        tags = [list(graph.meta_info_def.tags) for graph in saved_model.meta_graphs]
        raise ModelError(f"model: {path} holds graphs with the tags {tags}; exactly one tagged 'serve' is needed")
    signatures = graphs[0].signature_def
    keys = sorted(name for name in signatures if not name.startswith("__"))
    if key not in keys:
        raise ModelError(
            f"signature: {key!r} is not in {files.path}; it has {', '.join(keys) or 'none'}{did_you_mean(key, keys)}"
        )
    return ModelSignature(key=key, inputs=_specs(signatures[key].inputs), outputs=_specs(signatures[key].outputs))


@cache
def _saved_model_class() -> Any:
    return message_class("edgequant.saved_model", _MESSAGES, "SavedModel")


def _specs(tensors: Any) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=name,
            dtype=_DTYPES.get(tensors[name].dtype, f"type {tensors[name].dtype}"),
            shape=None
            if tensors[name].tensor_shape.unknown_rank
            else tuple(None if dim.size < 0 else dim.size for dim in tensors[name].tensor_shape.dim),
        )
        for name in sorted(tensors)
    )


def _from_keras(files: ModelFiles, key: str) -> ModelSignature:
    """Returns the inputs of a Keras model by the names of its input layers.

    Its only output is known if its last layer tells the shape; else the outputs are known once the model is loaded.
    """
    if key != SERVING:
        raise ModelError(f"signature: {key!r} is not in {files.path}; a .keras file has one signature, {SERVING!r}")
    try:
        with zipfile.ZipFile(files.path) as archive:
            config = json.loads(archive.read("config.json"))
        layers = [
            layer["config"] for layer in config["config"].get("layers", []) if layer.get("class_name") == "InputLayer"
        ]
    except (LookupError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"model: {files.path} is not a Keras model file ({error})") from error
    if config.get("class_name") not in ("Functional", "Sequential", "Model") or not layers:
        raise ModelError(
            f"model: {files.path} is a {config.get('class_name')} without input layers; a Functional or a built Sequential"
            " model is needed, or a SavedModel made with model.export()"
        )
    return ModelSignature(
        key=key,
        inputs=tuple(sorted(map(_layer_spec, layers), key=lambda spec: spec.name)),
        outputs=_keras_outputs(config),
    )


def _keras_outputs(model: dict[str, Any]) -> tuple[TensorSpec, ...]:
    """Returns the output of a Keras 3 model with one, whose last layer is dense or keeps its input's shape; else none."""
    config = model["config"]
    try:
        layers = config["layers"]
        last = layers[-1]
        if model["class_name"] != "Sequential":
            # Of one output: its layer's name and two numbers.
            name, *numbers = config["output_layers"]
            if not isinstance(name, str) or not all(isinstance(number, int) for number in numbers):
                return ()
            last = next(layer for layer in layers if layer["config"]["name"] == name)
        shape = last["build_config"]["input_shape"]
        units = last["config"]["units"] if last["class_name"] == "Dense" else shape[-1]
        if last["class_name"] not in _OUTPUT_LAYERS or last.get("registered_name"):
            return ()
        return (TensorSpec(name=_KERAS_OUTPUT, dtype="float32", shape=(*shape[:-1], units)),)
    except (LookupError, TypeError, ValueError, StopIteration):
        # Another version of Keras writes other keys.
        return ()


def _layer_spec(layer: dict[str, Any]) -> TensorSpec:
    shape = layer.get("batch_shape", layer.get("batch_input_shape"))
    dtype = layer.get("dtype") or "float32"
    return TensorSpec(
        name=layer["name"],
        dtype=dtype if isinstance(dtype, str) else dtype["config"]["name"],
        shape=None if shape is None else tuple(shape),
    )
