"""The unfinished runs of a schedule: Kubernetes may garbage-collect them, and so end them, when the schedule is deleted."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from edgequant_pipelines.kubeflow.connection import Connection, KubeflowError
from edgequant_pipelines.kubeflow.names import each
from edgequant_pipelines.kubeflow.poll_retries import retried_poll
from edgequant_pipelines.kubeflow.run_steps import ENDED
from edgequant_pipelines.kubeflow.submission import SubmittedRun, submitted

# The server's limit.
_PAGE = 200


class UnderWay(Enum):
    """How runs under way affect the deletion of their schedule."""

    KEEP = "keep"
    WAIT = "wait"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """How schedules are deleted.

    Attributes:
        under_way: With runs under way: refuse, wait for their end, or delete anyway.
        show: Called with progress messages.
        poll_s: The pause between polls.
    """

    under_way: UnderWay = UnderWay.KEEP
    show: Callable[[str], None] = lambda _: None
    poll_s: float = 10.0


class UnderWayError(KubeflowError):
    """A schedule is not deleted, because runs of it are under way."""


def runs_under_way(connection: Connection, schedules: Collection[tuple[str, str]]) -> list[SubmittedRun]:
    """Returns the unfinished runs of schedules, the newest first.

    Args:
        connection: The server.
        schedules: The identifiers of each schedule and of its experiment.

    Raises:
        KubeflowError: The server cannot be reached, or refuses.
    """
    identifiers = {schedule for schedule, _ in schedules}
    under_way = []
    for experiment in sorted({experiment for _, experiment in schedules}):
        # The API cannot list the runs of a schedule.
        runs = each(
            connection,
            "the runs of the schedule cannot be listed",
            connection.client.runs.run_service_list_runs,
            "runs",
            experiment_id=experiment,
            sort_by="created_at desc",
            page_size=_PAGE,
        )
        under_way += [run for run in runs if run.recurring_run_id in identifiers and run.state not in ENDED]
    return [submitted(connection, run) for run in under_way]


def check_none_under_way(connection: Connection, schedules: Collection[tuple[str, str]], deletion: Deletion) -> None:
    """Checks that no run is under way, if runs are to be kept.

    Raises:
        UnderWayError: A run is under way.
        KubeflowError: The server cannot be reached, or refuses.
    """
    if deletion.under_way is not UnderWay.KEEP or not schedules:
        return
    runs = runs_under_way(connection, schedules)
    if runs:
        names = ", ".join(run.name for run in runs)
        raise UnderWayError(
            f"the schedule's run {names} is under way, and Kubernetes may end it when the schedule is deleted, which was not done: "
            f"give --wait-running to wait for its end, or --end-running: {runs[0].url}"
        )


def settle(connection: Connection, schedules: Collection[tuple[str, str]], deletion: Deletion) -> None:
    """Waits, if required, until the runs of schedules have ended; the schedules should be paused.

    Raises:
        UnderWayError: A run is under way, and is to be kept.
        KubeflowError: The server cannot be reached, or refuses.
    """
    check_none_under_way(connection, schedules, deletion)
    if deletion.under_way is UnderWay.KEEP or not schedules:
        return
    shown: set[str] = set()
    while True:
        runs = retried_poll(lambda: runs_under_way(connection, schedules), deletion.poll_s)
        ending = deletion.under_way is UnderWay.END
        for run in runs:
            if run.run_id not in shown:
                shown.add(run.run_id)
                what = "may be ended now, with its schedule" if ending else "is waited for"
                deletion.show(f"{run.name}: {what}: {run.url}")
        if ending or not runs:
            return
        time.sleep(deletion.poll_s)
