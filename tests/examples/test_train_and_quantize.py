"""The example: a training pipeline that ends with the best quantized model, run by its own command."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "train_and_quantize"


@pytest.fixture(scope="module", params=["imported", "compiled"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The directory of one run, and what the run printed: with the quantization of the package, and with the compiled one."""
    directory = tmp_path_factory.mktemp("train-and-quantize")
    options = []
    if request.param == "compiled":
        compiled = tmp_path_factory.mktemp("compiled")
        _run("-m", "edgequant_pipelines.cli", "compile", "--components", compiled)
        options = ["--component", compiled / "quantize.yaml"]
    return directory, _run(EXAMPLE / "pipeline.py", directory, *options)


def _run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_it_trains_and_ends_with_the_best_variant(run: tuple[Path, str]) -> None:
    """The model trained in the first step is converted, judged on examples that it has not seen, and the best one is named."""
    directory, printed = run
    line = printed.strip().splitlines()[-1]
    assert line.startswith("blessed: integer_only; ")
    result = json.loads((Path(line.partition("; ")[2]) / "result.json").read_text())
    assert list(result["variants"]) == ["float32", "integer_only"]
    assert result["variants"]["integer_only"]["examples"] == 597
    assert result["variants"]["float32"]["metrics"]["accuracy"] > 0.9
    assert result["tracking"]["uri"] == f"sqlite:///{directory / 'mlflow.db'}"
    assert len(list(directory.glob("runs/*/convert"))) == 1


def test_the_quantization_gets_the_model_that_was_trained(run: tuple[Path, str]) -> None:
    """What the nested pipeline converts is the artifact of the training step."""
    directory, _ = run
    (trained,) = directory.glob("runs/*/train/model")
    assert (trained / "saved_model.pb").is_file()
    (log,) = directory.glob("runs/*/describe/executor_output.json")
    assert "pixels" in log.read_text()


def test_what_training_installs_is_what_is_pinned() -> None:
    """The example installs the versions of constraints.txt."""
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    (packages,) = re.findall(r"packages_to_install=\[(.*?)\]", (EXAMPLE / "pipeline.py").read_text())
    named = re.findall(r'"([^"]+)"', packages)
    assert len(named) == 2
    assert set(named) <= set(pinned)


def test_the_readme_gives_its_commands() -> None:
    """Every command of the README names files that are there and options that the script has."""
    text = (EXAMPLE / "README.md").read_text()
    assert "python examples/train_and_quantize/pipeline.py train-and-quantize" in text
    shown = subprocess.run(
        [sys.executable, str(EXAMPLE / "pipeline.py"), "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    options = set(re.findall(r"--[a-z]+", shown.stdout))
    assert set(re.findall(r"pipeline\.py [^\n]*?(--[a-z]+)", text)) <= options
