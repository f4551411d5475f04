"""The manifests fit Kubernetes' schemas, and say what the code, the images and each other say."""

import copy
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kubernetes_validate
import pytest
import urllib3
import yaml
from kfp import Client
from tests.manifests.reading import (
    MANIFESTS,
    OVERLAYS,
    ROOT,
    Object,
    environment,
    object_files,
    pod_of,
    read,
    secret_values,
    services,
)

from edgequant import __version__
from edgequant.images import image
from edgequant_pipelines.cli import main
from edgequant_pipelines.kubeflow.credentials import TOKEN_PATH
from edgequant_pipelines.kubeflow.kfp_client import ENDPOINT
from edgequant_pipelines.watching.rules.rules import RulesFile, load_rules
from edgequant_pipelines.watching.service import Service, Settings

DEPLOYMENT = "base/deployment.yaml"
CRONJOB = "components/cronjob/cronjob.yaml"
# The oldest Kubernetes that the manifests are for, and the newest that there is a schema of.
VERSIONS = ("1.29", kubernetes_validate.latest_version())
KUBEFLOW_TOKEN = "overlays/kubeflow/token-of-deployment.yaml"  # noqa: S105 - a file


def container(path: str) -> Object:
    """Returns the container of watch in a file."""
    found: Object = pod_of(read(path))["containers"][0]
    return found


def options(path: str) -> dict[str, Any]:
    """Returns the options of `edgequant watch` in a file, by the names that the command gives them."""
    program, (command, *arguments) = container(path)["command"], container(path)["args"]
    assert program == ["edgequant"]
    with main.commands[command].make_context(command, list(arguments)) as context:
        return dict(context.params)


@pytest.mark.parametrize("path", object_files(), ids=lambda path: str(path.relative_to(MANIFESTS)))
def test_every_file_holds_one_object_that_kubernetes_takes(path: Path) -> None:
    """One object to a file, with no field that its schema does not know, and no secret's value."""
    (item,) = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    for version in VERSIONS:
        kubernetes_validate.validate(item, version, strict=True)
    assert secret_values([item]) == []


def test_every_file_is_built() -> None:
    """No file is forgotten: a kustomization names each."""
    for path in object_files():
        kustomization = yaml.safe_load((path.parent / "kustomization.yaml").read_text(encoding="utf-8"))
        assert path.name in kustomization["resources"], path


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        (("spec", "template", "spec", "containers", 0), "readinesProbe"),
        (("spec", "template", "spec", "securityContext"), "runAsNonroot"),
        (("spec",), "replica"),
    ],
)
def test_a_wrong_field_is_caught(keys: tuple[str | int, ...], wrong: str) -> None:
    """A field that is misspelt, which Kubernetes would drop, is an error of the check."""
    deployment = read(DEPLOYMENT)
    place: Any = deployment
    for key in keys:
        place = place[key]
    place[wrong] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match=wrong):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def planted() -> Iterator[tuple[str, Object]]:
    """Yields objects with a secret's value, each with where it is."""
    deployment = read(DEPLOYMENT)
    variable = copy.deepcopy(deployment)
    pod_of(variable)["containers"][0]["env"][1] = {"name": "MLFLOW_TRACKING_PASSWORD", "value": "hunter2"}
    yield "Deployment edgequant-watch: MLFLOW_TRACKING_PASSWORD", variable
    argument = copy.deepcopy(deployment)
    pod_of(argument)["containers"][0]["args"].append("--auth-token=hunter2")
    yield "Deployment edgequant-watch: --auth-token", argument
    url = {"MLFLOW_TRACKING_URI": "https://user:hunter2@mlflow.example.com"}
    yield "ConfigMap x: MLFLOW_TRACKING_URI", {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": url}
    yield "Secret x: holds values", {"kind": "Secret", "metadata": {"name": "x"}, "stringData": {"user": "me"}}


@pytest.mark.parametrize(("where", "item"), list(planted()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_secrets_value_is_caught(where: str, item: Object) -> None:
    """A secret's value in a variable, an argument, a URL or a Secret is found."""
    assert secret_values([item]) == [where]


def test_watch_takes_its_arguments() -> None:
    """The command line is one that `edgequant watch` takes: served for Prometheus in the Deployment, once in the CronJob."""
    deployed, once = options(DEPLOYMENT), options(CRONJOB)
    assert (deployed["once"], deployed["metrics_host"]) == (False, "0.0.0.0")  # noqa: S104
    assert (once["once"], once["metrics_port"]) == (True, None)


def test_the_metrics_port_is_the_same_everywhere() -> None:
    """The argument, the container, the Service, Prometheus' annotation and the NetworkPolicy name one port."""
    service, policy = read("base/service.yaml"), read("base/network-policy.yaml")
    named = {
        options(DEPLOYMENT)["metrics_port"],
        *(port["containerPort"] for port in container(DEPLOYMENT)["ports"]),
        *(port["port"] for port in service["spec"]["ports"]),
        int(service["metadata"]["annotations"]["prometheus.io/port"]),
        *(port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]),
    }
    assert len(named) == 1
    names = {port["name"] for port in container(DEPLOYMENT)["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == names
    assert {
        container(DEPLOYMENT)[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")
    } == names


def test_labels_meet() -> None:
    """The Deployment, the Service and the NetworkPolicy select the pods of the Deployment and of the CronJob."""
    deployment, cronjob = read(DEPLOYMENT), read(CRONJOB)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert cronjob["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"] == labels
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert read("base/service.yaml")["spec"]["selector"] == labels
    assert read("base/network-policy.yaml")["spec"]["podSelector"]["matchLabels"] == labels


def test_there_is_one_watcher_at_a_time() -> None:
    """A new pod waits for the old one's end, and a new job for the last."""
    spec = read(DEPLOYMENT)["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert read(CRONJOB)["spec"]["concurrencyPolicy"] == "Forbid"


def test_the_cronjobs_pods_are_those_of_the_deployment() -> None:
    """What is not about serving or ending is the same in both."""
    deployed, once = pod_of(read(DEPLOYMENT)), pod_of(read(CRONJOB))
    assert once.pop("restartPolicy") == "Never"
    (first,), (second,) = deployed.pop("containers"), once.pop("containers")
    assert once == deployed
    for key in ("args", "ports", "startupProbe", "livenessProbe", "readinessProbe"):
        first.pop(key)
    second.pop("args")
    assert second == first


@pytest.mark.parametrize("path", [p for p in object_files() if p.name in ("deployment.yaml", "cronjob.yaml")], ids=str)
def test_the_image_and_its_user(path: Path) -> None:
    """The image is that of watch in this version, and the user is the Dockerfile's."""
    pod = pod_of(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert pod["containers"][0]["image"] == image("watch")
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert user
    context = pod["securityContext"]
    assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user.groups()


def test_what_watch_writes_can_be_written() -> None:
    """The root is read-only; the work directory is below a volume, and the rules are in another."""
    for path in (DEPLOYMENT, CRONJOB):
        mounts = {mount["mountPath"]: mount["name"] for mount in container(path)["volumeMounts"]}
        assert container(path)["securityContext"]["readOnlyRootFilesystem"] is True
        assert mounts["/tmp"] == "tmp"  # noqa: S108
        assert options(path)["work_directory"].is_relative_to("/tmp")  # noqa: S108
        assert mounts[str(options(path)["rules"].parent)] == "rules"
        assert (
            f"rules/{options(path)['rules'].name}" in read("base/kustomization.yaml")["configMapGenerator"][0]["files"]
        )


def test_the_rules_load() -> None:
    """The example of RULES.yaml is right, and every configuration that it names is in the ConfigMap."""
    rules = load_rules(MANIFESTS / "base" / "rules" / "RULES.yaml")
    assert rules.launchers() == {"kubeflow"}
    packed = {Path(name).name for name in read("base/kustomization.yaml")["configMapGenerator"][0]["files"]}
    assert packed == {"RULES.yaml", *(template.path.name for template in rules.templates.values())}


def test_the_steps_get_what_watch_gets() -> None:
    """The images of the steps are of the registry that watch's is of, and the MLflow login is in the same secret."""
    settings = read("base/rules/digits.yaml")["kubeflow"]
    for overlay in OVERLAYS:
        (chosen,) = read(f"overlays/{overlay}/kustomization.yaml")["images"]
        assert chosen["name"] == image("watch").partition(":")[0]
        assert f"{chosen['newName']}:{chosen['newTag']}" == image("watch", settings["image_prefix"], __version__)
    used = {
        (v["valueFrom"]["secretKeyRef"]["name"], v["valueFrom"]["secretKeyRef"]["key"])
        for v in container(DEPLOYMENT)["env"]
    }
    assert used == {("edgequant-mlflow", key) for key in settings["secrets"]["edgequant-mlflow"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_network_lets_watch_through(overlay: str) -> None:
    """MLflow and KFP, where watch.env has them, are where the NetworkPolicy lets watch go, and nowhere else but to DNS."""
    egress = read("base/network-policy.yaml")["spec"]["egress"]
    allowed = {
        (target["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in egress
        for target in rule["to"]
        for port in rule["ports"]
    }
    assert allowed == {("kube-system", 53), *services(overlay).values()}
    assert set(services(overlay)) == {"MLFLOW_TRACKING_URI", ENDPOINT}


def test_only_with_profiles_is_there_a_token() -> None:
    """No pod has Kubernetes' own token. With profiles it has one for KFP, where the variable says, and its namespace's name."""
    for path in (DEPLOYMENT, CRONJOB):
        assert pod_of(read(path))["automountServiceAccountToken"] is False
    assert read("base/service-account.yaml")["automountServiceAccountToken"] is False
    assert TOKEN_PATH not in environment("standalone")
    for path in (KUBEFLOW_TOKEN, KUBEFLOW_TOKEN.replace("deployment", "cronjob")):
        pod = pod_of(read(path))
        mounts = {mount["name"]: Path(mount["mountPath"]) for mount in pod["containers"][0]["volumeMounts"]}
        token, namespace = pod["volumes"]
        (source,) = token["projected"]["sources"]
        assert source["serviceAccountToken"]["audience"] == "pipelines.kubeflow.org"
        place = mounts[token["name"]] / source["serviceAccountToken"]["path"]
        assert str(place) == environment("kubeflow")[TOKEN_PATH]
        # Where KFP's client looks for the namespace.
        (item,) = namespace["downwardAPI"]["items"]
        assert str(mounts[namespace["name"]] / item["path"]) == Client._NAMESPACE_PATH


def test_the_role_is_what_watch_asks_for() -> None:
    """The role allows the calls of KFP's API that the code makes to submit and to follow a run, and nothing else.

    KFP asks for "get" of the pipeline when a run of it is created, and takes an upload of a version for a creation.
    """
    folder = ROOT / "pipelines" / "edgequant_pipelines" / "kubeflow"
    source = "".join((folder / name).read_text(encoding="utf-8") for name in ("submission.py", "pipeline_versions.py"))
    called = {(f"{kind}s", verb) for kind, verb in re.findall(r"\.(\w+)_service_(create|get|list)_", source)}
    assert {("runs", "create"), ("pipelines", "list")} < called
    assert "upload_pipeline_version" in source
    called |= {("pipelines", "create"), ("pipelines", "get")}
    rules = read("overlays/kubeflow/role.yaml")["rules"]
    assert {group for rule in rules for group in rule["apiGroups"]} == {"pipelines.kubeflow.org"}
    allowed = [(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]]
    assert sorted(allowed) == sorted(called)


def test_the_probes_and_the_metrics_are_served(tmp_path: Path) -> None:
    """The paths that the Deployment and Prometheus ask for are answered: alive, not ready before MLflow was looked at, measured."""
    settings = Settings(rules=tmp_path / "RULES.yaml", tracking_uri="", work=tmp_path, interval=1.0, metrics_port=0)
    service = Service(settings, lambda _: None)
    probes = {
        kind: container(DEPLOYMENT)[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")
    }
    scraped = read("base/service.yaml")["metadata"]["annotations"]["prometheus.io/path"]
    with service._endpoint(SimpleNamespace(problem="")) as port:  # type: ignore[arg-type]
        found = {}
        for name, path in {**probes, "metrics": scraped}.items():
            answer = urllib3.request("GET", f"http://127.0.0.1:{port}{path}", retries=False)
            found[name] = answer.status, answer.data.decode()
    assert found["startup"] == found["liveness"] == (200, "ok\n")
    assert found["readiness"] == (503, "MLflow was not looked at yet\n")
    assert found["metrics"][0] == 200
    assert "edgequant_watch" in found["metrics"][1]


def test_an_edited_configmap_is_reloaded(tmp_path: Path) -> None:
    """Kubernetes swaps a symbolic link when a ConfigMap changes: watch then has the new rules, or, when they are wrong, the old."""
    mount = tmp_path / "etc"
    mount.mkdir()

    def write(name: str, replacement: str) -> None:
        folder = mount / name
        shutil.copytree(MANIFESTS / "base" / "rules", folder)
        rules = folder / "RULES.yaml"
        rules.write_text(rules.read_text(encoding="utf-8").replace("at_least: 0.9", replacement), encoding="utf-8")
        (mount / "..new").symlink_to(name)
        (mount / "..new").rename(mount / "..data")

    write("..1", "at_least: 0.9")
    for name in ("RULES.yaml", "digits.yaml"):
        (mount / name).symlink_to(f"..data/{name}")
    file = RulesFile(mount / "RULES.yaml")
    for name, replacement, changed, bound in (("..2", "at_leest: 0", False, 0.9), ("..3", "at_least: 0.5", True, 0.5)):
        write(name, replacement)
        assert file.reload() is changed
        assert file.rules.rules["digits"].metrics["accuracy"].at_least == bound
        assert ("at_leest" in file.problem) is not changed
