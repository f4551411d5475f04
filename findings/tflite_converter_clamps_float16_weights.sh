#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0, TFLiteConverter
# Behaviour: a weight of 1e5, past float16's largest number, becomes 65504 with supported_types=[tf.float16], with no
#   message: the output of 64 of them is 4,192,256 in place of 6,400,000.
# A careful engineer would guess: infinity, as a cast in NumPy, TensorFlow or ONNX gives, which shows at the outputs;
#   or an error. A model that is wrong by a third and finite passes such checks.
# Documented: not found; the guide on float16 quantization says that weights are converted.
set -euo pipefail

requirements=(keras==3.15.1 numpy==2.4.6 pillow==12.3.0 tensorflow-cpu==2.21.0)

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

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf


class Model(tf.Module):
    def __init__(self):
        self.weights = tf.Variable(tf.fill((64, 64), 1e5))

    @tf.function(input_signature=[tf.TensorSpec([1, 64], tf.float32, name="x")])
    def __call__(self, x):
        return x @ self.weights


model = Model()
converter = tf.lite.TFLiteConverter.from_concrete_functions([model.__call__.get_concrete_function()], model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.target_spec.supported_types = [tf.float16]
interpreter = tf.lite.Interpreter(model_content=converter.convert())
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ones((1, 64), np.float32))
interpreter.invoke()
seen = float(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0, 0])
with np.errstate(over="ignore"):
    print(f"NumPy casts 1e5 to float16 as {np.float32(1e5).astype(np.float16)}")
print(f"output of 64 weights of 1e5: {seen:,.0f}")
sys.exit(0 if seen == 64 * 65504 else "changed: 64 times 65504 was seen before")
PYTHON
