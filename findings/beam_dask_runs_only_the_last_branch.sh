#!/usr/bin/env bash
# Library: apache-beam 2.77.0, DaskRunner
# Behaviour: of a pipeline whose collection feeds two branches, each of which writes, only the branch that was added
#   last runs. The state is DONE.
# A careful engineer would guess: both run, as on every other runner; or the pipeline is refused.
# Documented: no; the runner's module describes it without limits of this kind.
set -euo pipefail

requirements=("apache-beam[dask]==2.77.0")

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
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dask.dask_runner import DaskRunner
from distributed import Client, LocalCluster


def write(element, path):
    with open(path, "a") as file:
        file.write(f"{element}\n")


def run(runner, options, directory):
    Path(directory).mkdir()
    pipeline = beam.Pipeline(runner=runner, options=options)
    numbers = pipeline | beam.Create([1, 2, 3])
    for branch in ("first", "second"):
        numbers | branch >> beam.Map(write, path=f"{directory}/{branch}")
    result = pipeline.run()
    result.wait_until_finish()
    return result.state, sorted(path.name for path in Path(directory).iterdir())


with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster, Client(cluster):
    options = PipelineOptions(["--dask_client_address", cluster.scheduler_address])
    dask = run(DaskRunner(), options, Path("dask").absolute())
other = run("FnApiRunner", None, Path("other").absolute())
print(f"DaskRunner:  {dask[0]}, branches that wrote: {dask[1]}")
print(f"FnApiRunner: {other[0]}, branches that wrote: {other[1]}")
same = dask == ("DONE", ["second"]) and other == ("DONE", ["first", "second"])
sys.exit(0 if same else "changed: only the second branch wrote before, and DONE was reported")
PYTHON
