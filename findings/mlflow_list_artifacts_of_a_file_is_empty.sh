#!/usr/bin/env bash
# Library: mlflow 3.17.2
# Behaviour: MlflowClient.list_artifacts(run_id, "model/MLmodel") of a file that exists returns [], as it does for a
#   path that does not exist. list_artifacts(run_id, "model") lists the file.
# A careful engineer would guess: the entry of the file, as ls gives, and an error for what does not exist; so that
#   `if client.list_artifacts(run_id, path)` tells whether a file is there.
# Documented: not for the client. The docstring of the class below it, ArtifactRepository, says that a file gives an
#   empty list, and also that a path that is neither file nor directory "will error", which it does not.
set -euo pipefail

requirements=(mlflow==3.17.2)

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
from pathlib import Path

import mlflow

mlflow.set_tracking_uri(f"sqlite:///{Path('mlflow.db').absolute()}")
client = mlflow.MlflowClient()
experiment = client.create_experiment("experiment", artifact_location=Path("artifacts").absolute().as_uri())
run_id = client.create_run(experiment).info.run_id
client.log_text(run_id, "flavors: {}", "model/MLmodel")
seen = {path: [info.path for info in client.list_artifacts(run_id, path)] for path in ("model", "model/MLmodel", "no")}
for path, listed in seen.items():
    print(f"list_artifacts(run_id, {path!r}): {listed}")
expected = {"model": ["model/MLmodel"], "model/MLmodel": [], "no": []}
sys.exit(0 if seen == expected else f"changed: {expected} was seen before")
PYTHON
