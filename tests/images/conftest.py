"""Images built from the Dockerfile by `make images`, and what runs in them."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from edgequant import __version__

ROOT = Path(__file__).resolve().parents[2]
# Set by `make test-images`: what cannot be had fails the tests, where they are skipped otherwise.
REQUIRE = "EDGEQUANT_REQUIRE_IMAGES"
# An image to build on, for an engine that can pull one; otherwise a Debian of debootstrap's is.
BASE_IMAGE = "EDGEQUANT_BASE_IMAGE"
IMAGES = ("sampling", "conversion", "evaluation", "tracking", "watch")
_ARCHIVE = ROOT / ".images" / "base.tar"
_BUILD_SECONDS = 1700

Docker = Callable[..., "subprocess.CompletedProcess[str]"]


def image(name: str) -> str:
    """Returns the image that the components name."""
    return f"edgequant/{name}:{__version__}"


@pytest.fixture(scope="session")
def docker_client() -> str:
    """The engine's client."""
    client = shutil.which(os.environ.get("DOCKER", "docker"))
    _need(client is not None, "there is no `docker` on the path")
    return str(client)


@pytest.fixture(scope="session")
def docker(docker_client: str) -> Docker:
    """Runs a command of the engine's client, which must end well unless the test says otherwise."""

    def run(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = [docker_client, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    _need(
        run("info", check=False).returncode == 0, "no container engine answers; `make test-images` starts one as root"
    )
    return run


@pytest.fixture(scope="session")
def base_image(docker: Docker) -> str:
    """The image to build on."""
    if BASE_IMAGE in os.environ:
        return os.environ[BASE_IMAGE]
    _need(
        _ARCHIVE.is_file(),
        f"{BASE_IMAGE} names no image, and `make test-images` makes one only as root with debootstrap",
    )
    # The same archive is one image, so that the engine finds again what it built on it.
    name = f"edgequant-test/python:{int(_ARCHIVE.stat().st_mtime)}"
    if docker("image", "inspect", name, check=False).returncode:
        docker("import", str(_ARCHIVE), name)
    return name


@pytest.fixture(scope="session")
def built(docker: Docker, base_image: str) -> Mapping[str, Any]:
    """By name, each image as the engine describes it, built by `make images` under the name that the components have."""
    command = ["make", "images", f"BASE_IMAGE={base_image}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    found = json.loads(docker("image", "inspect", *map(image, IMAGES)).stdout)
    return dict(zip(IMAGES, found, strict=True))


@pytest.fixture(scope="session")
def run_in(docker: Docker, built: Mapping[str, Any]) -> Callable[..., str]:
    """Runs a command in an image as a strict cluster would, and returns what it prints.

    The root file system is read-only, /tmp is in memory, there is no network, no capability and no way to more privileges.
    """
    del built

    def run(name: str, *command: str, user: str = "") -> str:
        options = ["--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL"]  # noqa: S108
        options += ["--security-opt", "no-new-privileges", *(["--user", user] if user else [])]
        return docker("run", *options, image(name), *command).stdout

    return run


def _need(found: bool, why: str) -> None:
    """Skips the test that lacks something; fails it where nothing may be lacking."""
    if not found:
        (pytest.fail if os.environ.get(REQUIRE) else pytest.skip)(why)
