"""Retries while MLflow does not answer: of a single request if it is idempotent, else of the whole recording.

MLflow's client also retries requests that create something; if only the answer was lost, that creates a duplicate. So its retries
are switched off. Here, idempotent requests are retried in place. After a failure of any other request the recording starts again,
and looks up what exists before it creates anything.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    stop_never,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from edgequant.mlflow_access.causes import known_cause
from edgequant.mlflow_access.failures import is_transient
from edgequant.tracking_uri import without_credentials

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
# Attempts of one request before the whole recording is retried.
_TIMES_IN_PLACE = 4
# The idempotent requests of MLflow's client. Requests that create or delete something are not; nor is moving an alias, which a
# concurrent recording may have moved since.
_REPEATABLE = frozenset(
    {
        "finalize_logged_model",
        "get_experiment",
        "get_experiment_by_name",
        "get_logged_model",
        "get_model_version",
        "get_model_version_by_alias",
        "get_registered_model",
        "get_run",
        "log_batch",
        "log_inputs",
        "search_logged_models",
        "search_model_versions",
        "search_runs",
        "set_experiment_tag",
        "set_model_version_tag",
        "set_tag",
        "set_terminated",
    }
)

T = TypeVar("T")
Tell = Callable[[str], None]


class RetryPolicy:
    """Retries transient errors with exponential backoff until a deadline, which counts from the creation of the policy.

    Args:
        seconds: The time limit of all retries.
        tell: Called with a sentence before each wait, and with other messages for the log.
    """

    def __init__(self, seconds: float, tell: Tell) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._attempts_in_vain = 0
        self.tell = tell

    def advanced(self) -> None:
        """Resets the backoff, after something was created."""
        self._attempts_in_vain = 0

    def retry(self, attempt: Callable[[int], T]) -> T:
        """Returns the result of an attempt, retried after transient errors with exponential backoff, reset by `advanced`.

        Args:
            attempt: Does the work; called with the number of the attempt, from 1.

        Raises:
            Exception: The error of the last attempt.
        """
        numbers = count(1)
        wait_sentence = "retrying in {:.1f} s, for at most " + f"{self._seconds:g} s in all"
        return self._retrying(stop_never, self._growing_wait, wait_sentence)(lambda: attempt(next(numbers)))

    def repeat(self, request: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Returns the result of an idempotent request, retried after transient errors.

        Args:
            request: The request.
            args: Its positional arguments.
            kwargs: Its keyword arguments.

        Raises:
            Exception: The error of the last attempt.
        """
        growing = wait_exponential_jitter(
            multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS, jitter=_FIRST_WAIT_SECONDS
        )
        wait_sentence = "retrying the request in {:.1f} s"
        return self._retrying(stop_after_attempt(_TIMES_IN_PLACE), growing, wait_sentence)(request, *args, **kwargs)

    def _growing_wait(self, _: RetryCallState) -> float:
        self._attempts_in_vain += 1
        wait = min(_FIRST_WAIT_SECONDS * 2.0 ** (self._attempts_in_vain - 1), _LONGEST_WAIT_SECONDS)
        return wait + random.uniform(0, _FIRST_WAIT_SECONDS)  # noqa: S311 - no secret

    def _retrying(self, stop: stop_base, wait: Callable[[RetryCallState], float], wait_sentence: str) -> Retrying:
        def before_sleep(state: RetryCallState) -> None:
            if state.outcome is not None and state.next_action is not None:
                error, sleep = state.outcome.exception(), state.next_action.sleep
                # Uploads run in several threads.
                with self._lock:
                    self.tell(f"MLflow request failed ({first_line(error)}); {wait_sentence.format(sleep)}")

        return Retrying(
            stop=stop | stop_before_delay(self._end - time.monotonic()),
            wait=wait,
            retry=retry_if_exception(is_transient),
            before_sleep=before_sleep,
            reraise=True,
        )


class RetryingClient:
    """MLflow's client with retries of its idempotent requests.

    Args:
        client: MLflow's client.
        policy: The retry policy.
    """

    def __init__(self, client: MlflowClient, policy: RetryPolicy) -> None:
        self._client = client
        self._policy = policy

    def __getattr__(self, name: str) -> Any:
        request = getattr(self._client, name)
        if name in _REPEATABLE:
            return partial(self._policy.repeat, request)
        return partial(self._make, request) if name.startswith("create_") else request

    def _make(self, request: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        made = request(*args, **kwargs)
        self._policy.advanced()
        return made

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Logs models as outputs of a run that has none of them yet."""
        self._policy.repeat(self._log_outputs, run_id, models)

    def _log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        try:
            self._client.log_outputs(run_id, models)
        except MlflowException:
            # An earlier attempt may have succeeded although its answer was lost; MLflow refuses to log an output twice.
            outputs = self._client.get_run(run_id).outputs
            logged_ids = {output.model_id for output in outputs.model_outputs} if outputs else set()
            if not logged_ids.issuperset(model.model_id for model in models):
                raise


def first_line(error: BaseException | None) -> str:
    """Returns the known cause of an error, else its type and the first line of its message, without credentials."""
    if cause := known_cause(error):
        return without_credentials(cause)
    message = without_credentials((str(error).strip().splitlines() or [""])[0])
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
