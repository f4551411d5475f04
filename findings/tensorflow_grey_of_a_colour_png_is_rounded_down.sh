#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0 and Pillow 12.3.0
# Behaviour: tf.io.decode_png(channels=1) of a colour PNG takes the weights 0.299, 0.587, 0.114 and cuts the fraction
#   off: of 4,096 random pixels about half are one level darker than Pillow's convert("L"), and a quarter are one level
#   darker than tf.image.rgb_to_grayscale of the same pixels. None is brighter.
# A careful engineer would guess: one grey per colour within TensorFlow, and the nearest level: the formula is the
#   same in all three.
# Documented: channels=1 is "output a grayscale image"; neither the weights nor the rounding are stated. The mean
#   shifts by half a level, which an int8 input of scale 1/255 sees.
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
import io
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from PIL import Image

pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
file = io.BytesIO()
Image.fromarray(pixels).save(file, "PNG")
decoded = tf.io.decode_png(file.getvalue(), channels=1).numpy()[..., 0].astype(int)
others = {
    'Pillow convert("L")': np.asarray(Image.fromarray(pixels).convert("L")).astype(int),
    "tf.image.rgb_to_grayscale": tf.image.rgb_to_grayscale(pixels).numpy()[..., 0].astype(int),
    "floor of 0.299 R + 0.587 G + 0.114 B": np.floor(pixels @ np.array([0.299, 0.587, 0.114])).astype(int),
}
shares = {}
for name, grey in others.items():
    levels, counts = np.unique(decoded - grey, return_counts=True)
    shares[name] = dict(zip(levels.tolist(), (counts / decoded.size).round(3).tolist()))
    print(f"decode_png(channels=1) minus {name}: {shares[name]}")
pillow, image, floor = shares.values()
same = set(pillow) == set(image) == {-1, 0} and 0.4 < pillow[-1] < 0.6 and 0.2 < image[-1] < 0.3 and floor[0] > 0.99
sys.exit(0 if same else "changed: one level darker in half and in a quarter of the pixels was seen before")
PYTHON
