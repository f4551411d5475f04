"""The steps of a run: those of the pipeline, among all the nodes of the Argo Workflow that KFP lists, which are in no order.

Beside each step there are its driver and its executor, and around them the workflow itself, the graphs and the loops.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgequant_pipelines.compilation import CompiledPipeline

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


def step_order(compiled: CompiledPipeline) -> dict[str, int]:
    """Returns the places of a compiled pipeline's steps, by their names, in an order in which none is before what it waits for."""
    spec = compiled.documents[0]
    names: list[str] = []
    _add_steps(spec["root"], spec["components"], names)
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _add_steps(graph: Mapping[str, Any], components: Mapping[str, Any], names: list[str]) -> None:
    for key, task in _sorted(graph["dag"]["tasks"]):
        component = components[task["componentRef"]["name"]]
        if "dag" in component:
            _add_steps(component, components, names)
        else:
            names.append(str(task.get("taskInfo", {}).get("name") or key))


def _sorted(tasks: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yields tasks, each after those that it waits for."""
    left = dict(tasks)
    while left:
        ready = [key for key, task in left.items() if not set(task.get("dependentTasks", ())) & left.keys()]
        for key in ready:
            yield key, left.pop(key)


def ended_steps(run: Any, order: Mapping[str, int]) -> list[EndedStep]:
    """Returns the steps of a run that have ended, in the pipeline's order, and those of a loop in the order in which they began.

    Args:
        run: What the server says of the run.
        order: The places of the pipeline's steps.
    """
    tasks = _tasks(run)
    ended = [task for task in tasks if task.state in ENDED and task.display_name in order]
    ended.sort(key=lambda task: (order[task.display_name], str(task.start_time), str(task.task_id)))
    return [
        EndedStep(
            task_id=task.task_id,
            name=task.display_name,
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
