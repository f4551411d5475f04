"""Reads the outcome of a pipeline run from MLflow, where the track step recorded it."""

import os
from dataclasses import dataclass

from mlflow import MlflowClient

from edgequant.errors import TrackingError
from edgequant.mlflow_access.retries import first_line
from edgequant.tracking import tags, ui_links
from edgequant.tracking.markdown import plain
from edgequant.tracking.reading.mlflow_client import all_pages
from edgequant.tracking.recording.summary import NOTE_TAG
from edgequant.tracking_uri import TRACKING_URI, without_credentials

# MLflow's own default is to retry for several minutes in silence.
_CLIENT_DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a pipeline run.

    Attributes:
        outcome: blessed, rejected, inconclusive, not gated and so on.
        why: The verdict's explanation; "" if it can no longer be read.
        best: The best variant; "" for none.
        summary_run_id: The summary run.
        link: The page of the summary run; "" if MLflow is not a server.
    """

    outcome: str
    why: str
    best: str
    summary_run_id: str
    link: str


class NoRecordError(TrackingError):
    """MLflow answers but has no record of the pipeline run."""


def read_outcome(uri: str, pipeline_run: str) -> Outcome:
    """Returns the recorded outcome of a pipeline run, in any experiment: KFP's MLflow plugin may have chosen another one.

    Args:
        uri: The MLflow server as reachable from this machine; "" for the environment's.
        pipeline_run: The identifier of the pipeline run; on a cluster, KFP's.

    Raises:
        NoRecordError: MLflow has no record of the run.
        TrackingError: MLflow does not answer.
    """
    for name, value in _CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    tracking_uri = uri or os.environ.get(TRACKING_URI, "")
    if not tracking_uri:
        raise TrackingError("no MLflow is named: tracking.uri is empty, and MLFLOW_TRACKING_URI is not set")
    where = f"MLflow at {without_credentials(uri)}" if uri else "MLflow"
    try:
        client = MlflowClient(tracking_uri=uri or None)
        experiments = [each.experiment_id for each in all_pages(client.search_experiments)]
        query = f"tags.`{tags.PIPELINE_RUN}` = '{pipeline_run}' AND tags.`{tags.ROLE}` = '{tags.SUMMARY_ROLE}'"
        runs = client.search_runs(experiments, query)
    except Exception as error:  # MLflow, its HTTP client and its database driver raise many types.
        raise TrackingError(f"{where} cannot be asked ({first_line(error)})") from error
    if not runs:
        raise NoRecordError(f"{where} has no summary of pipeline run {pipeline_run}")
    info, run_tags = runs[0].info, runs[0].data.tags
    is_server = tracking_uri.startswith("http") or ui_links.public_uri()
    page = (
        ui_links.run_page(ui_links.base(without_credentials(tracking_uri)), info.experiment_id, info.run_id)
        if is_server
        else ""
    )
    outcome = run_tags.get(tags.OUTCOME, "")
    headline = run_tags.get(NOTE_TAG, "").partition("\n")[0]
    begin = f"**{outcome}**: "
    return Outcome(
        outcome=outcome,
        why=plain(headline.removeprefix(begin)) if headline.startswith(begin) else "",
        best=run_tags.get(tags.BEST, ""),
        summary_run_id=info.run_id,
        link=page,
    )
