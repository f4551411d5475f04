"""What `make manifests` deploys is what `submit`, `schedule` and `watch` run."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from tests.kfp_server import KfpServer

from edgequant_pipelines.cli import main
from edgequant_pipelines.config import load_config
from edgequant_pipelines.watching.launchers.kubeflow import KubeflowLauncher
from edgequant_pipelines.watching.rules.rules import KubeflowServer

KUBEFLOW = """
kubeflow:
  image_prefix: registry.example.com/ml
  image_tag: 0.1.0
  secrets: {edgequant-mlflow: [MLFLOW_TRACKING_USERNAME]}
  steps: {convert: {memory_limit: 16Gi}}
"""


def call(*arguments: object) -> Result:
    """Returns how a command ended that was to end well."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


def deploy(server: KfpServer, path: Path, *arguments: object, namespace: str = "") -> None:
    """Compiles the manifests as `make manifests` does, and applies them."""
    call("compile", "--kubernetes-manifests", "--output", path, *arguments)
    server.apply(yaml.safe_load_all(path.read_text()), namespace)


@pytest.fixture
def deployed(config_file: Path) -> Path:
    """A configuration that says how its steps run, to deploy the pipeline for."""
    config_file.write_text(config_file.read_text() + KUBEFLOW)
    return config_file


def test_the_deployed_version_is_run(server: KfpServer, deployed: Path, tmp_path: Path) -> None:
    """Each of the three finds it, also with another gate, and uploads nothing; a step that differs is another version."""
    deploy(server, tmp_path / "manifests.yaml", "--config", deployed)
    call("submit", deployed, "--host", server.url)
    call("submit", deployed, "--host", server.url, "--set", "gate.max_drop_points=2")
    call("schedule", deployed, "--host", server.url, "--cron", "0 0 2 * * *")
    KubeflowLauncher(KubeflowServer(host=server.url), "https://mlflow.example.com").submit(
        load_config(deployed), "night-1"
    )
    (version,) = server.all("version")
    started = [*server.all("run"), *server.all("recurring run")]
    assert [made["pipeline_version_reference"] for made in started] == [
        {key: version[key] for key in ("pipeline_id", "pipeline_version_id")}
    ] * 4
    assert not [path for path in server.requests("POST") if "/pipelines" in path]
    call("submit", deployed, "--host", server.url, "--set", "kubeflow.retries=1")
    assert len(server.all("version")) == 2


@pytest.mark.long
def test_the_deployed_version_of_a_profile(server: KfpServer, deployed: Path, tmp_path: Path) -> None:
    """With profiles it is in the profile's namespace."""
    server.rules.namespaces = ("team",)
    deploy(server, tmp_path / "manifests.yaml", "--config", deployed, namespace="team")
    call("submit", deployed, "--host", server.url, "--namespace", "team")
    assert len(server.all("version")) == 1


@pytest.mark.long
def test_the_deployed_version_without_a_configuration(server: KfpServer, config_file: Path, tmp_path: Path) -> None:
    """`make manifests PREFIX=… TAG=…` deploys what runs configurations that say nothing of Kubeflow, from those images."""
    images = ("--image-prefix", "registry.example.com/ml", "--tag", "0.1.0")
    deploy(server, tmp_path / "manifests.yaml", *images)
    call("submit", config_file, "--host", server.url, *images)
    assert len(server.all("version")) == 1


def test_manifests_say_how_a_pipeline_runs_and_not_on_what(deployed: Path, tmp_path: Path) -> None:
    """So another gate changes nothing that is deployed, where a version cannot be changed; steps keep their resources."""
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    compiling = ("compile", "--kubernetes-manifests", "--config", deployed)
    one = call(*compiling, "--output", first, "--set", "model=old.keras")
    other = call(*compiling, "--output", second, "--set", "gate.max_drop_points=2")
    assert first.read_text() == second.read_text()
    # Nothing of it is a default, so that there is nothing to warn of.
    assert (one.stderr, one.stdout.rpartition(" ")[2]) == ("", other.stdout.rpartition(" ")[2])
    _, version = yaml.safe_load_all(first.read_text())
    parameters = version["spec"]["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]
    assert "defaultValue" not in parameters["model"]
    assert parameters["gate"].get("defaultValue", {}) == {}
    assert parameters["convert_memory_limit"]["defaultValue"] == "16Gi"
