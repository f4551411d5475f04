"""Schedules are made to be as a configuration says, and left alone when they are."""

from dataclasses import replace
from typing import Any

import pytest
from tests.kfp_server import Fault, KfpServer

from edgequant.errors import ConfigError
from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow import Connection, KubeflowError, names
from edgequant_pipelines.kubeflow.schedule import Options, Reconciled, SchedulePlan, delete, reconcile, schedules

NIGHTLY = SchedulePlan(cron="0 0 2 * * *")


def test_a_schedule_is_made_and_then_left_alone(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """It has the arguments of the configuration and no digest of today; asked again, nothing is created or deleted."""
    first = reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    assert (first.made, first.deleted) == (True, 0)
    (made,) = server.all("recurring run")
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 2 * * *"}}
    assert (made["max_concurrency"], made["no_catchup"], made["mode"]) == ("1", False, "ENABLE")
    arguments = made["runtime_config"]["parameters"]
    assert arguments["model"] == "models:/flowers@champion"
    assert not {"model_digest", "examples_digest", "champion_digest"} & set(arguments)
    before = server.requests("POST") + server.requests("DELETE")
    again = reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    assert again == Reconciled(schedule=first.schedule, made=False, deleted=0)
    assert server.requests("POST") + server.requests("DELETE") == before


@pytest.mark.parametrize("what", ["cron", "max_concurrency", "catch_up", "argument", "experiment"])
def test_a_change_replaces_it(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline, what: str
) -> None:
    """The new one is made before the old one is deleted, so that at no time there is none."""
    first = reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    plan = {
        "cron": SchedulePlan(cron="0 0 3 * * *"),
        "max_concurrency": replace(NIGHTLY, max_concurrency=2),
        "catch_up": replace(NIGHTLY, catch_up=False),
    }.get(what, NIGHTLY)
    changed = config.model_copy(update={"gate": {"max_drop_points": 0.5}}) if what == "argument" else config
    experiment = "other" if what == "experiment" else ""
    second = reconcile(connection, changed, plan, Options(experiment=experiment, compiled=compiled))
    assert (second.made, second.deleted) == (True, 1)
    assert [body["recurring_run_id"] for body in server.all("recurring run")] == [second.schedule.schedule_id]
    changes = [text for text in server.requests() if "recurringruns" in text and not text.startswith("GET")]
    gone = f"DELETE /apis/v2beta1/recurringruns/{first.schedule.schedule_id}"
    assert changes[1:] == ["POST /apis/v2beta1/recurringruns", gone]


def test_a_pause_is_kept(server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline) -> None:
    """What somebody has paused starts no run because something changes, however often; resumed, its successors are not paused."""
    first = reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    connection.client.disable_recurring_run(first.schedule.schedule_id)
    unchanged = reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    assert (unchanged.made, unchanged.schedule.paused) == (False, True)
    for hour in (3, 4):
        done = reconcile(connection, config, SchedulePlan(cron=f"0 0 {hour} * * *"), Options(compiled=compiled))
        assert (done.made, done.deleted, done.schedule.paused) == (True, 1, True)
        (made,) = server.all("recurring run")
        assert (made["mode"], made["status"]) == ("DISABLE", "DISABLED")
        assert schedules(connection) == [done.schedule]
    connection.client.enable_recurring_run(done.schedule.schedule_id)
    assert not reconcile(connection, config, NIGHTLY, Options(compiled=compiled)).schedule.paused
    assert [made["mode"] for made in server.all("recurring run")] == ["ENABLE"]


def test_the_pause_of_the_newest_counts(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """Of several that are replaced, as after a replacement that was cut short, the last one made is what somebody wanted."""
    old = reconcile(connection, config, NIGHTLY, Options(compiled=compiled)).schedule
    connection.client.disable_recurring_run(old.schedule_id)
    server.fail(Fault(method="DELETE", path="/recurringruns/", status=403))
    with pytest.raises(KubeflowError):
        reconcile(connection, config, SchedulePlan(cron="0 0 3 * * *"), Options(compiled=compiled))
    _, new = schedules(connection)
    connection.client.enable_recurring_run(new.schedule_id)
    done = reconcile(connection, config, SchedulePlan(cron="0 0 4 * * *"), Options(compiled=compiled))
    assert (done.deleted, done.schedule.paused) == (2, False)


@pytest.mark.parametrize(
    "fault", [{"after": True, "seconds": 2.0}, {"after": True, "status": 500}, {"status": 500}], ids=str
)
def test_a_schedule_is_made_once(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline, fault: dict[str, float]
) -> None:
    """A creation that was not answered is looked up before it is retried."""
    server.fail(Fault(method="POST", path="/recurringruns$", **fault))  # type: ignore[arg-type]
    done = reconcile(replace(connection, timeout_s=0.5), config, NIGHTLY, Options(compiled=compiled))
    assert [body["recurring_run_id"] for body in server.all("recurring run")] == [done.schedule.schedule_id]


def test_a_replacement_that_was_cut_short(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """When the old one could not be deleted, it is said that both are active; the next call deletes it, and makes nothing."""
    reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    server.fail(Fault(method="DELETE", path="/recurringruns/", status=403))
    later = SchedulePlan(cron="0 0 3 * * *")
    with pytest.raises(
        KubeflowError,
        match=r"'flowers' cannot be deleted: the account may not \(403\): injected; the new one is there beside it, "
        "and both are active now; the same call again finishes it$",
    ) as raised:
        reconcile(connection, config, later, Options(compiled=compiled))
    assert raised.value.forbidden
    assert len(server.all("recurring run")) == 2
    done = reconcile(connection, config, later, Options(compiled=compiled))
    assert (done.made, done.deleted) == (False, 1)
    assert [item.plan for item in schedules(connection)] == [later]


def test_schedules_of_others_are_left_alone(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """A recurring run of the same name that a person made is neither listed, nor replaced, nor deleted."""
    reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    (ours,) = server.all("recurring run")
    connection.client.create_recurring_run(
        experiment_id=ours["experiment_id"],
        job_name="flowers",
        cron_expression="0 0 4 * * *",
        pipeline_id=ours["pipeline_version_reference"]["pipeline_id"],
        version_id=ours["pipeline_version_reference"]["pipeline_version_id"],
        params=ours["runtime_config"]["parameters"],
    )
    assert len(schedules(connection)) == 1
    assert delete(connection, "flowers") == 1
    assert [body["trigger"]["cron_schedule"]["cron"] for body in server.all("recurring run")] == ["0 0 4 * * *"]


PERIODIC: dict[str, Any] = {"trigger": {"periodic_schedule": {"interval_second": "3600"}}}
ZONED: dict[str, Any] = {"trigger": {"cron_schedule": {"cron": "TZ=UTC 0 0 4 * * *"}}}
INLINE: dict[str, Any] = {"pipeline_version_reference": None, "pipeline_spec": {"root": {}}}


def test_a_replacement_of_what_is_paused_that_was_cut_short(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """Then neither of the two is active."""
    first = reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    connection.client.disable_recurring_run(first.schedule.schedule_id)
    server.fail(Fault(method="DELETE", path="/recurringruns/", status=403))
    with pytest.raises(KubeflowError, match="beside it, and neither is active now; the same call again"):
        reconcile(connection, config, SchedulePlan(cron="0 0 3 * * *"), Options(compiled=compiled))


def test_a_deletion_that_was_not_answered(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """It is retried, and what is not there any more is deleted."""
    reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    server.fail(Fault(method="DELETE", path="/recurringruns/", status=503, after=True))
    done = reconcile(connection, config, SchedulePlan(cron="0 0 3 * * *"), Options(compiled=compiled))
    assert (done.made, done.deleted) == (True, 1)
    assert [item["recurring_run_id"] for item in server.all("recurring run")] == [done.schedule.schedule_id]


@pytest.mark.parametrize("shape", [PERIODIC, ZONED, INLINE], ids=["interval", "zone", "inline"])
def test_schedules_of_another_shape_are_left_alone(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline, shape: dict[str, Any]
) -> None:
    """What says that it is ours and is of a shape that is never made here, as by another program, is a person's to look after."""
    reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    (ours,) = server.all("recurring run")
    other = server.add("recurring run", "recurring_run_id", {**ours, **shape})
    assert len(schedules(connection)) == 1
    assert not reconcile(connection, config, NIGHTLY, Options(compiled=compiled)).made
    done = reconcile(connection, config, SchedulePlan(cron="0 0 3 * * *"), Options(compiled=compiled))
    assert (done.made, done.deleted) == (True, 1)
    assert delete(connection, "flowers") == 1
    assert server.all("recurring run") == [other]
    with pytest.raises(ConfigError, match="there is none at all"):
        delete(connection, "flowers")


def test_many_schedules(
    connection: Connection, config: Config, compiled: CompiledPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pages of a long list are read; one that is not there is an error with the nearest name."""
    monkeypatch.setattr(names, "PAGE", 2)
    for number in range(5):
        named = config.model_copy(update={"name": f"flowers-{number}"})
        reconcile(connection, named, NIGHTLY, Options(compiled=compiled))
    assert len(schedules(connection)) == 5
    with pytest.raises(
        ConfigError, match=r"there is no 'flower-3'; there are flowers-0, .*; did you mean 'flowers-3'\?"
    ):
        delete(connection, "flower-3")


def test_a_schedule_that_is_not_there(connection: Connection) -> None:
    """Without any, that is what is said."""
    with pytest.raises(ConfigError, match="schedule: there is no 'flowers'; there is none at all"):
        delete(connection, "flowers")


@pytest.mark.parametrize("number", [0, 11])
def test_too_many_at_once(number: int) -> None:
    """The server's own limit is said before anything is sent."""
    with pytest.raises(ConfigError, match=f"max concurrency: {number} is not allowed; 1 to 10 are"):
        SchedulePlan(cron="0 0 2 * * *", max_concurrency=number)
