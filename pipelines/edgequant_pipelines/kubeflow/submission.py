"""Starts runs at a Kubeflow Pipelines server, each once, and reads their states."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import kfp_server_api as api

from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow.cluster_arguments import cluster_arguments
from edgequant_pipelines.kubeflow.connection import Connection, request_errors
from edgequant_pipelines.kubeflow.names import check_name, check_other, each, exactly, named
from edgequant_pipelines.kubeflow.once import create_once
from edgequant_pipelines.kubeflow.pipeline_versions import Uploaded, upload
from edgequant_pipelines.kubeflow.run_steps import ENDED, SUCCEEDED, failed_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedRun:
    """A run at the server.

    Attributes:
        run_id: Its identifier.
        name: Its display name.
        url: Its page.
        state: KFP's state: PENDING, RUNNING, SUCCEEDED, FAILED, SKIPPED, CANCELING, CANCELED or PAUSED.
        error: The server's error message, if it failed; "" otherwise.
        failed: The names of the steps that failed, in the pipeline's order.
        already_existed: Whether a run of this name existed when this one was to be started.
    """

    run_id: str
    name: str
    url: str
    state: str
    error: str = ""
    failed: tuple[str, ...] = ()
    already_existed: bool = False

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.state in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether every step succeeded, whatever the verdict is."""
        return self.state == SUCCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRun:
    """The prerequisites of a run, which exist at the server.

    Attributes:
        uploaded: The pipeline's version.
        experiment_id: The experiment.
        arguments: The pipeline's arguments.
    """

    uploaded: Uploaded
    experiment_id: str
    arguments: dict[str, Any]


def prepare_run(connection: Connection, config: Config, *, experiment: str, compiled: CompiledPipeline) -> PreparedRun:
    """Creates the prerequisites of a run if they do not exist: the pipeline, its version and the experiment.

    Args:
        connection: The server.
        config: The configuration.
        experiment: The experiment at Kubeflow.
        compiled: The pipeline.

    Raises:
        ConfigError: The configuration cannot run on a cluster, or the server does not allow a name.
        SameNameError: An experiment or a pipeline exists whose name the server's database considers equal.
        KubeflowError: The server cannot be reached, or refuses.
    """
    arguments = cluster_arguments(config)
    check_name("experiment", experiment)
    # Looked up before anything is created.
    experiment_id = find_experiment(connection, experiment)
    uploaded = upload(connection, compiled)
    return PreparedRun(
        uploaded=uploaded,
        experiment_id=experiment_id or create_experiment(connection, experiment),
        arguments=arguments,
    )


def start(connection: Connection, run_name: str, prepared: PreparedRun) -> SubmittedRun:
    """Starts a run with an unused name; after an ambiguous error, it is looked up by its name before a retry.

    Args:
        connection: The server.
        run_name: The run's name.
        prepared: Its prerequisites.

    Raises:
        ConfigError: The server does not allow the name.
        KubeflowError: The server cannot be reached, or refuses.
    """
    check_name("run", run_name)
    return create_once(
        connection,
        lambda: find_run(connection, run_name),
        lambda: _create_run(connection, run_name, prepared),
    )


def new_run_name(name: str) -> str:
    """Returns a unique run name."""
    return f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"


def find_run(connection: Connection, run_name: str) -> SubmittedRun | None:
    """Returns the first run with exactly this display name, or None.

    Raises:
        KubeflowError: The server cannot be reached, or refuses.
    """
    return find_run_or_other(connection, run_name)[0]


def find_run_or_other(connection: Connection, run_name: str) -> tuple[SubmittedRun | None, str]:
    """Returns the first run with exactly this display name; without one, a name that the database considers equal, or "".

    Raises:
        KubeflowError: The server cannot be reached, or refuses.
    """
    list_page = connection.client.runs.run_service_list_runs
    what = f"the run {run_name!r} cannot be looked up"
    query = {"filter": named(run_name), "sort_by": "created_at asc", **connection.where()}
    run, other = exactly(each(connection, what, list_page, "runs", **query), run_name)
    return (submitted(connection, run) if run else None), other


def check_access(connection: Connection) -> None:
    """Lists one run, to check the account's access.

    Raises:
        KubeflowError: The server cannot be reached, or the account may not see runs.
    """
    with request_errors("the runs cannot be listed", connection.host):
        connection.client.runs.run_service_list_runs(page_size=1, **connection.where(), **connection.request())


def state_of(connection: Connection, run_id: str) -> SubmittedRun:
    """Returns the current state of a run.

    Raises:
        KubeflowError: There is no such run, or the server cannot be reached.
    """
    return submitted(connection, get_run(connection, run_id))


def get_run(connection: Connection, run_id: str) -> Any:
    """Returns the server's answer about a run."""
    with request_errors(f"the run {run_id!r} cannot be looked up", connection.host):
        return connection.client.runs.run_service_get_run(run_id=run_id, **connection.request())


def find_experiment(connection: Connection, name: str) -> str | None:
    """Returns the identifier of an experiment, or None.

    Raises:
        SameNameError: There is none, but one whose name the server's database considers equal.
        KubeflowError: The server cannot be reached, or refuses.
    """
    list_page = connection.client.experiments.experiment_service_list_experiments
    what = f"the experiment {name!r} cannot be looked up"
    experiment, other = exactly(
        each(connection, what, list_page, "experiments", filter=named(name), **connection.where()), name
    )
    check_other(connection, "experiment", name, other)
    return str(experiment.experiment_id) if experiment else None


def create_experiment(connection: Connection, name: str) -> str:
    """Creates an experiment and returns its identifier."""

    def create() -> str:
        body = api.V2beta1Experiment(display_name=name, namespace=connection.namespace or None)
        with request_errors(f"the experiment {name!r} cannot be made", connection.host):
            made = connection.client.experiments.experiment_service_create_experiment(
                experiment=body, **connection.request()
            )
        return str(made.experiment_id)

    return create_once(connection, partial(find_experiment, connection, name), create)


def _create_run(connection: Connection, name: str, prepared: PreparedRun) -> SubmittedRun:
    body = api.V2beta1Run(
        experiment_id=prepared.experiment_id,
        display_name=name,
        pipeline_version_reference=prepared.uploaded.reference(),
        runtime_config=api.V2beta1RuntimeConfig(parameters=prepared.arguments),
    )
    with request_errors("the run cannot be created", connection.host):
        return submitted(connection, connection.client.runs.run_service_create_run(run=body, **connection.request()))


def submitted(connection: Connection, run: Any) -> SubmittedRun:
    """Returns a run from the server's answer."""
    return SubmittedRun(
        run_id=run.run_id,
        name=run.display_name,
        url=connection.run_url(run.run_id),
        state=run.state or "PENDING",
        error=" ".join(str(run.error.message or "").split()) if run.error else "",
        failed=failed_steps(run),
    )
