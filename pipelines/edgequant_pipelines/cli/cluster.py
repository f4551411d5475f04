"""The commands that run the pipeline on Kubeflow."""

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from edgequant.errors import ConfigError, TrackingError
from edgequant.tracking_uri import check_tracking_uri
from edgequant_pipelines.cli.program import CONFIG, SET, Seconds, exit_code, main

_INTERRUPTED = 130
_ZONE = "(UTC, unless the installation sets another time zone)"


def _server(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options for the server and the images."""
    for option in (
        click.option("--tag", default="", help="The images' tag.  [default: the configuration's, or the version]"),
        click.option(
            "--image-prefix",
            metavar="REGISTRY/PATH",
            default="",
            help="Where the images are.  [default: the configuration's, or edgequant]",
        ),
        click.option(
            "--experiment",
            default="",
            help="The experiment at Kubeflow, created if it does not exist.  [default: the configuration's name]",
        ),
        click.option("--namespace", default="", help="Yours, on a multi-user installation.  [default: the pod's]"),
        click.option(
            "--host",
            metavar="URL",
            default="",
            help="Kubeflow Pipelines.  [default: KF_PIPELINES_ENDPOINT, else the cluster of this pod or of the kubeconfig]",
        ),
    ):
        command = option(command)
    return command


@main.command()
@CONFIG
@SET
@_server
@click.option(
    "--run-name",
    help="A unique name: repeated calls start one run. An error if the existing run has another CONFIG.",
)
@click.option("--wait", is_flag=True, help="Follow the run to its end, and exit as `run` does.")
@click.option(
    "--tracking-uri",
    metavar="URI",
    default="",
    help="MLflow as this machine reaches it, for --wait.  [default: the configuration's, or MLFLOW_TRACKING_URI]",
)
@click.option("--poll-seconds", type=Seconds(), default=10.0, hidden=True)
def submit(
    config: Path,
    overrides: tuple[str, ...],
    run_name: str | None,
    wait: bool,
    tracking_uri: str,
    poll_seconds: float,
    **where: str,
) -> None:
    """Start a run of the pipeline on Kubeflow, with the arguments that CONFIG gives.

    The bearer token is read from KF_PIPELINES_TOKEN, or from the file that KF_PIPELINES_SA_TOKEN_PATH names.

    With --wait it exits with 0 when a variant is blessed or no gate is set, 3 when none is blessed, 4 when float32 is no valid
    reference, 2 for a wrong CONFIG, 1 for a failure.
    """
    if run_name is not None and not run_name.strip():
        # As from an unset shell variable: each call would start a new run.
        raise ConfigError(f"--run-name: {run_name!r} is no name; leave it out for a new one at each call")
    if tracking_uri:
        check_tracking_uri("--tracking-uri", tracking_uri)
    loaded, compiled, connection = _prepare(config, overrides, where, run_name)
    run = _started(connection, loaded, compiled, where["experiment"], run_name or "")
    state = f"already exists, {run.state.lower()}" if run.already_existed else run.state.lower()
    click.echo(f"{run.name}: {state}\nrun:     {run.url}")
    _explain_path(connection)
    if not wait:
        return
    from edgequant_pipelines.kubeflow.following import follow
    from edgequant_pipelines.kubeflow.run_steps import pipeline_steps

    try:
        ended = follow(connection, run.run_id, pipeline_steps(compiled), _show_step, poll_s=poll_seconds)
        code = exit_code(_outcome(ended, loaded, tracking_uri))
    except KeyboardInterrupt:
        click.echo(f"edgequant: interrupted; the run goes on: {run.url}", err=True)
        sys.exit(_INTERRUPTED)
    if code:
        sys.exit(code)


def _started(connection: Any, config: Any, compiled: Any, experiment: str, run_name: str) -> Any:
    """Starts a run and returns it; on an interrupt without a run name, warns that the run may exist."""
    from edgequant_pipelines.kubeflow import submit as start

    try:
        return start(connection, config, experiment=experiment, run_name=run_name, compiled=compiled)
    except KeyboardInterrupt:
        if run_name:
            raise
        click.echo(
            "edgequant: interrupted; there may be a run all the same, and the same command starts another: look first",
            err=True,
        )
        sys.exit(_INTERRUPTED)


def _prepare(
    config: Path, overrides: tuple[str, ...], where: dict[str, str], run_name: str | None = None
) -> tuple[Any, Any, Any]:
    """Returns the configuration, the compiled pipeline and the connection; local errors are reported before connecting."""
    from edgequant_pipelines.config import load_config
    from edgequant_pipelines.kubeflow.cluster_arguments import cluster_arguments
    from edgequant_pipelines.kubeflow.names import check_name
    from edgequant_pipelines.kubeflow.pipeline_versions import compile_for

    loaded = load_config(config, overrides)
    check_name("experiment", where["experiment"] or loaded.name)
    if run_name is not None:
        check_name("run", run_name)
    cluster_arguments(loaded)
    compiled = compile_for(loaded, image_prefix=where["image_prefix"], tag=where["tag"])
    return loaded, compiled, _connect(where)


def _connect(where: dict[str, str]) -> Any:
    from edgequant_pipelines.kubeflow import connect

    # urllib3 logs a warning per attempt; only the final error matters. KFP's client sets the level of the parent logger.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    return connect(where["host"], where["namespace"])


def _explain_path(connection: Any) -> None:
    """Explains how to get complete links, if the address of KFP's UI is unknown and links are only paths."""
    from edgequant_pipelines.kubeflow.connection import UI_ENDPOINT

    if not connection.ui:
        click.echo(f"         of KFP's pages; set {UI_ENDPOINT} to their address for a whole link")


def _show_step(step: Any) -> None:
    click.echo(f"{step.name:<17} {step}")


def _outcome(ended: Any, config: Any, tracking_uri: str) -> str:
    """Returns the outcome of a finished run, and prints it.

    Without a gate, an MLflow that cannot be read from here is reported: what it could still say is that the reference is invalid.

    Raises:
        KubeflowError: The run failed.
        TrackingError: The run succeeded, but its verdict cannot be read here.
    """
    from edgequant_pipelines.kubeflow import KubeflowError

    if not ended.succeeded:
        failed = f" in {', '.join(ended.failed)}" if ended.failed else ""
        reason = f" ({ended.error})" if ended.error else ""
        raise KubeflowError(f"the run {ended.state.lower()}{failed}{reason}: {ended.url}")
    from edgequant.tracking.reading.outcome import NoRecordError, read_outcome

    unknown = "the run succeeded, but its verdict is not known here"
    try:
        outcome = read_outcome(tracking_uri or config.tracking.uri, ended.run_id)
    except TrackingError as error:
        if not config.gate:
            click.echo(f"edgequant: whether float32 is a valid reference is not known here: {error}", err=True)
            click.echo("not gated: no gate is set")
            return "not gated"
        if not isinstance(error, NoRecordError):
            raise TrackingError(f"{unknown}: {error}; give --tracking-uri as this machine reaches MLflow") from error
        raise TrackingError(f"{unknown}: {error}; is that where the run's pods record?") from error
    explanation = outcome.why or outcome.best
    click.echo(f"{outcome.outcome}: {explanation}" if explanation else outcome.outcome)
    if outcome.link:
        click.echo(f"MLflow:  {outcome.link}")
    return outcome.outcome


@main.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@SET
@_server
@click.option(
    "--cron",
    default="",
    help='Six fields, seconds first, or five without, or @daily and the like; UTC. "0 0 2 * * *": every night at two.',
)
@click.option("--max-concurrency", type=int, default=1, show_default=True, help="How many runs at once, 1 to 10.")
@click.option("--no-catch-up", is_flag=True, help="After missed firings, start only the last one.")
@click.option("--list", "list_them", is_flag=True, help="List the existing schedules.")
@click.option("--delete", metavar="NAME", default="", help="Delete the schedule of exactly this name.")
@click.option("--wait-running", is_flag=True, help="Before one is replaced or deleted, wait for the end of its runs.")
@click.option("--end-running", is_flag=True, help="Replace or delete one at once, which may end its runs.")
@click.option("--poll-seconds", type=Seconds(), default=10.0, hidden=True)
def schedule(
    config: Path | None,
    overrides: tuple[str, ...],
    cron: str,
    max_concurrency: int,
    no_catch_up: bool,
    list_them: bool,
    delete: str,
    wait_running: bool,
    end_running: bool,
    poll_seconds: float,
    **where: str,
) -> None:
    """Schedule recurring runs of the pipeline on Kubeflow, as CONFIG says.

    A repeated call replaces the schedule only if something changed; a paused schedule stays paused. Each run looks up the model and
    the examples again. Deleting a schedule may end its run that is under way: without --wait-running or --end-running, such a
    schedule is neither replaced nor deleted.
    """
    if [bool(config), list_them, bool(delete)].count(True) != 1:
        raise ConfigError("schedule: one of CONFIG, --list and --delete NAME is needed")
    deletion = _deletion(wait_running, end_running, poll_seconds)
    if config is None:
        _check_plain(cron=cron, max_concurrency=max_concurrency != 1, no_catch_up=no_catch_up, set=overrides)
        _list(where) if list_them else _delete(delete, where, deletion)
        return
    if not cron:
        raise ConfigError('--cron: is missing; "0 0 2 * * *" is every night at two, UTC')
    from edgequant_pipelines.kubeflow.schedule import Options, SchedulePlan, reconcile

    plan = SchedulePlan(cron=cron, max_concurrency=max_concurrency, catch_up=not no_catch_up)
    times = _times(cron)
    loaded, compiled, connection = _prepare(config, overrides, where)
    options = Options(experiment=where["experiment"], compiled=compiled, deletion=deletion)
    done = reconcile(connection, loaded, plan, options)
    what = ("made" if not done.deleted else "replaced") if done.made else "unchanged"
    click.echo(f"{done.schedule.name}: {what}, {plan.cron}" + (", paused as it was" if done.schedule.paused else ""))
    if done.schedule.paused:
        click.echo(f"         Enable on its page resumes it: {connection.schedule_url(done.schedule.schedule_id)}")
        _explain_path(connection)
    if len(cron.split()) < len(plan.cron.split()):
        click.echo(f"         {' '.join(cron.split())} has five fields: minutes first, at second 0")
    if done.deleted and not done.made:
        click.echo(f"         {done.deleted} more of this name deleted")
    click.echo(f"next:    {'once it is resumed, ' if done.schedule.paused else ''}{times} {_ZONE}")


def _check_plain(**options: object) -> None:
    """Checks that the options of a new schedule are not combined with --list or --delete.

    Raises:
        ConfigError: An option is set.
    """
    for name, value in options.items():
        if value:
            raise ConfigError(f"--{name.replace('_', '-')}: goes with CONFIG, not with --list or --delete")


def _deletion(wait_running: bool, end_running: bool, poll_seconds: float) -> Any:
    """Returns how schedules are deleted."""
    from edgequant_pipelines.kubeflow.under_way import Deletion, UnderWay

    if wait_running and end_running:
        raise ConfigError("--wait-running: is given, and so is --end-running; one of them is allowed")
    under_way = UnderWay.WAIT if wait_running else UnderWay.END if end_running else UnderWay.KEEP
    return Deletion(under_way=under_way, show=click.echo, poll_s=poll_seconds)


def _times(cron: str) -> str:
    from edgequant_pipelines.kubeflow.cron import next_times

    return ", ".join(f"{time:%a %Y-%m-%d %H:%M:%S}" for time in next_times(cron, datetime.now(UTC)))


def _list(where: dict[str, str]) -> None:
    from edgequant_pipelines.kubeflow.cron import EVERY
    from edgequant_pipelines.kubeflow.schedule import schedules

    listed_schedules = schedules(_connect(where))
    for item in listed_schedules:
        # @every counts from the last firing, which is unknown here.
        counted = item.plan.cron.startswith(EVERY)
        state = "active" if counted else f"next {_times(item.plan.cron).partition(',')[0]} {_ZONE}"
        state = "paused" if item.paused else state
        click.echo(f"{item.name}: {item.plan.cron}, at most {item.plan.max_concurrency} at once, {state}")
    if not listed_schedules:
        click.echo("no schedules")


def _delete(name: str, where: dict[str, str], deletion: Any) -> None:
    from edgequant_pipelines.kubeflow.schedule import delete

    count = delete(_connect(where), name, deletion)
    click.echo(f"{name}: deleted" + (f", {count} of that name" if count > 1 else ""))
