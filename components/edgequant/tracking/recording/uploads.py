"""Copies files to where MLflow keeps artifacts, several at a time."""

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
    """A directory of files to copy.

    Attributes:
        directory: The directory.
        location: Where its files go: the artifact location of a run or of a logged model.
    """

    directory: Path
    location: str


class Uploader:
    """Copies files while its user goes on, each again by itself where that fails; what is not begun when it is left is not copied.

    Args:
        tracking_uri: The MLflow server, which keeps the artifacts of some locations itself.
        policy: How long a file is retried.
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
        """Begins to copy every file of a directory, for `complete`; what an earlier attempt left there is replaced."""
        repository = get_artifact_repository(upload.location, tracking_uri=self._tracking_uri)
        return [
            self._pool.submit(self._policy.repeat, repository.log_artifact, str(file), folder)
            for file, folder in _files(upload.directory)
        ]


def complete(copies: Iterable[Future[None]]) -> None:
    """Returns when copies are there.

    Raises:
        Exception: That of the first one that failed.
    """
    for copy in copies:
        copy.result()


def _files(directory: Path) -> Iterator[tuple[Path, str | None]]:
    """Yields the files below a directory, each with the folder it is in, None for the directory itself."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            folder = path.parent.relative_to(directory).as_posix()
            yield path, None if folder == "." else folder
