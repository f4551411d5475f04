"""What the compiled pipeline says to Kubeflow, read with KFP's own protocol buffers."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from edgequant import __version__
from edgequant_pipelines.compilation import CompiledPipeline, CompileOptions, compile_components
from edgequant_pipelines.config import load_config
from edgequant_pipelines.step_defaults import RESOURCES, STEPS, TABLE

# The steps that talk to MLflow or to an object store.
OUTSIDE = {"pin", "fingerprint", "resolve", "champion", "sample", "track"}
EXTRAS = {
    "pin": "tracking",
    "fingerprint": "sampling",
    "resolve": "tracking",
    "describe": "tracking",
    "champion": "tracking",
    "sample": "sampling",
    "convert": "conversion",
    "evaluate": "evaluation",
    "benchmark": "evaluation",
    "validate": "evaluation",
    "track": "tracking",
}


def step(name: str) -> str:
    """Returns the step that an executor or a task is of."""
    return {"fetch-champion": "champion", "evaluate-2": "evaluate"}.get(name, name)


def executors(pipeline: CompiledPipeline) -> dict[str, Any]:
    """Returns the executors by their tasks' names."""
    executors: dict[str, Any] = pipeline.documents[0]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): executor for name, executor in executors.items()}


def pods(pipeline: CompiledPipeline) -> dict[str, Any]:
    """Returns what the platform is told of each executor, as KFP's backend reads it."""
    executors = pipeline.documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {
        name.removeprefix("exec-"): json_format.ParseDict(
            config, kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        )
        for name, config in executors.items()
    }


def tasks(pipeline: CompiledPipeline) -> dict[str, Any]:
    """Returns every task of every graph in the pipeline."""
    spec = pipeline.documents[0]
    graphs = [spec["root"], *spec["components"].values()]
    return {name: task for graph in graphs for name, task in graph.get("dag", {}).get("tasks", {}).items()}


def parameters(pipeline: CompiledPipeline) -> dict[str, Any]:
    """Returns the parameters of KFP's run page."""
    definitions: dict[str, Any] = pipeline.documents[0]["root"]["inputDefinitions"]["parameters"]
    return definitions


def test_kfp_reads_what_is_written(pipeline: CompiledPipeline) -> None:
    """The text holds the two documents, and each parses with KFP's protocol buffers, which refuse unknown fields."""
    assert tuple(yaml.safe_load_all(pipeline.text)) == pipeline.documents
    json_format.ParseDict(pipeline.documents[0], pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(pipeline.documents[1], pipeline_spec_pb2.PlatformSpec())
    for executor in executors(pipeline).values():
        json_format.ParseDict(executor, pipeline_spec_pb2.PipelineDeploymentConfig.ExecutorSpec())
    assert pipeline.name == "quantize-model"
    assert {step(name) for name in executors(pipeline)} == {step(name) for name in pods(pipeline)} == set(STEPS)


def test_every_image_is_in_the_registry(pipeline: CompiledPipeline, plain: CompiledPipeline) -> None:
    """Each step runs in the image of its extra: with the prefix and the tag that are asked for, or the version's own."""
    for name, executor in executors(pipeline).items():
        assert executor["container"]["image"] == f"registry.example.com:5000/team/{EXTRAS[step(name)]}:1.2.3"
    for name, executor in executors(plain).items():
        assert executor["container"]["image"] == f"edgequant/{EXTRAS[step(name)]}:{__version__}"


def test_the_graph_looks_names_up_before_it_fetches(pipeline: CompiledPipeline) -> None:
    """At the top: what the names stand for now, then the model, then the quantization of it."""
    dependencies = {
        name: task.get("dependentTasks", []) for name, task in pipeline.documents[0]["root"]["dag"]["tasks"].items()
    }
    assert dependencies == {
        "pin": [],
        "fingerprint": [],
        "resolve": ["pin"],
        "quantize": ["fingerprint", "pin", "resolve"],
    }
    inner = tasks(pipeline)
    assert inner["track"]["dependentTasks"] == ["convert", "sample", "validate"]
    assert inner["benchmark"]["dependentTasks"] == ["convert", "sample"]


def test_steps_that_act_or_look_outside_are_never_cached(pipeline: CompiledPipeline) -> None:
    """Every other step may be served from the cache."""
    steps = {name: task for name, task in tasks(pipeline).items() if step(name) in STEPS}
    cached = {name for name, task in steps.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert set(steps) - cached == {"track", "pin", "fingerprint"}
    assert {name for name, default in TABLE.items() if not default.cached} == {"track", "pin", "fingerprint"}


def test_few_variants_are_evaluated_at_once(pipeline: CompiledPipeline, plain: CompiledPipeline) -> None:
    """The loop over the variants has the limit that is configured, 4 without: the backend starts all iterations of one without."""
    limits = [
        [task["iteratorPolicy"]["parallelismLimit"] for task in tasks(each).values() if "parameterIterator" in task]
        for each in (pipeline, plain)
    ]
    assert limits == [[2], [4]]


def test_only_what_talks_to_the_outside_is_tried_again(pipeline: CompiledPipeline) -> None:
    """Those steps wait 30, then 60 seconds, as configured; what computes is not retried."""
    steps = {name: task.get("retryPolicy") for name, task in tasks(pipeline).items() if step(name) in STEPS}
    assert {step(name) for name, policy in steps.items() if policy} == OUTSIDE
    for policy in filter(None, steps.values()):
        assert policy["maxRetryCount"] == 2
        assert policy["backoffDuration"] == "30s"
        assert policy["backoffFactor"] == 2
        # Longer than the longest attempt may take: Argo counts attempts too.
        assert int(policy["backoffMaxDuration"].removesuffix("s")) > max(
            item.timeout_seconds for item in TABLE.values()
        )


def test_credentials_are_references_of_the_steps_that_need_them(pipeline: CompiledPipeline) -> None:
    """The variables come from the secrets' keys; the other steps get none."""
    for name, pod in pods(pipeline).items():
        values = {
            item.env_var: (secret.secret_name, item.secret_key)
            for secret in pod.secret_as_env
            for item in secret.key_to_env
        }
        assert values == (
            {
                "MLFLOW_TRACKING_USERNAME": ("mlflow", "MLFLOW_TRACKING_USERNAME"),
                "MLFLOW_TRACKING_PASSWORD": ("mlflow", "MLFLOW_TRACKING_PASSWORD"),
                "AWS_ACCESS_KEY_ID": ("object-store", "accesskey"),
            }
            if step(name) in OUTSIDE
            else {}
        )


def test_no_value_of_the_environment_gets_in(config_file: Path, tmp_path: Path) -> None:
    """What the variables hold where the pipeline is compiled is nowhere in the result."""
    secret = "s3cr3t-of-the-compiling-machine"  # noqa: S105 - planted, to be looked for
    variables = {"MLFLOW_TRACKING_PASSWORD": secret, "AWS_ACCESS_KEY_ID": secret}
    command = [sys.executable, "-m", "edgequant_pipelines.cli", "compile", "--config", str(config_file), "-o"]
    subprocess.run([*command, str(tmp_path / "p.yaml")], env={**os.environ, **variables}, check=True, timeout=120)
    assert "MLFLOW_TRACKING_PASSWORD" in (tmp_path / "p.yaml").read_text()
    assert secret not in (tmp_path / "p.yaml").read_text()


def test_nodes_time_limits_and_labels(pipeline: CompiledPipeline) -> None:
    """All pods get what all get; benchmark is pinned, convert may take its own time."""
    for name, pod in pods(pipeline).items():
        labels = {"team": "vision", "app.kubernetes.io/part-of": "edgequant", "app.kubernetes.io/component": step(name)}
        assert dict(pod.pod_metadata.labels) == labels
        assert dict(pod.node_selector.labels) == {"zone": "a", **({"pool": "quiet"} if name == "benchmark" else {})}
        tolerations = [(item.key, item.operator, item.value, item.effect) for item in pod.tolerations]
        own = [("dedicated", "Equal", "benchmark", "NoSchedule")] if name == "benchmark" else []
        assert tolerations == [("spot", "Exists", "", ""), *own]
        limit = 1234 if name == "convert" else TABLE[step(name)].timeout_seconds
        assert pod.active_deadline_seconds == limit


def test_resources_are_parameters(pipeline: CompiledPipeline) -> None:
    """Each step's resources come from the parameters of its name, whose defaults are the table's or the configuration's."""
    definitions = parameters(pipeline)
    for name in STEPS:
        own = dict(zip(RESOURCES, (*TABLE[name].cpu, *TABLE[name].memory), strict=True))
        own |= {"memory_limit": "16Gi"} if name == "convert" else {}
        assert {key: definitions[f"{name}_{key}"]["defaultValue"] for key in RESOURCES} == own
    for name, executor in executors(pipeline).items():
        assert executor["container"]["resources"] == {
            f"resource{''.join(part.title() for part in key.split('_'))}": (
                "{{$.inputs.parameters['pipelinechannel--%s_%s']}}" % (step(name), key)  # noqa: UP031 - braces are KFP's
            )
            for key in RESOURCES
        }
    for name, task in tasks(pipeline).items():
        if step(name) in STEPS:
            given = task["inputs"]["parameters"]
            assert all(f"pipelinechannel--{step(name)}_{key}" in given for key in RESOURCES), name


def test_every_graph_is_given_what_its_tasks_ask_it_for(pipeline: CompiledPipeline) -> None:
    """A graph declares each parameter that its tasks take from it, and whoever runs it gives each: the loop, too."""
    spec = pipeline.documents[0]
    graphs = {"root": spec["root"], **{name: item for name, item in spec["components"].items() if "dag" in item}}
    assert set(graphs) == {"root", "comp-quantize", "comp-for-loop-1"}
    for name, graph in graphs.items():
        declared = graph["inputDefinitions"]["parameters"]
        for task in graph["dag"]["tasks"].values():
            inputs = {item.get("componentInputParameter") for item in task["inputs"].get("parameters", {}).values()}
            assert inputs - {None} <= set(declared), name
            inner = spec["components"][task["componentRef"]["name"]]
            if "dag" in inner:
                loop = task.get("parameterIterator", {}).get("itemInput")
                needed = {
                    key for key, item in inner["inputDefinitions"]["parameters"].items() if not item.get("isOptional")
                }
                assert needed - {loop} <= set(task["inputs"]["parameters"])


def test_benchmark_is_guaranteed_its_cpus() -> None:
    """Kubernetes counts a pod as Guaranteed when it asks for its limits; whole CPUs can then be its own."""
    benchmark = TABLE["benchmark"]
    assert benchmark.cpu[0] == benchmark.cpu[1]
    assert benchmark.memory[0] == benchmark.memory[1]
    assert benchmark.cpu[0].isdigit()


def test_the_run_page_explains_every_parameter(pipeline: CompiledPipeline, plain: CompiledPipeline) -> None:
    """Each has a type and a description; with a configuration none must be given, without one the four that have no default."""
    for compiled in (pipeline, plain):
        assert [name for name, item in parameters(compiled).items() if not item.get("description")] == []
        assert {item["parameterType"] for item in parameters(compiled).values()} == {
            "STRING",
            "LIST",
            "STRUCT",
            "BOOLEAN",
            "NUMBER_INTEGER",
            "NUMBER_DOUBLE",
        }
    required = {name for name, item in parameters(plain).items() if not item.get("isOptional")}
    assert required == {"model", "name", "calibration_examples", "experiment"}
    assert [name for name, item in parameters(pipeline).items() if not item.get("isOptional")] == []


def test_defaults_are_the_configurations(pipeline: CompiledPipeline, config_file: Path) -> None:
    """What the file says is what the run page begins with, a user's code of several lines included."""
    defaults = {name: item.get("defaultValue") for name, item in parameters(pipeline).items()}
    expected = {
        "model": "models:/digits@champion",
        "name": "digits",
        "calibration_examples": ["gs://bucket/train-*"],
        "label": "digit",
        "calibration_count": 250,
        "gate": {"max_drop_points": 1.5},
        "tracking_uri": "https://mlflow.example.com",
        "experiment": "digits",
        "registered_model": "digits-tflite",
        "preprocess": "inputs.py:to_inputs",
        "preprocess_source": (config_file.parent / "inputs.py").read_text(),
    }
    assert {name: defaults[name] for name in expected} == expected
    # What the run finds out by itself is nobody's to give.
    assert not {"model_digest", "champion_digest", "examples_digest"} & set(defaults)


def test_the_nested_pipeline_has_them_too(pipeline: CompiledPipeline, config_file: Path) -> None:
    """All but those of the model, which is another task's output, and the cluster's part as in the whole."""
    options = CompileOptions(tag="1.2.3", config=load_config(config_file))
    nested = parameters(compile_components(options)["quantize"])
    whole = parameters(pipeline)
    shared = set(nested) & set(whole)
    assert set(whole) - shared == {"model"} | {
        name for name in whole if name.startswith(("pin_", "fingerprint_", "resolve_"))
    }
    assert {name: nested[name] for name in shared} == {name: whole[name] for name in shared}
    assert set(nested) - shared == {"training_metrics", "champion_digest", "examples_digest", "model_uri"}


def test_the_digest_is_that_of_the_content(pipeline: CompiledPipeline, plain: CompiledPipeline) -> None:
    """KFP's version is not part of it; anything else is."""
    assert pipeline.digest != plain.digest
    spec, platform = plain.documents
    upgraded = CompiledPipeline(documents=({**spec, "sdkVersion": "kfp-99"}, platform), text="")
    assert upgraded.digest == plain.digest
    renamed = CompiledPipeline(documents=({**spec, "defaultPipelineRoot": "gs://b"}, platform), text="")
    assert renamed.digest != plain.digest


def test_any_process_compiles_the_same(plain: CompiledPipeline) -> None:
    """The digest does not depend on the order of sets and dicts of one process."""
    script = "from edgequant_pipelines.compilation import *; print(compile_pipeline(CompileOptions()).digest)"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert done.stdout.strip() == plain.digest


def test_manifests_hold_the_same_pipeline(pipeline: CompiledPipeline) -> None:
    """A Pipeline and a PipelineVersion of it, with names that Kubernetes takes, the version's that of its content."""
    first, second = pipeline.manifests
    assert (first["apiVersion"], first["kind"]) == ("pipelines.kubeflow.org/v2beta1", "Pipeline")
    assert (second["apiVersion"], second["kind"]) == ("pipelines.kubeflow.org/v2beta1", "PipelineVersion")
    assert first["metadata"]["name"] == second["spec"]["pipelineName"] == "quantize-model"
    assert second["metadata"]["name"] == f"quantize-model-{pipeline.digest[:12]}"
    assert (second["spec"]["pipelineSpec"], second["spec"]["platformSpec"]) == pipeline.documents


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_documented_table_is_the_codes(name: str) -> None:
    """docs/configuration.md says what each step gets."""
    text = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    default = TABLE[name]
    row = f"| `{name}` | {' to '.join(default.cpu)} | {' to '.join(default.memory)} | {default.timeout_seconds} | {'yes' if default.outside else 'no'} |"
    assert row in text
