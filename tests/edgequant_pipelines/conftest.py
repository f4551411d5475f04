"""A quantization of the digits model, and the command line that runs it."""

import logging
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from edgequant_pipelines.cli import main

COMMAND = [sys.executable, "-m", "edgequant_pipelines.cli"]
Edgequant = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def edgequant() -> Edgequant:
    """Runs the command line in a process of its own, as a user does."""

    def run(*arguments: object, cwd: Path | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=300,
            check=False,
            env={**os.environ, **environment},
        )

    return run


@pytest.fixture(scope="session")
def invoke() -> Edgequant:
    """Runs the command line in this process, without the seconds that one of its own takes to import what a run needs."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        words = [str(argument) for argument in arguments]
        # As the command line sets it before MLflow is imported, which another test may have done.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        with warnings.catch_warnings():
            # As in a process of its own, where a library's warning does not end the run.
            warnings.simplefilter("default")
            done = CliRunner().invoke(main, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)

    return run


def make_project(digits: Path, digits_model: Path, directory: Path) -> Path:
    """Writes a configuration with the examples and the model it names, and returns its path."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("train.npz", "test.npz"):
        shutil.copyfile(digits / name, directory / name)
    shutil.copyfile(digits_model, directory / "digits.keras")
    config = {
        "name": "digits",
        "model": "digits.keras",
        "examples": {
            "calibration": "train.npz",
            "evaluation": "test.npz",
            "inputs": {"pixels": "pixels"},
            "label": "digit",
        },
        "sampling": {"calibration": 100, "evaluation": 10000, "stratify": True, "seed": 17},
        "variants": ["float32", "weights_only", "integer_only"],
        "task": "classification",
        "gate": {"max_drop_points": 2.0, "max_size_ratio": 0.5},
        "tracking": {"uri": "sqlite:///mlflow.db", "registered_model": "digits-tflite", "alias": "candidate"},
    }
    path = directory / "digits.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def project(digits: Path, digits_model: Path, tmp_path: Path) -> Path:
    """The configuration of a project of its own for each test."""
    return make_project(digits, digits_model, tmp_path / "project")


@pytest.fixture(scope="module")
def shared_project(digits: Path, digits_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of one project for all tests of a module, in the order they stand."""
    return make_project(digits, digits_model, tmp_path_factory.mktemp("shared") / "project")
