"""Access to MLflow's model registry; the only module of the watcher that uses MLflow."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from edgequant.errors import ConfigError, EdgequantError
from edgequant.mlflow_access.causes import known_cause
from edgequant_pipelines.watching.claims import Claim
from edgequant_pipelines.watching.model_version import ModelVersion, TrainingRun

_PAGE = 1000
# The run identifiers in one filter, limited for the database.
_RUNS_AT_ONCE = 200
_NEWEST_FIRST = ["creation_timestamp DESC", "name ASC", "version_number DESC"]
_LONGEST_REASON = 500
_NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
# HTTP statuses that concern the account or the server's load, not the request.
_HELD = (401, 408, 429)


class RegistryError(EdgequantError):
    """MLflow is temporarily unavailable."""


class RefusedError(RegistryError):
    """MLflow answers, but refuses a request; it may accept the same for another version."""


class ModelRegistry:
    """The model registry.

    Args:
        uri: MLflow's tracking URI.

    Raises:
        ConfigError: MLflow does not support the URI, or a required package is missing.
    """

    def __init__(self, uri: str) -> None:
        import mlflow
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from mlflow.tracking._model_registry.client import ModelRegistryClient

        try:
            # Some of MLflow's functions use the global tracking URI instead of their client's.
            mlflow.set_tracking_uri(uri)
            self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            # MlflowClient delegates to this client, after fetching the registered model to check that it is not a prompt; for
            # the server, that means reading all versions of the model for every tag.
            self._direct = ModelRegistryClient(uri, uri)
        except (MlflowException, ImportError) as error:
            raise ConfigError(f"--tracking-uri: MLflow cannot use {uri!r}: {_first_line(error)}") from error

    def versions(self, filter_string: str = "", page_size: int = _PAGE) -> Iterator[list[ModelVersion]]:
        """Yields pages of versions, the newest first.

        A concurrent creation may repeat versions on the next page; a concurrent deletion may skip one.

        Args:
            filter_string: MLflow's filter, or "" for all.
            page_size: The number of versions per page.

        Raises:
            RegistryError: MLflow does not answer.
        """
        search = partial(self._client.search_model_versions, filter_string or None, order_by=_NEWEST_FIRST)
        for page in _pages(search, page_size):
            yield [_version(item) for item in page]

    def version(self, name: str, version: str) -> ModelVersion | None:
        """Returns the current state of a version, or None if it was deleted.

        Raises:
            RegistryError: MLflow does not answer.
        """
        item = _ask(partial(self._client.get_model_version, name, version), missing=True)
        return None if item is None else _version(item)

    def aliases(self, filter_string: str) -> dict[str, dict[str, str]]:
        """Returns the version of each alias, by registered model.

        Args:
            filter_string: MLflow's filter, or "" for all models.

        Raises:
            RegistryError: MLflow does not answer.
        """
        search = partial(self._client.search_registered_models, filter_string or None)
        return {
            model.name: {alias: str(version) for alias, version in model.aliases.items()}
            for page in _pages(search, _PAGE)
            for model in page
        }

    def runs(self, run_ids: Iterable[str]) -> dict[str, TrainingRun]:
        """Returns the runs of these identifiers; those that do not exist, or may not be read, are left out.

        Raises:
            RegistryError: MLflow does not answer.
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
        """Returns whether the version's files still exist.

        Raises:
            RegistryError: MLflow does not answer.
        """
        import mlflow.artifacts

        where = _ask(partial(self._direct.get_model_version_download_uri, *version.key), missing=True)
        return bool(where and _ask(partial(mlflow.artifacts.list_artifacts, artifact_uri=where), missing=True))

    def write(self, claim: Claim) -> bool:
        """Sets a claim's tag, and returns whether its version exists.

        Raises:
            RegistryError: MLflow did not confirm the tag, which may have been set.
        """

        def set_tag() -> bool:
            self._direct.set_model_version_tag(claim.name, claim.version, claim.tag, claim.value())
            return True

        return bool(_ask(set_tag, missing=True))

    def _experiments(self) -> list[str]:
        """Returns the identifiers of all experiments: MLflow searches runs only in the given ones."""
        return [item.experiment_id for page in _pages(self._client.search_experiments, _PAGE) for item in page]


def _pages(search: Callable[..., Any], size: int) -> Iterator[Any]:
    """Yields the pages of an MLflow search."""
    token = None
    while True:
        page = _ask(partial(search, max_results=size, page_token=token))
        yield page
        token = page.token
        if not token:
            return


def _ask(call: Callable[[], Any], *, missing: bool = False) -> Any:
    """Returns the result of a call to MLflow; with `missing`, None if the object does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        if missing and error.error_code == _NOT_THERE:
            return None
        cause, status = known_cause(error), error.get_http_status_code()
        kind = RefusedError if not cause and 400 <= status < 500 and status not in _HELD else RegistryError
        raise kind(f"MLflow: {cause or _first_line(error)}") from error
    except Exception as error:  # MLflow, its stores and its transports raise many types.
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
