#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0, TFLiteConverter
# Behaviour: Optimize.DEFAULT without a representative dataset leaves the kernels of Conv3D in float32, whatever their
#   size, without a message: the file has the bytes of the float32 one. A Conv2D of as many weights is quantized.
# A careful engineer would guess: int8 weights, as of Conv2D; or a warning. A model for video or volumes stays four times
#   as large as planned.
# Documented: not found; the guide on dynamic range quantization says that weights are quantized to 8 bits.
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
import tensorflow as tf

keras = tf.keras


def sizes(*layers):
    """Returns the size of a model of these layers as float32 and with dynamic range quantization."""
    folder = tempfile.mkdtemp(dir=".")
    keras.Sequential(layers).export(folder, verbose=False)
    result = []
    for optimizations in ([], [tf.lite.Optimize.DEFAULT]):
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = optimizations
        result.append(len(converter.convert()))
    return result


volume = sizes(keras.Input((4, 8, 8, 8)), keras.layers.Conv3D(64, 3))
image = sizes(keras.Input((8, 8, 8)), keras.layers.Conv2D(192, 3))
print(f"Conv3D of 13,824 weights: {volume[0]:,} bytes in float32, {volume[1]:,} with dynamic range quantization")
print(f"Conv2D of 13,824 weights: {image[0]:,} bytes in float32, {image[1]:,} with dynamic range quantization")
sys.exit(0 if volume[1] >= volume[0] and image[1] < image[0] / 2 else "changed: Conv3D stayed float32 before")
PYTHON
