"""Reads back what a pipeline run led to: its outcome is in MLflow, where track recorded it."""

import os
from dataclasses import dataclass

from mlflow import MlflowClient

from edgequant.errors import TrackingError
from edgequant.markdown import plain
from edgequant.mlflow_access.retries import first_line
from edgequant.tracking.summary import NOTE_TAG
from edgequant.tracking_uri import without_credentials

# MLflow's own default is to try again for several minutes in silence.
_CLIENT_DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a pipeline run led to.

    Attributes:
        outcome: blessed, rejected, inconclusive, not gated and so on.
        why: The verdict's sentence; "" where it cannot be read any more.
        best: The best variant; "" for none.
        summary_run_id: The summary run.
        link: Its page; "" where MLflow is no server.
    """

    outcome: str
    why: str
    best: str
    summary_run_id: str
    link: str


class NoRecordError(TrackingError):
    """MLflow answers, and has no record of the pipeline run."""


def read_outcome(uri: str, experiment: str, pipeline_run: str) -> Outcome:
    """Returns the outcome that track recorded for a pipeline run.

    Args:
        uri: The MLflow server, as this machine reaches it; "" for the environment's.
        experiment: The MLflow experiment.
        pipeline_run: Identifies the pipeline run: on a cluster, KFP's identifier.

    Raises:
        NoRecordError: MLflow has no record of the run.
        TrackingError: MLflow cannot be asked.
    """
    for name, value in _CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not uri and not os.environ.get("MLFLOW_TRACKING_URI"):
        raise TrackingError("no MLflow is named: tracking.uri is empty, and MLFLOW_TRACKING_URI is not set")
    shown = without_credentials(uri)
    where = f"MLflow at {shown}" if uri else "MLflow"
    try:
        client = MlflowClient(tracking_uri=uri or None)
        found = client.get_experiment_by_name(experiment)
        query = f"tags.`edgequant.pipeline_run` = '{pipeline_run}' AND tags.`edgequant.role` = 'summary'"
        runs = client.search_runs([found.experiment_id], query) if found else []
    except Exception as error:  # MLflow, its HTTP client and its database raise many kinds.
        raise TrackingError(f"{where} cannot be asked ({first_line(error)})") from error
    if not runs:
        raise NoRecordError(f"{where} has no summary of pipeline run {pipeline_run} in experiment {experiment!r}")
    info, tags = runs[0].info, runs[0].data.tags
    page = (
        f"{shown.rstrip('/')}/#/experiments/{info.experiment_id}/runs/{info.run_id}" if uri.startswith("http") else ""
    )
    outcome = tags.get("edgequant.outcome", "")
    headline = tags.get(NOTE_TAG, "").partition("\n")[0]
    begin = f"**{outcome}**: "
    return Outcome(
        outcome=outcome,
        why=plain(headline.removeprefix(begin)) if headline.startswith(begin) else "",
        best=tags.get("edgequant.best", ""),
        summary_run_id=info.run_id,
        link=page,
    )
