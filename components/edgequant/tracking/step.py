"""Collects a run's results and records them in MLflow."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from edgequant.artifacts.directory import write_json
from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.result import LoadedResult, Tracked, TrackingSettings, load_result, result_json, write_result
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.artifacts.verdict import load_verdict
from edgequant.errors import EdgequantError, TrackingError
from edgequant.mlflow_access.client_settings import client_settings
from edgequant.steps import say
from edgequant.tracking.recording.effective_config import as_run
from edgequant.tracking.setting_checks import check_tracking_settings
from edgequant.tracking.ui_links import public_uri
from edgequant.tracking_uri import ON_CLUSTER, TRACKING_URI, check_tracking_uri, runners_tracking_uri, tracking_uri

_RUN_ID = "MLFLOW_RUN_ID"
# The beginning of a KFP placeholder: some installations pass it on without replacing it.
_NOT_FILLED_IN = "{{$"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackInputs:
    """The directories of the earlier steps, whose contents are recorded.

    Attributes:
        variant_set: The variant set.
        verdict: The verdict.
        calibration_set: The calibration set.
        evaluation_set: The evaluation set.
        configuration: The configuration of the run, as YAML; "" if there is none.
    """

    variant_set: Path
    verdict: Path
    calibration_set: Path
    evaluation_set: Path
    configuration: str = ""


def track(settings: TrackingSettings, inputs: TrackInputs, target: Path) -> Tracked:
    """Writes the result, then records it in MLflow. If recording fails, the result is complete and can be tracked later.

    Args:
        settings: Where to record it.
        inputs: The directories of the earlier steps.
        target: The directory to write the result to.

    Raises:
        ArtifactError: An input directory is damaged or of another type.
        TrackingError: MLflow did not accept the result.
        ConfigError: The tracking URI holds a password, or MLflow does not allow a setting.
    """
    settings = replace(settings, uri=settings.uri or runners_tracking_uri())
    # Before it is written into the result.
    check_tracking_uri("tracking.uri", settings.uri)
    verdict, variants = load_verdict(inputs.verdict), load_variant_set(inputs.variant_set)
    # The same default as that of the configuration file.
    settings = replace(settings, experiment=settings.experiment or verdict.name)
    check_tracking_settings(settings, verdict.name)
    public_uri()
    write_result(
        target,
        settings,
        variants,
        inputs.verdict,
        (load_example_set(inputs.calibration_set, verify=False), load_example_set(inputs.evaluation_set, verify=False)),
        as_run(inputs.configuration, settings, variants.content, verdict),
    )
    return record(target)


def record(directory: Path, uri: str = "") -> Tracked:
    """Records a complete result directory in MLflow, and adds where to its ``result.json``.

    Args:
        directory: The directory of the result.
        uri: The MLflow tracking URI; "" for that of the run that KFP's plugin created, else the result's own, else the environment's.

    Raises:
        ArtifactError: The directory is not a result.
        TrackingError: MLflow did not accept the result.
        ConfigError: The tracking URI holds a password, or the URI of MLflow's pages is invalid.
    """
    public_uri()
    result = load_result(directory)
    settings = result.content.settings
    kfp_run_id = "" if uri else _kfp_run_id()
    key = "--tracking-uri" if uri else "tracking.uri"
    # The run that KFP's plugin created is at the environment's server.
    environments = os.environ.get(TRACKING_URI, "")
    where = check_tracking_uri(TRACKING_URI, environments) if kfp_run_id else tracking_uri(uri or settings.uri, key)
    if kfp_run_id:
        say("track", f"the run {kfp_run_id} that {_RUN_ID} names at {where} is the summary run")
    with _one_writer(directory.parent / f".{result.digest[:16]}.lock"):
        tracked, experiment = _record(result, where, kfp_run_id)
    write_json(directory / "result.json", result_json(result.verdict, tracked))
    _report(result, tracked, experiment)
    return tracked


@contextmanager
def _one_writer(path: Path) -> Iterator[None]:
    """Waits until no other process records the same directory: MLflow has no atomic "create if missing".

    Raises:
        TrackingError: The lock cannot be made.
    """
    lock = FileLock(path)
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise TrackingError(f"{path}: cannot be locked ({error}); a result has one writer at a time") from error
    try:
        yield
    finally:
        lock.release()


def _record(result: LoadedResult, uri: str, kfp_run_id: str) -> tuple[Tracked, str]:
    """Records a result, with retries while MLflow does not answer; returns where it is, and the name of its experiment."""
    with client_settings():
        # Imports MLflow, which takes a second.
        from edgequant.mlflow_access.failures import is_transient
        from edgequant.mlflow_access.retries import RetryPolicy, first_line
        from edgequant.tracking.recording.recorder import Place, Recorder

        def tell(sentence: str) -> None:
            say("track", sentence)

        policy = RetryPolicy(result.content.settings.retry_seconds, tell)
        recorder = None
        try:
            recorder = Recorder(result, Place(uri=uri, kfp_run_id=kfp_run_id), policy)
            return policy.retry(lambda number: recorder.record(again=number > 1)), recorder.experiment
        except Exception as error:  # MLflow, its HTTP client and its database driver raise many types.
            is_our_error = isinstance(error, EdgequantError)
            why = str(error) if is_our_error else f"MLflow at {uri} did not accept the results ({first_line(error)})"
            if recorder is not None and not is_transient(error):
                recorder.give_up(why)
            if is_our_error:
                raise
            raise TrackingError(why) from error


def _report(result: LoadedResult, tracked: Tracked, experiment: str) -> None:
    settings = result.content.settings
    say("track", f"{len(tracked.run_ids)} variants in experiment {experiment!r}")
    for variant, version in tracked.versions.items():
        is_best = variant == result.verdict.best
        alias = _where_is(settings.alias, tracked) if settings.alias and is_best else ""
        say("track", f"{variant} is {settings.registered_model} version {version}{alias}")


def kfp_view(tracked: Tracked) -> dict[str, str]:
    """Returns the metadata that KFP shows with the result: links to MLflow's UI, and the version of the best variant."""
    pages = {f"mlflow {name}": link for name, link in tracked.links.items()}
    return pages | ({"model version": tracked.model_version} if tracked.model_version else {})


def _where_is(alias: str, tracked: Tracked) -> str:
    if tracked.alias_version == tracked.model_version:
        return f", alias {alias}"
    where = f"on version {tracked.alias_version}" if tracked.alias_version else "on no version"
    return f"; alias {alias} is {where}, and was left there"


def _kfp_run_id() -> str:
    """Returns the identifier of the run that KFP's MLflow plugin or `mlflow run` created for this process; "" without one."""
    return os.environ.get(_RUN_ID, "") if os.environ.get(TRACKING_URI) else ""


def pipeline_run(configured: str, kfp_run: str) -> str:
    """Returns the identifier of the pipeline run: the configured one, else KFP's on a cluster, else "" for the result's digest.

    KFP's local runner makes up a new identifier at each start, even if it only completes an earlier run.

    Raises:
        TrackingError: KFP on the cluster did not fill in the identifier.
    """
    identifier = configured or (kfp_run if os.environ.get(ON_CLUSTER) else "")
    if identifier.startswith(_NOT_FILLED_IN):
        raise TrackingError(
            f"Kubeflow Pipelines left {identifier!r} as it is instead of filling in the run's identifier, which every run would share; give pipeline_run"
        )
    return identifier
