"""A registry that takes its time for every answer."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from tests.mlflow_server import mlflow_server

from edgequant_pipelines.watching.claims import SUCCEEDED
from edgequant_pipelines.watching.service import Service, Settings

_PAUSE_S = 0.2
_VERSIONS = 5


@contextmanager
def slow(address: str) -> Iterator[tuple[str, list[str]]]:
    """Yields an address at which a server's answers come late, and the requests that were made there."""
    made: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            made.append(f"{self.command} {self.path.partition('?')[0]}")
            time.sleep(_PAUSE_S)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            kind = {"content-type": self.headers.get("content-type", "application/json")}
            answer = urllib3.request(self.command, address + self.path, body=body, headers=kind, retries=False)
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers.get("content-type", "application/json"))
            self.send_header("content-length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

        do_GET = do_POST = do_PATCH = do_PUT = _pass_on  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}", made
        finally:
            proxy.shutdown()
            thread.join()


@pytest.mark.long
def test_a_registry_that_answers_slowly(scene: Any, tmp_path: Path) -> None:
    """A look goes through to its end, however long that is: every version is run once, and the watcher is well and ready."""
    with mlflow_server(tmp_path / "server", "sqlite:///mlflow.db") as address, slow(address) as (uri, made):
        scene.uri = address
        client = scene.client
        client.create_registered_model("digits-cnn")
        for _ in range(_VERSIONS):
            run = client.create_run("0")
            client.log_text(run.info.run_id, "flavors: {}\n", "model/MLmodel")
            client.set_terminated(run.info.run_id)
            version = client.create_model_version("digits-cnn", f"{run.info.artifact_uri}/model", run.info.run_id)
        scene.now = version.creation_timestamp / 1000
        scene.uri = uri
        rules = scene.rules({})
        service = Service(Settings(rules=rules, tracking_uri=uri, work=tmp_path, interval=1.0), scene.said.append)
        watcher = scene.watcher(rules)
        began = time.monotonic()
        assert service._look(watcher)
        took = time.monotonic() - began
        # Each version's claim, its run's start and what they need are requests of their own.
        assert len([text for text in made if text.endswith("/model-versions/set-tag")]) == 2 * _VERSIONS
        assert took >= _PAUSE_S * len(made)
        assert (service._alive(), service._ready(watcher)) == ("", "")
        assert service._look(watcher)
        assert len(scene.ledger.names) == len(set(scene.ledger.names)) == _VERSIONS
        assert watcher.open == {}
        assert {scene.claims(version=str(n + 1))[0].state for n in range(_VERSIONS)} == {SUCCEEDED}
