"""Follows a run until it ends."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from edgequant_pipelines.kubeflow.connection import Connection, KubeflowError
from edgequant_pipelines.kubeflow.submission import ENDED, SubmittedRun, get_run, submitted

# What KFP puts around the steps: the pods that prepare them, and the graph as a whole.
_DRIVER = "-driver"
_AROUND = ("root", "executor")
# As many looks in a row may fail before it is given up: a server that restarts is back by then.
_PATIENCE = 10

Show = Callable[[str, str], None]


def follow(connection: Connection, run_id: str, show: Show, *, poll_s: float = 10.0) -> SubmittedRun:
    """Returns a run once it has ended.

    Args:
        connection: The server.
        run_id: The run.
        show: Called with the name of each step that ends, and how.
        poll_s: The pause between looks.

    Raises:
        KubeflowError: The server cannot be asked any more; the run goes on.
    """
    seen: set[str] = set()
    failures = 0
    while True:
        try:
            run = get_run(connection, run_id)
            failures = 0
        except KubeflowError as error:
            failures += 1
            if not error.ambiguous or failures == _PATIENCE:
                raise KubeflowError(f"{error}; the run goes on: {connection.run_url(run_id)}", error.status) from error
            time.sleep(poll_s)
            continue
        for task in _ended_tasks(run):
            if task.task_id not in seen:
                seen.add(task.task_id)
                show(task.display_name, _how(task))
        found = submitted(connection, run)
        if found.ended:
            return found
        time.sleep(poll_s)


def failed_steps(connection: Connection, run_id: str) -> list[str]:
    """Returns the names of the steps of a run that failed."""
    return [task.display_name for task in _ended_tasks(get_run(connection, run_id)) if task.state == "FAILED"]


def _ended_tasks(run: Any) -> Iterator[Any]:
    details = run.run_details.task_details if run.run_details else None
    for task in details or []:
        name = task.display_name or ""
        if task.state in ENDED and name not in _AROUND and not name.endswith(_DRIVER):
            yield task


def _how(task: Any) -> str:
    if task.start_time and task.end_time:
        return f"{task.state.lower()} after {(task.end_time - task.start_time).total_seconds():.0f} s"
    return str(task.state.lower())
