"""The steps of a run, selected from the unordered nodes of the Argo Workflow that KFP lists.

The other nodes are the steps' drivers and executors, the workflow, the graphs and the loops.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.compilation.placement import step_named
from edgequant_pipelines.step_defaults import STEPS

SUCCEEDED, FAILED, SKIPPED = "SUCCEEDED", "FAILED", "SKIPPED"
# The final states of runs and steps.
ENDED = (SUCCEEDED, FAILED, SKIPPED, "CANCELED")
# The node that executes a step; KFP skips it on a cache hit.
_EXECUTOR = "executor"
# The names of the other nodes, whose states follow from those of the steps.
_AROUND = re.compile(r"root|executor.*|.*-driver|for-loop-\d+.*|iteration.*|quantize|quantize-model-.*|condition-.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedStep:
    """A step that has ended.

    Attributes:
        task_id: Its identifier.
        name: Its name in the pipeline.
        state: KFP's name of the state.
        seconds: The duration; None if unknown.
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
        node: The name of its node in the workflow, which differs from its own if its component has several tasks.
        name: Its name in the pipeline.
        rank: The position of its component in the table of steps.
    """

    node: str
    name: str
    rank: int


def pipeline_steps(compiled: CompiledPipeline) -> list[RunStep]:
    """Returns a compiled pipeline's steps in topological order."""
    spec = compiled.documents[0]
    return _steps(spec["root"], spec["components"])


def _steps(graph: Mapping[str, Any], components: Mapping[str, Any]) -> list[RunStep]:
    tasks = dict(graph["dag"]["tasks"])
    inner = {key: _steps_of(key, task, components) for key, task in tasks.items()}
    steps: list[RunStep] = []
    while tasks:
        ready = [key for key, task in tasks.items() if not set(task.get("dependentTasks", ())) & tasks.keys()]
        # The tasks of a compiled pipeline are unordered.
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
    """Returns the finished steps of a run, in the pipeline's order; those of a loop by their start.

    Args:
        run: The server's answer about the run.
        steps: The pipeline's steps.
    """
    tasks = _tasks(run)
    # KFP names a node after its task or after its display name.
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
    """Returns the names of the failed steps of a run, by their start."""
    failed = [task for task in _tasks(run) if task.state == FAILED and not _AROUND.fullmatch(task.display_name or "")]
    failed.sort(key=lambda task: str(task.start_time))
    return tuple(dict.fromkeys(task.display_name for task in failed))


def _tasks(run: Any) -> list[Any]:
    return list((run.run_details.task_details if run.run_details else None) or [])


def _seconds(task: Any) -> float | None:
    # KFP reports an unset time as one in 1970.
    if not task.start_time or not task.end_time or task.end_time < task.start_time or task.start_time.year == 1970:
        return None
    return float((task.end_time - task.start_time).total_seconds())


def _is_cached(step: Any, tasks: list[Any]) -> bool:
    """Returns whether KFP skipped a step's executor.

    KFP does not report which executor belongs to a step, but it starts within the step's time; if several do, as in a loop, all of
    them must have been skipped.
    """
    if not step.start_time or not step.end_time:
        return False
    within = [
        task
        for task in tasks
        if task.display_name == _EXECUTOR and task.start_time and step.start_time <= task.start_time <= step.end_time
    ]
    return bool(within) and all(task.state == SKIPPED for task in within)
