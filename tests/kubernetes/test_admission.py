"""The manifests at a real Kubernetes API: every field is one that it knows, and every pod one that `restricted` admits."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.kubernetes.api_server import KubernetesApi
from tests.kubernetes.building import build, objects, of_kind
from tests.kubernetes.installed import run, tool
from tests.manifests.reading import MANIFESTS, OVERLAYS, Object

from edgequant_pipelines.cli import main

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]

CONFIG = {
    "name": "digits",
    "model": "models:/digits@champion",
    "examples": {"calibration": "gs://bucket/train-*", "label": "digit"},
    "kubeflow": {
        "image_prefix": "registry.example.com/team",
        "secrets": {"mlflow": ["MLFLOW_TRACKING_PASSWORD"]},
        "retries": 2,
        "steps": {"convert": {"memory_limit": "16Gi"}, "benchmark": {"node_selector": {"pool": "quiet"}}},
    },
}


def compiled(folder: Path, *options: str) -> str:
    """Returns what `edgequant compile` writes."""
    path = folder / "pipeline.yaml"
    done = CliRunner().invoke(main, ["compile", "--output", str(path), *options])
    assert done.exit_code == 0, done.output
    return path.read_text(encoding="utf-8")


def pods(found: list[Object]) -> list[Object]:
    """Returns the pods that the controllers of Deployments and CronJobs would make."""
    made = []
    for item in found:
        if item["kind"] in ("Deployment", "CronJob"):
            spec = item["spec"]
            template = (spec["jobTemplate"]["spec"] if item["kind"] == "CronJob" else spec)["template"]
            metadata = {**template["metadata"], "name": "pod", "namespace": item["metadata"]["namespace"]}
            made.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    return made


def check_applied(api: KubernetesApi, text: str, *options: str) -> None:
    """Asserts that every object is applied, without a warning."""
    done = api.apply(text, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(objects(text))


def check_admitted(api: KubernetesApi, found: list[Object]) -> None:
    """Asserts that every pod that would be made is admitted."""
    made = pods(found)
    assert made
    for pod in made:
        done = api.kubectl("create", "--dry-run=server", "--validate=strict", "--filename=-", given=yaml.safe_dump(pod))
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_applied_and_its_pod_admitted(api: KubernetesApi, overlay: str) -> None:
    """Kubernetes knows every field of each object, and `restricted` admits the Deployment's pod under its account."""
    text = build(MANIFESTS / "overlays" / overlay)
    check_applied(api, text)
    check_admitted(api, objects(text))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_cronjob_is_applied_and_its_pod_admitted(api: KubernetesApi, overlay: str, switched: Path) -> None:
    """The same holds with the component of the CronJob."""
    text = build(switched / "overlays" / overlay)
    check_applied(api, text)
    check_admitted(api, objects(text))


def test_flink_is_applied_and_its_pods_admitted(api: KubernetesApi) -> None:
    """The same holds for the example of a Flink cluster."""
    text = build(MANIFESTS / "flink")
    check_applied(api, text)
    check_admitted(api, objects(text))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_documents_command_applies_an_overlay(api: KubernetesApi, overlay: str) -> None:
    """`kubectl apply -k`, which merges on the client's side, applies what docs/kubeflow.md says."""
    done = api.kubectl("apply", "--dry-run=server", "--kustomize", str(MANIFESTS / "overlays" / overlay))
    assert done.returncode == 0, done.stderr
    assert "Deployment" not in done.stderr


def test_the_compiled_pipeline_is_applied(api: KubernetesApi, copied: Path) -> None:
    """KFP's kinds take what `compile --kubernetes-manifests` writes, and `kubectl apply -k` what docs/kubeflow.md builds of it."""
    config = copied / "digits.yaml"
    config.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    text = compiled(copied / "pipeline", "--kubernetes-manifests", "--config", str(config))
    check_applied(api, text, "--namespace=kubeflow")
    done = api.kubectl("apply", "--dry-run=server", "--kustomize", str(copied / "pipeline"))
    assert done.returncode == 0, done.stderr


def test_argos_kind_takes_what_kfp_makes_of_the_pipeline(api: KubernetesApi, tmp_path: Path) -> None:
    """The Argo Workflow of a run has no field that Argo's own definition lacks."""
    config = tmp_path / "digits.yaml"
    config.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    done = run(tool("kfp-compiler"), "compile", "{}", given=compiled(tmp_path, "--config", str(config)))
    assert done.returncode == 0, done.stderr
    workflow = json.loads(done.stdout)
    workflow["metadata"] = {**workflow["metadata"], "name": "digits", "namespace": "kubeflow"}
    workflow["metadata"].pop("generateName", None)
    # The controller writes it.
    workflow.pop("status", None)
    check_applied(api, yaml.safe_dump(workflow), "--dry-run=server")


@pytest.mark.parametrize(
    ("file", "right", "wrong", "message"),
    [
        ("base/deployment.yaml", "livenessProbe:", "livenesProbe:", "livenesProbe: field not declared in schema"),
        ("base/deployment.yaml", "containerPort: 8080", "containerPort: eighty", "containerPort"),
        ("base/network-policy.yaml", "podSelector:", "podSelektor:", "podSelektor: field not declared in schema"),
        (
            "components/cronjob/cronjob.yaml",
            "restartPolicy: Never",
            "restartPolicy: Always",
            'valid values: "OnFailure", "Never"',
        ),
        ("components/cronjob/cronjob.yaml", 'schedule: "*/10 * * * *"', 'schedule: "*/10 * *"', "schedule"),
    ],
)
def test_what_is_wrong_with_a_field_is_caught(
    api: KubernetesApi, file: str, right: str, wrong: str, message: str
) -> None:
    """A field that is misspelt, of another type, or has another value than those allowed is refused when it is applied."""
    text = (MANIFESTS / file).read_text(encoding="utf-8")
    assert right in text
    done = api.apply(text.replace(right, wrong), "--dry-run=server", "--namespace=edgequant")
    assert done.returncode != 0
    assert message in done.stderr


def test_a_wrong_field_of_the_pipeline_is_caught(api: KubernetesApi, tmp_path: Path) -> None:
    """KFP's kinds refuse a field that they do not have."""
    text = compiled(tmp_path, "--kubernetes-manifests", "--image-prefix", "registry.example.com/ml")
    done = api.apply(text.replace("pipelineName:", "pipelinName:"), "--dry-run=server", "--namespace=kubeflow")
    assert done.returncode != 0
    assert "pipelinName: field not declared in schema" in done.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "reason"),
    [
        ("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "allowPrivilegeEscalation != false"),
        ("runAsUser: 65532", "runAsUser: 0", "runAsUser=0"),
        ("drop:", "add:", "unrestricted capabilities"),
    ],
)
def test_a_pod_with_more_rights_is_not_admitted(api: KubernetesApi, right: str, wrong: str, reason: str) -> None:
    """The namespaces enforce `restricted`: a pod that could do more is refused, with the reason."""
    text = build(MANIFESTS / "overlays" / "standalone")
    check_applied(api, text)
    (pod,) = pods([of_kind(objects(text), "Deployment")])
    planted = yaml.safe_dump(pod)
    assert planted.count(right) == 1
    done = api.kubectl("create", "--dry-run=server", "--filename=-", given=planted.replace(right, wrong))
    assert done.returncode != 0
    assert 'violates PodSecurity "restricted:latest"' in done.stderr
    assert reason in done.stderr
