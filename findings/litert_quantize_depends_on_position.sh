#!/usr/bin/env bash
# Library: ai-edge-litert 2.3.0, x86-64
# Behaviour: nine inputs of 2.5 and a scale of 1 quantize, in one tensor, to 2 (the first eight) and 3 (the ninth)
#   with the built-in kernel: its vector loop rounds halves to even, the scalar rest of the same loop away from zero.
#   XNNPACK gives 2 everywhere, the reference kernel 3.
# A careful engineer would guess: equal inputs give equal outputs, and all kernels the same ones: 3, since the
#   quantization scheme's own kernels round halves away from zero.
# Documented: the 8-bit quantization specification says that hardware may deviate slightly; not that one kernel does
#   within a tensor, and it says nothing of halves.
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


model = pack(
    schema.BuiltinOperator.QUANTIZE,
    2,
    [tensor("x", [1, 9], schema.TensorType.FLOAT32), tensor("y", [1, 9], schema.TensorType.INT8, scale=1.0)],
    [0],
    schema.QuantizeOptionsT(),
    schema.BuiltinOptions.QuantizeOptions,
)

values = np.full((1, 9), 2.5, np.float32)
seen = {
    "built-in": run(model, values, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)[0].tolist(),
    "XNNPACK": run(model, values, OpResolverType.AUTO)[0].tolist(),
    "reference": run(model, values, OpResolverType.BUILTIN_REF)[0].tolist(),
}
for kernel, outputs in seen.items():
    print(f"2.5 nine times, scale 1, {kernel}: {outputs}")
expected = {"built-in": [2] * 8 + [3], "XNNPACK": [2] * 9, "reference": [3] * 9}
sys.exit(0 if seen == expected else f"changed: {expected} was seen before")
PYTHON
