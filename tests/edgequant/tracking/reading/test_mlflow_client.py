"""Recording to a real MLflow server over HTTP, which keeps the artifacts itself, as on a cluster."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient

from edgequant.artifacts.evaluation import load_evaluation
from edgequant.artifacts.example_set import load_example_set
from edgequant.tracking.step import record


def test_a_server_gets_what_a_file_gets(server: str, results: Callable[..., Path], digits_sets: Any) -> None:
    """Runs, models and the version are there once; the log is the step's own; the model loads from the server alone."""
    path = results(uri=server)
    script = f"from pathlib import Path\nfrom edgequant.tracking.step import record\nrecord(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert len(done.stdout.splitlines()) == 2
    assert [line for line in done.stderr.splitlines() if "XNNPACK delegate" not in line] == []

    tracked = record(path)
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    runs = client.search_runs([tracked.experiment_id])
    assert sorted(run.info.run_id for run in runs) == sorted([*tracked.run_ids.values(), tracked.summary_run_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    models = client.search_logged_models([tracked.experiment_id])
    assert [str(model.status) for model in models] == ["READY"] * 4
    assert len(client.search_model_versions("name = 'digits-tflite'")) == 1

    load = (
        "import sys, mlflow, numpy as np\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "found = mlflow.pyfunc.load_model('models:/digits-tflite@candidate').predict(np.load(sys.argv[2]))\n"
        "np.save(sys.argv[3], found['output_0'])"
    )
    values, found = path.parent / "values.npy", path.parent / "found.npy"
    np.save(values, load_example_set(digits_sets.evaluation_set).inputs["pixels"][:5])
    subprocess.run([sys.executable, "-c", load, server, str(values), str(found)], timeout=120, check=True)
    expected = load_evaluation(digits_sets.evaluations[digits_sets.best]).outputs["output_0"][:5]
    np.testing.assert_array_equal(np.load(found), expected)
