#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0, TFLiteConverter
# Behaviour: resource variables keep their values from one representative example to the next. A model that adds its
#   input to a state is calibrated to a range of 5 by five equal examples of 1, and of 50 by fifty: the int8 step grows
#   with the size of the calibration set.
# A careful engineer would guess: examples are independent, as they are documented to be; more of the same change nothing.
#   A streaming model loses its precision to a larger calibration set.
# Documented: not found; the representative dataset is described as "a generator of samples to calibrate or evaluate".
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
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf


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


def largest(examples):
    """Returns the largest value that the int8 model can represent, calibrated on equal examples of ones."""
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([np.ones((1, 4), np.float32)] for _ in range(examples))
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    scales = [detail["quantization"][0] for detail in interpreter.get_tensor_details()]
    return round(max(scales) * 255, 3)


seen = {examples: largest(examples) for examples in (1, 5, 50)}
for examples, value in seen.items():
    print(f"calibrated on {examples} equal examples of 1: values up to {value}")
sys.exit(0 if seen == {1: 1.0, 5: 5.0, 50: 50.0} else "changed: ranges of 1, 5 and 50 were seen before")
PYTHON
