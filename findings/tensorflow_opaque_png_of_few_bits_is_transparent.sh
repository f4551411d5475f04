#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0 and Pillow 12.3.0
# Behaviour: tf.io.decode_png(channels=4) of an opaque PNG of less than 8 bits per pixel gives an alpha of 1 (1 bit), 3
#   (a palette of 4 colours, 2 bits) or 15 (16 colours, 4 bits): the opacity is filled in as the largest value of the
#   depth in the file, and is not scaled to 8 bits as the colours are. tf.io.decode_image does the same.
# A careful engineer would guess: 255, which both give for the same picture at 8 bits, and Pillow at every depth.
# Documented: channels=4 is "output an RGBA image"; the value that is filled in is not stated. A picture that is laid
#   over a background by its alpha becomes the background.
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

palette = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8), "P")
palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
pictures = {
    "1 bit, grey": (Image.new("1", (4, 1), 1), {}),
    "2 bits, palette": (palette, {"bits": 2}),
    "4 bits, palette": (palette, {"bits": 4}),
    "8 bits, palette": (palette, {"bits": 8}),
    "8 bits, grey": (Image.new("L", (4, 1), 255), {}),
}
seen = {}
for name, (picture, options) in pictures.items():
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    pillow = np.asarray(Image.open(file).convert("RGBA"))[..., 3]
    decoded = [decode(file.getvalue(), channels=4).numpy()[..., 3] for decode in (tf.io.decode_png, tf.io.decode_image)]
    seen[name] = [sorted(set(alpha.ravel().tolist())) for alpha in (pillow, *decoded)]
    print(f"{name}: alpha by Pillow {seen[name][0]}, by decode_png {seen[name][1]}, by decode_image {seen[name][2]}")
tensorflow = {"1 bit, grey": 1, "2 bits, palette": 3, "4 bits, palette": 15, "8 bits, palette": 255, "8 bits, grey": 255}
expected = {name: [[255], [alpha], [alpha]] for name, alpha in tensorflow.items()}
sys.exit(0 if seen == expected else f"changed: {expected} was seen before")
PYTHON
