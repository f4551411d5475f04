"""Real small parts that many tests share: real digits, and a real model trained on them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_mlflow_server() -> Iterator[None]:
    """Leaves no MLflow server set for the process, which the next test would ask whatever its environment says."""
    yield
    if "mlflow" in sys.modules:
        import mlflow

        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what training leaves: train.npz and test.npz (pixels, digit), and mlflow.db with models:/digits/1."""
    directory = tmp_path_factory.mktemp("digits")
    command = [sys.executable, "-m", "edgequant_pipelines.demo.train", str(directory)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return directory


@pytest.fixture(scope="session")
def digits_model(digits: Path) -> Path:
    """The trained model as a .keras file: pixels float32 [N, 8, 8, 1] → class probabilities [N, 10]."""
    return next(digits.rglob("*.keras"))
