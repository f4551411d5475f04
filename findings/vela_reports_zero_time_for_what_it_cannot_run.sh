#!/usr/bin/env bash
# Library: ethos-u-vela 5.2.0
# Behaviour: a float32 model, of which the NPU can run nothing, is compiled with exit code 0; the summary gives an
#   inference time of 0 s and 0 cycles. Sorted by time it is the fastest.
# A careful engineer would guess: a non-zero exit code, or empty figures in the summary: nothing was measured.
# Documented: that unsupported operators stay on the CPU is, and printed; that the CPU's time counts as none is not
#   said of the summary's columns.
set -euo pipefail

requirements=(ai-edge-litert==2.3.0 ethos-u-vela==5.2.0 flatbuffers==25.12.19 numpy==2.4.6)

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
import csv
import subprocess
import sys
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

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
vela = Path(sys.executable).with_name("vela")
command = [vela, "model.tflite", "--output-dir", "compiled", "--accelerator-config", "ethos-u55-128"]
run = subprocess.run(command, capture_output=True, text=True)
print(f"exit code {run.returncode}")
print(*[line for line in run.stdout.splitlines() if "operators =" in line], sep="\n")
with next(Path("compiled").glob("*summary*.csv")).open() as summary:
    row = next(csv.DictReader(summary))
print(f"inference_time {row['inference_time']} s, cycles_total {row['cycles_total']}")
same = run.returncode == 0 and float(row["inference_time"]) == 0 and float(row["cycles_total"]) == 0
sys.exit(0 if same else "changed: exit code 0 and a time of 0 were seen before")
PYTHON
