"""Retries of polls while the server is unavailable."""

import time
from collections.abc import Callable
from typing import TypeVar

from edgequant_pipelines.kubeflow.connection import KubeflowError

# The limit of consecutive failures: enough for a restart of the server.
_FAILED_POLLS = 10

T = TypeVar("T")


def retried_poll(look: Callable[[], T], pause_s: float) -> T:
    """Returns the result of a poll, retried after transient errors.

    Args:
        look: The poll.
        pause_s: The pause after a failure.

    Raises:
        KubeflowError: The server refuses, or too many consecutive polls failed.
    """
    for failures in range(1, _FAILED_POLLS + 1):
        try:
            return look()
        except KubeflowError as error:
            if not error.ambiguous or failures == _FAILED_POLLS:
                raise
            time.sleep(pause_s)
    raise AssertionError
