"""How long is waited before a recording is retried."""

import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from edgequant.mlflow_access.retries import RetryingClient, RetryPolicy

_SHORTEST = 0.5


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits, in seconds, none of which is waited for; MLflow's database has shorter ones of its own."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: waits.append(seconds) if seconds >= _SHORTEST else None)
    return waits


def test_waits_grow_until_something_is_made(waits: list[float], tmp_path: Path) -> None:
    """They double from half a second on, with up to half a second more, and begin anew after an attempt that made something."""
    policy = RetryPolicy(100.0, lambda _: None)
    client = RetryingClient(MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}"), policy)

    def attempt(number: int) -> str:
        if number == 4:
            client.create_experiment("made")
        if number < 6:
            raise ConnectionError
        return f"attempt {number}"

    assert policy.retry(attempt) == "attempt 6"
    expected = (0.5, 1, 2, 0.5, 1)
    assert len(waits) == len(expected)
    assert all(least <= wait <= least + 0.5 for wait, least in zip(waits, expected, strict=True)), waits


def test_no_attempt_begins_after_the_time_is_up(waits: list[float]) -> None:
    """One that would begin too late is not waited for: its error is raised."""
    with pytest.raises(ConnectionError):
        RetryPolicy(1.9, lambda _: None).retry(_fail)
    assert len(waits) in (1, 2)
    assert sum(waits) < 1.9 + 1


def test_a_request_is_made_four_times(waits: list[float]) -> None:
    """What fails as often in a row is left to the next attempt."""
    with pytest.raises(ConnectionError):
        RetryPolicy(100.0, lambda _: None).repeat(_fail, 1)
    assert len(waits) == 3


def _fail(_: int) -> None:
    raise ConnectionError
