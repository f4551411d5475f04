"""The compiled pipeline on the digits model as Kubeflow's launcher starts it: each step by its command line, in its image."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.digits_training import train_digits
from tests.kfp_launcher import ArtifactTyping, Container, Pod, backend_for_digits

from edgequant import __version__

pytestmark = [pytest.mark.images, pytest.mark.timeout(2700)]

_SECONDS = 600
_TMP = "/tmp"  # noqa: S108 - in the container


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits and their model in a folder that another user can reach, unlike a cache in root's home."""
    folder = tmp_path_factory.mktemp("trained")
    train_digits(folder)
    return folder


@pytest.mark.parametrize("home", [_TMP, "/"], ids=["home", "no-home"])
def test_each_component_runs_with_nothing_to_write_to(
    home: str, built: Mapping[str, Any], docker_client: str, trained: Path, tmp_path: Path
) -> None:
    """As user 65532 on a read-only root, HOME writable or not, the run ends: only /tmp and the pod's own volume take files."""
    del built
    images = []

    def execute(container: Container) -> "subprocess.CompletedProcess[str]":
        images.append(container.image)
        # The launcher runs as the same user, in volumes that are the pod's own.
        for path in (container.volume, *container.volume.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        folders = (container.volume, backend.folder, trained)
        options = ["--rm", "--read-only", "--tmpfs", f"{_TMP}:mode=1777", "--network", "none", "--cap-drop", "ALL"]
        options += ["--security-opt", "no-new-privileges", "--user", "65532:65532"]
        options += [part for folder in folders for part in ("--volume", f"{folder}:{folder}")]
        options += [part for name, value in container.environment.items() for part in ("--env", f"{name}={value}")]
        command, *arguments = container.command
        return subprocess.run(
            [docker_client, "run", *options, "--entrypoint", command, container.image, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    pod = Pod(environment={"HOME": home}, execute=execute)
    backend = backend_for_digits(trained, tmp_path, ArtifactTyping.INSTANCE_SCHEMA, pod)
    for path in (tmp_path, backend.folder, *backend.folder.iterdir(), trained, *trained.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    result = backend.result(backend.run())
    assert result["outcome"] == "blessed"
    assert set(images) == {
        f"edgequant/{name}:{__version__}" for name in ("sampling", "conversion", "evaluation", "tracking")
    }
