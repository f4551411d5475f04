"""MLflow's client, also of a database that is new."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient

from edgequant.tracking_uri import database_file


def new_client(uri: str) -> MlflowClient:
    """Returns a client of an MLflow, as both of its servers.

    That of a SQLite file makes its tables where there are none, and two that do so at once both fail: one waits for the other.

    Args:
        uri: The MLflow tracking URI; "" for the environment's.
    """
    with _locked(database_file(uri or mlflow.get_tracking_uri())):
        return MlflowClient(tracking_uri=uri or None, registry_uri=uri or None)


@contextmanager
def _locked(file: Path | None) -> Iterator[None]:
    """Keeps other processes waiting that make a client of the same file."""
    if file is None:
        yield
        return
    lock = FileLock(file.with_name(f".{file.name}.lock"))
    try:
        lock.acquire()
    except (OSError, NotImplementedError):
        # Where nothing can be written, no table is made either; without locks, two that make them at once fail in MLflow's words.
        yield
        return
    try:
        yield
    finally:
        lock.release()
