"""Serves the API: in a thread of the tests, or in a process that a test can kill."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from tests.kfp_server.application import Rules, add_run, make_application
from tests.kfp_server.authorization import Authorizer
from tests.kfp_server.faults import Fault, Faulty
from tests.kfp_server.nodes import details
from tests.kfp_server.spec import read_pipeline
from tests.kfp_server.store import Body, Store

_PATIENCE_S = 120.0


class KfpServer:
    """A server that answers.

    Attributes:
        url: Where it is.
        rules: Whom it lets do what; a test may change them.
    """

    def __init__(self, state: Path, rules: Rules, port: int) -> None:
        self.rules = rules
        self.url = f"http://127.0.0.1:{port}"
        self._store = Store(state)
        self._faulty = Faulty(make_application(self._store, rules))
        config = uvicorn.Config(
            self._faulty, host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=0
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        """Returns when it answers."""
        self._thread.start()
        limit = time.monotonic() + _PATIENCE_S
        while not self._server.started:
            assert time.monotonic() < limit, "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        """Ends it, whatever it is doing."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(_PATIENCE_S)
        self._store.close()

    def fail(self, fault: Fault) -> None:
        """Lets requests go wrong from now on."""
        self._faulty.faults.append(fault)

    def carry_out_late(self) -> None:
        """Carries out the requests that were answered long ago."""
        self._faulty.carry_out_late()

    def all(self, kind: str) -> list[Body]:
        """Returns every experiment, pipeline, version, run or recurring run."""
        return self._store.all(kind)

    def add(self, kind: str, key: str, body: Body) -> Body:
        """Returns something that another program has made, with an identifier under a key."""
        return self._store.add(kind, key, body)

    def change(self, identifier: str, **values: Any) -> None:
        """Replaces values of something."""
        self._store.change(identifier, **values)

    def delete(self, identifier: str) -> None:
        """Removes something, as another program does."""
        self._store.delete(identifier)

    def requests(self, method: str = "") -> list[str]:
        """Returns the requests so far: method and path."""
        return [text for text in self._faulty.requests if text.startswith(method)]

    def apply(self, manifests: Iterable[Body], namespace: str = "") -> None:
        """Keeps a Pipeline and its PipelineVersions, as an installation does that keeps pipelines in Kubernetes.

        Args:
            manifests: The resources, in the order in which they are to be.
            namespace: Where they are.
        """
        for manifest in manifests:
            name, spec = manifest["metadata"]["name"], manifest["spec"]
            shown = {"name": name, "display_name": spec.get("displayName") or name}
            if manifest["kind"] == "Pipeline":
                self._store.add("pipeline", "pipeline_id", {**shown, "namespace": namespace})
                continue
            (pipeline,) = (body for body in self.all("pipeline") if body["name"] == spec["pipelineName"])
            documents = [spec["pipelineSpec"], *filter(None, [spec.get("platformSpec")])]
            read = read_pipeline(yaml.safe_dump_all(documents).encode())
            body = {**shown, "pipeline_id": pipeline["pipeline_id"], "pipeline_spec": read}
            self._store.add("version", "pipeline_version_id", body)

    def set_run(
        self,
        run_id: str,
        state: str,
        steps: dict[str, str] | None = None,
        *,
        error: str = "",
        cached: Collection[str] = (),
    ) -> None:
        """Says how a run is.

        Args:
            run_id: The run.
            state: Its state.
            steps: The states of its steps, by name, in the order in which they began.
            error: Why it failed, which some releases tell; KFP 2.17 has no such key.
            cached: The steps that were served from the cache.
        """
        values: dict[str, Any] = {
            "state": state,
            "run_details": {"task_details": details(run_id, state, steps or {}, cached)},
        }
        self._store.change(run_id, **values, **({"error": {"code": 13, "message": error}} if error else {}))

    def fire(self, schedule_id: str) -> Body:
        """Returns a run that a recurring run has started."""
        (found,) = (body for body in self.all("recurring run") if body["recurring_run_id"] == schedule_id)
        kept = ("experiment_id", "namespace", "pipeline_version_reference", "runtime_config", "recurring_run_id")
        name = f"{found['display_name']}-{len(self.all('run')) + 1}"
        run = add_run(self._store, {"display_name": name, **{key: found[key] for key in kept}})
        self.set_run(run["run_id"], "RUNNING")
        return run


@contextlib.contextmanager
def served(
    state: Path,
    *,
    token: str = "",
    namespaces: tuple[str, ...] = (),
    authorizer: Authorizer | None = None,
    port: int = 0,
) -> Iterator[KfpServer]:
    """Yields a server over a file of state, which is created if it does not exist.

    Args:
        state: The file.
        token: The bearer token that requests need; "" for none.
        namespaces: Those of a multi-user installation; empty: a single-user one.
        authorizer: What decides on each right that a request needs; None: everybody may do everything.
        port: The port; 0 for a free one.
    """
    server = KfpServer(state, Rules(token=token, namespaces=namespaces, authorizer=authorizer), port or free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main(arguments: list[str]) -> None:
    """Serves a file of state on a port until killed: ``python -m tests.kfp_server.serving STATE PORT``."""
    state, port = arguments
    with served(Path(state), port=int(port)):
        print(json.dumps({"port": int(port)}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
