"""Copies of the manifests, and a Kubernetes API that has what the manifests need."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.kubernetes.api_server import KubernetesApi, kubernetes_api
from tests.kubernetes.building import NAMESPACES, build, objects, switch_to_cronjob
from tests.kubernetes.installed import tool
from tests.manifests.reading import MANIFESTS, Object

_KFP = Path(__file__).parent / "definitions" / "pipelines.yaml"
# The files with the tests that use the API.
_API_TESTS = ("test_admission.py", "test_rights.py")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the manifests to change."""
    return Path(shutil.copytree(MANIFESTS, tmp_path / "manifests"))


@pytest.fixture
def switched(copied: Path) -> Path:
    """A copy where both overlays have the CronJob."""
    switch_to_cronjob(copied)
    return copied


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    """A Kubernetes API with the kinds of KFP and Argo, and namespaces that enforce Pod Security's `restricted`."""
    with kubernetes_api(tmp_path_factory.mktemp("kubernetes")) as found:
        definitions = [*objects(_KFP.read_text(encoding="utf-8")), workflow_definition()]
        namespaces = [restricted(name) for name in ("kubeflow", *NAMESPACES.values())]
        done = found.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": namespaces + definitions}))
        assert done.returncode == 0, done.stderr[:4000]
        for item in definitions:
            wait_until_served(found, item["metadata"]["name"])
        yield found


@pytest.fixture(scope="session")
def profile(api: KubernetesApi) -> str:
    """The namespace of a profile, with what the overlay for it deploys."""
    done = api.apply(build(MANIFESTS / "overlays" / "kubeflow"))
    assert done.returncode == 0, done.stderr
    return NAMESPACES["kubeflow"]


def restricted(name: str) -> dict[str, object]:
    """Returns a namespace that takes only pods of Pod Security's `restricted`."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def wait_until_served(api: KubernetesApi, name: str) -> None:
    """Returns when objects of a kind can be made; `kubectl wait` fails on a definition that has no conditions yet."""
    query = '-o=jsonpath={.status.conditions[?(@.type=="Established")].status}'
    limit = time.monotonic() + 60
    while api.kubectl("get", "customresourcedefinition", name, query).stdout != "True":
        assert time.monotonic() < limit, name
        time.sleep(0.1)


def workflow_definition() -> Object:
    """Returns Argo's definition of a Workflow, which Kubernetes takes only once what it leaves open is said to be open."""
    with Path(tool("argo/argoproj.io_workflows.yaml")).open(encoding="utf-8") as file:
        # 20,000 lines take the parser in Python half a minute.
        definition: Object = yaml.load(file, yaml.CSafeLoader)
    for version in definition["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        # The controller's: more than half of it.
        del schema["properties"]["status"]
        _open(schema)
    return definition


def _open(schema: Object) -> None:
    """Completes a schema where it does not say of what type values are: steps within steps, and templates within tasks."""
    if not {"type", "x-kubernetes-int-or-string"} & set(schema):
        schema.setdefault("x-kubernetes-preserve-unknown-fields", True)
    if schema.get("type") == "array":
        schema.setdefault("items", {})
    inner = [schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
    for child in (*inner, *schema.get("properties", {}).values()):
        _open(child)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how long the tests with the Kubernetes API took, with its start."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    seconds = sum(
        report.duration
        for report in reports
        if isinstance(report, pytest.TestReport) and report.nodeid.split("::")[0].endswith(_API_TESTS)
    )
    if seconds:
        terminalreporter.write_line(f"with etcd and Kubernetes' API server: {seconds:.1f} s")
