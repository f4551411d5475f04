#!/usr/bin/env bash
# Library: ai-edge-litert 2.3.0
# Behaviour: Interpreter.reset_all_variables() leaves the resource variables of a model as they are, and so does
#   allocate_tensors(): a model that adds 1 to a state returns 1, 2, then 3 after the reset and 4 after the allocation.
# A careful engineer would guess: 1 after the reset, by the name of the method. A streaming model that is evaluated clip by
#   clip begins each clip with what the clip before left.
# Documented: the method is documented as "Reset all variable tensors"; that VAR_HANDLE variables are none was not found.
set -euo pipefail

requirements=(ai-edge-litert==2.3.0 keras==3.15.1 numpy==2.4.6 tensorflow-cpu==2.21.0)

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
import os
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


class Running(tf.Module):
    def __init__(self):
        self.state = tf.Variable(tf.zeros([1, 4]))

    @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32, name="x")])
    def serve(self, x):
        self.state.assign_add(x)
        return {"sum": self.state * 1.0}


folder = tempfile.mkdtemp(dir=".")
model = Running()
tf.saved_model.save(model, folder, signatures={"serving_default": model.serve})
interpreter = Interpreter(model_content=tf.lite.TFLiteConverter.from_saved_model(folder).convert())
interpreter.allocate_tensors()


def run():
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ones((1, 4), np.float32))
    interpreter.invoke()
    return float(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0, 0])


seen = [run(), run()]
interpreter.reset_all_variables()
seen.append(run())
interpreter.allocate_tensors()
seen.append(run())
print(f"outputs: {seen[0]}, {seen[1]}, after reset_all_variables {seen[2]}, after allocate_tensors {seen[3]}")
sys.exit(0 if seen == [1.0, 2.0, 3.0, 4.0] else "changed: 1, 2, 3 and 4 were seen before")
PYTHON
