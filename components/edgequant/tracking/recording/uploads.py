"""Uploads files to MLflow's artifact store, several at a time."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from edgequant.mlflow_access.retries import RetryPolicy

_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A directory of files to upload.

    Attributes:
        directory: The directory.
        location: The destination: the artifact location of a run or of a logged model.
    """

    directory: Path
    location: str


class Uploader:
    """Uploads files in the background and retries each file by itself; on exit, uploads that have not started are cancelled.

    Args:
        tracking_uri: The MLflow server, which stores the artifacts of some locations itself.
        policy: The retry policy of each file.
    """

    def __init__(self, tracking_uri: str, policy: RetryPolicy) -> None:
        self._tracking_uri = tracking_uri
        self._policy = policy
        self._pool = ThreadPoolExecutor(_AT_ONCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self, upload: Upload) -> list[Future[None]]:
        """Starts the upload of every file of a directory, for `complete`; files of an earlier attempt are replaced."""
        repository = get_artifact_repository(upload.location, tracking_uri=self._tracking_uri)
        return [
            self._pool.submit(self._policy.repeat, repository.log_artifact, str(file), folder)
            for file, folder in _files(upload.directory)
        ]


def complete(copies: Iterable[Future[None]]) -> None:
    """Waits until uploads are complete.

    Raises:
        Exception: The error of the first one that failed.
    """
    for copy in copies:
        copy.result()


def _files(directory: Path) -> Iterator[tuple[Path, str | None]]:
    """Yields the files below a directory, each with its folder; None for the directory itself."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            folder = path.parent.relative_to(directory).as_posix()
            yield path, None if folder == "." else folder
