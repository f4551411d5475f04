#!/usr/bin/env bash
# Library: ai-edge-litert 2.3.0, x86-64
# Behaviour: MAX_POOL_2D over the window NaN, 1, 2, 3 gives -inf with XNNPACK, though no value of the window is
#   infinite, and 3 with the built-in kernel. With NaN as the second value of the same window both give 3. NaN is
#   never the output.
# A careful engineer would guess: NaN, as numpy.max gives; or 3, as numpy.fmax. In no case something outside of the
#   window, or what depends on where in the window NaN is.
# Documented: no. What it costs: a network that overflowed somewhere answers with finite or infinite scores, and a
#   check for NaN at the outputs passes.
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


options = schema.Pool2DOptionsT()
options.padding = schema.Padding.VALID
options.strideH = options.strideW = options.filterHeight = options.filterWidth = 2
model = pack(
    schema.BuiltinOperator.MAX_POOL_2D,
    1,
    [tensor("x", [1, 2, 2, 1], schema.TensorType.FLOAT32), tensor("y", [1, 1, 1, 1], schema.TensorType.FLOAT32)],
    [0],
    options,
    schema.BuiltinOptions.Pool2DOptions,
)
seen = {}
for window in ([np.nan, 1, 2, 3], [1, np.nan, 2, 3]):
    values = np.array(window, np.float32).reshape(1, 2, 2, 1)
    for kernel, resolver in (("XNNPACK", OpResolverType.AUTO), ("built-in", OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)):
        seen[str(window), kernel] = float(run(model, values, resolver).item())
        print(f"max pool of {window}, {kernel}: {seen[str(window), kernel]}")
changed = list(seen.values()) != [-np.inf, 3.0, 3.0, 3.0]
sys.exit("changed: -inf, 3, 3, 3 were seen before" if changed else 0)
PYTHON
