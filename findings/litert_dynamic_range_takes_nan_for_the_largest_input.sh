#!/usr/bin/env bash
# Library: ai-edge-litert 2.3.0, x86-64
# Behaviour: a dynamic-range FULLY_CONNECTED (float input, int8 weights that are all 1) quantizes its input at run
#   time, and NaN becomes the row's largest value: of NaN, 2 and thirty 1s the output is the 34 of 2, 2 and thirty 1s,
#   in all kernels. An infinite input gives minus infinity with the built-in and the reference kernel, though all
#   weights are positive, and infinity with XNNPACK.
# A careful engineer would guess: NaN, as the float32 model gives, and infinity or the largest number, as that gives.
#   A preprocessing that yields NaN is then noticed in the float model and not in the quantized one.
# Documented: not found; the quantization specification treats finite numbers.
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
options = schema.FullyConnectedOptionsT()
options.asymmetricQuantizeInputs = True
seen = {}
for kind, weights in (("float32", np.ones((1, 32), np.float32)), ("dynamic range", np.ones((1, 32), np.int8))):
    quantized = weights.dtype == np.int8
    model = pack(
        schema.BuiltinOperator.FULLY_CONNECTED,
        1,
        [
            tensor("x", [1, 32], FLOAT32),
            tensor("w", [1, 32], schema.TensorType.INT8 if quantized else FLOAT32, 1, 1.0 if quantized else None),
            tensor("b", [1], FLOAT32, 2),
            tensor("y", [1, 1], FLOAT32),
        ],
        [0, 1, 2],
        options,
        schema.BuiltinOptions.FullyConnectedOptions,
        [weights, np.zeros(1, np.float32)],
    )
    for first in (np.nan, np.inf):
        values = np.array([[first, 2] + [1] * 30], np.float32)
        for kernel, resolver in (
            ("XNNPACK", OpResolverType.AUTO),
            ("built-in", OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES),
            ("reference", OpResolverType.BUILTIN_REF),
        ):
            output = f"{run(model, values, resolver).item():.2g}"
            seen.setdefault((kind, first), []).append(output)
            print(f"sum of {first}, 2 and thirty 1s, {kind} model, {kernel}: {output}")
expected = [["nan"] * 3, ["inf", "3.4e+38", "3.4e+38"], ["34"] * 3, ["inf", "-inf", "-inf"]]
sys.exit(0 if list(seen.values()) == expected else f"changed: {expected} was seen before")
PYTHON
