#!/usr/bin/env bash
# Library: apache-beam 2.77.0, DaskRunner
# Behaviour: what a DoFn yields in finish_bundle is lost; the state is DONE. Batching DoFns, which keep elements and
#   yield them at the end of a bundle, give nothing.
# A careful engineer would guess: the elements are part of the output, as on every other runner; or the DoFn is
#   refused.
# Documented: no.
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
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from distributed import Client, LocalCluster


class Batch(beam.DoFn):
    def start_bundle(self):
        self.batch = []

    def process(self, element):
        self.batch.append(element)

    def finish_bundle(self):
        yield WindowedValue(sum(self.batch), 0, [GlobalWindow()])


def write(element, path):
    with open(path, "a") as file:
        file.write(f"{element}\n")


def run(runner, options, path):
    pipeline = beam.Pipeline(runner=runner, options=options)
    pipeline | beam.Create([1, 2, 3]) | beam.ParDo(Batch()) | beam.Map(write, path=str(path))
    result = pipeline.run()
    result.wait_until_finish()
    return result.state, sum(map(int, path.read_text().split())) if path.exists() else "nothing"


with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster, Client(cluster):
    options = PipelineOptions(["--dask_client_address", cluster.scheduler_address])
    dask = run(DaskRunner(), options, Path("dask").absolute())
other = run("FnApiRunner", None, Path("other").absolute())
print(f"sums that finish_bundle yields of 1, 2, 3: DaskRunner {dask}, FnApiRunner {other}")
same = dask == ("DONE", "nothing") and other == ("DONE", 6)
sys.exit(0 if same else "changed: nothing on Dask, and 6 elsewhere, were seen before")
PYTHON
