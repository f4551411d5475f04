"""What identifies a pipeline run in MLflow, and what is read back of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from edgequant.artifacts.result import load_result
from edgequant.errors import TrackingError
from edgequant.tracking.reading.outcome import NoRecordError, read_outcome
from edgequant.tracking.step import pipeline_run, record
from edgequant.tracking.ui_links import PUBLIC_URI


def test_what_identifies_a_pipeline_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a cluster KFP's identifier, on this machine the results; what is configured goes first."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert pipeline_run("", "0f8e") == ""
    assert pipeline_run("nightly", "0f8e") == "nightly"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert pipeline_run("", "0f8e") == "0f8e"


def test_an_identifier_that_kfp_did_not_fill_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A placeholder would be shared by all runs, and each but the first be taken for recorded."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(TrackingError, match=r"left '\{\{\$.pipeline_job_uuid\}\}' as it is.*give pipeline_run"):
        pipeline_run("", "{{$.pipeline_job_uuid}}")
    assert pipeline_run("nightly", "{{$.pipeline_job_uuid}}") == "nightly"


def test_without_an_mlflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MLflow's own default, a new file in the current folder, holds no outcome and is not made."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrackingError, match=r"no MLflow is named: tracking.uri is empty"):
        read_outcome("", "0f8e")
    assert list(tmp_path.iterdir()) == []


def test_an_mlflow_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where it was asked."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"MLflow at http://127.0.0.1:9 cannot be asked"):
        read_outcome("http://127.0.0.1:9", "0f8e")
    with pytest.raises(TrackingError, match=r"MLflow at http://127.0.0.1:9\?token=\*\*\* cannot be asked") as caught:
        read_outcome("http://me:planted@127.0.0.1:9?token=planted", "0f8e")
    assert "planted" not in str(caught.value)


def test_what_track_recorded(recorded: Any) -> None:
    """The outcome, the best variant and the verdict's sentence are read back as they are in the result."""
    client = MlflowClient(tracking_uri=recorded.uri)
    experiment = client.get_experiment_by_name("digits").experiment_id
    (run,) = client.search_runs([experiment], "tags.`edgequant.role` = 'summary'")
    outcome = read_outcome(recorded.uri, run.data.tags["edgequant.pipeline_run"])
    verdict = load_result(recorded.result).verdict
    assert (outcome.outcome, outcome.why, outcome.best) == (verdict.outcome, verdict.why, verdict.best)
    assert outcome.why
    with pytest.raises(NoRecordError, match=r"has no summary of pipeline run other$"):
        read_outcome(recorded.uri, "other")


def test_a_summary_that_kfps_plugin_placed(
    server: str, results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run that it gave is in an experiment of its own: the step names that one, and the outcome is found there, with its page."""
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    experiment = client.create_experiment("of-the-plugin")
    given = client.create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    tracked = record(results(uri=server, registered_model="", pipeline_run="of-the-plugin"))
    assert "4 variants in experiment 'of-the-plugin'" in capsys.readouterr().out
    for uri in (server, ""):
        outcome = read_outcome(uri, "of-the-plugin")
        assert (outcome.summary_run_id, outcome.link) == (given, tracked.links["summary"])
    monkeypatch.setenv(PUBLIC_URI, "https://mlflow.example.com")
    assert read_outcome(server, "of-the-plugin").link.startswith("https://mlflow.example.com/#/experiments/")
