#!/usr/bin/env bash
# Library: keras 3.15.1 with tensorflow-cpu 2.21.0, and scikit-learn 1.9.1
# Behaviour: Keras's top-5 accuracy of outputs of which one class has all the probability, and nine have none, is 1.0
#   whichever classes are right: the nine are level on the fifth place, and each of them counts as among the first
#   five. An output that is the same for all classes has a top-1 accuracy of 1.0. scikit-learn gives 0.5 and 0.1.
# A careful engineer would guess: k classes per example at most. An int8 softmax has steps of 1/256 and gives a
#   confident model's other classes exactly 0: quantizing such a model can raise its top-5 accuracy.
# Documented: for tf.math.in_top_k, which the metric calls; the page of Keras's metric says nothing of ties.
set -euo pipefail

requirements=(keras==3.15.1 numpy==2.4.6 scikit-learn==1.9.1 tensorflow-cpu==2.21.0)

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
from sklearn.metrics import top_k_accuracy_score

labels = np.arange(10)
outputs = {
    ("one class has all", 5): np.eye(1, 10, dtype=np.float32).repeat(10, axis=0),
    ("all classes equal", 1): np.full((10, 10), 0.1, np.float32),
}
seen = {}
for (name, k), scores in outputs.items():
    metric = keras.metrics.SparseTopKCategoricalAccuracy(k=k)
    metric.update_state(labels, scores)
    seen[name] = [float(metric.result()), float(top_k_accuracy_score(labels, scores, k=k))]
    print(f"{name}, top {k}, each of ten classes right once: Keras {seen[name][0]}, scikit-learn {seen[name][1]}")
expected = {"one class has all": [1.0, 0.5], "all classes equal": [1.0, 0.1]}
sys.exit(0 if seen == expected else f"changed: {expected} was seen before")
PYTHON
