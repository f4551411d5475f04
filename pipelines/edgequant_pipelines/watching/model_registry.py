"""MLflow's model registry, as much of it as watching needs: the only user of MLflow here."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from edgequant.errors import ConfigError, EdgequantError
from edgequant.mlflow_access.causes import known_cause
from edgequant_pipelines.watching.claims import Claim
from edgequant_pipelines.watching.model_version import ModelVersion, TrainingRun

_PAGE = 1000
# As many as one filter may name without becoming unwieldy for the database.
_RUNS_AT_ONCE = 200
_NEWEST_FIRST = ["creation_timestamp DESC", "name ASC", "version_number DESC"]
_LONGEST_REASON = 500
_NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
# What is said of the account, or of the moment, rather than of what is asked.
_HELD = (401, 408, 429)


class RegistryError(EdgequantError):
    """MLflow cannot be asked now; later it may."""


class RefusedError(RegistryError):
    """MLflow answers, and refuses what it was asked: of another version it may not."""


class ModelRegistry:
    """A registry.

    Args:
        uri: MLflow's tracking URI.

    Raises:
        ConfigError: MLflow takes it for none, or lacks what it needs.
    """

    def __init__(self, uri: str) -> None:
        import mlflow
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from mlflow.tracking._model_registry.client import ModelRegistryClient

        try:
            # Some of MLflow's calls ask the global server, whatever their client was given.
            mlflow.set_tracking_uri(uri)
            self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            # What MlflowClient itself calls, after it has fetched the registered model to see that it is no prompt: for the
            # server that is every version of the model, at every tag that is set.
            self._direct = ModelRegistryClient(uri, uri)
        except (MlflowException, ImportError) as error:
            raise ConfigError(f"--tracking-uri: MLflow cannot use {uri!r}: {_first_line(error)}") from error

    def versions(self, filter_string: str = "", page_size: int = _PAGE) -> Iterator[list[ModelVersion]]:
        """Yields pages of versions, the newest first.

        A version that is made meanwhile shows others twice; one that is deleted may hide one, until the next time.

        Args:
            filter_string: MLflow's filter, or "" for all.
            page_size: How many versions a page holds.

        Raises:
            RegistryError: MLflow cannot be asked.
        """
        search = partial(self._client.search_model_versions, filter_string or None, order_by=_NEWEST_FIRST)
        for page in _pages(search, page_size):
            yield [_version(item) for item in page]

    def version(self, name: str, version: str) -> ModelVersion | None:
        """Returns a version as it is now, or None when it was deleted.

        Raises:
            RegistryError: MLflow cannot be asked.
        """
        item = _ask(partial(self._client.get_model_version, name, version), missing=True)
        return None if item is None else _version(item)

    def aliases(self, filter_string: str) -> dict[str, dict[str, str]]:
        """Returns the version that each alias stands for, by registered model.

        Args:
            filter_string: MLflow's filter, or "" for all models.

        Raises:
            RegistryError: MLflow cannot be asked.
        """
        search = partial(self._client.search_registered_models, filter_string or None)
        return {
            model.name: {alias: str(version) for alias, version in model.aliases.items()}
            for page in _pages(search, _PAGE)
            for model in page
        }

    def runs(self, run_ids: Iterable[str]) -> dict[str, TrainingRun]:
        """Returns the runs of these identifiers; those that are not there, or may not be read, are left out.

        Raises:
            RegistryError: MLflow cannot be asked.
        """
        wanted = sorted({run_id for run_id in run_ids if run_id.isalnum()})
        if not wanted:
            return {}
        experiments = self._experiments()
        runs_by_id: dict[str, TrainingRun] = {}
        for start in range(0, len(wanted), _RUNS_AT_ONCE):
            names = ", ".join(f"'{run_id}'" for run_id in wanted[start : start + _RUNS_AT_ONCE])
            search = partial(self._client.search_runs, experiments, f"attributes.run_id IN ({names})")
            page = _ask(partial(search, max_results=_RUNS_AT_ONCE))
            runs_by_id |= {run.info.run_id: _run(run) for run in page}
        return runs_by_id

    def has_files(self, version: ModelVersion) -> bool:
        """Tells whether the version's files are still where they were.

        Raises:
            RegistryError: MLflow cannot be asked.
        """
        import mlflow.artifacts

        where = _ask(partial(self._direct.get_model_version_download_uri, *version.key), missing=True)
        return bool(where and _ask(partial(mlflow.artifacts.list_artifacts, artifact_uri=where), missing=True))

    def write(self, claim: Claim) -> bool:
        """Sets a claim's tag, and tells whether its version was there to be tagged.

        Raises:
            RegistryError: MLflow did not take it, or did and could not say so.
        """

        def set_tag() -> bool:
            self._direct.set_model_version_tag(claim.name, claim.version, claim.tag, claim.value())
            return True

        return bool(_ask(set_tag, missing=True))

    def _experiments(self) -> list[str]:
        """Returns every experiment: MLflow searches runs only in those that it is given."""
        return [item.experiment_id for page in _pages(self._client.search_experiments, _PAGE) for item in page]


def _pages(search: Callable[..., Any], size: int) -> Iterator[Any]:
    """Yields the pages of one of MLflow's searches."""
    token = None
    while True:
        page = _ask(partial(search, max_results=size, page_token=token))
        yield page
        token = page.token
        if not token:
            return


def _ask(call: Callable[[], Any], *, missing: bool = False) -> Any:
    """Returns what a call to MLflow returns; with `missing`, None when what it is about does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        if missing and error.error_code == _NOT_THERE:
            return None
        cause, status = known_cause(error), error.get_http_status_code()
        kind = RefusedError if not cause and 400 <= status < 500 and status not in _HELD else RegistryError
        raise kind(f"MLflow: {cause or _first_line(error)}") from error
    except Exception as error:  # MLflow, its stores and its transports raise many kinds.
        raise RegistryError(f"MLflow: {known_cause(error) or _first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_LONGEST_REASON]


def _version(item: Any) -> ModelVersion:
    return ModelVersion(
        name=item.name,
        version=str(item.version),
        run_id=item.run_id or "",
        created=item.creation_timestamp / 1000,
        tags=dict(item.tags or {}),
        ready=str(item.status) == "READY",
        aliases=frozenset(item.aliases or ()),
    )


def _run(run: Any) -> TrainingRun:
    return TrainingRun(status=str(run.info.status), metrics=dict(run.data.metrics), tags=dict(run.data.tags))
