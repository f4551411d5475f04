"""Looks at a server that may be away for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

from edgequant_pipelines.kubeflow.connection import KubeflowError

# As many looks in a row may fail before it is given up: a server that restarts is back by then.
_FAILED_POLLS = 10

T = TypeVar("T")


def retried_poll(look: Callable[[], T], pause_s: float) -> T:
    """Returns what a look shows, once one does not fail.

    Args:
        look: Looks.
        pause_s: The pause after one that failed.

    Raises:
        KubeflowError: The server refuses, or is away for long.
    """
    for failures in range(1, _FAILED_POLLS + 1):
        try:
            return look()
        except KubeflowError as error:
            if not error.ambiguous or failures == _FAILED_POLLS:
                raise
            time.sleep(pause_s)
    raise AssertionError
