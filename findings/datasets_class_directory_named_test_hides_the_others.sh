#!/usr/bin/env bash
# Library: datasets 5.2.0 (Hugging Face)
# Behaviour: load_dataset("imagefolder") of a directory per class, one of which is called test, loads that one alone,
#   as a split without a label; the other classes' images are left out with no message.
# A careful engineer would guess: the classes test and other, three images; or an error, since one name is a split's
#   and one is not. Names such as test, dev or valid are classes where letters of a test bench, or of a device, are
#   told apart.
# Documented: that directories named after splits are splits is; that all others are then dropped is not.
set -euo pipefail

requirements=(datasets==5.2.0 pillow==12.3.0)

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
HF_HUB_OFFLINE=1 HF_HOME=$work/home "$venv/bin/python" - <<'PYTHON'
import sys
from pathlib import Path

import datasets
from PIL import Image

for name in ("test/1.png", "other/1.png", "other/2.png"):
    path = Path("images", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)
datasets.disable_progress_bars()
loaded = datasets.load_dataset("imagefolder", data_dir="images", cache_dir="cache")
seen = {split: (rows.num_rows, rows.column_names) for split, rows in loaded.items()}
print("on disk: a directory test with 1 image, a directory other with 2")
print(f"loaded: {seen}")
sys.exit(0 if seen == {"test": (1, ["image"])} else "changed: one image, without a label, was seen before")
PYTHON
