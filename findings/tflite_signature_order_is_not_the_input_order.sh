#!/usr/bin/env bash
# Library: tensorflow-cpu 2.21.0, the TFLite converter, and ai-edge-litert 2.3.0, which reads the file
# Behaviour: for a function of (b, a), get_signature_list() names the inputs ['a', 'b'], and get_input_details() gives b
#   first, then a.
# A careful engineer would guess: names and details are two lists of the same inputs in one order, so that
#   zip(signature["inputs"], get_input_details()) pairs them. Equal shapes hide that it swaps them: b - a becomes a - b.
# Documented: in part. The docstring of get_input_details() says that its order may differ from the function's, which here
#   it does not; the list that differs is the signature's, of which no order is stated. get_signature_runner() binds by
#   name, as that docstring advises, and is right.
set -euo pipefail

requirements=(ai-edge-litert==2.3.0 keras==3.15.1 numpy==2.4.6 tensorflow-cpu==2.21.0)

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
from ai_edge_litert.interpreter import Interpreter


class Difference(tf.Module):
    @tf.function(autograph=False, input_signature=[tf.TensorSpec([1], name="b"), tf.TensorSpec([1], name="a")])
    def call(self, b, a):
        return {"minus": b - a}


model = Difference()
tf.saved_model.save(model, "saved_model", signatures={"serving_default": model.call})
interpreter = Interpreter(model_content=tf.lite.TFLiteConverter.from_saved_model("saved_model").convert())
interpreter.allocate_tensors()
names = interpreter.get_signature_list()["serving_default"]["inputs"]
details = interpreter.get_input_details()
values = {"a": np.float32([1]), "b": np.float32([10])}
for name, tensor in zip(names, details):
    interpreter.set_tensor(tensor["index"], values[name])
interpreter.invoke()
zipped = float(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
by_name = float(interpreter.get_signature_runner()(**values)["minus"][0])
print(f"signature: {names}; tensors: {[tensor['name'] for tensor in details]}")
print(f"10 - 1 with inputs bound by zip: {zipped}; by name: {by_name}")
same = (names, zipped, by_name) == (["a", "b"], -9.0, 9.0)
sys.exit(0 if same else "changed: ['a', 'b'], -9.0 and 9.0 were seen before")
PYTHON
