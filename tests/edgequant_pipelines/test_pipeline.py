"""The pipelines as KFP compiles them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp import compiler
from kfp.pipeline_spec import pipeline_spec_pb2

from component_reference import reference
from edgequant import __version__
from edgequant_pipelines import quantize, quantize_model
from edgequant_pipelines.arguments import declared_arguments
from edgequant_pipelines.config import parse_config

ROOT = Path(__file__).resolve().parents[2]
IMAGES = {
    "benchmark": "evaluation",
    "convert": "conversion",
    "describe": "tracking",
    "evaluate": "evaluation",
    "evaluate-2": "evaluation",
    "fetch-champion": "tracking",
    "resolve": "tracking",
    "sample": "sampling",
    "track": "tracking",
    "validate": "evaluation",
}


@pytest.fixture(scope="module", params=["quantize", "quantize_model"])
def documents(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The YAML documents of a compiled pipeline."""
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    compiler.Compiler().compile({"quantize": quantize, "quantize_model": quantize_model}[request.param], str(path))
    return list(yaml.safe_load_all(path.read_text()))


def test_the_compiled_form_is_what_kfp_reads(documents: list[Any]) -> None:
    """The IR and each executor parse with KFP's own protocol buffers, which refuse unknown fields."""
    json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
    executors = documents[0]["deploymentSpec"]["executors"]
    for executor in executors.values():
        json_format.ParseDict(executor, pipeline_spec_pb2.PipelineDeploymentConfig.ExecutorSpec())
    assert len(executors) >= 7


def test_every_step_runs_in_its_own_image(documents: list[Any]) -> None:
    """Each step's image holds the step's extra, at this package's version."""
    images = {
        name.removeprefix("exec-"): executor["container"]["image"]
        for name, executor in documents[0]["deploymentSpec"]["executors"].items()
    }
    assert images == {name: f"edgequant/{IMAGES[name]}:{__version__}" for name in images}


def tasks(documents: list[Any]) -> dict[str, Any]:
    """Returns the tasks of the pipeline `quantize`, wherever it is in the document."""
    for dag in [documents[0]["root"], *documents[0]["components"].values()]:
        tasks_of_dag: dict[str, Any] = dag.get("dag", {}).get("tasks", {})
        if "validate" in tasks_of_dag:
            return tasks_of_dag
    raise AssertionError("no such pipeline")


def test_the_graph_is_the_plan(documents: list[Any]) -> None:
    """Steps depend on exactly what they read."""
    dependencies = {name: sorted(task.get("dependentTasks", [])) for name, task in tasks(documents).items()}
    loop = next(name for name in dependencies if name.startswith("for-loop"))
    assert dependencies == {
        "describe": [],
        "fetch-champion": [],
        "sample": ["describe", "fetch-champion"],
        "convert": ["sample"],
        loop: ["convert", "sample"],
        "evaluate-2": ["convert", "fetch-champion", "sample"],
        "benchmark": ["convert", "sample"],
        "validate": ["benchmark", "convert", "evaluate-2", "fetch-champion", loop, "sample"],
        "track": ["convert", "sample", "validate"],
    }


def test_only_track_is_never_cached(documents: list[Any]) -> None:
    """Every step is cached but the one that acts on the outside world."""
    steps = {name: task for name, task in tasks(documents).items() if not name.startswith("for-loop")}
    cached = {name for name, task in steps.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert set(steps) - cached == {"track"}


def test_every_parameter_of_the_run_page_is_described(documents: list[Any]) -> None:
    """What a person fills in has a description."""
    parameters = documents[0]["root"]["inputDefinitions"]["parameters"]
    assert [name for name, spec in parameters.items() if not spec.get("description")] == []
    assert {"name", "calibration_examples", "experiment"} <= {
        name for name, spec in parameters.items() if not spec.get("isOptional")
    }


def test_parameters_have_the_defaults_of_the_configuration() -> None:
    """A run that KFP's page starts does what a configuration does that leaves the same keys out."""
    values = {
        "name": "n",
        "model": "models:/m/1",
        "examples": {"calibration": "s3://b/*"},
        "tracking": {"experiment": "n"},
    }
    declared = declared_arguments(parse_config(values))
    optional = {name: item.default for name, item in quantize_model.component_spec.inputs.items() if item.optional}
    defaults = {name: default for name, default in optional.items() if name in declared and name != "configuration"}
    assert len(defaults) > 20
    assert {name: declared[name] for name in defaults} == defaults


def test_the_pipeline_is_found_where_the_readme_says() -> None:
    """`from edgequant_pipelines import quantize` gives a pipeline, and a name that is not there is an AttributeError."""
    import edgequant_pipelines

    assert quantize.name == "quantize"
    with pytest.raises(AttributeError, match="has no attribute 'quantise'"):
        getattr(edgequant_pipelines, "quantise")  # noqa: B009 - mypy knows that there is none


def test_the_reference_is_that_of_the_signatures() -> None:
    """docs/components.md says what the components take and give: `make docs` writes it."""
    assert (ROOT / "docs" / "components.md").read_text(encoding="utf-8") == reference()
