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
    state_of,
    submit,
)
from edgequant_pipelines.kubeflow.uploads import compile_for
from edgequant_pipelines.watching.launchers import LaunchedRun, LauncherError, Progress
from edgequant_pipelines.watching.rules import Kubeflow

_NOT_FOUND = 404
# Refusals of this one request: another one may be taken.
_REFUSED = (400, _NOT_FOUND, 422)


class KubeflowLauncher:
    """Runs pipelines at a server; what a run's name is, it stays, so that it is found again there.

    Args:
        where: The server.
        tracking_uri: The MLflow server for configurations that name none.

    Raises:
        ConfigError: The server's address is wrong.
        LauncherError: It does not answer.
    """

    def __init__(self, where: Kubeflow, tracking_uri: str) -> None:
        self._experiment = where.experiment
        self._tracking_uri = tracking_uri
        self._compiled: tuple[object, CompiledPipeline] | None = None
        with _asked():
            self._connection: Connection = connect(where.host, where.namespace)

    @property
    def place(self) -> str:
        """The server and the namespace."""
        return f"{self._connection.host} {self._connection.namespace}".strip()

    def check(self) -> None:
        """Asks for a run, whichever: an account whose token has expired, or that may see none, can start none."""
        with _asked():
            check_access(self._connection)

    def find(self, run_name: str) -> LaunchedRun | None:
        """Returns the run of a name, or None when there is none."""
        with _asked():
            found = find_run(self._connection, run_name)
        return None if found is None else _launched(found)

    def submit(self, config: Config, run_name: str) -> LaunchedRun:
        """Starts a run, unless there is one of that name."""
        if not config.tracking.uri:
            tracking = config.tracking.model_copy(update={"uri": self._tracking_uri})
            config = config.model_copy(update={"tracking": tracking})
        with _asked():
            # A claim's name stands for its configuration; what an earlier release started under it is its run, too.
            run = find_run(self._connection, run_name) or submit(
                self._connection,
                config,
                experiment=self._experiment,
                run_name=run_name,
                compiled=self._compiled_for(config),
            )
        return _launched(run)

    def state(self, run_id: str) -> LaunchedRun:
        """Returns what has become of a run; one that was deleted has failed."""
        try:
            with _asked():
                return _launched(state_of(self._connection, run_id))
        except KubeflowError as error:
            if error.status != _NOT_FOUND:
                raise LauncherError(str(error)) from error
            return LaunchedRun(run_id=run_id, progress=Progress.FAILED, reason="the run was deleted")

    def _compiled_for(self, config: Config) -> CompiledPipeline:
        """Returns the pipeline, compiled once for all versions of a rule: how it runs is all that it is compiled from."""
        if self._compiled is None or self._compiled[0] != config.kubeflow:
            self._compiled = (config.kubeflow, compile_for(config))
        return self._compiled[1]

    def close(self) -> None:
        """Leaves the runs alone: they go on."""


@contextmanager
def _asked() -> Iterator[None]:
    """Tells a server that cannot be asked, or that refuses the account, from one that refuses a request."""
    try:
        yield
    except KubeflowError as error:
        if error.status in _REFUSED:
            raise
        raise LauncherError(str(error)) from error


def _launched(run: SubmittedRun) -> LaunchedRun:
    ended = Progress.SUCCEEDED if run.succeeded else Progress.FAILED
    reason = "" if run.succeeded or not run.ended else f"{run.state}: {run.error or 'no reason given'}"
    return LaunchedRun(
        run_id=run.run_id, progress=ended if run.ended else Progress.RUNNING, reason=reason, shown=run.url
    )
