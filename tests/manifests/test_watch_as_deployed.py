"""Watch, started as the CronJob of the overlay with profiles starts it, against a real MLflow and a stand-in for KFP."""

import re
import shutil
from pathlib import Path

import pytest
from kfp import Client
from mlflow import MlflowClient
from tests.kfp_server import KfpServer, served
from tests.manifests.reading import MANIFESTS, environment, pod_of, read

from edgequant_pipelines.cli import main
from edgequant_pipelines.kubeflow.client import ENDPOINT
from edgequant_pipelines.kubeflow.credentials import TOKEN, TOKEN_PATH
from edgequant_pipelines.watching.service import Service, Settings

NAMESPACE = read("overlays/kubeflow/kustomization.yaml")["namespace"]
ACCOUNT_TOKEN = "of-the-account"  # noqa: S105 - of a server in this process


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


def rights(server: KfpServer) -> set[tuple[str, str]]:
    """Returns the resource and the verb that KFP asks Kubernetes about, for each request so far."""
    asked = set()
    for request in server.requests():
        method, path = re.match(r"(\w+) /apis/v2beta1/([^?]*)", request).groups()  # type: ignore[union-attr]
        resource, _, rest = path.partition("/")
        if resource == "healthz":
            continue
        read_one = method == "GET" and rest and not rest.endswith("versions")
        asked.add((resource, "create" if method == "POST" else "get" if read_one else "list"))
    return asked


def test_a_version_becomes_a_run_in_the_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the mounted token and namespace, and nothing that the role does not allow, one version becomes one run."""
    rules = Path(shutil.copytree(MANIFESTS / "base" / "rules", tmp_path / "etc"))
    # MLflow is a file here, which no pod has; pods are told of the server.
    config = rules / "digits.yaml"
    server_uri = environment("kubeflow")["MLFLOW_TRACKING_URI"]
    config.write_text(
        config.read_text(encoding="utf-8").replace("tracking: {", f'tracking: {{uri: "{server_uri}", '),
        encoding="utf-8",
    )
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    register(uri, tmp_path)
    for name, value in {"token": ACCOUNT_TOKEN, "namespace": NAMESPACE}.items():
        (tmp_path / name).write_text(value, encoding="utf-8")
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.setattr(Client, "_NAMESPACE_PATH", str(tmp_path / "namespace"))
    command, *arguments = pod_of(read("components/cronjob/cronjob.yaml"))["containers"][0]["args"]
    with main.commands[command].make_context(command, list(arguments)) as context:
        given = context.params
    with served(tmp_path / "kfp.db", token=ACCOUNT_TOKEN, namespaces=(NAMESPACE,)) as server:
        here = {
            ENDPOINT: server.url,
            TOKEN_PATH: str(tmp_path / "token"),
            "MLFLOW_TRACKING_URI": uri,
        }
        for name, value in {**environment("kubeflow"), **here}.items():
            monkeypatch.setenv(name, value)
        settings = Settings(
            rules=rules / given["rules"].name,
            tracking_uri=given["tracking_uri"],
            work=tmp_path / "work",
            interval=given["interval"],
            metrics_port=given["metrics_port"],
        )
        for _ in range(2):
            Service(settings, lambda _: None).run(once=given["once"])
        (run,) = server.all("run")
        (experiment,) = server.all("experiment")
        assert (experiment["display_name"], experiment["namespace"]) == ("edgequant", NAMESPACE)
        assert run["experiment_id"] == experiment["experiment_id"]
        assert run["runtime_config"]["parameters"]["model"] == "models:/digits-cnn/1"
        asked = rights(server)
    allowed = {
        (resource, verb)
        for rule in read("overlays/kubeflow/role.yaml")["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    # KFP itself asks for "get" of the pipeline when a run of it is created.
    assert asked | {("pipelines", "get")} == allowed
