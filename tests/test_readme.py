"""What the README and docs show is what works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgequant_pipelines.config import (
    Calibration,
    Config,
    EvaluationSettings,
    Examples,
    Sampling,
    Tracking,
    load_config,
)
from edgequant_pipelines.deployment import Kubeflow

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Returns the README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_configuration_is_accepted_as_written(tmp_path: Path) -> None:
    """The README's YAML loads, with every default that the docs promise."""
    path = tmp_path / "flowers.yaml"
    path.write_text(blocks("yaml")[0])
    config = load_config(path)
    assert config.name == "flowers"
    assert config.examples.calibration == [str(tmp_path / "train-*.tfrecord")]
    assert config.tracking.experiment == "flowers"


def test_the_ten_lines_of_python_run(digits: Path, digits_model: Path, tmp_path: Path) -> None:
    """The README's Python quantizes a model of one's own."""
    config = {
        "name": "flowers",
        "model": str(digits_model),
        "examples": {
            "calibration": str(digits / "train.npz"),
            "evaluation": str(digits / "test.npz"),
            "label": "digit",
        },
        "sampling": {"calibration": 50},
        "variants": ["float32", "integer_only"],
        "tracking": {"uri": "sqlite:///mlflow.db"},
    }
    (tmp_path / "flowers.yaml").write_text(yaml.safe_dump(config))
    script = blocks("python")[0]
    assert len(script.strip().splitlines()) <= 11
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rejected None" in done.stdout or "inconclusive None" in done.stdout or "blessed integer_only" in done.stdout
    assert "sample started" in done.stdout.splitlines()
    assert re.search(r"(?m)^integer_only \d+ \{'accuracy': 0\.\d+", done.stdout)


def test_the_training_pipeline_compiles(tmp_path: Path) -> None:
    """The README's training pipeline compiles once `train` is the reader's own component."""
    train = (
        "from kfp import compiler, dsl\n\n\n"
        "@dsl.component\ndef train(examples: list[str], model: dsl.Output[dsl.Model]):\n    pass\n\n\n"
    )
    script = tmp_path / "pipeline.py"
    script.write_text(
        train + blocks("python")[1] + "\n\ncompiler.Compiler().compile(train_and_quantize, 'pipeline.yaml')\n"
    )
    done = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "quantize" in (tmp_path / "pipeline.yaml").read_text()


def test_the_commands_are_those_of_make() -> None:
    """Every make command that the README names is a target."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make (\w+)`?", README))
    assert {"demo", "test", "lint"} <= named <= targets


@pytest.mark.parametrize(
    ("section", "prefix"),
    [
        (Config, ""),
        (Examples, "examples."),
        (Sampling, "sampling."),
        (Calibration, "calibration."),
        (EvaluationSettings, "evaluation."),
        (Tracking, "tracking."),
        (Kubeflow, "kubeflow."),
    ],
)
def test_every_key_is_documented(section: type[Config], prefix: str) -> None:
    """docs/configuration.md has a row for every key of the configuration."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    sections = (
        {"examples", "sampling", "calibration", "evaluation", "tracking", "gate", "kubeflow"} if not prefix else set()
    )
    missing = [key for key in section.model_fields if key not in sections and f"| `{prefix}{key}` |" not in text]
    assert missing == []


def test_every_picture_is_there() -> None:
    """Each picture in the documents is kept beside them, and each that is kept is shown."""
    docs = ROOT / "docs"
    shown = {
        (page.parent / picture).resolve()
        for page in [ROOT / "README.md", *docs.glob("*.md")]
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert shown == set(docs.rglob("*.png"))
