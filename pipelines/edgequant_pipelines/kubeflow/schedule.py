"""Schedules: recurring runs at a Kubeflow Pipelines server, reconciled with a configuration."""

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

# The server's limit.
MOST_AT_ONCE = 10
# The prefix of the description of our schedules; others are never changed. All of ours have a cron expression.
_OURS = "edgequant: "
_DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePlan:
    """The trigger of a schedule.

    Attributes:
        cron: Six fields, seconds first; or a descriptor, such as @daily or @every 1h.
        max_concurrency: The limit of concurrent runs.
        catch_up: Whether missed firings are caught up.
    """

    cron: str
    max_concurrency: int = 1
    catch_up: bool = True

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ConfigError: A value is not allowed.
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
        paused: Whether it is disabled.
        version_id: The pipeline version that it runs.
        experiment_id: The experiment of its runs.
        arguments: The arguments of its runs.
    """

    schedule_id: str
    name: str
    plan: SchedulePlan
    paused: bool
    version_id: str
    experiment_id: str
    arguments: dict[str, Any]

    def runs_as(self, other: "Schedule") -> bool:
        """Returns whether both start the same runs at the same times."""
        return (
            self.plan == other.plan
            and self.version_id == other.version_id
            and self.experiment_id == other.experiment_id
            and not differing(self.arguments, other.arguments)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The outcome of a reconciliation.

    Attributes:
        schedule: The current schedule.
        made: Whether it was created by this call.
        deleted: The number of deleted schedules of the same name.
    """

    schedule: Schedule
    made: bool
    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a reconciliation.

    Attributes:
        experiment: The experiment at Kubeflow; "" for the configuration's name.
        compiled: The pipeline; None to compile it for the configuration.
        deletion: How replaced schedules are deleted.
    """

    experiment: str = ""
    compiled: CompiledPipeline | None = None
    deletion: Deletion = field(default_factory=Deletion)


def reconcile(connection: Connection, config: Config, plan: SchedulePlan, options: Options | None = None) -> Reconciled:
    """Creates or replaces the schedule of a configuration's name; changes nothing if it is up to date.

    KFP cannot change a recurring run: the new one is created first, then the others of its name are deleted. It is paused if the
    newest of these is. After an interruption, the same call completes the rest.

    Args:
        connection: The server.
        config: The configuration.
        plan: The trigger.
        options: The options; None for the defaults.

    Raises:
        ConfigError: The configuration cannot run on a cluster, or the server does not allow a name.
        SameNameError: A schedule or an experiment exists whose name the server's database considers equal.
        UnderWayError: A schedule to be replaced has a run under way, which is to be kept.
        KubeflowError: The server cannot be reached, or refuses.
    """
    options = options or Options()
    experiment = options.experiment or config.name
    check_name("experiment", experiment)
    arguments = cluster_arguments(config)
    compiled = options.compiled or compile_for(config)
    # All look-ups are done before anything is created.
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
    """Creates a schedule, and its pipeline and experiment if necessary."""
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
    """Returns the error for an old schedule that cannot be deleted."""
    active = sum(not schedule.paused for schedule in remaining)
    which = {0: "neither is", 1: "one of them is", 2: "both are"}.get(active, f"{active} of that name are")
    message = f"the new one is there beside it, and {which} active now; the same call again finishes it"
    return KubeflowError(f"{error}; {message}", error.status, error.code)


def schedules(connection: Connection, name: str = "") -> list[Schedule]:
    """Returns our schedules, the oldest first.

    Args:
        connection: The server.
        name: Their exact name; "" for all.
    """
    return [schedule for schedule in _listed(connection, name) if name in ("", schedule.name)]


def _listed(connection: Connection, name: str) -> list[Schedule]:
    """Returns the schedules that the server lists, including those whose name its database considers equal."""
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
        SameNameError: There is none, but one whose name the server's database considers equal.
    """
    listed = _listed(connection, name)
    exact = [schedule for schedule in listed if schedule.name == name]
    if not exact and listed:
        check_other(connection, "schedule", name, listed[0].name)
    return exact


def delete(connection: Connection, name: str, deletion: Deletion | None = None) -> int:
    """Deletes the schedules of a name, and returns their number.

    Args:
        connection: The server.
        name: Their exact name.
        deletion: How they are deleted; None: not while a run is under way.

    Raises:
        ConfigError: There is none.
        SameNameError: There is none, but one whose name the server's database considers equal.
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
    """Deletes schedules and removes each from the list; pauses them first if their runs are waited for."""
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
        # A deletion is retried, and the first attempt may have succeeded.
        if not error.not_found:
            raise


def _schedule(recurring_run: Any) -> Schedule | None:
    """Returns a recurring run as a schedule; None if it is not ours by its description or structure."""
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
