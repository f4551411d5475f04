#!/usr/bin/env bash
# Library: croniter 7.0.0
# Behaviour: "0 0 3-3 * * *" (seconds first) fires at every hour, and "0 3-3 * * *" too: a range that ends where it
#   begins is read as one that goes all the way round.
# A careful engineer would guess: at three o'clock alone, as cron, and robfig/cron of Kubeflow Pipelines, read it. A
#   template that fills in the first and the last hour gives such a range.
# Documented: in croniter's README, "Note about Ranges", as a deviation from cron. robfig/cron, which Kubeflow
#   Pipelines uses, reads one value.
set -euo pipefail

requirements=(croniter==7.0.0)

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
from datetime import datetime

from croniter import croniter

seen = {}
for expression, seconds_first in (("0 0 3-3 * * *", True), ("0 3-3 * * *", False), ("0 3 * * *", False)):
    times = croniter(expression, datetime(2026, 1, 1), second_at_beginning=seconds_first)
    seen[expression] = [times.get_next(datetime).strftime("%dT%H:%M") for _ in range(3)]
    print(f"{expression!r}: {', '.join(seen[expression])}")
hourly, daily = ["01T01:00", "01T02:00", "01T03:00"], ["01T03:00", "02T03:00", "03T03:00"]
sys.exit(0 if list(seen.values()) == [hourly, hourly, daily] else "changed: every hour was seen before for 3-3")
PYTHON
