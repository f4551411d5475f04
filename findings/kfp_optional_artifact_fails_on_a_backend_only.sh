#!/usr/bin/env bash
# Library: kfp 2.17.0
# Behaviour: a component with Optional[dsl.Input[dsl.Model]] = None compiles, and runs with the local runner. A
#   backend of 2.17 passes the artifact's type as {"instanceSchema": ""} where the local runner passes its
#   schemaTitle, and then the SDK's executor, with the artifact given, raises TypeError: Cannot instantiate
#   typing.Union. dsl.Input[dsl.Model] = None is as optional, and takes both.
# A careful engineer would guess: Optional is how Python says it, and how parameters are made optional; what passes
#   the compiler and the local runner passes on a cluster.
# Documented: neither spelling was found in the documentation; no issue names the error.
set -euo pipefail

requirements=(kfp==2.17.0)

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
import json
import subprocess
import sys
from pathlib import Path

from kfp import compiler, dsl

BODY = """
from typing import Optional

from kfp import dsl


def with_optional(model: Optional[dsl.Input[dsl.Model]] = None) -> str:
    return "none" if model is None else "a model"


def without_optional(model: dsl.Input[dsl.Model] = None) -> str:
    return "none" if model is None else "a model"
"""
Path("bodies.py").write_text(BODY)
sys.path.insert(0, ".")
import bodies


def execute(function, kind):
    """Runs a component as its pod does: the SDK's executor, with the input that a backend writes."""
    artifact = {"name": "model", "uri": str(Path("model").absolute()), "type": kind, "metadata": {}}
    output = {"parameters": {"Output": {"outputFile": str(Path("output").absolute())}}, "outputFile": str(Path("all").absolute())}
    executor_input = {"inputs": {"artifacts": {"model": {"artifacts": [artifact]}}}, "outputs": output}
    command = [sys.executable, "-m", "kfp.dsl.executor_main", "--component_module_path", "bodies.py"]
    command += ["--function_to_execute", function, "--executor_input", json.dumps(executor_input)]
    done = subprocess.run(command, capture_output=True, text=True)
    return "runs" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


seen = {}
for function in ("with_optional", "without_optional"):
    component = dsl.component(getattr(bodies, function), install_kfp_package=False)
    compiler.Compiler().compile(component, f"{function}.yaml")
    for place, kind in (("local runner", {"schemaTitle": "system.Model"}), ("backend", {"instanceSchema": ""})):
        seen[function, place] = execute(function, kind)
        print(f"{function}, type as of a {place}: {seen[function, place]}")
expected = ["runs", "TypeError: Cannot instantiate typing.Union", "runs", "runs"]
sys.exit(0 if list(seen.values()) == expected else f"changed: {expected} was seen before")
PYTHON
