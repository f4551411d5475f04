"""Idempotent creation at a server that has no request for it."""

import time
from collections.abc import Callable
from typing import TypeVar

from edgequant_pipelines.kubeflow.connection import Connection, KubeflowError

_ATTEMPTS = 3

T = TypeVar("T")


def create_once(connection: Connection, look: Callable[[], T | None], create: Callable[[], T]) -> T:
    """Returns the created object; after an ambiguous error, it is looked up before the creation is retried.

    Args:
        connection: The server.
        look: Returns the object if it exists.
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
    """Looks up an object now and after each pause: the server may execute a request after the client's timeout."""
    for pause in (0.0, *connection.settle_s):
        time.sleep(pause)
        existing = look()
        if existing is not None:
            return existing
    return None
