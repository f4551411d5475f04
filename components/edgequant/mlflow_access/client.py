"""Creates MLflow clients, with a lock while a new database is initialized."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient

from edgequant.tracking_uri import database_file


def new_client(uri: str) -> MlflowClient:
    """Returns a client whose tracking and registry URI are the same.

    A client of a SQLite file creates missing tables; two processes that do so at once both fail, so that one waits for the other.

    Args:
        uri: The MLflow tracking URI; "" for the environment's.
    """
    with _locked(database_file(uri or mlflow.get_tracking_uri())):
        return MlflowClient(tracking_uri=uri or None, registry_uri=uri or None)


@contextmanager
def _locked(file: Path | None) -> Iterator[None]:
    """Locks a database file against other processes that create a client of it."""
    if file is None:
        yield
        return
    lock = FileLock(file.with_name(f".{file.name}.lock"))
    try:
        lock.acquire()
    except (OSError, NotImplementedError):
        # In a read-only directory no table is created either; on a file system without locks, MLflow reports the conflict.
        yield
        return
    try:
        yield
    finally:
        lock.release()
