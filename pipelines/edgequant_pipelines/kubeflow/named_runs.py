"""Runs with unique names: a run is started once per name, and compared with the request if it already exists."""

from dataclasses import replace
from typing import Any

from edgequant.errors import EdgequantError
from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow.cluster_arguments import cluster_arguments, differing
from edgequant_pipelines.kubeflow.connection import Connection, request_errors
from edgequant_pipelines.kubeflow.names import check_name, check_other
from edgequant_pipelines.kubeflow.pipeline_versions import compile_for, find_uploaded
from edgequant_pipelines.kubeflow.submission import (
    SubmittedRun,
    find_experiment,
    find_run_or_other,
    get_run,
    new_run_name,
    prepare_run,
    start,
)

_SHOWN = 60


class OtherRunError(EdgequantError):
    """A run of the requested name already exists, with other arguments, another pipeline or another experiment."""


def submit(
    connection: Connection,
    config: Config,
    *,
    experiment: str = "",
    run_name: str = "",
    compiled: CompiledPipeline | None = None,
) -> SubmittedRun:
    """Starts a run, or returns the existing run of its name: repeated calls start one run per name.

    An existing run must have the same pipeline, arguments and experiment.

    Args:
        connection: The server.
        config: The configuration.
        experiment: The experiment at Kubeflow, created if necessary; "" for the configuration's name.
        run_name: The run's name; "" for a new one.
        compiled: The pipeline; None to compile it for the configuration.

    Raises:
        ConfigError: The configuration cannot run on a cluster, or the server does not allow a name.
        OtherRunError: The run of that name has other arguments, another pipeline or another experiment.
        SameNameError: A run or an experiment exists whose name the server's database considers equal.
        KubeflowError: The server cannot be reached, or refuses.
    """
    name = run_name or new_run_name(config.name)
    check_name("run", name)
    check_name("experiment", experiment or config.name)
    arguments = cluster_arguments(config)
    pipeline = compiled or compile_for(config)
    existing, other = find_run_or_other(connection, name) if run_name else (None, "")
    if existing is not None:
        _check_same(connection, existing, pipeline, arguments, experiment or config.name)
        return replace(existing, already_existed=True)
    check_other(connection, "run", name, other)
    prepared = prepare_run(connection, config, experiment=experiment or config.name, compiled=pipeline)
    return start(connection, name, prepared)


def _check_same(
    connection: Connection,
    existing: SubmittedRun,
    pipeline: CompiledPipeline,
    arguments: dict[str, Any],
    experiment: str,
) -> None:
    """Compares an existing run with the one to start.

    Raises:
        OtherRunError: They differ.
        KubeflowError: The server cannot be reached, or refuses.
    """
    run = get_run(connection, existing.run_id)
    arguments_of_run = dict((run.runtime_config.parameters if run.runtime_config else None) or {})
    others = [
        f"{key} ({_shown(arguments_of_run, key)} there, {_shown(arguments, key)} now)"
        for key in differing(arguments_of_run, arguments)
    ]
    reference = run.pipeline_version_reference
    if (reference.pipeline_version_id if reference else None) != find_uploaded(connection, pipeline):
        others.append(f"the pipeline (now {pipeline.version})")
    if run.experiment_id != find_experiment(connection, experiment):
        others.append(f"the experiment ({_experiment_name(connection, run.experiment_id)} there, {experiment!r} now)")
    if others:
        raise OtherRunError(
            f"run name: there is a run {existing.name!r}, of something else: {'; '.join(others)}; "
            f"give another name to start another run: {existing.url}"
        )


def _shown(arguments: dict[str, Any], name: str) -> str:
    text = repr(arguments[name]) if name in arguments else "none"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _experiment_name(connection: Connection, identifier: str) -> str:
    with request_errors(f"the experiment {identifier} cannot be looked up", connection.host):
        experiment = connection.client.experiments.experiment_service_get_experiment(identifier, **connection.request())
    return repr(experiment.display_name)
