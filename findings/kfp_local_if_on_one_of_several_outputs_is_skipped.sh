#!/usr/bin/env bash
# Library: kfp 2.17.0, local runner
# Behaviour: dsl.If on one output of a component with several (a NamedTuple) is skipped where there is no dsl.Else,
#   whatever the output is, and the pipeline succeeds. With an Else, or on the output of a component with one, the
#   branch is taken.
# A careful engineer would guess: the branch is taken whenever the condition holds, with an Else or without, as on a
#   cluster.
# Documented: not found, neither in the documentation of local execution nor in its errors or log, which says nothing
#   of the branch.
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
import sys
from contextlib import redirect_stdout
from pathlib import Path

from kfp import local

# The runner reads the source of components, which must be a file.
Path("pipelines.py").write_text('''
from typing import NamedTuple

from kfp import dsl


@dsl.component(install_kfp_package=False)
def decide() -> NamedTuple("Outputs", [("answer", str), ("reason", str)]):
    from typing import NamedTuple

    return NamedTuple("Outputs", [("answer", str), ("reason", str)])("yes", "because")


@dsl.component(install_kfp_package=False)
def note(path: str, text: str):
    with open(path, "a") as file:
        file.write(text)


@dsl.pipeline
def lone_if(path: str):
    with dsl.If(decide().outputs["answer"] == "yes"):
        note(path=path, text="taken")


@dsl.pipeline
def if_else(path: str):
    with dsl.If(decide().outputs["answer"] == "yes"):
        note(path=path, text="taken")
    with dsl.Else():
        note(path=path, text="not taken")
''')
sys.path.insert(0, ".")
import pipelines

local.init(local.SubprocessRunner(use_venv=False), pipeline_root="outputs", raise_on_error=True)
seen = {}
for name in ("lone_if", "if_else"):
    path = Path(f"{name}.txt").absolute()
    with open("log", "a") as log, redirect_stdout(log):
        getattr(pipelines, name)(path=str(path))
    seen[name] = path.read_text() if path.exists() else "skipped"
print(f"seen: {seen}")
sys.exit(0 if seen == {"lone_if": "skipped", "if_else": "taken"} else "changed: the lone If was skipped before")
PYTHON
