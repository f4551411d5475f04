"""The track step as KFP runs it: what KFP keeps of it, and what it keeps nowhere."""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl, local
from mlflow import MlflowClient
from tests.edgequant.tracking.fault_proxy import proxy

from edgequant.tracking.component import track
from edgequant_pipelines.config import load_config
from edgequant_pipelines.pipeline import quantize_model

SECRET = "planted-7f3a-secret"  # noqa: S105 - planted, to be looked for


@dsl.pipeline(name="track-alone")  # type: ignore[untyped-decorator]
def track_alone(variant_set: str, verdict: str, calibration_set: str, evaluation_set: str, tracking_uri: str) -> None:
    """Imports what earlier steps made, and records it."""
    imported = {
        name: dsl.importer(artifact_uri=uri, artifact_class=kind).output
        for name, uri, kind in (
            ("variant_set", variant_set, dsl.Model),
            ("verdict", verdict, dsl.Artifact),
            ("calibration_set", calibration_set, dsl.Dataset),
            ("evaluation_set", evaluation_set, dsl.Dataset),
        )
    }
    track(
        **imported,
        tracking_uri=tracking_uri,
        experiment="component",
        registered_model="component",
        alias="candidate",
        register="best",
        retry_seconds=10.0,
        model_uri="",
        pipeline_run="",
        kfp_run=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        configuration="name: digits\n",
    ).set_caching_options(False)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Credentials in the environment; returns every form in which they could be written down."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", f"token-{SECRET}")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", f"user-{SECRET}")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", f"password-{SECRET}")
    pair = f"user-{SECRET}:password-{SECRET}".encode()
    return [SECRET.encode(), base64.b64encode(pair)]


@pytest.mark.filterwarnings("ignore:You may be attemping to run a task:RuntimeWarning")
def test_credentials_are_used_and_written_nowhere(
    server: str,
    server_folder: Path,
    digits_sets: Any,
    tmp_path: Path,
    secrets: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """They reach the server, and are in no log, artifact, metadata of KFP or compiled YAML; the links are in KFP's metadata."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    with proxy(server) as state:
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"), raise_on_error=True)
        names = ("variant_set", "verdict", "calibration_set", "evaluation_set")
        track_alone(**{name: str(getattr(digits_sets, name)) for name in names}, tracking_uri=state.address)
        assert state.authorizations == {f"Basic {secrets[1].decode()}"}
    compiler.Compiler().compile(quantize_model, str(tmp_path / "pipeline.yaml"))
    said = capfd.readouterr()
    (tmp_path / "said").write_text(said.out + said.err)

    files = [path for folder in (tmp_path, server_folder) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 50
    found = [(path, secret) for path in files for secret in secrets if secret in path.read_bytes()]
    assert found == []

    client = MlflowClient(tracking_uri=server, registry_uri=server)
    version = client.get_model_version_by_alias("component", "candidate")
    (output,) = tmp_path.glob("root/**/track/executor_output.json")
    metadata = json.loads(output.read_text())["artifacts"]["result"]["artifacts"][0]["metadata"]
    assert metadata["model version"] == str(version.version)
    assert metadata["mlflow version"].endswith(
        f"/#/models/component/versions/{version.version}?workflowType=machine_learning"
    )
    assert "workflowType=machine_learning" in metadata["mlflow experiment"]
    (result,) = tmp_path.glob("root/**/track/result")
    recorded = (result / "config.yaml").read_text()
    assert recorded.startswith("# Not as configured but as run: model, signature, examples.calibration,")
    config = load_config(result / "config.yaml")
    assert (config.name, config.examples.label, config.gate["max_drop_points"]) == ("digits", "digit", 5)
    (summary,) = (
        run
        for run in client.search_runs([client.get_run(version.run_id).info.experiment_id])
        if "edgequant.outcome" in run.data.tags
    )
    assert client.download_artifacts(summary.info.run_id, "config.yaml", str(tmp_path))
    assert (tmp_path / "config.yaml").read_text() == recorded
