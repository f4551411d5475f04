"""Copies files to where MLflow keeps artifacts, several at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

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


def upload(uploads: Sequence[Upload], tracking_uri: str) -> None:
    """Copies every file; what an earlier attempt left there is replaced.

    Args:
        uploads: What goes where.
        tracking_uri: The MLflow server, which keeps the artifacts of some locations itself.
    """
    repositories = [get_artifact_repository(item.location, tracking_uri=tracking_uri) for item in uploads]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [
            pool.submit(repository.log_artifact, str(file), folder)
            for item, repository in zip(uploads, repositories, strict=True)
            for file, folder in _files(item.directory)
        ]
        try:
            for future in futures:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _files(directory: Path) -> Iterator[tuple[Path, str | None]]:
    """Yields the files below a directory, each with the folder it is in, None for the directory itself."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            folder = path.parent.relative_to(directory).as_posix()
            yield path, None if folder == "." else folder
