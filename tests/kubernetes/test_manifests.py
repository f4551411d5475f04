"""The manifests as kustomize builds them: whole, safe, each in its namespace."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.kubernetes.building import NAMESPACES, build, objects, of_kind
from tests.kubernetes.installed import run, tool
from tests.manifests.reading import MANIFESTS, OVERLAYS, Object, pod_of, secret_values

from edgequant import __version__

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]

KINDS = {"ConfigMap", "Deployment", "NetworkPolicy", "Service", "ServiceAccount"}
MORE_KINDS = {"kubeflow": {"Role", "RoleBinding"}, "standalone": {"Namespace"}}
# What Kubernetes takes as the name of an object.
NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def check(found: list[Object]) -> None:
    """Asserts that Kubernetes takes every object, and that none holds a secret's value."""
    for item in found:
        kubernetes_validate.validate(item, kubernetes_validate.latest_version(), strict=True)
    assert secret_values(found) == []


def checkov(folder: Path, text: str) -> dict[str, Any]:
    """Returns what checkov finds in what was built: its report on Kubernetes."""
    (folder / "built.yaml").write_text(text, encoding="utf-8")
    options = ("--skip-download", "--compact", "--output", "json", "--framework", "kubernetes", "--file")
    done = run(tool("checkov/bin/python"), "-m", "checkov.main", *options, "built.yaml", cwd=folder)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_whole_and_in_its_namespace(overlay: str) -> None:
    """Each overlay has what it says, Kubernetes takes it, and all of it is in one namespace."""
    found = objects(build(MANIFESTS / "overlays" / overlay))
    check(found)
    assert {item["kind"] for item in found} == KINDS | MORE_KINDS[overlay]
    namespaced = [item for item in found if item["kind"] != "Namespace"]
    assert {item["metadata"]["namespace"] for item in namespaced} == {NAMESPACES[overlay]}
    if overlay == "kubeflow":
        (subject,) = of_kind(found, "RoleBinding")["subjects"]
        assert subject["namespace"] == NAMESPACES[overlay]
        assert subject["name"] == of_kind(found, "ServiceAccount")["metadata"]["name"]
    else:
        assert of_kind(found, "Namespace")["metadata"]["name"] == NAMESPACES[overlay]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_pods_refer_to_is_there(overlay: str) -> None:
    """Every ConfigMap and volume that the pod names is there; the ConfigMap of the environment has a name of its contents."""
    found = objects(build(MANIFESTS / "overlays" / overlay))
    pod = pod_of(of_kind(found, "Deployment"))
    (container,) = pod["containers"]
    maps = {item["metadata"]["name"]: item["data"] for item in found if item["kind"] == "ConfigMap"}
    (source,) = container["envFrom"]
    name = source["configMapRef"]["name"]
    assert name.startswith("edgequant-watch-")
    assert {"MLFLOW_TRACKING_URI", "KF_PIPELINES_ENDPOINT"} < set(maps[name])
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert set(maps[volumes["rules"]["configMap"]["name"]]) == {"RULES.yaml", "digits.yaml"}
    assert container["image"] == f"registry.example.com/ml/watch:{__version__}"


def test_only_the_overlay_with_profiles_mounts_a_token() -> None:
    """In the namespace of a profile the pod has a token for KFP, and no sidecar; elsewhere none."""
    volumes = {}
    for overlay in OVERLAYS:
        deployment = of_kind(objects(build(MANIFESTS / "overlays" / overlay)), "Deployment")
        volumes[overlay] = {volume["name"] for volume in pod_of(deployment)["volumes"]}
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert ("sidecar.istio.io/inject" in labels) == (overlay == "kubeflow")
    assert volumes["kubeflow"] - volumes["standalone"] == {"kubeflow-pipelines-token", "namespace"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_cronjob_takes_the_deployments_place(overlay: str, switched: Path) -> None:
    """With the component there is a CronJob with the same pods, and neither the Deployment nor its Service."""
    found = objects(build(switched / "overlays" / overlay))
    check(found)
    assert {item["kind"] for item in found} == (KINDS | MORE_KINDS[overlay] | {"CronJob"}) - {"Deployment", "Service"}
    cronjob = of_kind(found, "CronJob")
    assert cronjob["metadata"]["namespace"] == NAMESPACES[overlay]
    deployed = pod_of(of_kind(objects(build(MANIFESTS / "overlays" / overlay)), "Deployment"))
    once = pod_of(cronjob)
    assert once["volumes"] == deployed["volumes"]
    assert once["containers"][0]["image"] == deployed["containers"][0]["image"]
    assert once["containers"][0]["volumeMounts"] == deployed["containers"][0]["volumeMounts"]


def test_flink_is_whole() -> None:
    """Kubernetes takes the example of a Flink cluster, and its pods find each other by the services' names and ports."""
    found = objects(build(MANIFESTS / "flink"))
    check(found)
    assert {item["metadata"]["namespace"] for item in found} == {NAMESPACES["kubeflow"]}
    ports = {
        item["metadata"]["name"]: {port["port"] for port in item["spec"]["ports"]}
        for item in found
        if item["kind"] == "Service"
    }
    settings = yaml.safe_load(of_kind(found, "ConfigMap")["data"]["config.yaml"])
    manager = settings["jobmanager.rpc.address"]
    assert {settings["jobmanager.rpc.port"], settings["blob.server.port"], settings["rest.port"]} == ports[manager]
    containers = {c["name"]: c for item in found if item["kind"] == "Deployment" for c in pod_of(item)["containers"]}
    arguments = dict(word.split("=", 1) for word in containers["job-server"]["args"])
    assert arguments["--flink-master"] == f"{manager}:{settings['rest.port']}"
    job_server = {int(arguments["--job-port"]), int(arguments["--artifact-port"])}
    assert ports["edgequant-flink-job-server"] == job_server
    for container in containers.values():
        names = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert {container[f"{kind}Probe"]["tcpSocket"]["port"] for kind in ("readiness", "liveness")} <= set(names)
    (pool,) = containers["worker-pool"]["ports"]
    assert f"--service_port={pool['containerPort']}" in containers["worker-pool"]["command"]
    assert {port["containerPort"] for port in containers["job-server"]["ports"]} == job_server


@pytest.mark.parametrize("folder", ["overlays/kubeflow", "overlays/standalone", "flink"])
def test_checkov_finds_nothing(folder: str, tmp_path: Path) -> None:
    """Every check of checkov passes, or is skipped with a reason in an annotation."""
    report = checkov(tmp_path, build(MANIFESTS / folder))
    assert report["results"]["failed_checks"] == []
    assert len(report["results"]["passed_checks"]) > 50
    assert {skip["check_id"] for skip in report["results"]["skipped_checks"]} <= {
        "CKV_K8S_15",
        "CKV_K8S_43",
        "CKV_K8S_35",
    }
    assert all(len(skip["check_result"]["suppress_comment"]) > 20 for skip in report["results"]["skipped_checks"])


def test_checkov_finds_nothing_in_the_cronjob(switched: Path, tmp_path: Path) -> None:
    """The CronJob passes, too."""
    report = checkov(tmp_path, build(switched / "overlays" / "kubeflow"))
    assert report["results"]["failed_checks"] == []
    assert any("CronJob" in check["resource"] for check in report["results"]["passed_checks"])


@pytest.mark.parametrize(
    ("right", "wrong", "check_id"),
    [
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "CKV_K8S_22"),
        ("drop: [ALL]", "add: [SYS_ADMIN]", "CKV_K8S_39"),
        ("runAsUser: 65532", "runAsUser: 0", "CKV_K8S_40"),
    ],
)
def test_checkov_catches_what_is_planted(right: str, wrong: str, check_id: str, copied: Path, tmp_path: Path) -> None:
    """A pod with more rights is found: the checks check."""
    path = copied / "base" / "deployment.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    report = checkov(tmp_path, build(copied / "overlays" / "standalone"))
    assert check_id in {failed["check_id"] for failed in report["results"]["failed_checks"]}


def test_a_wrong_field_and_a_secret_are_caught_when_built(copied: Path) -> None:
    """What is planted in the files is found in what is built of them."""
    path = copied / "base" / "deployment.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("livenessProbe:", "livenesProbe:"), encoding="utf-8")
    environment = copied / "overlays" / "standalone" / "watch.env"
    environment.write_text(
        environment.read_text(encoding="utf-8") + "MLFLOW_TRACKING_PASSWORD=hunter2\n", encoding="utf-8"
    )
    found = objects(build(copied / "overlays" / "standalone"))
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        check(found)
    (where,) = secret_values(found)
    assert where.endswith(": MLFLOW_TRACKING_PASSWORD")


def test_the_pipeline_is_made_of_what_compile_prints(copied: Path) -> None:
    """`edgequant compile --kubernetes-manifests` writes what manifests/pipeline builds, with the images asked for."""
    output = copied / "pipeline" / "pipeline.yaml"
    options = ("--kubernetes-manifests", "--image-prefix", "registry.example.com/ml", "--output", str(output))
    done = run(sys.executable, "-m", "edgequant_pipelines.cli", "compile", *options)
    assert done.returncode == 0, done.stderr
    found = objects(build(copied / "pipeline"))
    assert [item["kind"] for item in found] == ["Pipeline", "PipelineVersion"]
    assert {item["metadata"]["namespace"] for item in found} == {"kubeflow"}
    written = {item["kind"]: item for item in objects(output.read_text(encoding="utf-8"))}
    for item in found:
        assert item["spec"] == written[item["kind"]]["spec"]
        assert NAME.fullmatch(item["metadata"]["name"])
    version = of_kind(found, "PipelineVersion")
    assert version["spec"]["pipelineName"] == of_kind(found, "Pipeline")["metadata"]["name"]
    executors = version["spec"]["pipelineSpec"]["deploymentSpec"]["executors"].values()
    images = {executor["container"]["image"] for executor in executors if "container" in executor}
    assert images
    assert {image.rpartition("/")[0] for image in images} == {"registry.example.com/ml"}


def test_kubectl_builds_the_same() -> None:
    """`kubectl kustomize`, which the documents name, makes the same of the overlays."""
    for overlay in OVERLAYS:
        done = run(tool("kubernetes-api"), "kubectl", "kustomize", str(MANIFESTS / "overlays" / overlay))
        assert done.returncode == 0, done.stderr
        assert objects(done.stdout) == objects(build(MANIFESTS / "overlays" / overlay))
