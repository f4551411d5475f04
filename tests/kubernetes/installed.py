"""The programs that `tests/kubernetes/install.sh` puts in their place."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.manifests.reading import ROOT

# Set by `make test-kubernetes`: what cannot be had fails the tests, where they are skipped otherwise.
REQUIRE = "EDGEQUANT_REQUIRE_KUBERNETES"
INSTALLED = ROOT / ".kubernetes"


def tool(name: str) -> str:
    """Returns the path of a program."""
    path = INSTALLED / name
    if not path.is_file():
        message = f"{name} is not installed: `make test-kubernetes` installs it"
        pytest.fail(message) if os.environ.get(REQUIRE) else pytest.skip(message)
    return str(path)


def run(*command: str, cwd: Path = ROOT, given: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs a program to its end, with a text to read."""
    return subprocess.run(command, cwd=cwd, input=given, capture_output=True, text=True, timeout=240, check=False)
