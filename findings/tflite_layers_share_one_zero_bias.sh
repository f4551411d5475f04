#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0, the TFLite converter (tf.lite)
# Behaviour: two convolutions with zero biases of the same length are given one bias tensor (not only one buffer) in the
#   .tflite file. Writing a bias of 1 for the first changes the output of both.
# A careful engineer would guess: a bias per layer, as in the model; bias correction and other edits of a layer's
#   constants then touch that layer alone.
# Documented: the file format allows it; that the converter merges equal constants was not found. Convolutions of
#   use_bias=False, which get a bias of zeros, are such layers.
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
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")
import flatbuffers
import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

keras.utils.set_random_seed(0)
image = keras.Input((4, 4, 3), batch_size=1)
heads = [keras.layers.Conv2D(4, 3, name=name)(image) for name in ("first", "second")]
converted = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, heads)).convert()


def outputs(content):
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ones((1, 4, 4, 3), np.float32))
    interpreter.invoke()
    return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]


model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(converted, 0))
graph = model.subgraphs[0]
biases = [int(operator.inputs[2]) for operator in graph.operators]
model.buffers[graph.tensors[biases[0]].buffer].data = np.frombuffer(np.ones(4, np.float32).tobytes(), np.uint8)
builder = flatbuffers.Builder(1024)
builder.Finish(model.Pack(builder), b"TFL3")
changes = [
    round(float((after - before).mean()), 4)
    for before, after in zip(outputs(converted), outputs(bytes(builder.Output())))
]
print(f"tensors of the two biases: {biases}")
print(f"mean change of the two outputs after the first bias was set to 1: {changes}")
same = biases[0] == biases[1] and changes == [1.0, 1.0]
sys.exit(0 if same else "changed: one tensor, and a change of both outputs by 1, were seen before")
PYTHON
