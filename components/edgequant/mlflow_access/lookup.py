"""Look-ups at MLflow, retried for a limited time, with a message."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from edgequant.mlflow_access.causes import known_cause
from edgequant.mlflow_access.client_settings import client_settings
from edgequant.steps import say
from edgequant.tracking_uri import without_credentials

_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_SHORTEST_TIMEOUT, _LONGEST_TIMEOUT = 10, 60

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long to retry while MLflow does not answer.

    Attributes:
        seconds: The time limit. On a cluster KFP retries the step, too.
        tell: Called once with a message when the first attempt fails.
    """

    seconds: float = 60.0
    tell: Callable[[str], None] = field(default=partial(say, "mlflow"))


def retried(ask: Callable[[], T], server: str, waiting: Waiting) -> T:
    """Returns the result of a look-up at MLflow, retried while MLflow does not answer.

    Args:
        ask: The look-up; it imports MLflow itself, so that the client's settings are in effect.
        server: The name of the server, for the message.
        waiting: How long to retry.

    Raises:
        Exception: The error of the last attempt.
    """
    sentences = iter([f"MLflow at {server} does not answer; retrying for at most {waiting.seconds:g} s"])

    def tell(_: str) -> None:
        for sentence in sentences:
            waiting.tell(sentence)

    own = os.environ.get(_TIMEOUT)
    with client_settings():
        if own is None:
            # Leaves time for a second attempt if the server never responds.
            os.environ[_TIMEOUT] = str(int(min(max(waiting.seconds / 2, _SHORTEST_TIMEOUT), _LONGEST_TIMEOUT)))
        # Imports MLflow, which takes a second.
        from edgequant.mlflow_access.retries import RetryPolicy

        return RetryPolicy(waiting.seconds, tell).retry(lambda _: ask())


def reason(error: Exception) -> str:
    """Returns the reason of a failed look-up in one line, without credentials."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return without_credentials(known_cause(error) or first)
