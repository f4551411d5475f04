"""Whether MLflow can be reached: asked at the start of a run, since results are recorded at its end."""

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from edgequant.errors import TrackingError
from edgequant.mlflow_access.client_settings import client_settings
from edgequant.mlflow_access.lookup import reason
from edgequant.tracking_uri import database_file, without_credentials

# How long a server may take to answer a request for one experiment, and a database driver to connect.
ANSWER_SECONDS = 5.0
# How long a database file may take, which may be locked by another process.
_FILE_SECONDS = 60.0
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"


def check_reachable(uri: str, seconds: float = ANSWER_SECONDS) -> None:
    """Checks that MLflow answers at a tracking URI, or that a new database can be made there.

    It asks once and does not retry: the user is waiting for the first message.

    Args:
        uri: The tracking URI.
        seconds: How long to wait for an answer.

    Raises:
        TrackingError: It does not answer, refuses the request, or its files cannot be written.
    """
    file = database_file(uri)
    if file is not None and not file.exists():
        _check_folder(file.parent)
        return
    with client_settings():
        # MLflow's import takes seconds on a busy machine, which are not the server's.
        from edgequant.mlflow_access.client import new_client
    errors: list[Exception] = []
    limit = 2 * seconds if file is None else _FILE_SECONDS
    # A database driver may wait for longer than any setting of MLflow's.
    thread = threading.Thread(target=partial(_ask, partial(new_client, uri), seconds, errors), daemon=True)
    thread.start()
    thread.join(limit)
    server = without_credentials(uri)
    if thread.is_alive():
        raise TrackingError(f"tracking.uri: MLflow at {server} does not answer within {limit:g} s")
    for error in errors:
        raise TrackingError(f"tracking.uri: MLflow at {server} cannot be used: {reason(error)}") from error


def _ask(connect: Callable[[], Any], seconds: float, errors: list[Exception]) -> None:
    """Makes one request; an error goes into a list, since it is raised in another thread."""
    try:
        with client_settings():
            before = os.environ.get(_TIMEOUT)
            os.environ[_TIMEOUT] = str(max(int(seconds), 1))
            try:
                connect().search_experiments(max_results=1)
            finally:
                if before is None:
                    os.environ.pop(_TIMEOUT, None)
                else:
                    os.environ[_TIMEOUT] = before
    except Exception as error:  # MLflow, its HTTP client and its database drivers raise many types.
        errors.append(error)


def _check_folder(folder: Path) -> None:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise TrackingError(f"tracking.uri: a database cannot be made in {folder}: {existing} cannot be written")
