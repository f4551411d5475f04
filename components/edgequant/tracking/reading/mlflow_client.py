"""The MLflow client of commands that read: its tracking URI and its error messages."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgequant.errors import ConfigError, EdgequantError, TrackingError
from edgequant.mlflow_access.client_settings import client_settings
from edgequant.tracking_uri import (
    DATABASE,
    DEMO_DIRECTORY,
    TRACKING_URI,
    WORK_DIRECTORIES,
    check_tracking_uri,
    database_file,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LISTED = 20
_PAGE = 1000


def existing(configured: str, name: str = "") -> str:
    """Returns the tracking URI to read from: the configured one, the environment's, or that of a database of a run made here.

    Args:
        configured: The URI given; "" for none.
        name: The quantization, whose own work directory is looked into first.

    Raises:
        ConfigError: None of them exists, several databases may be meant, or the URI holds a password.
    """
    key = "--tracking-uri" if configured else TRACKING_URI
    uri = check_tracking_uri(key, configured or os.environ.get(TRACKING_URI, ""))
    if not uri:
        return f"sqlite:///{_database(name).resolve()}"
    # MLflow would create an empty database.
    file = database_file(uri)
    if file and not file.is_file():
        raise ConfigError(f"{key}: {file} does not exist")
    return uri


def _database(name: str) -> Path:
    """Returns the database that runs in this directory wrote: that of the name's work directory, ``mlflow.db``, or the only other one.

    Raises:
        ConfigError: There is none, or there are several others.
    """
    in_works = sorted(Path(WORK_DIRECTORIES).glob(f"*/{DATABASE}"))
    here = [path for path in in_works if path.parent.name == name] + [Path(DATABASE)]
    chosen = next((path for path in here if path.is_file()), None)
    others = [path for path in (*in_works, Path(DEMO_DIRECTORY, DATABASE)) if path.is_file()]
    if chosen or len(others) == 1:
        return chosen or others[0]
    unset = f"--tracking-uri: none is given, {TRACKING_URI} is not set, and"
    if others:
        names = listed([str(path) for path in others])
        raise ConfigError(
            f"{unset} there are several databases: {names}; --tracking-uri sqlite:///{others[0]} reads one"
        )
    raise ConfigError(f"{unset} there is no {DATABASE} here, in {WORK_DIRECTORIES}/NAME or in {DEMO_DIRECTORY}")


@contextmanager
def connected_client(uri: str) -> Iterator["MlflowClient"]:
    """Yields an MLflow client; its errors become a one-line TrackingError.

    Raises:
        TrackingError: The server does not answer, or refuses the request.
    """
    with client_settings():
        from edgequant.mlflow_access.client import new_client
        from edgequant.mlflow_access.retries import first_line

        try:
            yield new_client(uri)
        except EdgequantError:
            raise
        except Exception as error:  # MLflow, its HTTP client and its database driver raise many types.
            raise TrackingError(f"MLflow at {uri} cannot be asked ({first_line(error)})") from error


def all_pages(search: Any, filter_string: str | None = None) -> list[Any]:
    """Returns all results of an MLflow search, from all pages."""
    items: list[Any] = []
    token = None
    while True:
        page = search(filter_string=filter_string, max_results=_PAGE, page_token=token)
        items += page
        token = page.token
        if not token:
            return items


def listed(names: list[str]) -> str:
    """Returns names for a message: the first ones, and the number of others."""
    if not names:
        return "none"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
