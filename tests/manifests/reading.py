"""Reads the manifests, and finds what a schema does not."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "manifests"
OVERLAYS = ("kubeflow", "standalone")
# Patches are parts of objects; the others are none at all, or made by `make manifests`.
_NO_OBJECTS = (
    "kustomization.yaml",
    "config.yaml",
    "token-of-deployment.yaml",
    "token-of-cronjob.yaml",
    "pipeline.yaml",
)
# Words in the names of what holds a secret; what ends in these holds where it is.
_SECRET = re.compile(r"(?i)password|passwd|secret|token|credential|access_?key|private_?key")
_PLACE = re.compile(r"(?i)_(path|file|name|uri|url|id)$")
# A login inside of a URL.
_LOGIN = re.compile(r"://[^/\s:@]+:[^/\s@]+@")

Object = dict[str, Any]


def object_files() -> list[Path]:
    """Returns the files that hold an object."""
    return sorted(p for p in MANIFESTS.rglob("*.yaml") if p.name not in _NO_OBJECTS and p.parent.name != "rules")


def read(path: str) -> Object:
    """Returns the one document in a file below manifests/."""
    document: Object = yaml.safe_load((MANIFESTS / path).read_text(encoding="utf-8"))
    return document


def environment(overlay: str) -> dict[str, str]:
    """Returns an overlay's watch.env."""
    lines = (MANIFESTS / "overlays" / overlay / "watch.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def services(overlay: str) -> dict[str, tuple[str, int]]:
    """Returns, by variable of watch.env, the namespace and the port of each service of the cluster that is named there."""
    found = {}
    for name, value in environment(overlay).items():
        url = urlsplit(value)
        host = (url.hostname or "").split(".")
        if host[2:] == ["svc", "cluster", "local"] and url.port:
            found[name] = (host[1], url.port)
    return found


def pod_of(workload: Object) -> Object:
    """Returns the spec of the pods of a Deployment or a CronJob."""
    spec = workload["spec"]
    template: Object = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"]
    pod: Object = template["spec"]
    return pod


def secret_values(objects: Iterable[Object]) -> list[str]:
    """Returns where a secret's value stands in an object: none may, as they are kept in a repository."""
    return [finding for item in objects for finding in _secret_values(item)]


def _secret_values(item: Object) -> Iterator[str]:
    where = f"{item['kind']} {item['metadata']['name']}"
    if item["kind"] == "Secret" and (item.get("data") or item.get("stringData")):
        yield f"{where}: holds values"
    if item["kind"] == "ConfigMap":
        for key, value in item.get("data", {}).items():
            if _named_secret(key) or _LOGIN.search(value):
                yield f"{where}: {key}"
    if item["kind"] in ("Deployment", "CronJob"):
        for container in pod_of(item)["containers"]:
            yield from (f"{where}: {name}" for name in _secrets_of(container))


def _secrets_of(container: Object) -> Iterator[str]:
    """Yields the variables and the arguments of a container that hold a secret's value."""
    for variable in container.get("env", ()):
        value = str(variable.get("value", ""))
        if value and (_named_secret(variable["name"]) or _LOGIN.search(value)):
            yield variable["name"]
    for word in (*container.get("command", ()), *container.get("args", ())):
        name, _, value = str(word).partition("=")
        if value and _named_secret(name.replace("-", "_")):
            yield name


def _named_secret(name: str) -> bool:
    return bool(_SECRET.search(name)) and not _PLACE.search(name)
