"""Gathers a run's results and records them in MLflow."""

import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from edgequant.artifacts.directory import write_json
from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.result import Tracked, TrackingSettings, load_result, result_json, write_result
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.errors import TrackingError
from edgequant.steps import say

# MLflow's own default is to retry for several minutes in silence, and to fill a log with progress bars and its own steps.
_CLIENT_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_TRACKING_URI = "MLFLOW_TRACKING_URI"
_ON_CLUSTER = "KUBERNETES_SERVICE_HOST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is recorded: the directories of the earlier steps."""

    variant_set: Path
    verdict: Path
    calibration_set: Path
    evaluation_set: Path


def track(settings: TrackingSettings, inputs: Inputs, target: Path) -> None:
    """Writes the result, then records it in MLflow: when that fails, the result is complete and can be tracked later.

    Args:
        settings: Where to record it.
        inputs: The directories of the earlier steps.
        target: The directory to write the result to.

    Raises:
        ArtifactError: An input directory is not what it should be.
        TrackingError: MLflow did not take the result.
    """
    write_result(
        target,
        settings,
        load_variant_set(inputs.variant_set),
        inputs.verdict,
        (load_example_set(inputs.calibration_set, verify=False), load_example_set(inputs.evaluation_set, verify=False)),
    )
    record(target)


def record(directory: Path, uri: str = "") -> Tracked:
    """Records a result that is complete on disk, and completes its ``result.json``.

    Args:
        directory: The directory of the result.
        uri: The MLflow tracking URI; "" for the result's own, or the environment's.

    Raises:
        ArtifactError: The directory is not a result.
        TrackingError: MLflow did not take the result.
    """
    result = load_result(directory)
    where = tracking_uri(uri or result.content.settings.uri)
    for name, value in _CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    from edgequant.tracking.runs import Recorder

    try:
        # MLflow cannot look up and create in one go, so a result has one writer at a time.
        with FileLock(directory.parent / f".{result.digest[:16]}.lock"):
            tracked = Recorder(result, where).record()
    except Exception as error:  # MLflow, its HTTP client and its database raise many kinds.
        message = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TrackingError(
            f"MLflow at {where} did not take the results ({type(error).__name__}: {message})"
        ) from error
    write_json(directory / "result.json", result_json(result.verdict, tracked))
    say("track", f"{len(tracked.run_ids)} variants in experiment {result.content.settings.experiment!r}")
    if tracked.model_version:
        settings = result.content.settings
        alias = _where_is(settings.alias, tracked) if settings.alias else ""
        say("track", f"{result.verdict.best} is {settings.registered_model} version {tracked.model_version}{alias}")
    return tracked


def _where_is(alias: str, tracked: Tracked) -> str:
    if tracked.alias_version == tracked.model_version:
        return f", alias {alias}"
    where = f"on version {tracked.alias_version}" if tracked.alias_version else "on no version"
    return f" from before; alias {alias} is {where}, and was left there"


def tracking_uri(configured: str) -> str:
    """Returns the tracking URI to use.

    Raises:
        TrackingError: None is given on a cluster, where MLflow's own default is a disk that vanishes with the pod.
    """
    uri = configured or os.environ.get(_TRACKING_URI, "")
    if not uri and os.environ.get(_ON_CLUSTER):
        raise TrackingError(f"tracking.uri is empty and {_TRACKING_URI} is not set; on a cluster one of them is needed")
    return uri or f"sqlite:///{Path('mlflow.db').resolve()}"
