"""Runs the containers of a pipeline, which see of the run only what the launcher puts beside them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as pb
from tests.kfp_launcher.artifact_types import ArtifactTyping
from tests.kfp_launcher.driver import ContainerTask, Inputs, Outputs

# No folder, for root as well: on a cluster the home of a user that only has a number may be `/`, which is read-only.
NO_HOME = "/dev/null/home"
_TASK_SECONDS = 600
# From here on Go writes numbers with an exponent.
_GO_EXPONENT = 1e21


class TaskError(Exception):
    """A task failed, or left out an output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a pod runs.

    Attributes:
        image: The image.
        command: The command line.
        environment: Variables besides the image's own.
        volume: The folder that the container shares with the launcher: its artifacts, and what it returns.
    """

    image: str
    command: list[str]
    environment: dict[str, str]
    volume: Path


Execute = Callable[[Container], "subprocess.CompletedProcess[str]"]


def run_process(container: Container) -> "subprocess.CompletedProcess[str]":
    """Runs a container's command in a process of its own, with this installation in the image's place."""
    # As short as a container's /tmp: sockets in it have names of at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pod-") as temporary:
        return subprocess.run(
            container.command,
            cwd=container.volume / "work",
            env={
                # Where `python3` is this one.
                "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.defpath)),
                "TMPDIR": temporary,
                "PYTHONDONTWRITEBYTECODE": "1",
                **container.environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TASK_SECONDS,
            check=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What every container finds around it.

    Attributes:
        environment: Variables besides those that every pod of Kubeflow Pipelines has.
        execute: Runs a container.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: {"HOME": NO_HOME})
    execute: Execute = run_process


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task that was run.

    Attributes:
        name: Its name in its graph.
        command: The command line.
        executor_input: What the component was given, as JSON: one argument of the command line.
        printed: What it printed.
        seconds: How long it took.
    """

    name: str
    command: list[str]
    executor_input: str
    printed: str
    seconds: float


class Launcher:
    """Runs tasks and keeps what they make.

    Attributes:
        tasks: Those that were run, in order.
    """

    def __init__(self, folder: Path, typing: ArtifactTyping, pod: Pod | None = None) -> None:
        """Makes the places of a run.

        Args:
            folder: Holds the bucket, and the volume that each pod has while it runs.
            typing: How input artifacts are typed.
            pod: What every container finds around it.
        """
        self.tasks: list[Task] = []
        self._bucket = folder / "bucket"
        self._volume = folder / "volume"
        self._typing = typing
        self._pod = pod or Pod()
        self._cache: dict[str, Outputs] = {}

    def path(self, artifact: pb.RuntimeArtifact) -> Path:
        """Returns where the bucket keeps an artifact."""
        return self._bucket / Path(artifact.uri).relative_to(self._volume)

    def launch(self, task: ContainerTask) -> Outputs:
        """Runs a task and returns its outputs.

        Raises:
            TaskError: Its process failed, or an output is missing.
        """
        key = f"{task.container}{_json(task.inputs)}"
        if task.cached and key in self._cache:
            return self._cache[key]
        shutil.rmtree(self._volume, ignore_errors=True)
        for name in ("tmp", "work"):
            (self._volume / name).mkdir(parents=True)
        message = self._executor_input(task, f"{len(self.tasks):02}-{task.name}")
        self._download(task.inputs)
        # Of the outputs only the folders that they are to be in.
        for output in (*message.outputs.parameters.values(), message.outputs):
            Path(output.output_file).parent.mkdir(parents=True, exist_ok=True)
        for artifacts in message.outputs.artifacts.values():
            Path(artifacts.artifacts[0].uri).parent.mkdir(parents=True, exist_ok=True)
        self._run(task, message)
        outputs = self._outputs(task, message)
        self._cache[key] = outputs
        shutil.rmtree(self._volume)
        return outputs

    def _executor_input(self, task: ContainerTask, place: str) -> pb.ExecutorInput:
        message = pb.ExecutorInput()
        parameters = dict(task.inputs.parameters)
        for name, declared in task.component.input_definitions.parameters.items():
            if declared.HasField("default_value"):
                parameters.setdefault(name, declared.default_value)
        for name, value in parameters.items():
            message.inputs.parameter_values[name].CopyFrom(value)
        for name, artifacts in task.inputs.artifacts.items():
            message.inputs.artifacts[name].artifacts.extend(artifacts)
        for name in task.component.output_definitions.parameters:
            message.outputs.parameters[name].output_file = str(self._volume / "tmp" / "kfp" / "outputs" / name)
        for name, declared in task.component.output_definitions.artifacts.items():
            uri = str(self._volume / "minio" / place / name)
            message.outputs.artifacts[name].artifacts.add(name=name, uri=uri, type=declared.artifact_type)
        message.outputs.output_file = str(self._volume / "tmp" / "kfp_outputs" / "output_metadata.json")
        return message

    def _download(self, inputs: Inputs) -> None:
        for artifact in (artifact for artifacts in inputs.artifacts.values() for artifact in artifacts):
            source, target = self.path(artifact), Path(artifact.uri)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                continue
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copyfile(source, target)

    def _run(self, task: ContainerTask, message: pb.ExecutorInput) -> None:
        executor_input = self._written(message)
        container = task.container
        command = [part.replace("{{$}}", executor_input) for part in (*container.command, *container.args)]
        left = [part for part in (*container.command, *container.args) if "{{$." in part]
        assert not left, f"{task.name}: placeholders that are not supported here: {left}"
        start = time.monotonic()
        done = self._pod.execute(
            Container(
                image=container.image,
                command=command,
                environment=self._environment(container),
                volume=self._volume,
            )
        )
        self.tasks.append(
            Task(
                name=task.name,
                command=command,
                executor_input=executor_input,
                printed=done.stdout,
                seconds=time.monotonic() - start,
            )
        )
        if done.returncode:
            raise TaskError(f"{task.name} ended with exit code {done.returncode}:\n{done.stdout[-5000:]}")

    def _written(self, message: pb.ExecutorInput) -> str:
        """Returns what a component is given, as JSON, with the types of input artifacts written as asked."""
        values: dict[str, Any] = _whole(json_format.MessageToDict(message))
        for artifacts in values.get("inputs", {}).get("artifacts", {}).values():
            artifacts["artifacts"] = [self._typing.apply(artifact) for artifact in artifacts["artifacts"]]
        return json.dumps(values, separators=(",", ":"))

    def _environment(self, container: pb.PipelineDeploymentConfig.PipelineContainerSpec) -> dict[str, str]:
        return {
            "KUBERNETES_SERVICE_HOST": "10.96.0.1",
            "KFP_POD_NAME": "the-pod",
            "KFP_POD_UID": "7c8d5b1e-0000-4000-8000-000000000002",
            "NAMESPACE": "kubeflow",
            **{variable.name: variable.value for variable in container.env},
            **self._pod.environment,
        }

    def _outputs(self, task: ContainerTask, message: pb.ExecutorInput) -> Outputs:
        """Returns what a task has made, with its files in the bucket."""
        written = Path(message.outputs.output_file)
        if not written.is_file():
            raise TaskError(f"{task.name} wrote no {written.name}")
        returned = json_format.Parse(_strict(written.read_text()), pb.ExecutorOutput())
        missing = message.outputs.parameters.keys() - returned.parameter_values.keys()
        if missing:
            raise TaskError(f"{task.name} returned no {sorted(missing)}")
        parameters = {name: returned.parameter_values[name] for name in message.outputs.parameters}
        artifacts = {}
        for name, given in message.outputs.artifacts.items():
            artifact = given.artifacts[0]
            if name in returned.artifacts:
                artifact.metadata.MergeFrom(returned.artifacts[name].artifacts[0].metadata)
                artifact.uri = returned.artifacts[name].artifacts[0].uri or artifact.uri
            source, target = Path(artifact.uri), self.path(artifact)
            if not source.exists():
                raise TaskError(f"{task.name} made no {name}, which is a warning to the launcher")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)
            artifacts[name] = [artifact]
        return Outputs(parameters=parameters, artifacts=artifacts)


def _whole(value: Any) -> Any:
    """Returns a value with numbers as Go writes them: a whole one has no decimal point, whatever its type was."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _GO_EXPONENT else value


def _strict(text: str) -> str:
    """Returns JSON as it is; the launcher's parser refuses the numbers that JSON has not.

    Raises:
        TaskError: It holds NaN or infinity.
    """

    def refuse(constant: str) -> None:
        raise TaskError(f"the executor's output holds {constant}, which is no JSON")

    json.loads(text, parse_constant=refuse)
    return text


def _json(inputs: Inputs) -> str:
    message = pb.ExecutorInput()
    for name, value in inputs.parameters.items():
        message.inputs.parameter_values[name].CopyFrom(value)
    for name, artifacts in inputs.artifacts.items():
        message.inputs.artifacts[name].artifacts.extend(artifacts)
    return json.dumps(json_format.MessageToDict(message), sort_keys=True)
