#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0, tf.io.decode_png
# Behaviour: with channels=4 an opaque PNG of 1 bit per pixel gets an alpha of 1, and one of 4 bits an alpha of 15, in
#   place of 255; the colors are scaled to 0-255. With 8 bits alpha is 255.
# A careful engineer would guess: 255 in each, as Pillow gives, since uint8 pixels are 0 to 255. Divided by 255, a mask
#   or a chart saved with few colors becomes all but transparent.
# Documented: not found; channels=4 is documented as "output an RGBA image".
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

images = {1: Image.new("1", (8, 8), 1), 4: Image.new("P", (8, 8), 3), 8: Image.new("L", (8, 8), 255)}
images[4].putpalette([255] * 48)
seen = {}
for bits, image in images.items():
    file = io.BytesIO()
    image.save(file, "PNG", **({"bits": 4} if bits == 4 else {}))
    data = file.getvalue()
    pixel = tf.io.decode_png(data, channels=4).numpy()[0, 0].tolist()
    pillow = Image.open(io.BytesIO(data)).convert("RGBA").getpixel((0, 0))
    seen[data[24]] = pixel
    print(f"PNG of {data[24]} bits: TensorFlow {pixel}, Pillow {list(pillow)}")
expected = {1: [255, 255, 255, 1], 4: [255, 255, 255, 15], 8: [255, 255, 255, 255]}
sys.exit(0 if seen == expected else f"changed: {expected} were seen before")
PYTHON
