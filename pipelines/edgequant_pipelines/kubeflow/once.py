"""Makes things at a server that cannot say "make it unless it is there"."""

import time
from collections.abc import Callable
from typing import TypeVar

from edgequant_pipelines.kubeflow.connection import Connection, KubeflowError

_ATTEMPTS = 3

T = TypeVar("T")


def create_once(connection: Connection, look: Callable[[], T | None], create: Callable[[], T]) -> T:
    """Returns what was created; when that was not answered, what is there by then counts before it is retried.

    Args:
        connection: The server.
        look: Returns the thing if it is there.
        create: Creates it.

    Raises:
        KubeflowError: The server refuses, or cannot be reached.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return create()
        except KubeflowError as error:
            if not error.ambiguous:
                raise
            existing = _look_repeatedly(connection, look)
            if existing is not None:
                return existing
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError


def _look_repeatedly(connection: Connection, look: Callable[[], T | None]) -> T | None:
    """Looks now and after each pause: a request may be carried out a little after its client gave up on it."""
    for pause in (0.0, *connection.settle_s):
        time.sleep(pause)
        existing = look()
        if existing is not None:
            return existing
    return None
