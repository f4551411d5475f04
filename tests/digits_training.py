"""The training of the demonstration's model, in a process of its own with TensorFlow in it."""

import subprocess
import sys
from pathlib import Path

_MODULE = "edgequant_pipelines.demo.train"
SOURCE = Path(__file__).resolve().parents[1] / "pipelines" / "edgequant_pipelines" / "demo" / "train.py"


def train_digits(directory: Path) -> None:
    """Fills a directory with what training leaves: train.npz and test.npz (pixels, digit), and mlflow.db with models:/digits/1."""
    subprocess.run([sys.executable, "-m", _MODULE, str(directory)], check=True, capture_output=True, timeout=300)
