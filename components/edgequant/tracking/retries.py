"""Tries a recording again while MLflow does not answer.

MLflow's client repeats a request by itself, also one that creates something and whose answer was lost: then there are two. So
its repetition is switched off, and the whole recording is done again, which looks everything up before it makes it.
"""

from collections.abc import Callable
from typing import TypeVar

import requests
from mlflow.exceptions import InvalidUrlException, MlflowException
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_exponential_jitter

from edgequant.unanswered import no_answer

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_TRANSIENT = (408, 429)
_SERVER_ERRORS = 500
# What another attempt meets again.
_LASTING = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)

T = TypeVar("T")
Tell = Callable[[str], None]


def is_transient(error: BaseException) -> bool:
    """Tells whether an error may be gone at another attempt: no connection, no answer in time, 408, 429, 5xx, a full disk."""
    if isinstance(error, InvalidUrlException):
        return False
    if isinstance(error, MlflowException):
        # One that could not be sent, or was not answered, counts as 500.
        return _passes(error.get_http_status_code())
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _passes(error.response.status_code)
    return isinstance(error, OSError) and not isinstance(error, _LASTING)


def _passes(status: int) -> bool:
    return status in _TRANSIENT or status >= _SERVER_ERRORS


def persistently(attempt: Callable[[int], T], seconds: float, tell: Tell) -> T:
    """Returns what an attempt returns; after a transient error it is made again, with growing waits.

    Args:
        attempt: Does the work; is given the number of the attempt, from 1.
        seconds: No attempt begins later than this after the first.
        tell: Is given a sentence before each wait.

    Raises:
        Exception: The last attempt's, as it was.
    """

    def before_sleep(state: RetryCallState) -> None:
        if state.outcome is not None and state.next_action is not None:
            wait = f"trying again in {state.next_action.sleep:.1f} s, for at most {seconds:g} s in all"
            tell(f"MLflow did not take it ({first_line(state.outcome.exception())}); {wait}")

    retrying = Retrying(
        stop=stop_before_delay(seconds),
        wait=wait_exponential_jitter(
            multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS, jitter=_FIRST_WAIT_SECONDS
        ),
        retry=retry_if_exception(is_transient),
        before_sleep=before_sleep,
        reraise=True,
    )
    for state in retrying:
        with state:
            result = attempt(state.retry_state.attempt_number)
        if state.retry_state.outcome is not None and not state.retry_state.outcome.failed:
            state.retry_state.set_result(result)
    return result


def first_line(error: BaseException | None) -> str:
    """Returns why MLflow did not answer, or else the kind of an error and the first line of its message."""
    if silent := no_answer(error):
        return silent
    message = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
