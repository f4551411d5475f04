"""The track step when MLflow is there, and when it is not."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from tests.edgequant.tracking.recordings import is_empty

from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.result import TrackingSettings, load_result
from edgequant.benchmarking.step import benchmark
from edgequant.errors import ArtifactError, TrackingError
from edgequant.evaluation.step import evaluate
from edgequant.gate import Gate
from edgequant.tracking.step import TrackInputs, record, track
from edgequant.tracking_uri import tracking_uri
from edgequant.validation.inputs import Inputs as ValidationInputs
from edgequant.validation.step import validate


def _closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _runs(uri: str) -> int:
    client = MlflowClient(tracking_uri=uri)
    return len(client.search_runs([client.get_experiment_by_name("digits").experiment_id]))


def test_results_are_kept_when_mlflow_cannot_be_reached(digits_sets: Any, tmp_path: Path) -> None:
    """The step fails within seconds and in one line, the result is whole on disk, and recording can be finished later."""
    server = f"http://127.0.0.1:{_closed_port()}"
    inputs = TrackInputs(
        variant_set=digits_sets.variant_set,
        verdict=digits_sets.verdict,
        calibration_set=digits_sets.calibration_set,
        evaluation_set=digits_sets.evaluation_set,
    )
    target = tmp_path / "result"
    start = time.monotonic()
    with pytest.raises(TrackingError, match=rf"MLflow at {server} did not accept the results") as raised:
        track(TrackingSettings(uri=server, experiment="digits", retry_seconds=2), inputs, target)
    assert time.monotonic() - start < 60
    assert "\n" not in str(raised.value)

    result = load_result(target)
    assert result.verdict.best == digits_sets.best
    assert (
        result.variants.model("full_int8").read_bytes()
        == (digits_sets.variant_set / "full_int8" / "model.tflite").read_bytes()
    )
    before = json.loads((target / "result.json").read_text())
    assert before["tracking"] is None
    assert before["outcome"] == "blessed"

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracked = record(target, uri)
    after = json.loads((target / "result.json").read_text())
    assert after["tracking"]["uri"] == uri
    assert after["tracking"]["summary_run_id"] == tracked.summary_run_id
    assert after["variants"]["full_int8"]["run_id"] == tracked.run_ids["full_int8"]
    assert _runs(uri) == 5


def test_a_result_holds_what_tracking_needs(results: Callable[..., Path], digits_sets: Any) -> None:
    """Its example is the first of the evaluation set, and its data sets are those of the run."""
    result = load_result(results())
    evaluation = load_example_set(digits_sets.evaluation_set)
    assert list(result.example) == ["pixels"]
    np.testing.assert_array_equal(result.example["pixels"], evaluation.inputs["pixels"][:1])
    assert (result.content.evaluation.digest, result.content.evaluation.examples) == (evaluation.digest, 300)
    assert result.content.calibration.provenance.purpose == "calibration"


def test_a_directory_that_cannot_be_locked(results: Callable[..., Path], tmp_path: Path) -> None:
    """It is no refusal of MLflow's, which is not asked."""
    path = results()
    lock = path.parent / f".{load_result(path).digest[:16]}.lock"
    lock.mkdir()
    with pytest.raises(
        TrackingError, match=rf"^{lock}: cannot be locked \(.*Is a directory.*\); a result has one writer"
    ):
        record(path)
    assert is_empty(tmp_path / "mlflow.db")


def test_a_damaged_result_is_not_recorded(results: Callable[..., Path], tmp_path: Path) -> None:
    """A model that changed on disk is found before anything is sent."""
    path = results()
    model = path / "variants" / "full_int8" / "model.tflite"
    data = model.read_bytes()
    model.unlink()
    model.write_bytes(data[:-1] + b"\xff")
    with pytest.raises(ArtifactError, match=r"model\.tflite: is not the file that its manifest describes"):
        record(path)
    assert is_empty(tmp_path / "mlflow.db")


def test_a_directory_that_is_no_result_is_refused(tmp_path: Path) -> None:
    """Recording names what it needs."""
    with pytest.raises(ArtifactError, match=r"manifest\.json: not found"):
        record(tmp_path)


def test_a_tracking_uri_is_needed_on_a_cluster(
    results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a pod MLflow's default would vanish with the pod: without a URI that is an error at once."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.chdir(tmp_path)
    path = results(uri="")
    with pytest.raises(TrackingError, match=r"tracking\.uri is empty and MLFLOW_TRACKING_URI is not set"):
        record(path)
    assert not (tmp_path / "mlflow.db").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example")
    assert tracking_uri("") == "https://mlflow.example"
    assert tracking_uri("https://other.example") == "https://other.example"


def test_a_laptop_records_beside_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any setting, and not on a cluster, results go to a database in the working directory."""
    monkeypatch.chdir(tmp_path)
    assert tracking_uri("") == f"sqlite:///{tmp_path.resolve() / 'mlflow.db'}"


def test_the_log_is_the_steps_own(results: Callable[..., Path]) -> None:
    """A step's output is its own lines: MLflow's progress, advice and migrations are not in it."""
    path = results()
    script = f"from pathlib import Path\nfrom edgequant.tracking.step import record\nrecord(Path({str(path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True, env={**os.environ}
    )
    assert done.stdout.splitlines()[0] == "edgequant: track: 4 variants in experiment 'digits'"
    assert len(done.stdout.splitlines()) == 2
    # LiteRT's own line is written by its C++ code.
    assert [line for line in done.stderr.splitlines() if "XNNPACK delegate" not in line] == []


def test_variants_without_a_model_or_a_result_are_runs_too(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """A variant that was not converted, or fails on the examples, is a finished run with its reason and without a model."""
    models = {"float32": small_models["double"], "float16": None, "full_int8": small_models["row"]}
    examples = sets.examples({"x": np.full((5, 4), 7.0, np.float32)})
    variants = sets.variants(models)
    for name in models:
        evaluate(name, variants, examples, tmp_path / "e" / name, task="none")
    benchmark(variants, examples, tmp_path / "benchmark", runs=1)
    evaluations = [tmp_path / "e" / name for name in models]
    given = ValidationInputs(
        variant_set=variants,
        evaluations=evaluations,
        benchmark=tmp_path / "benchmark",
        calibration_set=sets.calibration,
        evaluation_set=examples,
    )
    validate("digits", "none", Gate(max_size_ratio=0.9), given, tmp_path / "verdict")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    inputs = TrackInputs(
        variant_set=variants, verdict=tmp_path / "verdict", calibration_set=sets.calibration, evaluation_set=examples
    )
    track(TrackingSettings(uri=uri, experiment="digits"), inputs, tmp_path / "result")
    client = MlflowClient(tracking_uri=uri)
    run_ids = {
        name: variant["run_id"]
        for name, variant in json.loads((tmp_path / "result" / "result.json").read_text())["variants"].items()
    }
    for name, models_logged, reason in (
        ("float32", 1, None),
        ("float16", 0, "the converter died"),
        ("full_int8", 0, "LiteRT cannot run the model"),
    ):
        run = client.get_run(run_ids[name])
        assert run.info.status == "FINISHED"
        assert len(run.outputs.model_outputs) == models_logged
        assert (reason or "") in run.data.tags.get("edgequant.reason", "")
