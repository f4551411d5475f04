"""Looking up and fetching models at a real MLflow server that fails, that is gone, and that comes back."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from tests.edgequant.tracking.fault_proxy import LOST, STATUS, Fault, proxy

from edgequant.errors import ModelError
from edgequant.mlflow_access.lookup import Waiting
from edgequant.model_uri import PinnedModel, downloaded, fetch, pin, pin_champion

LOOK_UPS = {
    "models:/looked-up/1": pin,
    "models:/looked-up@champion": pin,
    "models:/looked-up/01": pin_champion,
    "runs:/0123456789abcdef/model": pin,
}
Ask = Callable[[str, str, Waiting], PinnedModel]


def closed_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def settings() -> dict[str, str]:
    """Returns the environment, and the servers that MLflow would ask."""
    uris = {"tracking": mlflow.get_tracking_uri(), "registry": mlflow.get_registry_uri()}
    return {**os.environ, **uris}


@pytest.fixture(scope="session")
def registered(server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a registered version with a file, at the server."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "saved_model.pb").write_bytes(b"graph")
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    run = client.create_run(client.create_experiment("looked-up"))
    client.log_artifacts(run.info.run_id, str(folder), "model")
    client.create_registered_model("looked-up")
    client.create_model_version("looked-up", f"{run.info.artifact_uri}/model", run.info.run_id)
    client.set_registered_model_alias("looked-up", "champion", "1")
    return "models:/looked-up/1"


@pytest.mark.parametrize(("uri", "ask"), LOOK_UPS.items())
def test_a_server_that_is_gone(uri: str, ask: Ask) -> None:
    """A look-up says what it waits for, once, ends when its time is up, and leaves MLflow's settings as they were."""
    server = f"http://127.0.0.1:{closed_port()}"
    messages: list[str] = []
    before = settings()
    start = time.monotonic()
    with pytest.raises(
        ModelError, match=rf"{uri} cannot be looked up in MLflow at {server}: 127\.0\.0\.1:\d+ does not"
    ):
        ask(uri, server, Waiting(seconds=2.0, tell=messages.append))
    assert time.monotonic() - start < 60
    assert messages == [f"MLflow at {server} does not answer; retrying for at most 2 s"]
    assert settings() == before


def test_a_model_is_not_fetched_from_a_server_that_is_gone(tmp_path: Path) -> None:
    """It waits as a look-up does, and ends with one line and no files."""
    server = f"http://127.0.0.1:{closed_port()}"
    messages: list[str] = []
    start = time.monotonic()
    with pytest.raises(ModelError, match=rf"^model: models:/looked-up/1 cannot be looked up in MLflow at {server}: "):
        fetch("models:/looked-up/1", server, tmp_path / "model", Waiting(seconds=1.0, tell=messages.append))
    assert time.monotonic() - start < 60
    assert len(messages) == 1
    assert not (tmp_path / "model").exists()


@pytest.mark.long
def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes connections and never answers is not waited for as long as MLflow's client would."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    messages: list[str] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = f"http://127.0.0.1:{listener.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(ModelError, match="does not answer: "):
            pin("models:/looked-up/1", server, Waiting(seconds=1.0, tell=messages.append))
        assert 9 < time.monotonic() - start < 90


def test_a_server_that_comes_back(server: str, registered: str, tmp_path: Path) -> None:
    """What fails for a while, by a status or a lost connection, is asked again: the model is found and arrives."""
    messages: list[str] = []
    waiting = Waiting(seconds=30.0, tell=messages.append)
    with proxy(server) as state:
        state.faults = [Fault(kind=STATUS, where="GET", times=2), Fault(kind=LOST, where="GET", times=1)]
        assert pin(registered, state.address, waiting).uri == registered
        assert len(messages) == 1
        state.faults = [Fault(kind=STATUS, where="GET", times=1), Fault(kind=STATUS, where="mlflow-artifacts", times=1)]
        fetch(registered, state.address, tmp_path / "model", waiting)
        assert [fault.times for fault in state.faults] == [0, 0]
    assert (tmp_path / "model" / "saved_model.pb").read_bytes() == b"graph"
    assert len(messages) == 2


@pytest.mark.parametrize("given_by", ["the environment", "the process"])
def test_another_registry_is_not_asked(
    server: str, registered: str, tmp_path: Path, given_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version of the same name is elsewhere: the files are those of what was looked up, and MLflow's settings stay."""
    other = f"sqlite:///{tmp_path / 'other.db'}"
    client = MlflowClient(tracking_uri=other, registry_uri=other)
    client.create_registered_model("looked-up")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "saved_model.pb").write_bytes(b"another")
    client.create_model_version("looked-up", (tmp_path / "other").as_uri())
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", other)
    if given_by == "the process":
        monkeypatch.setattr("mlflow.tracking._model_registry.utils._registry_uri", other)
    before = settings()
    assert pin(registered, server).uri == registered
    fetch(registered, server, tmp_path / "model")
    assert (tmp_path / "model" / "saved_model.pb").read_bytes() == b"graph"
    assert settings() == before


def test_what_a_server_knows_is_not_asked_twice(server: str, registered: str) -> None:
    """A version that is not there, and a login that is refused, are told at once."""
    messages: list[str] = []
    with pytest.raises(ModelError, match=r"models:/looked-up/7 cannot be looked up in MLflow at .*not found"):
        pin("models:/looked-up/7", server, Waiting(tell=messages.append))
    with proxy(server) as state:
        state.faults = [Fault(kind=STATUS, where="GET", times=99, status=401)]
        with pytest.raises(ModelError, match="401"):
            pin(registered, state.address, Waiting(tell=messages.append))
    assert messages == []


@pytest.mark.long
def test_a_download_from_a_server_that_is_gone() -> None:
    """One that goes between the look-up and the download costs seconds, not minutes."""
    start = time.monotonic()
    with (
        pytest.raises(ModelError, match=r"^model: models:/looked-up/1 cannot be downloaded: 127\.0\.0\.1:\d+ does not"),
        downloaded("models:/looked-up/1", f"http://127.0.0.1:{closed_port()}"),
    ):
        pass
    assert time.monotonic() - start < 60
