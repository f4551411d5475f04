#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0, TFLiteConverter
# Behaviour: with TFLITE_BUILTINS_INT8 alone as operators, int8 inputs and outputs, and a representative dataset that
#   yields nothing, or NaN alone, convert() returns a float32 model without an error.
# A careful engineer would guess: an error: operators other than int8 are not allowed, and nothing tells the ranges of
#   activations. A dataset that is None is one: "a `representative_dataset` must be specified".
# Documented: the guide says that with TFLITE_BUILTINS_INT8 conversion throws an error for what cannot be quantized.
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
        self.weights = tf.Variable(tf.reshape(tf.range(8.0), (4, 2)))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def __call__(self, x):
        return x @ self.weights


def input_type(*examples):
    model = Model()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([model.__call__.get_concrete_function()], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([example] for example in examples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    return interpreter.get_input_details()[0]["dtype"].__name__


ones = np.ones((1, 4), np.float32)
seen = {"ones": input_type(ones, ones), "NaN": input_type(ones * np.nan), "nothing": input_type()}
for examples, kind in seen.items():
    print(f"calibrated on {examples}: the input is {kind}")
sys.exit(0 if list(seen.values()) == ["int8", "float32", "float32"] else "changed: int8, float32, float32 were seen before")
PYTHON
