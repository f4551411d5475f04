"""The source model of a result: whether one is newer than another, and the training run, which the result is linked with."""

import re
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from edgequant.artifacts.result import TrackingSettings
from edgequant.mlflow_access.failures import is_transient
from edgequant.mlflow_access.retries import Tell, first_line
from edgequant.model_uri import training_run
from edgequant.tracking import tags

_REGISTERED = "models:/"
_VERSION = re.compile(r"models:/([^/@]+)/([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRun:
    """A training run.

    Attributes:
        run_id: Its identifier; "" if unknown.
        experiment_id: Its experiment.
    """

    run_id: str = ""
    experiment_id: str = ""


def is_newer(uri: str, than: str) -> bool:
    """Returns whether a URI names a later version, by number, of the same registered model as another URI."""
    first, second = _VERSION.fullmatch(uri), _VERSION.fullmatch(than)
    return first is not None and second is not None and first[1] == second[1] and int(first[2]) > int(second[2])


def find(client: MlflowClient, settings: TrackingSettings, uri: str, tell: Tell) -> SourceRun:
    """Returns the run that trained the source model; if it is unknown or may not be read, that is reported and not an error.

    Args:
        client: MLflow's client.
        settings: The tracking settings of the result; the model was looked up at their URI.
        uri: The tracking URI where the result is recorded.
        tell: Called with a sentence if there is no such run.
    """
    model_uri = settings.model_uri
    # Run identifiers are globally unique; the same name and number may be another model at another MLflow server.
    if model_uri.startswith(_REGISTERED) and settings.uri and settings.uri.rstrip("/") != uri.rstrip("/"):
        tell(f"the training run of {model_uri} is not linked: the model was looked up at {settings.uri}")
        return SourceRun()
    try:
        run_id = training_run(client, model_uri)
        if not run_id:
            return SourceRun()
        return SourceRun(run_id=run_id, experiment_id=str(client.get_run(run_id).info.experiment_id))
    except MlflowException as error:
        if is_transient(error):
            raise
        tell(f"the training run of {model_uri} is not linked: it cannot be read ({first_line(error)})")
        return SourceRun()


def link(client: MlflowClient, source: SourceRun, name: str, summary_run_id: str, tell: Tell) -> None:
    """Tags the training run with the summary run of the result; a refused tag is reported and not an error.

    Args:
        client: MLflow's client.
        source: The training run.
        name: The name of the quantization.
        summary_run_id: The summary run.
        tell: Called with a sentence if the tag is refused.
    """
    if not source.run_id:
        return
    try:
        client.set_tag(source.run_id, f"{tags.QUANTIZED}{name}", summary_run_id)
    except MlflowException as error:
        if is_transient(error):
            raise
        tell(f"the training run {source.run_id} does not link here: its tag was refused ({first_line(error)})")
