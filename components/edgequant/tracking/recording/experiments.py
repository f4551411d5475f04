"""The experiment of a result's runs."""

from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from edgequant.errors import TrackingError
from edgequant.tracking_uri import database_file

ALREADY_THERE = "RESOURCE_ALREADY_EXISTS"
ACTIVE = "active"


def kfp_run(client: MlflowClient, run_id: str, uri: str) -> Run | None:
    """Returns the run that KFP's MLflow plugin created; None without one.

    Raises:
        TrackingError: The run was deleted.
    """
    if not run_id:
        return None
    run = client.get_run(run_id)
    if run.info.lifecycle_stage != ACTIVE:
        raise TrackingError(f"MLFLOW_RUN_ID: the run {run.info.run_id} at {uri} was deleted")
    return run


def find_experiment(client: MlflowClient, name: str, uri: str) -> Any:
    """Returns the experiment of a name; creates it if it does not exist.

    Raises:
        TrackingError: The experiment was deleted.
    """
    experiment = client.get_experiment_by_name(name) or _new(client, name, uri)
    if experiment.lifecycle_stage != ACTIVE:
        raise TrackingError(f"tracking.experiment: {name!r} at {uri} was deleted; restore it, or name another")
    return experiment


def _new(client: MlflowClient, name: str, uri: str) -> Any:
    try:
        client.create_experiment(name, artifact_location=artifact_location(uri))
    except MlflowException as error:  # A concurrent pipeline run created it.
        if error.error_code != ALREADY_THERE:
            raise
    return client.get_experiment_by_name(name)


def artifact_location(uri: str) -> str | None:
    """Returns the artifact location of a new experiment: next to a SQLite file; None otherwise, so that the server decides."""
    file = database_file(uri)
    return (file.resolve().parent / "mlartifacts").as_uri() if file else None
