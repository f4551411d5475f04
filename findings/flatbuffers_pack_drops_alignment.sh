#!/usr/bin/env bash
# Library: flatbuffers 25.12.19 and the schema of ai-edge-litert 2.3.0 (the same code is in TensorFlow)
# Behaviour: the schema of .tflite files declares `Buffer.data: [ubyte] (force_align: 16)`. A model that is written by
#   the schema's own Python classes (ModelT.Pack), as editors of models do, has its constants at offsets that are
#   multiples of 4 alone.
# A careful engineer would guess: the generated code keeps the schema's alignment, as the generated C++ code does.
# Documented: no; force_align is described for the schema, and not as left out by Python's code generator. Readers
#   that map the file and trust the alignment copy, or read unaligned.
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

offsets = {}
for length in (4, 5, 6, 7):
    constant = np.full(length, 77.25, np.float32)
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = np.frombuffer(constant.tobytes(), np.uint8)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    packed = bytes(builder.Output())
    offsets[length] = packed.find(constant.tobytes())
    print(f"a constant of {length} floats starts at {offsets[length]}, which is {offsets[length] % 16} modulo 16")
sys.exit("changed: the constants are aligned" if all(offset % 16 == 0 for offset in offsets.values()) else 0)
PYTHON
