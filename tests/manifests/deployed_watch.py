"""Watch, started as the CronJob of the overlay with profiles starts it: its arguments, environment, mounted token and namespace."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kfp import Client
from mlflow import MlflowClient
from tests.manifests.reading import MANIFESTS, environment, pod_of, read

from edgequant_pipelines.cli import main
from edgequant_pipelines.kubeflow.credentials import TOKEN, TOKEN_PATH
from edgequant_pipelines.kubeflow.kfp_client import ENDPOINT

NAMESPACE = str(read("overlays/kubeflow/kustomization.yaml")["namespace"])
_MLFLOW = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedWatch:
    """A CronJob's pod, without a container around it.

    Attributes:
        arguments: Its command line.
        variables: Its environment; None for what is not set there.
        token: The file that the kubelet keeps the token in.
    """

    arguments: list[str]
    variables: dict[str, str | None]
    token: Path

    def look(self) -> Result:
        """Runs it once."""
        return CliRunner().invoke(main, self.arguments, env=self.variables)


def role_rights() -> set[tuple[str, str]]:
    """Returns the rights of the overlay's role, as pairs of resource and verb."""
    return {
        (resource, verb)
        for rule in read("overlays/kubeflow/role.yaml")["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def register(uri: str, folder: Path) -> None:
    """Registers a version that the rules of manifests/base select."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.create_experiment("training", artifact_location=(folder / "artifacts").as_uri())
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "accuracy", 0.95)
    client.log_text(run.info.run_id, "a model", "model/MLmodel")
    client.set_terminated(run.info.run_id)
    client.create_registered_model("digits-cnn")
    client.create_model_version("digits-cnn", f"{run.info.artifact_uri}/model", run.info.run_id)


def deploy(folder: Path, mlflow_uri: str, kfp_url: str, monkeypatch: pytest.MonkeyPatch) -> DeployedWatch:
    """Returns the pod, whose token is for the test to write.

    Args:
        folder: Where its volumes are.
        mlflow_uri: MLflow, as it is reached here.
        kfp_url: KFP's API, as it is reached here.
        monkeypatch: Tells KFP's client where the pod's namespace is.
    """
    rules = Path(shutil.copytree(MANIFESTS / "base" / "rules", folder / "etc"))
    # MLflow is a file here, which no pod has; pods are told of the server.
    config = rules / "digits.yaml"
    text = config.read_text(encoding="utf-8")
    server = environment("kubeflow")[_MLFLOW]
    config.write_text(text.replace("tracking: {", f'tracking: {{uri: "{server}", '), encoding="utf-8")
    (folder / "namespace").write_text(NAMESPACE, encoding="utf-8")
    monkeypatch.setattr(Client, "_NAMESPACE_PATH", str(folder / "namespace"))
    token = folder / "token"
    here = {ENDPOINT: kfp_url, TOKEN_PATH: str(token), _MLFLOW: mlflow_uri, TOKEN: None}
    places = {"/etc/edgequant": str(rules), "/tmp/edgequant-watch": str(folder / "work")}  # noqa: S108 - of the pod
    arguments = pod_of(read("components/cronjob/cronjob.yaml"))["containers"][0]["args"]
    for place, moved in places.items():
        arguments = [argument.replace(place, moved) for argument in arguments]
    return DeployedWatch(arguments=arguments, variables={**environment("kubeflow"), **here}, token=token)
