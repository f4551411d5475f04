"""A backend that runs the pipeline of this package for a small model."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.kfp_launcher.artifact_types import ArtifactTyping
from tests.kfp_launcher.driver import Driver, Outputs
from tests.kfp_launcher.launcher import Launcher, Pod, Task

from edgequant_pipelines.compilation import CompileOptions, compile_pipeline
from edgequant_pipelines.config import load_config
from edgequant_pipelines.kubeflow.cluster_arguments import cluster_arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A project whose folder every pod has, and the backend that runs its pipeline.

    Attributes:
        folder: The project's folder.
        launcher: Runs its tasks.
    """

    folder: Path
    launcher: Launcher

    def run(self, **changes: Any) -> Outputs:
        """Compiles the pipeline for the configuration with some values changed, runs it, and returns its outputs."""
        path = self.folder / "digits.yaml"
        path.write_text(yaml.safe_dump({**configuration(self.folder), **changes}))
        config = load_config(path)
        arguments = cluster_arguments(config)
        compiled = compile_pipeline(CompileOptions(config=config, defaults=False))
        return Driver(compiled.documents[0], self.launcher.launch).run(arguments)

    def result(self, outputs: Outputs) -> dict[str, Any]:
        """Returns what the result of a run says."""
        result: dict[str, Any] = json.loads((self.directory(outputs) / "result.json").read_text())
        return result

    def task(self, name: str) -> Task:
        """Returns the last task of a name."""
        return [task for task in self.launcher.tasks if task.name == name][-1]

    def directory(self, outputs: Outputs) -> Path:
        """Returns where the bucket has the result of a run."""
        return self.launcher.path(outputs.artifacts["Output"][0])


def configuration(folder: Path) -> dict[str, Any]:
    """Returns a quantization of the digits model, which MLflow has as version 1."""
    return {
        "name": "digits",
        "model": "models:/digits/1",
        "examples": {"calibration": "train.npz", "evaluation": "test.npz", "label": "digit"},
        "sampling": {"calibration": 40, "evaluation": 200},
        "variants": ["float32", "weights_only"],
        "gate": {"max_drop_points": 5.0},
        "tracking": {"uri": "sqlite:///mlflow.db", "registered_model": "digits-tflite", "alias": "champion"},
        "kubeflow": {"mounted": [str(folder)], "retries": 0},
    }


def backend_for_digits(digits: Path, folder: Path, typing: ArtifactTyping, pod: Pod | None = None) -> Backend:
    """Returns a backend with a project of its own.

    Args:
        digits: The digits examples, and MLflow's database with the model.
        folder: Where the project and the bucket go.
        typing: How input artifacts are typed.
        pod: What every container finds around it.
    """
    project = folder / "project"
    project.mkdir()
    for name in ("train.npz", "test.npz", "mlflow.db"):
        shutil.copyfile(digits / name, project / name)
    return Backend(folder=project, launcher=Launcher(folder / "cluster", typing, pod))
