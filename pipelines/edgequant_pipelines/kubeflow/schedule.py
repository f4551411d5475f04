"""Schedules: recurring runs at a Kubeflow Pipelines server, made to be as a configuration says."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import kfp_server_api as api

from edgequant.errors import ConfigError, did_you_mean
from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow.cluster_arguments import cluster_arguments, differing
from edgequant_pipelines.kubeflow.connection import Connection, KubeflowError, request_errors
from edgequant_pipelines.kubeflow.cron import six_fields
from edgequant_pipelines.kubeflow.names import check_name, check_other, each, named
from edgequant_pipelines.kubeflow.once import create_once
from edgequant_pipelines.kubeflow.pipeline_versions import compile_for, find_uploaded, upload
from edgequant_pipelines.kubeflow.submission import create_experiment, find_experiment
from edgequant_pipelines.kubeflow.under_way import Deletion, UnderWay, check_none_under_way, settle

# What the server allows.
MOST_AT_ONCE = 10
# Begins the description of every schedule that is made here, so that others' are left alone. All of them have a cron expression.
_OURS = "edgequant: "
_DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePlan:
    """When to run.

    Attributes:
        cron: Six fields, seconds first; or a descriptor, such as @daily or @every 1h.
        max_concurrency: How many runs may be under way at once.
        catch_up: Whether firings that were missed are made up for.
    """

    cron: str
    max_concurrency: int = 1
    catch_up: bool = True

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ConfigError: One is not allowed.
        """
        if not 1 <= self.max_concurrency <= MOST_AT_ONCE:
            raise ConfigError(f"max concurrency: {self.max_concurrency} is not allowed; 1 to {MOST_AT_ONCE} are")
        object.__setattr__(self, "cron", six_fields(self.cron))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A recurring run at the server.

    Attributes:
        schedule_id: Its identifier.
        name: Its display name.
        plan: When it fires.
        paused: Whether somebody has disabled it.
        version_id: The pipeline version that it runs.
        experiment_id: The experiment that its runs are in.
        arguments: What it gives the pipeline.
    """

    schedule_id: str
    name: str
    plan: SchedulePlan
    paused: bool
    version_id: str
    experiment_id: str
    arguments: dict[str, Any]

    def runs_as(self, other: "Schedule") -> bool:
        """Whether both make the same runs at the same times."""
        return (
            self.plan == other.plan
            and self.version_id == other.version_id
            and self.experiment_id == other.experiment_id
            and not differing(self.arguments, other.arguments)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What was done.

    Attributes:
        schedule: The schedule as it is now.
        made: Whether it was made now.
        deleted: How many others of its name were deleted.
    """

    schedule: Schedule
    made: bool
    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a schedule is made.

    Attributes:
        experiment: The experiment at Kubeflow; "" for the configuration's name.
        compiled: The pipeline; None to compile it as the configuration says.
        deletion: How the schedules that it replaces are deleted.
    """

    experiment: str = ""
    compiled: CompiledPipeline | None = None
    deletion: Deletion = field(default_factory=Deletion)


def reconcile(connection: Connection, config: Config, plan: SchedulePlan, options: Options | None = None) -> Reconciled:
    """Makes the schedule of a configuration's name be as it should, and changes nothing when it is.

    KFP cannot change a recurring run: the new one is made first, then the others of its name are deleted. It is paused when the
    newest of these is. Killed in between and asked again, the rest is done.

    Args:
        connection: The server.
        config: The configuration.
        plan: When to run.
        options: How it is made; None for all as by default.

    Raises:
        ConfigError: The configuration cannot work on a cluster, or the server cannot hold a name.
        SameNameError: There is none of that name, and one whose name the server's database takes for it; the same of the experiment.
        UnderWayError: A schedule is to be replaced that has a run under way, which is to be kept.
        KubeflowError: The server cannot be reached, or refuses.
    """
    options = options or Options()
    experiment = options.experiment or config.name
    check_name("experiment", experiment)
    arguments = cluster_arguments(config)
    compiled = options.compiled or compile_for(config)
    # All of it is looked up before anything is made.
    before = _of_name(connection, config.name)
    wanted = Schedule(
        schedule_id="",
        name=config.name,
        plan=plan,
        paused=bool(before) and before[-1].paused,
        version_id=find_uploaded(connection, compiled) or "",
        experiment_id=find_experiment(connection, experiment) or "",
        arguments=arguments,
    )
    kept = _like(wanted, before)
    check_none_under_way(connection, _keys(other for other in before if other is not kept), options.deletion)
    schedule = kept or _make(connection, wanted, compiled, experiment)
    others = [other for other in schedules(connection, config.name) if other.schedule_id != schedule.schedule_id]
    left = list(others)
    try:
        _delete_all(connection, left, options.deletion)
    except KubeflowError as error:
        raise _unfinished(error, [schedule, *left]) from error
    return Reconciled(schedule=schedule, made=kept is None, deleted=len(others))


def _make(connection: Connection, wanted: Schedule, compiled: CompiledPipeline, experiment: str) -> Schedule:
    """Returns a schedule that was not there; so may its pipeline and its experiment be."""
    uploaded = upload(connection, compiled)
    complete = replace(
        wanted,
        version_id=uploaded.version_id,
        experiment_id=wanted.experiment_id or create_experiment(connection, experiment),
    )
    return create_once(
        connection,
        lambda: _like(complete, schedules(connection, complete.name)),
        lambda: _create(connection, complete, uploaded.reference()),
    )


def _keys(several: Iterable[Schedule]) -> list[tuple[str, str]]:
    return [(schedule.schedule_id, schedule.experiment_id) for schedule in several]


def _like(wanted: Schedule, candidates: list[Schedule]) -> Schedule | None:
    return next((schedule for schedule in candidates if schedule.runs_as(wanted)), None)


def _unfinished(error: KubeflowError, remaining: list[Schedule]) -> KubeflowError:
    """Returns what is to be said when the old one of several schedules cannot be deleted."""
    active = sum(not schedule.paused for schedule in remaining)
    which = {0: "neither is", 1: "one of them is", 2: "both are"}.get(active, f"{active} of that name are")
    message = f"the new one is there beside it, and {which} active now; the same call again finishes it"
    return KubeflowError(f"{error}; {message}", error.status, error.code)


def schedules(connection: Connection, name: str = "") -> list[Schedule]:
    """Returns the schedules that were made here, the oldest first.

    Args:
        connection: The server.
        name: Those of exactly this name; "" for all.
    """
    return [schedule for schedule in _listed(connection, name) if name in ("", schedule.name)]


def _listed(connection: Connection, name: str) -> list[Schedule]:
    """Returns those that the server lists: also those of names that its database takes for this one."""
    recurring_runs = each(
        connection,
        "the schedules cannot be listed",
        connection.client.recurring_runs.recurring_run_service_list_recurring_runs,
        "recurring_runs",
        sort_by="created_at asc",
        filter=named(name) if name else "",
        **connection.where(),
    )
    return [schedule for schedule in map(_schedule, recurring_runs) if schedule]


def _of_name(connection: Connection, name: str) -> list[Schedule]:
    """Returns the schedules of exactly a name, the oldest first.

    Raises:
        SameNameError: There is none, and one whose name the server's database takes for it.
    """
    listed = _listed(connection, name)
    exact = [schedule for schedule in listed if schedule.name == name]
    if not exact and listed:
        check_other(connection, "schedule", name, listed[0].name)
    return exact


def delete(connection: Connection, name: str, deletion: Deletion | None = None) -> int:
    """Deletes the schedules of a name, and returns how many there were.

    Args:
        connection: The server.
        name: Exactly their name.
        deletion: How they are deleted; None: not while a run is under way.

    Raises:
        ConfigError: There is none.
        SameNameError: There is none, and one whose name the server's database takes for it.
        UnderWayError: One has a run under way, which is to be kept.
        KubeflowError: The server cannot be reached, or refuses.
    """
    matching = _of_name(connection, name)
    if not matching:
        names = sorted({schedule.name for schedule in schedules(connection)})
        available = f"there are {', '.join(names)}" if names else "there is none at all"
        raise ConfigError(f"schedule: there is no {name!r}; {available}{did_you_mean(name, names)}")
    _delete_all(connection, list(matching), deletion or Deletion())
    return len(matching)


def _delete_all(connection: Connection, left: list[Schedule], deletion: Deletion) -> None:
    """Deletes schedules, each of which is taken out of the list; those whose runs are waited for start no more of them."""
    if deletion.under_way is UnderWay.WAIT:
        for position, schedule in enumerate(left):
            if not schedule.paused:
                _pause(connection, schedule)
                left[position] = replace(schedule, paused=True)
    settle(connection, _keys(left), deletion)
    while left:
        _delete(connection, left[0])
        left.pop(0)


def _pause(connection: Connection, schedule: Schedule) -> None:
    with request_errors(f"the schedule {schedule.name!r} cannot be paused", connection.host):
        connection.client.recurring_runs.recurring_run_service_disable_recurring_run(
            recurring_run_id=schedule.schedule_id, **connection.request()
        )


def _create(connection: Connection, wanted: Schedule, reference: Any) -> Schedule:
    body = api.V2beta1RecurringRun(
        display_name=wanted.name,
        description=f"{_OURS}made by `edgequant schedule`, which replaces it when the configuration changes.",
        experiment_id=wanted.experiment_id,
        pipeline_version_reference=reference,
        runtime_config=api.V2beta1RuntimeConfig(parameters=wanted.arguments),
        trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=wanted.plan.cron)),
        max_concurrency=str(wanted.plan.max_concurrency),
        no_catchup=not wanted.plan.catch_up,
        mode=api.RecurringRunMode.DISABLE if wanted.paused else api.RecurringRunMode.ENABLE,
    )
    with request_errors("the schedule cannot be made", connection.host):
        made = connection.client.recurring_runs.recurring_run_service_create_recurring_run(
            recurring_run=body, **connection.request()
        )
    return replace(wanted, schedule_id=made.recurring_run_id)


def _delete(connection: Connection, schedule: Schedule) -> None:
    try:
        with request_errors(f"the schedule {schedule.name!r} cannot be deleted", connection.host):
            connection.client.recurring_runs.recurring_run_service_delete_recurring_run(
                recurring_run_id=schedule.schedule_id, **connection.request()
            )
    except KubeflowError as error:
        # A deletion that was not answered is sent again by itself.
        if not error.not_found:
            raise


def _schedule(recurring_run: Any) -> Schedule | None:
    """Returns a recurring run as a schedule; None for one that was not made here, as its description or its shape tells."""
    cron = recurring_run.trigger.cron_schedule if recurring_run.trigger else None
    reference = recurring_run.pipeline_version_reference
    if not (recurring_run.description or "").startswith(_OURS) or not cron or not reference:
        return None
    try:
        plan = SchedulePlan(
            cron=cron.cron or "",
            max_concurrency=int(recurring_run.max_concurrency or 1),
            catch_up=not recurring_run.no_catchup,
        )
    except ConfigError:
        return None
    return Schedule(
        schedule_id=recurring_run.recurring_run_id,
        name=recurring_run.display_name,
        plan=plan,
        paused=recurring_run.status == _DISABLED,
        version_id=reference.pipeline_version_id,
        experiment_id=recurring_run.experiment_id,
        arguments=dict((recurring_run.runtime_config.parameters if recurring_run.runtime_config else None) or {}),
    )
