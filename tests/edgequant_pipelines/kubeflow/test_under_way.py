"""A schedule that is replaced or deleted while a run of it is under way, which Kubernetes may end with it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from tests.kfp_server import Fault, KfpServer

from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow import Connection, KubeflowError, names
from edgequant_pipelines.kubeflow.schedule import Options, SchedulePlan, delete, reconcile, schedules
from edgequant_pipelines.kubeflow.under_way import Deletion, UnderWay, UnderWayError

NIGHTLY, LATER = SchedulePlan(cron="0 0 2 * * *"), SchedulePlan(cron="0 0 3 * * *")


@pytest.fixture
def fired(server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline) -> str:
    """A schedule with a run under way; returns the run's identifier."""
    made = reconcile(connection, config, NIGHTLY, Options(compiled=compiled)).schedule
    return str(server.fire(made.schedule_id)["run_id"])


@contextmanager
def ending(server: KfpServer, run_id: str) -> Iterator[None]:
    """Lets a run end once its schedule is paused, and a little later."""
    limit = time.monotonic() + 60.0

    def end() -> None:
        while not any(text.endswith(":disable") for text in server.requests("POST")):
            assert time.monotonic() < limit, "the schedule was not paused"
            time.sleep(0.02)
        time.sleep(0.3)
        assert len(server.requests("DELETE")) == 0
        server.set_run(run_id, "SUCCEEDED")

    thread = threading.Thread(target=end)
    thread.start()
    yield
    thread.join()


def test_it_is_neither_replaced_nor_deleted(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline, fired: str
) -> None:
    """Nothing is changed, and what to give is said; unchanged, it needs nothing, and nor does one whose run has ended."""
    before, posted = server.all("recurring run"), server.requests("POST")
    said = "the schedule's run flowers-1 is under way, and Kubernetes may end it .* give --wait-running .* or --end-running: .*/runs/"
    with pytest.raises(UnderWayError, match=said):
        reconcile(connection, config, LATER, Options(compiled=compiled))
    with pytest.raises(UnderWayError, match=said):
        delete(connection, "flowers")
    assert not reconcile(connection, config, NIGHTLY, Options(compiled=compiled)).made
    assert server.all("recurring run") == before
    assert (server.requests("POST"), server.requests("DELETE")) == (posted, [])
    server.set_run(fired, "FAILED")
    assert reconcile(connection, config, LATER, Options(compiled=compiled)).deleted == 1


def test_its_end_is_waited_for(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline, fired: str
) -> None:
    """The new one is there, the old one is paused, and deleted when its run has ended."""
    said: list[str] = []
    deletion = Deletion(under_way=UnderWay.WAIT, show=said.append, poll_s=0.05)
    with ending(server, fired):
        done = reconcile(connection, config, LATER, Options(compiled=compiled, deletion=deletion))
    assert (done.made, done.deleted, done.schedule.paused) == (True, 1, False)
    assert schedules(connection) == [done.schedule]
    assert said == [f"flowers-1: is waited for: {server.url}/#/runs/details/{fired}"]


def test_waiting_through_a_restart(server: KfpServer, connection: Connection, fired: str) -> None:
    """A server that does not answer for a while is asked again."""
    server.fail(Fault(method="GET", path="/runs$", status=503, times=9))
    with ending(server, fired):
        assert delete(connection, "flowers", Deletion(under_way=UnderWay.WAIT, poll_s=0.05)) == 1
    assert schedules(connection) == []


@pytest.mark.usefixtures("fired")
def test_it_may_be_ended(server: KfpServer, connection: Connection) -> None:
    """Which runs that may end is said."""
    said: list[str] = []
    assert delete(connection, "flowers", Deletion(under_way=UnderWay.END, show=said.append)) == 1
    assert [line.partition(" http")[0] for line in said] == ["flowers-1: may be ended now, with its schedule:"]
    assert not any(text.endswith(":disable") for text in server.requests("POST"))


def test_a_run_that_begins_while_the_schedule_is_replaced(
    server: KfpServer,
    connection: Connection,
    config: Config,
    compiled: CompiledPipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is looked for again before the old schedule is deleted: both are there, and the next call finishes it."""
    first = reconcile(connection, config, NIGHTLY, Options(compiled=compiled)).schedule
    create = connection.client.recurring_runs.recurring_run_service_create_recurring_run

    def fires(**values: object) -> object:
        server.fire(first.schedule_id)
        return create(**values)

    with monkeypatch.context() as patched:
        patched.setattr(connection.client.recurring_runs, "recurring_run_service_create_recurring_run", fires)
        with pytest.raises(
            KubeflowError, match=r"is under way, .*; the new one is there beside it, and both are active now"
        ):
            reconcile(connection, config, LATER, Options(compiled=compiled))
    server.set_run(server.all("run")[0]["run_id"], "SUCCEEDED")
    done = reconcile(connection, config, LATER, Options(compiled=compiled))
    assert (done.made, done.deleted) == (False, 1)


def test_many_runs(server: KfpServer, connection: Connection, fired: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run under way is the oldest of several pages, those after it have ended."""
    monkeypatch.setattr("edgequant_pipelines.kubeflow.under_way._PAGE", 2)
    monkeypatch.setattr(names, "PAGE", 2)
    (schedule,) = schedules(connection)
    for _ in range(5):
        server.set_run(server.fire(schedule.schedule_id)["run_id"], "SUCCEEDED")
    with pytest.raises(UnderWayError, match=f"run flowers-1 is under way.*{fired}"):
        delete(connection, "flowers")


def test_runs_of_others(server: KfpServer, connection: Connection, fired: str) -> None:
    """What another schedule or a person has started in the same experiment is no matter."""
    (ours,) = server.all("recurring run")
    other = server.add("recurring run", "recurring_run_id", {**ours, "display_name": "other"})
    server.fire(other["recurring_run_id"])
    server.set_run(fired, "SUCCEEDED")
    assert delete(connection, "flowers") == 1


def test_at_the_command_line(server: KfpServer, config_file: Path, command: Callable[..., Result], fired: str) -> None:
    """Exit code 1 without a choice; with one, the runs are named before what was done."""
    call = ("schedule", config_file, "--host", server.url, "--cron", "0 0 3 * * *")
    refused = command(*call)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "give --wait-running to wait for its end, or --end-running" in refused.stderr
    with ending(server, fired):
        waited = command(*call, "--wait-running", "--poll-seconds", "0.1")
    lines = waited.output.splitlines()
    assert (waited.exit_code, lines[1]) == (0, "flowers: replaced, 0 0 3 * * *")
    assert lines[0].startswith("flowers-1: is waited for: ")
    server.fire(server.all("recurring run")[0]["recurring_run_id"])
    ended = command("schedule", "--delete", "flowers", "--end-running", "--host", server.url)
    assert (ended.exit_code, ended.output.splitlines()[-1]) == (0, "flowers: deleted")


def test_a_run_that_is_collected(server: KfpServer, connection: Connection, fired: str) -> None:
    """A run that is not there any more is waited for no longer."""
    server.delete(fired)
    assert delete(connection, "flowers") == 1
