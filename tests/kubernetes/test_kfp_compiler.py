"""What the API server of KFP 2.0.5 makes of the compiled pipeline: the Argo Workflow of a run, and what it refuses."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from examples.train_and_quantize.pipeline import make_pipeline
from google.protobuf import json_format
from kfp import compiler, components
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from tests.kfp_server.refusals import RefusedError
from tests.kfp_server.spec import check_arguments, read_pipeline
from tests.kubernetes.installed import run, tool

from edgequant_pipelines.step_defaults import STEPS

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]

CONFIG: dict[str, Any] = {
    "name": "digits",
    "model": "models:/digits@champion",
    "examples": {"calibration": "gs://bucket/train-*", "label": "digit"},
    "kubeflow": {
        "image_prefix": "registry.example.com/team",
        "secrets": {"mlflow": ["MLFLOW_TRACKING_PASSWORD"], "object-store": {"accesskey": "AWS_ACCESS_KEY_ID"}},
        "retries": 2,
        "steps": {
            "convert": {"memory_limit": "16Gi"},
            "benchmark": {"node_selector": {"pool": "quiet"}, "tolerations": [{"key": "quiet", "operator": "Exists"}]},
        },
    },
}
# Each graph of the pipeline, and what each of its tasks waits for.
GRAPHS: dict[str, dict[str, set[str]]] = {
    "root": {"pin": set(), "fingerprint": set(), "resolve": {"pin"}, "quantize": {"pin", "fingerprint", "resolve"}},
    "comp-quantize": {
        "describe": set(),
        "fetch-champion": set(),
        "sample": {"describe", "fetch-champion"},
        "convert": {"sample"},
        "for-loop-1": {"convert", "sample"},
        "evaluate-2": {"convert", "fetch-champion", "sample"},
        "benchmark": {"convert", "sample"},
        "validate": {"benchmark", "convert", "evaluate-2", "fetch-champion", "for-loop-1", "sample"},
        "track": {"convert", "sample", "validate"},
    },
    "comp-for-loop-1": {"evaluate": set()},
}
OUTSIDE = {"pin", "fingerprint", "resolve", "fetch-champion", "sample", "track"}
# The task of a loop, as this version names it; validate waits for one of the name that later versions give it.
LOOP, LATER = "for-loop-1-iterations", "for-loop-1"
IN_ANNOTATION = "{{workflow.annotations.pipelines.kubeflow.org/%s}}"

Document = dict[str, Any]


def edgequant(*arguments: str) -> None:
    """Runs a command of edgequant."""
    done = run(sys.executable, "-m", "edgequant_pipelines.cli", *arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration."""
    path = tmp_path_factory.mktemp("kfp-compiler") / "digits.yaml"
    path.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pipeline(config_file: Path) -> str:
    """The pipeline that `edgequant compile` writes."""
    path = config_file.with_name("pipeline.yaml")
    edgequant("compile", "--config", str(config_file), "--output", str(path))
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def workflow(pipeline: str) -> Document:
    """The Argo Workflow of a run of it."""
    return to_workflow(pipeline)


def to_workflow(pipeline: str) -> Document:
    """Returns what KFP makes of a pipeline."""
    done = run(tool("kfp-compiler"), "compile", "{}", given=pipeline)
    assert done.returncode == 0, done.stderr
    made: Document = json.loads(done.stdout)
    return made


def mistake(*, pipeline: str, parameters: Document) -> str:
    """Returns why KFP refuses a run of a pipeline; nothing when it does not."""
    done = run(tool("kfp-compiler"), "compile", json.dumps(parameters), given=pipeline)
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr.strip()


def flaw(workflow: Document) -> str:
    """Returns what Argo has against a workflow; nothing when it takes it."""
    done = run(tool("kfp-compiler"), "validate", given=json.dumps(workflow))
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr.strip()


def graph(workflow: Document, name: str) -> Document:
    """Returns the tasks of one of the workflow's graphs, by their names."""
    (template,) = (item for item in workflow["spec"]["templates"] if item["name"] == name)
    return {task["name"]: task for task in template["dag"]["tasks"]}


def parameter(task: Document, name: str) -> str:
    """Returns an argument of a task."""
    (value,) = (item["value"] for item in task["arguments"]["parameters"] if item["name"] == name)
    return str(value)


def drivers(workflow: Document) -> Document:
    """Returns the tasks that prepare the pods, by the names of the pipeline's tasks."""
    tasks = {name: task for template in GRAPHS for name, task in graph(workflow, template).items()}
    return {
        name.removesuffix("-driver"): task
        for name, task in tasks.items()
        if task["template"] == "system-container-driver"
    }


def annotation(workflow: Document, name: str) -> str:
    """Returns what the workflow keeps of the pipeline for its drivers."""
    return str(workflow["metadata"]["annotations"][f"pipelines.kubeflow.org/{name}"])


def as_later(workflow: Document) -> Document:
    """Returns the workflow with the loop's task under its later name."""
    text = json.dumps(workflow)
    assert text.count(f'"name": "{LOOP}"') == 1
    later: Document = json.loads(text.replace(f'"name": "{LOOP}"', f'"name": "{LATER}"'))
    return later


def test_every_step_waits_for_what_it_needs(workflow: Document) -> None:
    """Each task is a driver that waits for what the task needs, and what runs after it: a pod, a graph, or a loop's graphs."""
    assert (workflow["kind"], workflow["apiVersion"]) == ("Workflow", "argoproj.io/v1alpha1")
    for template, expected in GRAPHS.items():
        tasks = graph(workflow, template)
        waits = {
            name.removesuffix("-driver"): {
                item.removesuffix(".Succeeded") for item in task.get("depends", "").split(" && ") if item
            }
            for name, task in tasks.items()
            if name.endswith("-driver")
        }
        assert waits == expected, template
        follows = {
            LATER if name == LOOP else name: task for name, task in tasks.items() if not name.endswith("-driver")
        }
        assert {name: task["depends"] for name, task in follows.items()} == {
            name: f"{name}-driver.Succeeded" for name in expected
        }
    assert graph(workflow, "root")["quantize"]["template"] == "comp-quantize"
    loop = graph(workflow, "comp-quantize")[LOOP]
    assert loop["withSequence"] == {"count": "{{tasks.for-loop-1-driver.outputs.parameters.iteration-count}}"}
    assert graph(workflow, loop["template"])["iteration"]["template"] == "comp-for-loop-1"


def test_a_driver_is_given_the_step_and_its_pod(pipeline: str, workflow: Document) -> None:
    """Each driver refers to its step and to what the platform is told of it, which are those of the pipeline."""
    found = drivers(workflow)
    named = {{"fetch-champion": "champion", "evaluate-2": "evaluate"}.get(name, name) for name in found}
    assert named == set(STEPS)
    spec, platform = yaml.safe_load_all(pipeline)
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name, task in found.items():
        assert parameter(task, "component") == IN_ANNOTATION % f"components-comp-{name}"
        assert parameter(task, "container") == IN_ANNOTATION % f"implementations-comp-{name}"
        assert parameter(task, "kubernetes-config") == IN_ANNOTATION % f"kubernetes-comp-{name}"
        for text, given, kind in (
            (f"components-comp-{name}", spec["components"][f"comp-{name}"], pipeline_spec_pb2.ComponentSpec),
            (f"kubernetes-comp-{name}", pods[f"exec-{name}"], kubernetes_executor_config_pb2.KubernetesExecutorConfig),
        ):
            assert json_format.Parse(annotation(workflow, text), kind()) == json_format.ParseDict(given, kind())
        image = json.loads(annotation(workflow, f"implementations-comp-{name}"))["image"]
        assert image == spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]["image"]
        assert image.startswith("registry.example.com/team/")


def test_secrets_and_nodes_arrive(workflow: Document) -> None:
    """The benchmark is pinned to its nodes, and the steps that talk to the outside name their secrets."""
    benchmark = json.loads(annotation(workflow, "kubernetes-comp-benchmark"))
    assert benchmark["nodeSelector"] == {"labels": {"pool": "quiet"}}
    assert benchmark["tolerations"] == [{"key": "quiet", "operator": "Exists"}]
    for name in drivers(workflow):
        secrets = json.loads(annotation(workflow, f"kubernetes-comp-{name}")).get("secretAsEnv", [])
        variables = {(item["secretName"], key["envVar"]) for item in secrets for key in item["keyToEnv"]}
        expected = {("mlflow", "MLFLOW_TRACKING_PASSWORD"), ("object-store", "AWS_ACCESS_KEY_ID")}
        assert variables == (expected if name in OUTSIDE else set()), name


def test_what_this_version_leaves_out(workflow: Document) -> None:
    """It passes the retries on and has Argo make none, and drops resources that are parameters: both came later."""
    for name, task in drivers(workflow).items():
        retries = json.loads(parameter(task, "task")).get("retryPolicy", {}).get("maxRetryCount", 0)
        assert retries == (2 if name in OUTSIDE else 0), name
        assert json.loads(annotation(workflow, f"implementations-comp-{name}"))["resources"] == {}, name
    assert "retryStrategy" not in json.dumps(workflow)


def test_argo_refuses_a_task_behind_a_loop_and_nothing_else(workflow: Document) -> None:
    """This version cannot run it: it gives the loop a name that nothing can wait for. Under the later name all is well."""
    assert flaw(workflow).endswith("invalid dependency for-loop-1")
    assert flaw(as_later(workflow)) == ""


def test_a_training_pipeline_around_it_is_sound(config_file: Path, workflow: Document, tmp_path: Path) -> None:
    """The example, with the quantization as a compiled component inside: the same graph, after the training."""
    edgequant("compile", "--config", str(config_file), "--components", str(tmp_path))
    quantize = components.load_component_from_file(str(tmp_path / "quantize.yaml"))
    path = tmp_path / "train-and-quantize.yaml"
    compiler.Compiler().compile(make_pipeline(quantize), str(path))
    outer = to_workflow(path.read_text(encoding="utf-8"))
    root = graph(outer, "root")
    assert root["quantize-driver"]["depends"] == "patterns.Succeeded && patterns-2.Succeeded && train.Succeeded"
    assert root["quantize"]["template"] == "comp-quantize"
    inner = graph(outer, "comp-quantize")
    assert {name: task.get("depends") for name, task in inner.items()} == {
        name: task.get("depends") for name, task in graph(workflow, "comp-quantize").items()
    }
    assert json.loads(annotation(outer, "kubernetes-comp-benchmark"))["nodeSelector"] == {"labels": {"pool": "quiet"}}
    assert flaw(as_later(outer)) == ""


def _without_component(spec: Document) -> None:
    spec["components"]["comp-quantize"]["dag"]["tasks"]["convert"]["componentRef"]["name"] = "comp-missing"


def _without_executor(spec: Document) -> None:
    del spec["deploymentSpec"]["executors"]["exec-convert"]


def _with_another_schema(spec: Document) -> None:
    spec["schemaVersion"] = "2.0.0"


def _with_an_unknown_field(spec: Document) -> None:
    spec["root"]["graph"] = {}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_without_component, 'cannot find component ref name="comp-missing"'),
        (_without_executor, 'executor(label="exec-convert") not found in deployment config'),
        (_with_another_schema, "KFP only supports schema version 2.1.0, but the pipeline spec has version 2.0.0"),
        (_with_an_unknown_field, "unknown template format"),
    ],
)
def test_a_broken_pipeline_is_refused(change: Callable[[Document], None], why: str, pipeline: str) -> None:
    """What is planted in the pipeline is found, and named."""
    spec, platform = yaml.safe_load_all(pipeline)
    change(spec)
    assert why in mistake(pipeline=yaml.safe_dump_all([spec, platform]), parameters={})


def test_argo_refuses_to_wait_for_what_is_not_there(pipeline: str) -> None:
    """KFP compiles a task that waits for a missing one; Argo's check finds it."""
    spec, platform = yaml.safe_load_all(pipeline)
    spec["components"]["comp-quantize"]["dag"]["tasks"]["convert"]["dependentTasks"].append("missing")
    made = as_later(to_workflow(yaml.safe_dump_all([spec, platform])))
    assert flaw(made).endswith("invalid dependency missing")


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({}, ""),
        (
            {
                "model": "models:/digits/3",
                "calibration_count": 100,
                "check_stability": True,
                "gate": {},
                "variants": [],
            },
            "",
        ),
        ({"modell": "models:/digits/3"}, "parameter(s) provided are not required by pipeline: modell"),
        ({"model": 3}, "input parameter model requires type string"),
        ({"calibration_count": "many"}, "input parameter calibration_count requires type double or integer"),
        ({"check_stability": "yes"}, "input parameter check_stability requires type bool"),
        ({"variants": "float32"}, "input parameter variants requires type list"),
        ({"gate": [1]}, "input parameter gate requires type struct"),
    ],
)
def test_the_stand_in_refuses_what_kfp_refuses(parameters: Document, why: str, pipeline: str) -> None:
    """The server that other tests run against takes and refuses the same parameters of a run, for the same reason."""
    try:
        check_arguments(read_pipeline(pipeline.encode()), parameters)
        stand_in = ""
    except RefusedError as refused:
        stand_in = refused.message
    real = mistake(pipeline=pipeline, parameters=parameters)
    assert (bool(real), bool(stand_in)) == (bool(why), bool(why))
    assert why in real
    assert why in stand_in
