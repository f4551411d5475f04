"""The run on a real trained model with real labelled data gives the figures known for them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "resnet8_cifar10"
# As users write it, beside the data: paths are relative to the file, so it is made where the data is linked.
CONFIG = """
name: resnet8-cifar10
model: saved_model
signature: serving_default
examples:
  calibration: train-*.tfrecord
  evaluation: test-*.tfrecord
  inputs:
    input_1: {feature: image/encoded, decode: image}
  label: image/class/label
sampling: {calibration: 500, evaluation: 10000, stratify: true, seed: 17}
variants: [float32, float16, weights_only, full_int8, integer_only]
task: classification
gate: {max_drop_points: 1.0, confidence: 0.95, max_size_ratio: 0.5, prefer: size_bytes}
tracking: {uri: "sqlite:///mlflow.db", experiment: resnet8-cifar10, registered_model: resnet8-cifar10-tflite, alias: candidate}
beam: ["--runner=FnApiRunner"]
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The result of `edgequant run` on ResNet-8 and CIFAR-10."""
    if not DATA.is_dir():
        pytest.skip("../shared/data/resnet8_cifar10 is not on this machine")
    folder = tmp_path_factory.mktemp("resnet8")
    for item in DATA.iterdir():
        (folder / item.name).symlink_to(item)
    (folder / "resnet8.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "edgequant_pipelines.cli", "run", "resnet8.yaml", "--work-directory", "work"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "work" / "result.json").read_text())


def test_accuracies(result: Any) -> None:
    """float32 is right on exactly 8,719 of 10,000 test images; int8 variants are within 0.3 points of 0.8705."""
    accuracy = {name: found["metrics"]["accuracy"] for name, found in result["variants"].items()}
    assert {found["examples"] for found in result["variants"].values()} == {10_000}
    assert accuracy["float32"] == pytest.approx(0.8719, abs=1e-9)
    assert accuracy["weights_only"] == pytest.approx(0.8705, abs=0.003)
    assert accuracy["full_int8"] == pytest.approx(0.8705, abs=0.003)
    assert accuracy["integer_only"] == pytest.approx(0.8705, abs=0.003)


def test_sizes(result: Any) -> None:
    """Sizes are within 2% of the known ones."""
    size = {name: found["size_bytes"] for name, found in result["variants"].items()}
    assert size["float32"] == pytest.approx(318_296, rel=0.02)
    assert size["weights_only"] == pytest.approx(94_600, rel=0.02)
    assert size["full_int8"] == pytest.approx(95_576, rel=0.02)


def test_verdicts(result: Any) -> None:
    """The int8 variants are blessed; float16 keeps the accuracy and is rejected for its size."""
    verdicts = {name: found["verdict"] for name, found in result["variants"].items()}
    assert verdicts == {
        "float32": "reference",
        "float16": "rejected",
        "weights_only": "blessed",
        "full_int8": "blessed",
        "integer_only": "blessed",
    }
    assert result["outcome"] == "blessed"
    assert result["best"] == "weights_only"
    assert result["tracking"]["model_version"] == "1"
