"""Polls a run until it ends."""

import time
from collections.abc import Callable, Sequence

from edgequant_pipelines.kubeflow.connection import Connection, KubeflowError
from edgequant_pipelines.kubeflow.poll_retries import retried_poll
from edgequant_pipelines.kubeflow.run_steps import EndedStep, RunStep, ended_steps
from edgequant_pipelines.kubeflow.submission import SubmittedRun, get_run, submitted

Show = Callable[[EndedStep], None]


def follow(
    connection: Connection, run_id: str, steps: Sequence[RunStep], show: Show, *, poll_s: float = 10.0
) -> SubmittedRun:
    """Returns a run once it has ended.

    Args:
        connection: The server.
        run_id: The run.
        steps: The pipeline's steps.
        show: Called with each step that has ended.
        poll_s: The pause between polls.

    Raises:
        KubeflowError: The server no longer answers; the run continues.
    """
    seen: set[str] = set()
    while True:
        try:
            run = retried_poll(lambda: get_run(connection, run_id), poll_s)
        except KubeflowError as error:
            raise KubeflowError(f"{error}; the run goes on: {connection.run_url(run_id)}", error.status) from error
        for step in ended_steps(run, steps):
            if step.task_id not in seen:
                seen.add(step.task_id)
                show(step)
        current = submitted(connection, run)
        if current.ended:
            return current
        time.sleep(poll_s)
