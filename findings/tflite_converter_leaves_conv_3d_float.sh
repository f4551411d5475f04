#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0, the TFLite converter (tf.lite)
# Behaviour: a CONV_3D with a kernel of 110,592 weights stays float32 with dynamic range quantization, and also with a
#   calibration set and TFLITE_BUILTINS_INT8 as the only operator set: every file has the same size as the float32 one.
#   No error, and no warning that names the operator. A CONV_2D beside it shrinks to a quarter.
# A careful engineer would guess: dynamic range quantizes the kernel, as float16 does; the integer-only set refuses.
# Documented: the guide says of TFLITE_BUILTINS_INT8 that the converter throws an error if it meets an operation that
#   it cannot quantize. The 8-bit specification does not list CONV_3D.
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

rng = np.random.default_rng(0)


class Conv(tf.Module):
    def __init__(self, dimensions):
        super().__init__()
        self.kernel = tf.Variable(rng.normal(size=(3,) * dimensions + (64, 64)).astype(np.float32))
        self.shape = (1,) + (4,) * dimensions + (64,)

    @tf.function(autograph=False)
    def call(self, x):
        return tf.nn.convolution(x, self.kernel, padding="SAME")


def converted_bytes(model, scheme):
    function = model.call.get_concrete_function(tf.TensorSpec(model.shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    if scheme != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme == "int8 only":
        converter.representative_dataset = lambda: ([rng.normal(size=model.shape).astype(np.float32)] for _ in range(4))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return len(converter.convert())


schemes = ("float32", "float16", "dynamic range", "int8 only")
ratios = {}
for dimensions in (2, 3):
    model = Conv(dimensions)
    sizes = {scheme: converted_bytes(model, scheme) for scheme in schemes}
    ratios[dimensions] = [round(sizes[scheme] / sizes["float32"], 1) for scheme in schemes]
    print(f"CONV_{dimensions}D: {sizes}")
expected = {2: [1.0, 0.5, 0.3, 0.3], 3: [1.0, 0.5, 1.0, 1.0]}
sys.exit(0 if ratios == expected else f"changed: sizes were {expected} times the float32 one before, now {ratios}")
PYTHON
