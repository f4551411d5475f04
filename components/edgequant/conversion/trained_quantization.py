"""Recognizes models that are quantized already at their source: trained with fake-quantize nodes, or by Keras's own quantize()."""

import re
import zipfile
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.message import DecodeError

from edgequant.errors import ModelError
from edgequant.inspection import Inspection
from edgequant.model_files import KERAS, ModelFiles
from edgequant.protos import message_class

# What quantization-aware training leaves in a graph. Source: tensorflow/core/ops/array_ops.cc
_FAKE_QUANTIZE = ("FakeQuantWithMinMax", "QuantizeAndDequantize")
# Source: tensorflow/core/protobuf/saved_model.proto, meta_graph.proto; tensorflow/core/framework/graph.proto, function.proto
_MESSAGES = {
    "SavedModel": {2: "meta_graphs repeated MetaGraphDef"},
    "MetaGraphDef": {2: "graph_def GraphDef"},
    "GraphDef": {1: "node repeated NodeDef", 2: "library FunctionDefLibrary"},
    "FunctionDefLibrary": {1: "function repeated FunctionDef"},
    "FunctionDef": {3: "node_def repeated NodeDef"},
    "NodeDef": {2: "op string"},
}
# What the configuration of a .keras file holds: layers of the Model Optimization Toolkit, and Keras 3's quantized layers.
_WRAPPED = (b"QuantizeWrapper", b"QuantizeLayer")
_QUANTIZED = re.compile(rb'"Quantized\w*DTypePolicy"')

SENTENCE = (
    "the model is quantized in training (its graph has fake-quantize nodes): int8 variants use the ranges that were trained, and"
    " weights_only and float16 are not possible"
)
NOT_POSSIBLE = (
    "not possible: the model is quantized in training, and the converter makes int8 of it whatever is asked for; give the model"
    " before quantization-aware training for this variant"
)
# The kinds of variant that a model quantized in training cannot have.
IMPOSSIBLE = ("dynamic_range", "float16")


def quantized_in_training(files: ModelFiles) -> bool:
    """Returns whether a model's graph has fake-quantize nodes.

    Raises:
        ModelError: A `.keras` file holds quantized layers that the converter cannot load or convert.
    """
    if files.format == KERAS:
        _check_keras(files)
        return False
    saved_model = _saved_model_class()()
    try:
        saved_model.ParseFromString((files.path / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise ModelError(f"model: {files.path} is not a SavedModel protocol buffer ({error})") from error
    return any(op.startswith(_FAKE_QUANTIZE) for op in _ops(saved_model))


def quantize_pairs(inspection: Inspection) -> int:
    """Returns how many pairs of QUANTIZE and DEQUANTIZE a file holds."""
    counts = (inspection.ops[name].count if name in inspection.ops else 0 for name in ("QUANTIZE", "DEQUANTIZE"))
    return min(counts)


def reference_note(inspection: Inspection) -> str:
    """Returns what the reference of a model quantized in training is."""
    pairs = quantize_pairs(inspection)
    if not pairs:
        return "the model is quantized in training, and its float32 file has no pair of QUANTIZE and DEQUANTIZE left"
    return (
        f"holds {pairs:,} pair{'s' if pairs > 1 else ''} of QUANTIZE and DEQUANTIZE from quantization-aware training: it computes in"
        " float and rounds as int8 does, so drops against it are not those against a float model"
    )


def _ops(saved_model: Any) -> Iterator[str]:
    for graph in saved_model.meta_graphs:
        yield from (node.op for node in graph.graph_def.node)
        for function in graph.graph_def.library.function:
            yield from (node.op for node in function.node_def)


def _check_keras(files: ModelFiles) -> None:
    with zipfile.ZipFile(files.path) as archive:
        config = archive.read("config.json")
    if any(mark in config for mark in _WRAPPED):
        raise ModelError(
            f"model: {files.path} is a .keras file of a model quantized in training, which only the Model Optimization Toolkit loads;"
            " export it as a SavedModel with model.export()"
        )
    if _QUANTIZED.search(config):
        raise ModelError(
            f"model: {files.path} is quantized already, by Keras's quantize(), and LiteRT's converter does not take that; give the"
            " model as it was before"
        )


@cache
def _saved_model_class() -> Any:
    return message_class("edgequant.saved_model_graph", _MESSAGES, "SavedModel")
