#!/usr/bin/env bash
# Library: datasets 5.2.0 (Hugging Face)
# Behaviour: to_parquet of an imagefolder writes null instead of the images' bytes, and the absolute paths of the
#   machine that wrote it. On another machine every image is missing.
# A careful engineer would guess: the file holds the images: save_to_disk and push_to_hub embed them, and Image
#   features are stored as bytes and path for that reason.
# Documented: of save_to_disk and push_to_hub that they embed is; of to_parquet nothing is said.
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
import pyarrow.parquet as parquet
from PIL import Image

for name in ("cat", "dog"):
    Path("images", name).mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(Path("images", name, "1.png"))
datasets.disable_progress_bars()
datasets.load_dataset("imagefolder", data_dir="images", split="train", cache_dir="cache").to_parquet("images.parquet")
seen = parquet.read_table("images.parquet")["image"].to_pylist()
for cell in seen:
    print(f"bytes {cell['bytes']}, path absolute: {Path(cell['path']).is_absolute()}")
left_out = all(cell["bytes"] is None and Path(cell["path"]).is_absolute() for cell in seen)
sys.exit(0 if left_out else "changed: no bytes and absolute paths were seen before")
PYTHON
