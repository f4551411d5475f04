"""The pipeline on the digits model, compiled, each step in a container of its image: KFP's DockerRunner."""

import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler
from tests.digits_training import train_digits

from edgequant import __version__
from edgequant.artifacts.directory import file_digest
from edgequant_pipelines import quantize_model

pytestmark = [pytest.mark.images, pytest.mark.timeout(2700)]

Docker = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of the pipeline that is over.

    Attributes:
        done: How the process that ran it ended, and what it printed.
        containers: Every container it started, as the engine describes it, in order.
    """

    done: "subprocess.CompletedProcess[str]"
    containers: list[dict[str, Any]]

    def ended(self) -> list[tuple[str, int]]:
        """Returns the image and the exit code of each container."""
        return [(item["Config"]["Image"], item["State"]["ExitCode"]) for item in self.containers]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What training leaves, in a directory that the pipeline may write to."""
    folder = tmp_path_factory.mktemp("digits")
    train_digits(folder)
    return folder


@pytest.fixture(scope="module")
def quantized(
    docker: Docker, built: Mapping[str, Any], digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Run]]:
    """Runs the pipeline with changes to the configuration; its containers are removed with the tests' end."""
    del built
    compiled = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    compiler.Compiler().compile(quantize_model, str(compiled))
    labels = []

    def run(**changes: Any) -> Run:
        labels.append(f"edgequant-test={uuid.uuid4()}")
        root = tmp_path_factory.mktemp("root")
        config = digits / f"{root.name}.yaml"
        config.write_text(yaml.safe_dump(configuration() | changes))
        # The steps run as a user of the image's own, and write results here and to MLflow's files.
        for path in (root, digits, *digits.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        script = Path(__file__).with_name("quantize_in_images.py")
        command = [sys.executable, "-W", "ignore", str(script), str(compiled), str(config), str(root), labels[-1]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)
        found = docker("ps", "--all", "--quiet", "--filter", f"label={labels[-1]}").stdout.split()
        containers = json.loads(docker("inspect", *found).stdout) if found else []
        return Run(done=done, containers=sorted(containers, key=lambda item: str(item["Created"])))

    yield run
    for label in labels:
        for container in docker("ps", "--all", "--quiet", "--filter", f"label={label}").stdout.split():
            docker("rm", "--force", container)


def configuration() -> dict[str, Any]:
    """Returns a quantization of the digits model, as MLflow has it registered."""
    return {
        "name": "digits",
        "model": "models:/digits/1",
        "examples": {"calibration": "train.npz", "evaluation": "test.npz", "label": "digit"},
        "sampling": {"calibration": 100},
        "variants": ["float32", "weights_only", "integer_only"],
        "gate": {"max_drop_points": 2.0, "max_size_ratio": 0.5},
        "tracking": {"uri": "sqlite:///mlflow.db", "registered_model": "digits-tflite", "alias": "candidate"},
    }


def test_the_digits_are_quantized_from_registry_to_registry(quantized: Callable[..., Run], digits: Path) -> None:
    """Each step ends well in its own image, without rights or anything to write to, and the best variant is registered."""
    from mlflow import MlflowClient

    run = quantized()
    assert run.done.returncode == 0, run.done.stdout[-5000:] + run.done.stderr[-5000:]
    names = {name: f"edgequant/{name}:{__version__}" for name in ("sampling", "conversion", "evaluation", "tracking")}
    assert {code for _, code in run.ended()} == {0}
    # resolve, describe, the champion and track; sample; convert; three variants, the champion, benchmark and validate.
    counts = {"tracking": 4, "sampling": 1, "conversion": 1, "evaluation": 6}
    assert Counter(name for name, _ in run.ended()) == {names[name]: count for name, count in counts.items()}
    for container in run.containers:
        assert container["Config"]["User"] == "65532:65532"
        assert container["HostConfig"]["ReadonlyRootfs"]
        assert container["HostConfig"]["NetworkMode"] == "none"

    (line,) = [line for line in run.done.stdout.splitlines() if line.startswith("result: ")]
    folder = Path(line.removeprefix("result: "))
    result = json.loads((folder / "result.json").read_text())
    assert result["outcome"] == "blessed"
    assert {name: found["status"] for name, found in result["variants"].items()} == {
        "float32": "converted",
        "weights_only": "converted",
        "integer_only": "converted",
    }
    for found in result["variants"].values():
        assert found["examples"] == 719
        assert 0.9 < found["metrics"]["accuracy"] <= 1
    version = MlflowClient(f"sqlite:///{digits / 'mlflow.db'}").get_model_version_by_alias("digits-tflite", "candidate")
    assert version.tags["edgequant.tflite_sha256"] == file_digest(folder / "variants" / result["best"] / "model.tflite")


def test_a_step_that_fails_fails_the_run(quantized: Callable[..., Run]) -> None:
    """A label that no example has ends `sample` with its reason and exit code, and the run with it: nothing after it starts."""
    run = quantized(examples={"calibration": "train.npz", "evaluation": "test.npz", "label": "nonesuch"})
    assert run.done.returncode == 1, run.done.stdout[-5000:]
    assert "edgequant: sample: " in run.done.stdout
    assert "nonesuch" in run.done.stdout.partition("edgequant: sample: ")[2]
    assert "Task \033[96m'sample'\033[0m finished with status \033[91mFAILURE" in run.done.stdout + run.done.stderr
    assert "result: " not in run.done.stdout
    assert [code for name, code in run.ended() if "sampling" in name] == [1]
    assert not [name for name, _ in run.ended() if "conversion" in name or "evaluation" in name]
