"""`edgequant watch` as a process: runs on this machine, signals, endpoints, and a registry that does not answer."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient

from edgequant_pipelines.watching import service as services
from edgequant_pipelines.watching.claims import SUBMITTED, SUCCEEDED
from edgequant_pipelines.watching.model_registry import ModelRegistry, RegistryError
from edgequant_pipelines.watching.service import Service, Settings, WatchError

_PATIENCE_SECONDS = 120.0


def wait_for(condition: Callable[[], object], process: "subprocess.Popen[str] | None" = None) -> None:
    """Waits until a function returns something true, as long as a process runs."""
    limit = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.1)


@contextmanager
def watching(folder: Path, *options: object) -> Iterator["subprocess.Popen[str]"]:
    """Runs the command in a folder, and leaves no process behind."""
    command = [sys.executable, "-m", "edgequant_pipelines.cli", "watch", "RULES.yaml", *map(str, options)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def get(port: int, path: str) -> tuple[int, str]:
    """Returns the status and the text of a page; 0 when nothing listens."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except URLError:
        return 0, ""


@pytest.mark.long
def test_a_killed_watcher_leaves_no_run_behind_and_the_next_finishes_it(
    scene: Any, digits: Path, edgequant: Any
) -> None:
    """A real model, quantized here: the run dies with its watcher, the next one continues it, and it is recorded once."""
    shutil.copyfile(digits / "mlflow.db", scene.folder / "mlflow.db")
    config = {
        "model": "models:/{name}/{version}",
        "examples": {
            "calibration": str(digits / "train.npz"),
            "evaluation": str(digits / "test.npz"),
            "label": "digit",
        },
        "sampling": {"calibration": 20, "evaluation": 100},
        "variants": ["float32"],
    }
    scene.rules({"registered_model": "digits", "metrics": {"test_accuracy": {"at_least": 0.9}}}, config=config)
    options = ("--tracking-uri", "sqlite:///mlflow.db", "--interval", "0.5", "--work-directory", "watch")

    def state() -> list[str]:
        return [claim.state for claim in scene.claims("digits", "1")]

    with watching(scene.folder, *options) as process:
        wait_for(lambda: state() == [SUBMITTED] and _pids(scene.folder / "watch"), process)
        process.kill()
        process.wait()
    wait_for(lambda: not _pids(scene.folder / "watch"))
    assert state() == [SUBMITTED]
    done = edgequant("watch", "RULES.yaml", "--once", *options, cwd=scene.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert state() == [SUCCEEDED]
    (run,) = (scene.folder / "watch" / "runs").iterdir()
    assert f"run {run.name} ended: not gated: {run}" in done.stdout
    assert (run / "result.json").is_file()
    assert (run / "report.html").is_file()
    assert (run / "results" / "variants" / "float32" / "model.tflite").is_file()
    assert list(run.rglob("manifest.json")) == list((run / "results").rglob("manifest.json")) != []
    client = MlflowClient(tracking_uri=scene.uri)
    recorded = client.search_runs([client.get_experiment_by_name("digits-v1").experiment_id])
    assert sorted(item.data.tags["edgequant.role"] for item in recorded) == ["summary", "variant"]
    again = edgequant("watch", "RULES.yaml", "--once", *options, cwd=scene.folder)
    assert (again.returncode, "started" in again.stdout) == (0, False)


def _pids(folder: Path) -> list[str]:
    """Returns the processes that name a folder in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if b"local_run" in words and str(folder).encode() in words:
            found.append(path.parent.name)
    return found


def test_endpoints_rules_that_are_edited_and_the_end(scene: Any, edgequant: Any) -> None:
    """Healthy and ready; not ready while the rules are wrong; no second watcher; SIGTERM ends it with 0."""
    rules = scene.rules({"registered_model": "none"})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    options = ("--tracking-uri", scene.uri, "--interval", "0.2", "--work-directory", "watch")
    with watching(scene.folder, *options, "--metrics-port", port) as process:
        wait_for(lambda: get(port, "/readyz") == (200, "ok\n"), process)
        assert get(port, "/healthz") == (200, "ok\n")
        status, text = get(port, "/metrics")
        assert status == 200
        names = [
            "versions_seen_total", "registry_errors_total", "lag_seconds_count", "last_successful_poll_timestamp_seconds",
            "rules_valid", "runs_under_way", "versions_waiting",
        ]  # fmt: skip
        assert [name for name in names if f"\nedgequant_watch_{name} " not in text] == []
        assert (
            abs(
                float(text.partition("\nedgequant_watch_last_successful_poll_timestamp_seconds ")[2].split()[0])
                - time.time()
            )
            < 60
        )
        assert get(port, "/")[0] == 404
        second = edgequant("watch", "RULES.yaml", *options, cwd=scene.folder)
        assert (second.returncode, "another watcher uses this work directory" in second.stderr) == (1, True)
        right = rules.read_text()
        rules.write_text("rules: nothing")
        wait_for(lambda: get(port, "/readyz")[0] == 503, process)
        assert "the earlier ones stay in force" in get(port, "/readyz")[1]
        assert get(port, "/healthz")[0] == 200
        rules.write_text(right)
        wait_for(lambda: get(port, "/readyz")[0] == 200, process)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    lines = output.splitlines()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ edgequant: watch: .+", line) for line in lines), output
    assert lines[0].partition(" ")[2].startswith("edgequant: watch: watching sqlite:")
    assert " by 1 rule of " in lines[0]
    assert sum("the earlier ones stay in force" in line for line in lines) == 1
    assert lines[-1].partition(" ")[2] == "edgequant: watch: stopped by a signal; the next watcher continues from here"
    assert "Traceback" not in output


def test_probes_are_answered_while_kubeflow_is_not_there_yet(scene: Any) -> None:
    """It takes connections and does not answer, for minutes: the watcher is healthy, and not ready."""
    config = {"examples": {"calibration": "s3://b/x.npz"}, "tracking": {"uri": "https://mlflow.example.com"}}
    with socket.create_server(("127.0.0.1", 0)) as deaf, socket.socket() as listener:
        host = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        scene.rules({"submit": "kubeflow"}, config=config, kubeflow={"host": host})
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        with watching(scene.folder, "--tracking-uri", scene.uri, "--metrics-port", port) as process:
            wait_for(lambda: get(port, "/healthz") == (200, "ok\n"), process)
            assert get(port, "/readyz") == (503, "MLflow was not looked at yet\n")


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--tracking-uri", "http://127.0.0.1:9"], 1, "edgequant: MLflow: 127.0.0.1:9 does not answer: Failed to establish a new connection: [Errno 111] Connection refused\n"),
        ([], 2, "--tracking-uri: none is given, and MLFLOW_TRACKING_URI is not set"),
        (["--tracking-uri", "nonsense"], 2, "--tracking-uri: 'nonsense' is no tracking URI; https://HOST"),
        (["--tracking-uri", "foo://bar"], 2, "--tracking-uri: MLflow cannot use 'foo://bar': "),
        (["--tracking-uri", "http://me:secret@host"], 2, "--tracking-uri: holds a password"),
        (["--interval", "0"], 2, "Invalid value for '--interval': '0' is not allowed; 0.1 to 86400 seconds, a day, are"),
        (["--interval", "nan"], 2, "Invalid value for '--interval': 'nan' is not allowed; 0.1 to 86400 seconds, a day, are"),
        (["--interval", "inf"], 2, "Invalid value for '--interval': 'inf' is not allowed"),
        (["--interval", "1e300"], 2, "Invalid value for '--interval': '1e300' is not allowed"),
        (["--interval", "86401"], 2, "Invalid value for '--interval': '86401' is not allowed"),
        (["--interval", "often"], 2, "Invalid value for '--interval': 'often' is not allowed"),
        (["--tracking-uri", "sqlite:///mlflow.db", "--work-directory", "/proc/x"], 2, "--work-directory: /proc/x cannot be written to (No such file or directory)"),
        (["--tracking-uri", "sqlite:///mlflow.db", "--work-directory", "RULES.yaml"], 2, "RULES.yaml cannot be written to (File exists)"),
    ],
)  # fmt: skip
def test_what_is_wrong_at_the_command_line(
    scene: Any, edgequant: Any, options: list[str], code: int, text: str
) -> None:
    """One message and an exit code; no password is shown."""
    scene.rules({})
    done = edgequant("watch", "RULES.yaml", "--once", *options, cwd=scene.folder, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert (done.returncode, text in done.stderr) == (code, True), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "retried" not in done.stdout + done.stderr
    assert "secret" not in done.stdout + done.stderr


class _Overloaded(BaseHTTPRequestHandler):
    """Answers every request with 503, and says to wait."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Retry-After", "120")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ("http", "too many 503 error responses"),
        ("https", "[SSL: "),
        ("silent", "Read timed out. (read timeout=1)"),
    ],
)
def test_an_answer_that_does_not_come_is_told_of_in_a_few_words(
    monkeypatch: pytest.MonkeyPatch, scheme: str, text: str
) -> None:
    """The host and the cause, without the whole query."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Overloaded) as server:
        if scheme != "silent":
            threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        with pytest.raises(RegistryError) as caught:
            next(ModelRegistry(f"{scheme.replace('silent', 'http')}://{address}").versions())
        if scheme != "silent":
            server.shutdown()
    message = str(caught.value)
    assert message.startswith(f"MLflow: {address} does not answer: {text}")
    assert "max_results" not in message
    assert "Pool" not in message


def test_a_registry_does_not_say_how_long_the_watcher_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Retry-After may be hours: the next look asks again."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    began = time.monotonic()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Overloaded) as server, services._client_limits():
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(RegistryError, match="does not answer: too many 503 error responses"):
            next(ModelRegistry(f"http://127.0.0.1:{server.server_port}").versions())
        server.shutdown()
    assert time.monotonic() - began < 60


def test_looking_once_tells_of_what_it_leaves_for_later(scene: Any) -> None:
    """A run that failed is retried in a while, by whoever looks then."""
    scene.version()
    scene.ledger._fails = lambda _: True
    rules = scene.rules({"retry_seconds": 100})
    said: list[str] = []
    service = Service(Settings(rules=rules, tracking_uri=scene.uri, work=scene.folder, interval=1.0), said.append)
    watcher = scene.watcher(rules, once=True)
    watcher.poll()
    service._once(watcher)
    assert said == ["1 version is to be retried, in 100 s at the earliest"]


def test_a_version_that_may_not_be_tagged(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others run to their ends, it is said once and at the end of looking once, and it runs when its tags may be set."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    for name in ("digits-b", "digits-a", "digits-c"):
        scene.version(name)
    write = SqlAlchemyStore.set_model_version_tag
    may: list[str] = []

    def guarded(self: Any, name: str, *arguments: Any) -> None:
        if name == "digits-a" and not may:
            raise MlflowException("Permission denied", error_code=PERMISSION_DENIED)
        write(self, name, *arguments)

    monkeypatch.setattr(SqlAlchemyStore, "set_model_version_tag", guarded)
    rules = scene.rules({}, concurrency=1)
    service = Service(Settings(rules=rules, tracking_uri=scene.uri, work=scene.folder, interval=0.1), scene.said.append)
    watcher = scene.watcher()
    refused = "digits-a version 1 (rule digits): MLflow: Permission denied"
    with pytest.raises(WatchError) as caught:
        service._once(watcher)
    assert str(caught.value) == f"not all that is due was started or followed: {refused}"
    assert service._look(watcher)
    assert service._ready(watcher) == refused
    states = [claim.state for name in ("digits-b", "digits-c") for claim in scene.claims(name)]
    assert (states, scene.claims("digits-a")) == ([SUCCEEDED] * 2, [])
    assert [line for line in scene.said if "digits-a" in line] == [f"{refused}; retried at every look"]
    may.append("now")
    for _ in range(2):
        assert service._look(watcher)
    assert [claim.state for claim in scene.claims("digits-a")] == [SUCCEEDED]
    assert service._ready(watcher) == ""
    assert len(scene.ledger.names) == 3


def test_a_registry_that_fails_is_asked_again_and_said_once(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three failures: one line, three counted, not ready, healthy; pauses grow; then it goes on by itself."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    scene.version()
    scene.rules({})
    said: list[str] = []
    settings = Settings(rules=scene.folder / "RULES.yaml", tracking_uri=scene.uri, work=scene.folder, interval=10.0)
    service = Service(settings, said.append)
    pauses: list[float] = []
    failures = iter([True, True, True, False, False])
    search = SqlAlchemyStore.search_model_versions

    def flaky(self: Any, *arguments: Any, **options: Any) -> Any:
        if len(pauses) < 3:
            raise OSError("connection reset")
        return search(self, *arguments, **options)

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        assert (service._ready(watcher) == "MLflow: connection reset") == next(failures)
        assert service._alive() == ""
        if len(pauses) == 5:
            service._stop.set()
        return True

    monkeypatch.setattr(SqlAlchemyStore, "search_model_versions", flaky)
    monkeypatch.setattr(service._stop, "wait", wait)
    watcher = scene.watcher()
    service._forever(watcher)
    assert pauses == [20.0, 40.0, 80.0, 10.0, 10.0]
    assert said == ["MLflow: connection reset; retried with exponential backoff", "MLflow answers again"]
    assert service._measures.registry.get_sample_value("edgequant_watch_registry_errors_total") == 3
    assert len(scene.ledger.names) == 1
