#!/usr/bin/env bash
# Library: ai-edge-litert 2.3.0, x86-64
# Behaviour: CompiledModel with kernel_mode=CpuKernelMode.REFERENCE runs the built-in kernels: its outputs equal those
#   of CpuKernelMode.BUILTIN, and not those of the interpreter's BUILTIN_REF. QUANTIZE of halves tells them apart.
# A careful engineer would guess: the reference kernels run, as the name says and as the interpreter does with
#   OpResolverType.BUILTIN_REF; or an error, where they are not part of the build.
# Documented: no; the option's docstring says only that it is the mode to use.
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
from ai_edge_litert.compiled_model import CompiledModel, CpuKernelMode, CpuOptions, HardwareAccelerator, Options

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


def run_compiled(mode):
    options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(kernel_mode=mode))
    compiled = CompiledModel.from_buffer(model, options=options)
    inputs, outputs = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    inputs[0].write(values)
    compiled.run_by_index(0, inputs, outputs)
    return outputs[0].read(9, np.int8).tolist()


asked, builtin = run_compiled(CpuKernelMode.REFERENCE), run_compiled(CpuKernelMode.BUILTIN)
reference = run(model, values, OpResolverType.BUILTIN_REF)[0].tolist()
print(f"CompiledModel, REFERENCE:  {asked}")
print(f"CompiledModel, BUILTIN:    {builtin}")
print(f"Interpreter, BUILTIN_REF:  {reference}")
sys.exit(0 if asked == builtin != reference else "changed: REFERENCE was equal to BUILTIN, and not to the reference kernel")
PYTHON
