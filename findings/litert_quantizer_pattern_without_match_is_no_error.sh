#!/usr/bin/env bash
# Library: litert-quantizer 0.11.0
# Behaviour: a recipe whose pattern matches no operator is accepted: quantize() returns the float model, with no error
#   and no warning, and its report says "1.0x smaller".
# A careful engineer would guess: an error, or a warning, that names the pattern: a recipe for layers that are called
#   otherwise after a rename quantizes nothing.
# Documented: the pattern is documented as a regular expression for layer names; what happens without a match is not.
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


def weights(pattern):
    quantizer = Quantizer("model.tflite")
    quantizer.add_dynamic_config(regex=pattern, operation_name=qtyping.TFLOperationName.ALL_SUPPORTED, num_bits=8)
    quantized = bytes(quantizer.quantize(enable_progress_report=False).quantized_model)
    details = Interpreter(model_content=quantized).get_tensor_details()
    return next(detail["dtype"].__name__ for detail in details if detail["name"] == "layer/w")


seen = {pattern: weights(pattern) for pattern in ("layer", "a_layer_that_was_renamed")}
for pattern, kind in seen.items():
    print(f"recipe for {pattern!r}: the weights are {kind}")
sys.exit(0 if list(seen.values()) == ["int8", "float32"] else "changed: int8 and float32 were seen before")
PYTHON
