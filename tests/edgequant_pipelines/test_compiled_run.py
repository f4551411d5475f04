"""The compiled pipeline from end to end as Kubeflow's backend runs it: the driver's inputs, the launcher's processes, no local runner.

This is the main test of the pipeline. What the backend does otherwise than the local runner is in docs/kubeflow.md.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from kfp.dsl.executor import Executor
from kfp.pipeline_spec import pipeline_spec_pb2 as pb
from mlflow import MlflowClient
from tests.kfp_launcher import (
    ArtifactTyping,
    Backend,
    Container,
    Launcher,
    Outputs,
    Pod,
    backend_for_digits,
    configuration,
)

from edgequant.errors import ConfigError
from edgequant_pipelines.compilation import CompileOptions, compile_pipeline
from edgequant_pipelines.components import components
from edgequant_pipelines.config import load_config

PREPROCESS = "def to_inputs(features):\n    return {'pixels': features['pixels']}\n"
STEPS = [
    "pin",
    "fingerprint",
    "resolve",
    "describe",
    "fetch-champion",
    "sample",
    "convert",
    "evaluate",
    "benchmark",
    "evaluate-2",
    "validate",
    "track",
]


@pytest.fixture(scope="module")
def backend(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    """The backend of KFP 2.17, which leaves the types of input artifacts open, for all tests of this module."""
    return backend_for_digits(digits, tmp_path_factory.mktemp("backend"), ArtifactTyping.INSTANCE_SCHEMA)


@pytest.fixture(scope="module")
def first(backend: Backend) -> Outputs:
    """The first run, without a model in production."""
    return backend.run()


def test_a_run_ends_with_a_registered_version(backend: Backend, first: Outputs) -> None:
    """Every task runs once, the loop's once for each variant, and the best variant is registered with the alias.

    Each is started by the shell's wrapper that is compiled, and has a HOME that is no folder.
    """
    ran = [task.name for task in backend.launcher.tasks]
    assert {tuple(task.command[:2]) for task in backend.launcher.tasks} == {("sh", "-ec")}
    assert sorted(ran) == sorted([*STEPS, "evaluate"])
    result = backend.result(first)
    assert result["outcome"] == "blessed"
    assert result["best"] == "weights_only"
    assert {name: variant["examples"] for name, variant in result["variants"].items()} == {
        "float32": 200,
        "weights_only": 200,
    }
    assert (backend.directory(first) / "variants" / "weights_only" / "model.tflite").is_file()
    version = MlflowClient(f"sqlite:///{backend.folder / 'mlflow.db'}").get_model_version_by_alias(
        "digits-tflite", "champion"
    )
    assert str(version.version) == "1"


def test_the_next_run_is_compared_with_the_champion(backend: Backend, first: Outputs) -> None:
    """With the registered version as its champion, a second run repeats only what is not cached or depends on the champion."""
    before = len(backend.launcher.tasks)
    del first
    outputs = backend.run(champion="models:/digits-tflite@champion")
    ran = [task.name for task in backend.launcher.tasks[before:]]
    assert sorted(ran) == ["evaluate-2", "fetch-champion", "fingerprint", "pin", "track", "validate"]
    result = backend.result(outputs)
    assert result["champion"]["version"] == "models:/digits-tflite/1"


@pytest.mark.long
@pytest.mark.parametrize("typing", [item for item in ArtifactTyping if item is not ArtifactTyping.INSTANCE_SCHEMA])
def test_a_run_ends_however_artifacts_are_typed(digits: Path, tmp_path: Path, typing: ArtifactTyping) -> None:
    """Where artifacts are typed as by the local runner, or not at all, a run ends as well, and the next one with its champion."""
    backend = backend_for_digits(digits, tmp_path, typing)
    assert backend.result(backend.run())["outcome"] == "blessed"
    result = backend.result(backend.run(champion="models:/digits-tflite@champion"))
    assert result["champion"]["version"] == "models:/digits-tflite/1"


def test_no_task_of_a_large_configuration_is_given_much(tmp_path: Path) -> None:
    """With 1,000 classes of long names and a preprocess file, in files that are named, no task's input takes 20 kB."""
    backend = _without_files(tmp_path)
    names = [f"the {number:04}th of a thousand classes with a long name" for number in range(1000)]
    (backend.folder / "labels.txt").write_text("\n".join(names))
    (backend.folder / "prepare.py").write_text(PREPROCESS)
    examples = {**configuration(backend.folder)["examples"], "preprocess": "prepare.py:to_inputs"}
    outputs = backend.run(examples={**examples, "classes_file": "labels.txt"})
    assert backend.directory(outputs).is_file()
    sizes = {task.name: len(task.executor_input.encode()) for task in backend.launcher.tasks}
    assert sorted(sizes) == sorted(STEPS)
    assert (
        PREPROCESS
        in json.loads(backend.task("sample").executor_input)["inputs"]["parameterValues"]["preprocess_source"]
    )
    assert max(sizes.values()) < 20_000
    assert sizes["fingerprint"] < 2000


def test_a_configuration_that_is_too_large_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """The same names in the configuration itself, or a long preprocess file, are refused before anything is sent or compiled."""
    backend = _without_files(tmp_path)
    examples = configuration(backend.folder)["examples"]
    names = [f"the {number:04}th of a thousand classes with a long name" for number in range(1000)]
    with pytest.raises(
        ConfigError, match=r"examples\.classes takes 5\d,\d{3}: .* examples\.classes_file: s3://BUCKET/FILE\.txt"
    ):
        backend.run(examples={**examples, "classes": names})
    (backend.folder / "prepare.py").write_text(PREPROCESS + "# and so on\n" * 2000)
    with pytest.raises(
        ConfigError, match=r"examples\.preprocess takes 2\d,\d{3}: .* s3://BUCKET/FILE\.py:function"
    ) as found:
        backend.run(examples={**examples, "preprocess": "prepare.py:to_inputs"})
    with pytest.raises(ConfigError) as compiled:
        compile_pipeline(CompileOptions(config=load_config(backend.folder / "digits.yaml")))
    assert "examples.preprocess takes" in str(compiled.value)
    assert "configuration takes" not in str(found.value)


def _without_files(folder: Path) -> Backend:
    """Returns a backend whose tasks do nothing, so that they need neither a model nor examples."""
    launcher = Launcher(folder / "cluster", ArtifactTyping.INSTANCE_SCHEMA, Pod(execute=_pretend))
    return Backend(folder=folder, launcher=launcher)


def _pretend(container: Container) -> "subprocess.CompletedProcess[str]":
    """Makes outputs without doing anything: a file for each artifact, and a text of the usual length for each parameter, or no metrics."""
    outputs = json.loads(container.command[container.command.index("--executor_input") + 1])["outputs"]
    for artifacts in outputs.get("artifacts", {}).values():
        Path(artifacts["artifacts"][0]["uri"]).write_text("")
    parameters = {name: {} if name == "training_metrics" else "0" * 64 for name in outputs.get("parameters", {})}
    Path(outputs["outputFile"]).write_text(json.dumps({"parameterValues": parameters}))
    return subprocess.CompletedProcess(container.command, 0, stdout="")


@pytest.mark.parametrize("typing", ArtifactTyping)
@pytest.mark.parametrize("name", sorted(components()))
def test_every_component_takes_artifacts_however_they_are_typed(
    name: str, typing: ArtifactTyping, tmp_path: Path
) -> None:
    """KFP's executor makes each component's artifacts of what the backend gives it, with the optional ones and without."""
    function = components()[name].python_func
    spec = json_format.Parse(json_format.MessageToJson(components()[name].pipeline_spec), pb.PipelineSpec())
    (component,) = spec.components.values()
    declared = component.input_definitions.artifacts
    for chosen in (set(declared), {artifact for artifact, item in declared.items() if not item.is_optional}):
        inputs = {artifact: _given(item, typing) for artifact, item in declared.items() if artifact in chosen}
        outputs = {
            artifact: _given(item, ArtifactTyping.SCHEMA_TITLE)
            for artifact, item in component.output_definitions.artifacts.items()
        }
        made = Executor(
            {
                "inputs": {"artifacts": inputs},
                "outputs": {"artifacts": outputs, "outputFile": str(tmp_path / "output.json")},
            },
            function,
        )
        assert set(made.input_artifacts) == chosen


def _given(declared: Any, typing: ArtifactTyping) -> dict[str, Any]:
    artifact = {"uri": "/nowhere/artifact", "type": json_format.MessageToDict(declared.artifact_type)}
    return {"artifacts": [typing.apply(artifact)]}
