"""The steps of a run among the nodes of its workflow."""

from dataclasses import replace
from typing import Any

import pytest
from tests.kfp_server import KfpServer

from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow import Connection, state_of, submit
from edgequant_pipelines.kubeflow.run_steps import ended_steps, pipeline_steps
from edgequant_pipelines.kubeflow.submission import get_run
from edgequant_pipelines.step_defaults import STEPS


@pytest.fixture
def run_id(connection: Connection, config: Config, compiled: CompiledPipeline) -> str:
    """A run."""
    return submit(connection, config, compiled=compiled).run_id


def test_the_steps_of_the_pipeline(compiled: CompiledPipeline) -> None:
    """All of them, in the order of the table of their defaults, whatever that of the tasks; the champion's have names of their own."""
    expected = list(STEPS)
    expected[expected.index("champion")] = "fetch-champion"
    expected.insert(expected.index("evaluate"), "evaluate-champion")
    assert [step.name for step in pipeline_steps(compiled)] == expected
    turned = replace(compiled, documents=(_turned(compiled.documents[0]),))
    assert pipeline_steps(turned) == pipeline_steps(compiled)


def _turned(value: Any) -> Any:
    """Returns the same with the keys of every mapping in the other order."""
    return {key: _turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value


def test_a_second_task_of_a_component(
    server: KfpServer, connection: Connection, compiled: CompiledPipeline, run_id: str
) -> None:
    """Its node has a number; it is shown by its name in the pipeline."""
    server.set_run(run_id, "RUNNING", {"evaluate-2": "SUCCEEDED", "validate": "SUCCEEDED"})
    ended = ended_steps(get_run(connection, run_id), pipeline_steps(compiled))
    assert [step.name for step in ended] == ["evaluate-champion", "validate"]


def test_steps_that_ended(server: KfpServer, connection: Connection, compiled: CompiledPipeline, run_id: str) -> None:
    """By their names, in the pipeline's order, with their time: neither drivers, nor executors, nor the workflow itself."""
    steps = {
        "resolve": "SUCCEEDED",
        "pin": "SUCCEEDED",
        "sample": "FAILED",
        "convert": "RUNNING",
        "describe": "SUCCEEDED",
    }
    server.set_run(run_id, "RUNNING", steps, cached=("resolve", "describe"))
    ended = ended_steps(get_run(connection, run_id), pipeline_steps(compiled))
    assert [f"{step.name} {step}" for step in ended] == [
        "pin succeeded after 59 s",
        "resolve succeeded after 5 s, cached",
        "describe succeeded after 5 s, cached",
        "sample failed after 59 s",
    ]


def test_the_steps_of_a_loop(
    server: KfpServer, connection: Connection, compiled: CompiledPipeline, run_id: str
) -> None:
    """Each iteration is one, in the order in which they began."""
    steps = {f"evaluate@{number}": "SUCCEEDED" for number in range(3)}
    server.set_run(run_id, "RUNNING", steps, cached=("evaluate@1",))
    ended = ended_steps(get_run(connection, run_id), pipeline_steps(compiled))
    assert [step.name for step in ended] == ["evaluate"] * 3
    assert [step.cached for step in ended] == [False, True, False]
    assert len({step.task_id for step in ended}) == 3


def nodes(**changes: Any) -> list[dict[str, Any]]:
    """Returns two steps that ran at the same time, one of them cached, and their executors."""
    whole = {"start_time": "2026-11-30T02:00:00Z", "end_time": "2026-11-30T02:01:00Z", "state": "SUCCEEDED"}
    inside = {"start_time": "2026-11-30T02:00:05Z", "end_time": "2026-11-30T02:00:05Z"}
    names = [
        ("pin", {}),
        ("fingerprint", {}),
        ("executor", {**inside, "state": "SKIPPED"}),
        ("executor", {**inside, **changes}),
    ]
    return [{**whole, "task_id": str(place), "display_name": name, **more} for place, (name, more) in enumerate(names)]


@pytest.mark.parametrize(("state", "cached"), [("SKIPPED", True), ("SUCCEEDED", False)])
def test_steps_at_the_same_time(
    server: KfpServer, connection: Connection, compiled: CompiledPipeline, run_id: str, state: str, cached: bool
) -> None:
    """Whose executor it is is not told: a step is called cached where every one within its time was skipped."""
    server.change(run_id, run_details={"task_details": nodes(state=state)})
    ended = ended_steps(get_run(connection, run_id), pipeline_steps(compiled))
    assert [step.cached for step in ended] == [cached, cached]


def test_times_that_are_unset(
    server: KfpServer, connection: Connection, compiled: CompiledPipeline, run_id: str
) -> None:
    """They are those of 1970: how long the step took is left out."""
    unset = {"start_time": "1970-01-01T00:00:00Z", "end_time": "1970-01-01T00:00:00Z"}
    details = [{"task_id": "1", "display_name": "pin", "state": "SKIPPED", **unset}]
    server.change(run_id, run_details={"task_details": details})
    assert [str(step) for step in ended_steps(get_run(connection, run_id), pipeline_steps(compiled))] == ["skipped"]


def test_steps_that_failed(server: KfpServer, connection: Connection, run_id: str) -> None:
    """KFP tells no reason of a run that failed: the step is named, and not what failed with it."""
    server.set_run(run_id, "FAILED", {"pin": "SUCCEEDED", "sample": "FAILED"})
    assert state_of(connection, run_id).failed == ("sample",)
