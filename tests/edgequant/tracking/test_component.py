"""The track step as KFP runs it: what KFP keeps of it, and what it keeps nowhere."""

import base64
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kfp import compiler, dsl, local
from mlflow import MlflowClient
from tests.edgequant.tracking.fault_proxy import STATUS, Fault, proxy

from edgequant.champion.component import fetch_champion
from edgequant.errors import ModelError
from edgequant.mlflow_access.lookup import Waiting
from edgequant.model_uri import pin as look_up
from edgequant.pinning.component import pin
from edgequant.resolution.component import resolve
from edgequant.tracking.component import track
from edgequant_pipelines.cli import main
from edgequant_pipelines.config import load_config
from edgequant_pipelines.pipeline import quantize_model

SECRET = "planted-7f3a-secret"  # noqa: S105 - planted, to be looked for
CONFIGURATION = """
name: digits
model: models:/digits@candidate
examples: {calibration: "s3://datasets/train.npz", label: digit}
tracking: {uri: "https://mlflow.example.com"}
kubeflow:
  image_prefix: registry.example.com/ml
  secrets: {edgequant-mlflow: [MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD]}
"""


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


def files_of(*folders: Path) -> list[Path]:
    """Returns the files in folders, and below."""
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def planted(secrets: list[bytes], *folders: Path) -> list[tuple[Path, bytes]]:
    """Returns the files in folders that hold one of the secrets, and which."""
    return [(path, secret) for path in files_of(*folders) for secret in secrets if secret in path.read_bytes()]


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

    assert len(files_of(tmp_path, server_folder)) > 50
    assert planted(secrets, tmp_path, server_folder) == []

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


def fails(task: Callable[[], object]) -> None:
    """Runs the body of a component, as KFP does in a pod; it must end with one line, as of a user's mistake."""
    with pytest.raises(SystemExit):
        task()


def test_credentials_are_in_no_failure(
    server: str,
    tmp_path: Path,
    secrets: list[bytes],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A refused login, a server that is gone and an address that holds a password: nothing printed or written has them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    dead = "http://127.0.0.1:9"
    with proxy(server) as state:
        state.faults = [Fault(kind=STATUS, where="GET", times=99, status=401)]
        for uri in (state.address, f"http://{SECRET}:{SECRET}@127.0.0.1:99999", f"http://{SECRET}@127.0.0.1:99999"):
            fails(partial(pin.python_func, "models:/digits/1", "", uri))
            fails(partial(resolve.python_func, "models:/digits/1", "", uri, dsl.Model(uri=str(tmp_path / "m"))))
            fails(
                partial(fetch_champion.python_func, "models:/m@champion", "", uri, dsl.Model(uri=str(tmp_path / "c")))
            )
        assert state.authorizations == {f"Basic {secrets[1].decode()}"}
    waiting = Waiting(seconds=1.0)
    with pytest.raises(ModelError) as caught:
        look_up("models:/digits/1", dead, waiting)
    # As a stack trace, too.
    print(caught.getrepr())
    said = capfd.readouterr()
    (tmp_path / "said").write_text(said.out + said.err)
    assert said.out.count("edgequant: pin: ") == 6
    assert "401" in said.out
    assert "holds a password" in said.out
    assert "edgequant: mlflow: MLflow at http://127.0.0.1:9 does not answer" in said.out
    assert planted(secrets, tmp_path) == []


def test_credentials_are_in_nothing_compiled(tmp_path: Path, secrets: list[bytes]) -> None:
    """A configuration names secrets and their variables; the compiled pipeline has these names, and no value."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIGURATION)
    for options in (["--output", "pipeline.yaml"], ["--kubernetes-manifests", "--output", "manifests.yaml"]):
        done = CliRunner().invoke(
            main, ["compile", "--config", str(config), *options[:-1], str(tmp_path / options[-1])]
        )
        assert done.exit_code == 0, done.output
        (tmp_path / f"said-{options[-1]}").write_text(done.output)
        compiled = (tmp_path / options[-1]).read_text()
        assert all(name in compiled for name in ("edgequant-mlflow", "MLFLOW_TRACKING_PASSWORD"))
    assert planted(secrets, tmp_path) == []
