"""The steps of a run: those of the pipeline, among all the nodes of the Argo Workflow that KFP lists, which are in no order.

Beside each step there are its driver and its executor, and around them the workflow itself, the graphs and the loops.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.compilation.placement import step_named
from edgequant_pipelines.step_defaults import STEPS

SUCCEEDED, FAILED, SKIPPED = "SUCCEEDED", "FAILED", "SKIPPED"
# States that a run or a step does not leave.
ENDED = (SUCCEEDED, FAILED, SKIPPED, "CANCELED")
# The node that runs a step, beside its driver; one that KFP has the outputs of in its cache is skipped.
_EXECUTOR = "executor"
# What KFP calls the nodes around the steps, whose state follows from the steps'.
_AROUND = re.compile(r"root|executor.*|.*-driver|for-loop-\d+.*|iteration.*|quantize|quantize-model-.*|condition-.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedStep:
    """A step that has ended.

    Attributes:
        task_id: Its identifier.
        name: Its name in the pipeline.
        state: KFP's word.
        seconds: How long it took; None when that is not known.
        cached: Whether its outputs came from KFP's cache.
    """

    task_id: str
    name: str
    state: str
    seconds: float | None
    cached: bool

    def __str__(self) -> str:
        took = "" if self.seconds is None else f" after {self.seconds:.0f} s"
        return f"{self.state.lower()}{took}{', cached' if self.cached else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """A step of the pipeline.

    Attributes:
        node: What its node in the workflow is called: another name than its own where its component has several tasks.
        name: Its name in the pipeline.
        rank: Its component's place in the table of all.
    """

    node: str
    name: str
    rank: int


def pipeline_steps(compiled: CompiledPipeline) -> list[RunStep]:
    """Returns a compiled pipeline's steps, none before what it waits for."""
    spec = compiled.documents[0]
    return _steps(spec["root"], spec["components"])


def _steps(graph: Mapping[str, Any], components: Mapping[str, Any]) -> list[RunStep]:
    tasks = dict(graph["dag"]["tasks"])
    inner = {key: _steps_of(key, task, components) for key, task in tasks.items()}
    steps: list[RunStep] = []
    while tasks:
        ready = [key for key, task in tasks.items() if not set(task.get("dependentTasks", ())) & tasks.keys()]
        # In a compiled pipeline tasks are in no order.
        key = min(ready, key=lambda name: (min(step.rank for step in inner[name]), name))
        steps += inner[key]
        del tasks[key]
    return steps


def _steps_of(key: str, task: Mapping[str, Any], components: Mapping[str, Any]) -> list[RunStep]:
    reference = task["componentRef"]["name"]
    component = components[reference]
    if "dag" in component:
        return _steps(component, components)
    kind = step_named(reference.removeprefix("comp-"))
    rank = STEPS.index(kind) if kind in STEPS else len(STEPS)
    return [RunStep(node=key, name=str(task.get("taskInfo", {}).get("name") or key), rank=rank)]


def ended_steps(run: Any, steps: Sequence[RunStep]) -> list[EndedStep]:
    """Returns the steps of a run that have ended, in the pipeline's order, and those of a loop in the order in which they began.

    Args:
        run: What the server says of the run.
        steps: The pipeline's steps.
    """
    tasks = _tasks(run)
    # KFP calls a node by its task, and may call it by its name.
    places = {node: place for place, step in enumerate(steps) for node in (step.node, step.name)}
    ended = [task for task in tasks if task.state in ENDED and task.display_name in places]
    ended.sort(key=lambda task: (places[task.display_name], str(task.start_time), str(task.task_id)))
    return [
        EndedStep(
            task_id=task.task_id,
            name=steps[places[task.display_name]].name,
            state=task.state,
            seconds=_seconds(task),
            cached=task.state == SUCCEEDED and _is_cached(task, tasks),
        )
        for task in ended
    ]


def failed_steps(run: Any) -> tuple[str, ...]:
    """Returns the names of the steps of a run that failed, the first first."""
    failed = [task for task in _tasks(run) if task.state == FAILED and not _AROUND.fullmatch(task.display_name or "")]
    failed.sort(key=lambda task: str(task.start_time))
    return tuple(dict.fromkeys(task.display_name for task in failed))


def _tasks(run: Any) -> list[Any]:
    return list((run.run_details.task_details if run.run_details else None) or [])


def _seconds(task: Any) -> float | None:
    # An unset time is that of 1970.
    if not task.start_time or not task.end_time or task.end_time < task.start_time or task.start_time.year == 1970:
        return None
    return float((task.end_time - task.start_time).total_seconds())


def _is_cached(step: Any, tasks: list[Any]) -> bool:
    """Whether KFP skipped a step's executor.

    KFP does not say which executor is a step's, but its time is within the step's; where others' are too, as in a loop, all of them
    must have been skipped.
    """
    if not step.start_time or not step.end_time:
        return False
    within = [
        task
        for task in tasks
        if task.display_name == _EXECUTOR and task.start_time and step.start_time <= task.start_time <= step.end_time
    ]
    return bool(within) and all(task.state == SKIPPED for task in within)
