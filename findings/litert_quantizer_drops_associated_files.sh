#!/usr/bin/env bash
# Library: litert-quantizer 0.11.0 and the metadata format of TensorFlow Lite
# Behaviour: files that belong to a model, such as labels.txt, are a zip archive behind the flatbuffer in the same
#   .tflite file. The quantized file has none of them; the interpreter, which reads the flatbuffer alone, runs both.
# A careful engineer would guess: they are copied, or their loss is said: apps that read the labels from the model
#   fail on the phone, after all checks of the numbers passed.
# Documented: the format is (TensorFlow Lite metadata, "Pack the associated files"); that the quantizer drops them is
#   not.
set -euo pipefail

requirements=(ai-edge-litert==2.3.0 flatbuffers==25.12.19 litert-quantizer==0.11.0 numpy==2.4.6)

work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
trap 'rm -rf "$work"' EXIT
venv=$work/venv
if [ -n "${FINDINGS_VENV_DIR:-}" ]; then
    venv=$FINDINGS_VENV_DIR/$(printf '%s\n' "${requirements[@]}" | sha256sum | cut -c1-16)
fi
if [ ! -e "$venv/.installed" ]; then
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${requirements[@]}"
    touch "$venv/.installed"
fi

cd "$work"
"$venv/bin/python" - <<'PYTHON'
import sys
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from litert_quantizer import Quantizer, qtyping

def tensor(name, shape, kind, buffer=0, scale=None):
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, shape, kind, buffer
    if scale is not None:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
    return made


def pack(code, version, tensors, inputs, options=None, options_type=0, constants=()):
    """Returns a model of one operator, whose output is its last tensor and whose input is its first."""
    operator_code = schema.OperatorCodeT()
    operator_code.builtinCode, operator_code.version = code, version
    operator_code.deprecatedBuiltinCode = min(code, 127)
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = inputs, [len(tensors) - 1]
    operator.builtinOptions, operator.builtinOptionsType = options, options_type
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, [operator], [0], [len(tensors) - 1]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [operator_code], [graph], [schema.BufferT()]
    for constant in constants:
        model.buffers.append(schema.BufferT())
        model.buffers[-1].data = np.frombuffer(constant.tobytes(), np.uint8)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


FLOAT32 = schema.TensorType.FLOAT32
model = pack(
    schema.BuiltinOperator.FULLY_CONNECTED,
    1,
    [
        tensor("x", [1, 64], FLOAT32),
        tensor("layer/w", [64, 64], FLOAT32, buffer=1),
        tensor("layer/b", [64], FLOAT32, buffer=2),
        tensor("layer/y", [1, 64], FLOAT32),
    ],
    [0, 1, 2],
    schema.FullyConnectedOptionsT(),
    schema.BuiltinOptions.FullyConnectedOptions,
    [np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32), np.zeros(64, np.float32)],
)

Path("model.tflite").write_bytes(model)
with zipfile.ZipFile("model.tflite", "a") as archive:
    archive.writestr("labels.txt", "cat\ndog\n")
Interpreter(model_path="model.tflite").allocate_tensors()
quantizer = Quantizer("model.tflite")
quantizer.add_dynamic_config(regex=".*", operation_name=qtyping.TFLOperationName.ALL_SUPPORTED, num_bits=8)
Path("quantized.tflite").write_bytes(quantizer.quantize(enable_progress_report=False).quantized_model)
seen = {name: zipfile.is_zipfile(name) and zipfile.ZipFile(name).namelist() for name in ("model.tflite", "quantized.tflite")}
for name, files in seen.items():
    print(f"{name} brings along: {files or 'nothing'}")
sys.exit(0 if list(seen.values()) == [["labels.txt"], False] else "changed: the quantized model had no associated files")
PYTHON
