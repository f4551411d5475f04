#!/usr/bin/env bash
# Library: ai-edge-litert 2.3.0, x86-64
# Behaviour: FULLY_CONNECTED with float activations and int4 weights that are all -8, a scale of 1 and 32 inputs of 1
#   gives +256 with the built-in kernel; XNNPACK and the reference kernel give -256. With -7 all give -224.
# A careful engineer would guess: -256 everywhere: -8 is a value of int4, and quantizers that use the whole range
#   write it.
# Documented: the 8-bit quantization specification keeps int8 weights to [-127, 127]; of int4 it says nothing, and no
#   kernel refuses -8.
# Needs: x86-64
set -euo pipefail

requirements=(ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6)

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

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

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


def run(model, values, resolver):
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


FLOAT32 = schema.TensorType.FLOAT32
seen = {}
for weight in (-7, -8):
    packed = np.full((4, 16), (weight & 15) | ((weight & 15) << 4), np.uint8)
    model = pack(
        schema.BuiltinOperator.FULLY_CONNECTED,
        1,
        [
            tensor("x", [1, 32], FLOAT32),
            tensor("w", [4, 32], schema.TensorType.INT4, buffer=1, scale=1.0),
            tensor("b", [4], FLOAT32, buffer=2),
            tensor("y", [1, 4], FLOAT32),
        ],
        [0, 1, 2],
        schema.FullyConnectedOptionsT(),
        schema.BuiltinOptions.FullyConnectedOptions,
        [packed, np.zeros(4, np.float32)],
    )
    for kernel, resolver in (
        ("built-in", OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES),
        ("XNNPACK", OpResolverType.AUTO),
        ("reference", OpResolverType.BUILTIN_REF),
    ):
        seen[weight, kernel] = round(float(run(model, np.ones((1, 32), np.float32), resolver)[0, 0]))
        print(f"32 inputs of 1, int4 weights of {weight}, {kernel}: {seen[weight, kernel]}")
expected = [-224, -224, -224, 256, -256, -256]
sys.exit(0 if list(seen.values()) == expected else f"changed: {expected} was seen before")
PYTHON
