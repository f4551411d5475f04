"""Asks MLflow what it has: for as long as it is told to, and not in silence."""

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
    """How long to wait for an MLflow that does not answer.

    Attributes:
        seconds: How long to retry. On a cluster KFP retries the step, too.
        tell: Is given the sentence that says so, once.
    """

    seconds: float = 60.0
    tell: Callable[[str], None] = field(default=partial(say, "mlflow"))


def retried(ask: Callable[[], T], server: str, waiting: Waiting) -> T:
    """Returns what a question to MLflow returns; it is asked again while there is no answer.

    Args:
        ask: Asks; it imports MLflow itself, so that these settings reach it.
        server: The MLflow that is asked, for people.
        waiting: How long to wait.

    Raises:
        Exception: The last failure, as it was.
    """
    sentences = iter([f"MLflow at {server} gives no answer; asking it again, for at most {waiting.seconds:g} s"])

    def tell(_: str) -> None:
        for sentence in sentences:
            waiting.tell(sentence)

    own = os.environ.get(_TIMEOUT)
    with client_settings():
        if own is None:
            # A server that says nothing at all is asked twice as well.
            os.environ[_TIMEOUT] = str(int(min(max(waiting.seconds / 2, _SHORTEST_TIMEOUT), _LONGEST_TIMEOUT)))
        # It loads MLflow, which takes a second.
        from edgequant.mlflow_access.retries import RetryPolicy

        return RetryPolicy(waiting.seconds, tell).retry(lambda _: ask())


def reason(error: Exception) -> str:
    """Returns why MLflow did not say what it was asked, in a line without anybody's credentials."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return without_credentials(known_cause(error) or first)
