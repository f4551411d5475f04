#!/usr/bin/env bash
# Library: keras 3.15.1 with tensorflow-cpu 2.21.0
# Behaviour: model.export of a model with RandomFlip gives a SavedModel whose serving signature flips at random:
#   twenty calls with one image give two outputs. model.predict gives one.
# A careful engineer would guess: export traces the model for inference (training=False), so that it augments no more
#   than predict does.
# Documented: the opposite is: export makes "an artifact for inference", and of RandomFlip "during inference time, the
#   output will be identical to input".
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
import keras
import numpy as np
import tensorflow as tf

model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.RandomFlip("horizontal"), keras.layers.Flatten()])
model.export("exported", verbose=False)
image = np.arange(8 * 8 * 3, dtype=np.float32).reshape(1, 8, 8, 3) / 192
loaded = tf.saved_model.load("exported")
exported = {np.asarray(loaded.serve(image)).tobytes() for _ in range(40)}
predicted = {model.predict(image, verbose=0).tobytes() for _ in range(40)}
print(f"different outputs in 40 calls with one image: exported {len(exported)}, predict {len(predicted)}")
sys.exit(0 if (len(exported), len(predicted)) == (2, 1) else "changed: 2 and 1 were seen before")
PYTHON
