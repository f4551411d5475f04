#!/usr/bin/env bash
# Library: ml_dtypes 0.6.0 with NumPy 2.4.6
# Behaviour: the sum of a hundred int4 values of 7 is -4, and their mean 0: NumPy adds them in int4, where it adds
#   int8 in 64 bits. The mean of 100,000 bfloat16 ones is 0.0026: the sum stops at 256, where NumPy adds float16 in
#   pairs and averages it in float32.
# A careful engineer would guess: 700 and 7, and 1, as int8 and float16 give. Statistics of quantized weights come out
#   plausible and wrong.
# Documented: bfloat16 in an issue (jax-ml/ml_dtypes#63), int4 nowhere; NumPy's documentation says that small integers
#   are added in the platform's integer.
set -euo pipefail

requirements=(ml_dtypes==0.6.0 numpy==2.4.6)

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
import sys

import ml_dtypes
import numpy as np

sevens = np.full(100, 7, ml_dtypes.int4)
ones = np.ones(100_000, ml_dtypes.bfloat16)
seen = (int(sevens.sum()), float(sevens.mean()), round(float(ones.mean()), 4))
print(f"sum of a hundred 7s: int4 {seen[0]}, int8 {sevens.astype(np.int8).sum()}")
print(f"mean of a hundred 7s: int4 {seen[1]}, int8 {sevens.astype(np.int8).mean()}")
print(f"mean of 100,000 ones: bfloat16 {seen[2]}, float16 {ones.astype(np.float16).mean()}")
sys.exit(0 if seen == (-4, 0.0, 0.0026) else "changed: -4, 0 and 0.0026 were seen before")
PYTHON
