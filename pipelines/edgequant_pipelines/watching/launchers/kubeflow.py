"""Quantizations on Kubeflow Pipelines."""

from collections.abc import Iterator
from contextlib import contextmanager

from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow import (
    Connection,
    KubeflowError,
    SubmittedRun,
    check_access,
    connect,
    find_run,
    prepare_run,
    start,
    state_of,
)
from edgequant_pipelines.kubeflow.pipeline_versions import compile_for
from edgequant_pipelines.kubeflow.submission import PreparedRun
from edgequant_pipelines.watching.launchers.base import (
    ForbiddenRunError,
    LaunchedRun,
    LauncherError,
    Progress,
    UnansweredError,
    UnreadableRunError,
)
from edgequant_pipelines.watching.rules.rules import KubeflowServer

_NOT_FOUND, _TOO_MANY = 404, 429
# HTTP statuses that concern the account or the server's load, not the request.
_HELD = (401, 403, _TOO_MANY)


class KubeflowLauncher:
    """Starts runs at a Kubeflow Pipelines server, and finds them by their names.

    Args:
        where: The server.
        tracking_uri: The MLflow server of configurations without one.

    Raises:
        ConfigError: The server's address is invalid.
        LauncherError: The server does not answer.
    """

    def __init__(self, where: KubeflowServer, tracking_uri: str) -> None:
        self._experiment = where.experiment
        self._tracking_uri = tracking_uri
        self._compiled: tuple[object, CompiledPipeline] | None = None
        with _request_errors():
            self._connection: Connection = connect(where.host, where.namespace)

    @property
    def place(self) -> str:
        """The server and the namespace."""
        return f"{self._connection.host} {self._connection.namespace}".strip()

    def check(self) -> None:
        """Lists one run: an account with an expired token, or without read access, cannot start runs either."""
        with _request_errors():
            check_access(self._connection)

    def find(self, run_name: str) -> LaunchedRun | None:
        """Returns the run of a name, or None."""
        with _request_errors():
            run = find_run(self._connection, run_name)
        return None if run is None else _launched(run)

    def submit(self, config: Config, run_name: str) -> LaunchedRun:
        """Starts a run, unless one of that name exists.

        Raises:
            ConfigError: The configuration can never run.
            KubeflowError: The server refuses this run; it may accept others.
            LauncherError: The server is unavailable, or refuses the account.
            UnansweredError: The server answers, but fails to create this run.
        """
        # The name identifies the configuration, so that a run of an earlier release under this name is the claim's run, too.
        existing = self.find(run_name)
        if existing is not None:
            return existing
        if not config.tracking.uri:
            tracking = config.tracking.model_copy(update={"uri": self._tracking_uri})
            config = config.model_copy(update={"tracking": tracking})
        prepared = self._prepared(config)
        try:
            run = start(self._connection, run_name, prepared)
        except KubeflowError as error:
            if _refuses(error):
                raise
            if not error.ambiguous or error.status == _TOO_MANY:
                raise LauncherError(str(error)) from error
            existing = self.find(run_name)
            if existing is None:
                raise UnansweredError(str(error)) from error
            return existing
        return _launched(run)

    def _prepared(self, config: Config) -> PreparedRun:
        """Returns the prerequisites of a run; errors count as the launcher's, except if the server refuses the pipeline."""
        try:
            return prepare_run(
                self._connection, config, experiment=self._experiment, compiled=self._compiled_for(config)
            )
        except KubeflowError as error:
            if _refuses(error):
                raise
            raise LauncherError(str(error)) from error

    def state(self, run_id: str) -> LaunchedRun:
        """Returns the state of a run; a run is gone only if KFP itself says so."""
        try:
            return _launched(state_of(self._connection, run_id))
        except KubeflowError as error:
            if error.not_found:
                return LaunchedRun(run_id=run_id, progress=Progress.GONE)
            if error.status and error.status not in _HELD:
                raise UnreadableRunError(str(error)) from error
            kind = ForbiddenRunError if error.forbidden else LauncherError
            raise kind(str(error)) from error

    def _compiled_for(self, config: Config) -> CompiledPipeline:
        """Returns the compiled pipeline, cached, since it depends only on the section `kubeflow`."""
        if self._compiled is None or self._compiled[0] != config.kubeflow:
            self._compiled = (config.kubeflow, compile_for(config))
        return self._compiled[1]

    def close(self) -> None:
        """Does nothing: the runs continue."""


@contextmanager
def _request_errors() -> Iterator[None]:
    """Turns every KubeflowError into a LauncherError, so that the request is retried at the next poll.

    Raises:
        LauncherError: The request failed.
    """
    try:
        yield
    except KubeflowError as error:
        raise LauncherError(str(error)) from error


def _refuses(error: KubeflowError) -> bool:
    """Returns whether a server permanently refuses one run, but may accept others."""
    gateway = error.status == _NOT_FOUND and not error.not_found
    return 400 <= error.status < 500 and not error.ambiguous and error.status not in _HELD and not gateway


def _launched(run: SubmittedRun) -> LaunchedRun:
    ended = Progress.SUCCEEDED if run.succeeded else Progress.FAILED
    where = f" in {', '.join(run.failed)}" if run.failed else ""
    reason = "" if run.succeeded or not run.ended else f"{run.state}{where}: {run.error or 'no reason given'}"
    return LaunchedRun(
        run_id=run.run_id, progress=ended if run.ended else Progress.RUNNING, reason=reason, shown=run.url
    )
