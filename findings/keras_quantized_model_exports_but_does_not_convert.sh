#!/usr/bin/env bash
# Library: keras 3.15.1 with tensorflow-cpu 2.21.0
# Behaviour: model.quantize("int8") on two Dense layers, then model.export("saved_model"): both succeed, and the
#   SavedModel gives the quantized model's outputs. The TFLite converter refuses it, with and without optimizations, and
#   so does Keras's own model.export(format="litert"): 'tfl.fully_connected' gets a plain i8 operand.
# A careful engineer would guess: Keras's int8 is the way to an int8 .tflite, the more so as Keras exports that format.
# Documented: that the exported model does not convert was not found. The way to int8 is to convert the float model, with
#   the converter's own quantization.
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


def outcome(convert):
    try:
        convert()
    except Exception as error:
        return f"{type(error).__name__}: 'tfl.fully_connected'" if "fully_connected" in str(error) else repr(error)
    return "converted"


def outcomes(model, path):
    model.export(path, verbose=False)
    x = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    loaded = tf.saved_model.load(path)
    print(f"{path}: served outputs equal the model's: {np.allclose(loaded.serve(x), model(x), atol=1e-5)}")
    plain, optimized = (tf.lite.TFLiteConverter.from_saved_model(path) for _ in range(2))
    optimized.optimizations = [tf.lite.Optimize.DEFAULT]
    seen = {
        "converter": outcome(plain.convert),
        "converter, dynamic range": outcome(optimized.convert),
        'export(format="litert")': outcome(lambda: model.export(f"{path}.tflite", format="litert", verbose=False)),
    }
    for way, result in seen.items():
        print(f"  {way}: {result}")
    return set(seen.values())


keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(4)])
float32 = outcomes(model, "float32")
model.quantize("int8")
int8 = outcomes(model, "int8")
same = float32 == {"converted"} and int8 == {"ConverterError: 'tfl.fully_connected'"}
sys.exit(0 if same else "changed: the float32 model was converted, and the int8 one refused in every way before")
PYTHON
