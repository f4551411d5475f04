"""What kustomize builds of the manifests."""

from pathlib import Path

import yaml
from tests.kubernetes.installed import run, tool
from tests.manifests.reading import OVERLAYS, Object

NAMESPACES = {"kubeflow": "kubeflow-user-example-com", "standalone": "edgequant"}
_SWITCH = "  # - ../../components/cronjob"


def build(folder: Path) -> str:
    """Returns what kustomize makes of a folder."""
    done = run(tool("kustomize"), "build", str(folder))
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


def objects(text: str) -> list[Object]:
    """Returns the objects of a built folder."""
    return [item for item in yaml.safe_load_all(text) if item]


def of_kind(found: list[Object], kind: str) -> Object:
    """Returns the one object of a kind."""
    (item,) = (item for item in found if item["kind"] == kind)
    return item


def switch_to_cronjob(manifests: Path) -> None:
    """Gives both overlays of a copy of the manifests the CronJob, by the line that their comment tells to change."""
    for overlay in OVERLAYS:
        path = manifests / "overlays" / overlay / "kustomization.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(_SWITCH) == 1
        path.write_text(text.replace(_SWITCH, _SWITCH.replace("# ", "")), encoding="utf-8")
