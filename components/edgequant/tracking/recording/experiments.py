"""The experiment that a result's runs are in."""

from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from edgequant.errors import TrackingError
from edgequant.tracking_uri import database_file

ALREADY_THERE = "RESOURCE_ALREADY_EXISTS"
ACTIVE = "active"


def kfp_run(client: MlflowClient, run_id: str, uri: str) -> Run | None:
    """Returns the run that KFP's plugin gave, None where it gave none.

    Raises:
        TrackingError: It was deleted.
    """
    if not run_id:
        return None
    run = client.get_run(run_id)
    if run.info.lifecycle_stage != ACTIVE:
        raise TrackingError(f"MLFLOW_RUN_ID: the run {run.info.run_id} at {uri} was deleted")
    return run


def find_experiment(client: MlflowClient, name: str, uri: str) -> Any:
    """Returns the experiment of a name, a new one where there is none.

    Raises:
        TrackingError: It was deleted.
    """
    experiment = client.get_experiment_by_name(name) or _new(client, name, uri)
    if experiment.lifecycle_stage != ACTIVE:
        raise TrackingError(f"tracking.experiment: {name!r} at {uri} was deleted; restore it, or name another")
    return experiment


def _new(client: MlflowClient, name: str, uri: str) -> Any:
    try:
        client.create_experiment(name, artifact_location=artifact_location(uri))
    except MlflowException as error:  # Another pipeline run made it in between.
        if error.error_code != ALREADY_THERE:
            raise
    return client.get_experiment_by_name(name)


def artifact_location(uri: str) -> str | None:
    """Returns where a new experiment's artifacts go: beside a SQLite file; elsewhere the server decides."""
    file = database_file(uri)
    return (file.resolve().parent / "mlartifacts").as_uri() if file else None
