#!/usr/bin/env bash
# Library: kfp 2.17.0, local runner
# Behaviour: an int output of 2**53 + 1 reaches the next component's int input as 2**53, and 1 in a dict parameter as
#   1.0: every number passes through a protobuf Struct, whose only number is a double. The annotations say int on both
#   sides, and the value that arrives is an int.
# A careful engineer would guess: the integers that the annotations promise, or an error past 2**53. Seeds, hashes and
#   row ids of 64 bits are such numbers.
# Documented: NUMBER_INTEGER is documented as a type of its own; that it holds 53 bits was not found.
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
from kfp import dsl


@dsl.component(install_kfp_package=False)
def make() -> int:
    return 2**53 + 1


@dsl.component(install_kfp_package=False)
def note(path: str, number: int, mapping: dict):
    with open(path, "w") as file:
        file.write(f"{number!r} {mapping['one']!r}")


@dsl.pipeline
def pipeline(path: str):
    note(path=path, number=make().output, mapping={"one": 1})
''')
sys.path.insert(0, ".")
from pipelines import pipeline

local.init(local.SubprocessRunner(use_venv=False), pipeline_root="outputs", raise_on_error=True)
with open("log", "w") as log, redirect_stdout(log):
    pipeline(path=str(Path("seen.txt").absolute()))
seen = Path("seen.txt").read_text()
print(f"sent {2**53 + 1} as an int and 1 in a dict; received {seen}")
sys.exit(0 if seen == f"{2**53} 1.0" else f"changed: {2**53} and 1.0 were seen before")
PYTHON
