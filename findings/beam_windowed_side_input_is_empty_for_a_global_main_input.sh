#!/usr/bin/env bash
# Library: apache-beam 2.77.0, Python, default runner
# Behaviour: a side input of 1, 2, 3 in fixed windows, for a main input in the global window, is an empty list with
#   AsList, and the default value with AsSingleton. No error or warning. Python looks the side input up in the fixed
#   window that holds the end of the global window, the last moment of time.
# A careful engineer would guess: an error, which the Java SDK gives ("Attempted to get side input window for
#   GlobalWindow from non-global WindowFn"), or all the elements.
# Documented: the programming guide says that the main element's window is projected into the side input's windows; of
#   the global window into smaller ones it says nothing. Bounded data that some step has windowed are such an input.
set -euo pipefail

requirements=(apache-beam==2.77.0)

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

import apache_beam as beam
from apache_beam.transforms import window


def run(name, as_side_input, windowed):
    with beam.Pipeline() as pipeline:
        side = pipeline | "side" >> beam.Create([1, 2, 3])
        if windowed:
            side = side | beam.Map(lambda second: window.TimestampedValue(second, second))
            side = side | beam.WindowInto(window.FixedWindows(10))
        if as_side_input == "AsSingleton":
            side = side | beam.CombineGlobally(sum).without_defaults()
            view = beam.pvalue.AsSingleton(side, default_value=0)
        else:
            view = beam.pvalue.AsList(side)
        path = str(Path(name).absolute())
        seen = pipeline | "main" >> beam.Create(["element"]) | "join" >> beam.Map(lambda _, joined: str(joined), view)
        seen | beam.io.WriteToText(path, shard_name_template="")
    return Path(name).read_text().strip()


seen = {}
for as_side_input in ("AsList", "AsSingleton"):
    for windowed in (False, True):
        name = f"{as_side_input}, {'fixed windows' if windowed else 'global window'}"
        seen[name] = run(name, as_side_input, windowed)
        print(f"{name}: {seen[name]}")
expected = ["[1, 2, 3]", "[]", "6", "0"]
sys.exit(0 if list(seen.values()) == expected else f"changed: {expected} was seen before")
PYTHON
