"""Requests that are not answered, as MLflow's client and urllib3 tell of them."""

import socket

import pytest
import urllib3
from mlflow import MlflowClient

from edgequant.connection_errors import cause_of, no_answer


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (
            "http://127.0.0.1:9",
            "127.0.0.1:9 does not answer: Failed to establish a new connection: [Errno 111] Connection refused",
        ),
        ("http://nowhere.invalid", "nowhere.invalid:80 does not answer: Failed to resolve 'nowhere.invalid' ("),
    ],
)
def test_what_mlflow_raises(uri: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server and the cause; neither the page that was asked for nor how often."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Exception, match="Max retries exceeded") as caught:
        MlflowClient(tracking_uri=uri).get_experiment_by_name("x")
    assert no_answer(caught.value).startswith(message)
    assert "/api/" not in no_answer(caught.value)


def test_what_urllib3_raises() -> None:
    """Without the connection's name, which holds the address once more."""
    with pytest.raises(urllib3.exceptions.MaxRetryError) as caught:
        urllib3.PoolManager().request("GET", "http://127.0.0.1:9/x", retries=0)
    assert cause_of(caught.value) == "Failed to establish a new connection: [Errno 111] Connection refused"


def test_a_connection_that_takes_too_long() -> None:
    """The message is the same each time, since repeated messages are recognized by their text."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    host, port = full.getsockname()
    with full, socket.create_connection((host, port)):
        with pytest.raises(urllib3.exceptions.MaxRetryError) as caught:
            urllib3.PoolManager().request("GET", f"http://{host}:{port}/x", retries=0, timeout=0.2)
        assert cause_of(caught.value) == f"Connection to {host} timed out. (connect timeout=0.2)"


def test_other_errors() -> None:
    """What is wrong after an answer, or without a server, is no silence."""
    assert no_answer(ValueError("port=9")) == ""
    assert no_answer(None) == ""
