"""The MLflow client of commands that read: its tracking URI and its error messages."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgequant.errors import ConfigError, EdgequantError, TrackingError
from edgequant.mlflow_access.client_settings import client_settings
from edgequant.tracking_uri import TRACKING_URI, check_tracking_uri, database_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LISTED = 20
_PAGE = 1000


def existing(configured: str) -> str:
    """Returns the tracking URI to read from: the configured one, the environment's, or ``mlflow.db`` in this directory.

    Raises:
        ConfigError: None of them exists, or the URI holds a password.
    """
    key = "--tracking-uri" if configured else TRACKING_URI
    uri = check_tracking_uri(key, configured or os.environ.get(TRACKING_URI, ""))
    if not uri and Path("mlflow.db").is_file():
        uri = f"sqlite:///{Path('mlflow.db').resolve()}"
    if not uri:
        raise ConfigError(f"--tracking-uri: none is given, {TRACKING_URI} is not set, and there is no mlflow.db here")
    # MLflow would create an empty database.
    file = database_file(uri)
    if file and not file.is_file():
        raise ConfigError(f"{key}: {file} does not exist")
    return uri


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
