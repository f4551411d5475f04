"""Copies of the manifests, and a Kubernetes API that has what the manifests need."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.kubernetes.api_server import KubernetesApi, kubernetes_api
from tests.kubernetes.building import NAMESPACES, build, switch_to_cronjob
from tests.kubernetes.installed import INSTALLED, tool
from tests.manifests.reading import MANIFESTS

_DEFINITIONS = Path(__file__).parent / "definitions"
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
    tool("kubernetes-api")
    with kubernetes_api(tmp_path_factory.mktemp("kubernetes")) as found:
        texts = [path.read_text(encoding="utf-8") for path in sorted(_DEFINITIONS.glob("*.yaml"))]
        texts += [path.read_text(encoding="utf-8") for path in sorted((INSTALLED / "argo").glob("*_workflows.yaml"))]
        definitions = [document for text in texts for document in yaml.safe_load_all(text)]
        namespaces = [restricted(name) for name in ("kubeflow", *NAMESPACES.values())]
        done = found.apply(yaml.safe_dump_all(namespaces + definitions))
        assert done.returncode == 0, done.stderr
        names = [f"crd/{item['metadata']['name']}" for item in definitions]
        done = found.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
        assert done.returncode == 0, done.stderr
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
