"""A server to submit to, and what is submitted."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from tests.kfp_server import KfpServer, served

from edgequant_pipelines.cli import main
from edgequant_pipelines.compilation import CompiledPipeline, CompileOptions, compile_pipeline
from edgequant_pipelines.config import Config, load_config
from edgequant_pipelines.kubeflow import Connection, connect, pipeline_versions

TOKEN = "the-token"  # noqa: S105 - of a server in this process

CONFIG = """
name: flowers
model: models:/flowers@champion
examples:
  calibration: s3://bucket/train-*.npz
  inputs: {image: image}
  label: label
gate: {max_drop_points: 1.0}
tracking: {uri: "https://mlflow.example.com"}
"""


@pytest.fixture(scope="session")
def compiled() -> CompiledPipeline:
    """The pipeline that every configuration of these tests compiles to, compiled once."""
    return compile_pipeline(CompileOptions(defaults=False))


@pytest.fixture(autouse=True)
def no_other_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keeps a Kubeflow installation that this machine knows out of the tests."""
    for name in ("ENDPOINT", "UI_ENDPOINT", "TOKEN", "SA_TOKEN_PATH"):
        monkeypatch.delenv(f"KF_PIPELINES_{name}", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KfpServer]:
    """A single-user installation that asks for a token, which the environment holds."""
    monkeypatch.setenv("KF_PIPELINES_TOKEN", TOKEN)
    with served(tmp_path / "kfp.db", token=TOKEN) as kfp_server:
        yield kfp_server


@pytest.fixture
def connection(server: KfpServer) -> Connection:
    """A connection to it that is quick to give up."""
    return replace(connect(server.url), timeout_s=5.0, settle_s=(0.05, 0.1))


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A configuration whose every name a pod can resolve."""
    path = tmp_path / "flowers.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def config(config_file: Path) -> Config:
    """The same, loaded."""
    return load_config(config_file)


@pytest.fixture
def command(compiled: CompiledPipeline, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command line in this process, with the pipeline that is compiled already."""
    monkeypatch.setattr(pipeline_versions, "compile_for", lambda *_, **__: compiled)
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def kubeconfig(server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the kubeconfig of a cluster that is the server, for a user with a token; there is no other then."""

    def write(token: str) -> None:
        monkeypatch.delenv("KF_PIPELINES_TOKEN")
        values = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": server.url}}],
            "users": [{"name": "me", "user": {"token": token}}],
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(values))

    return write
