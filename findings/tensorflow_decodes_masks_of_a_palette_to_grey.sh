#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0 and Pillow 12.3.0
# Behaviour: tf.io.decode_png(channels=1) of a PNG with a palette, which is how masks of segmentation are stored,
#   gives the brightness of the palette's colours: classes 0, 1, 2, 3 come out as 0, 38, 75, 113. Pillow gives 0, 1,
#   2, 3.
# A careful engineer would guess: the stored indices: the file has one channel, and one is what is wanted.
# Documented: that channels=1 means greyscale is; that palettes are expanded first is not. Sparse masks then look like
#   masks with more classes.
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
from PIL import Image

mask = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8), "P")
mask.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
mask.save("mask.png")
pillow = np.asarray(Image.open("mask.png"))[0].tolist()
tensorflow = tf.io.decode_png(tf.io.read_file("mask.png"), channels=1)[0, :, 0].numpy().tolist()
print(f"Pillow:     {pillow}")
print(f"TensorFlow: {tensorflow}")
sys.exit(0 if (pillow, tensorflow) == ([0, 1, 2, 3], [0, 38, 75, 113]) else "changed: [0, 38, 75, 113] was seen before")
PYTHON
