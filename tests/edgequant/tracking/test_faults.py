"""Recording through a proxy that fails where it is told to: retried, never doubled, never lost."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.edgequant.tracking.fault_proxy import (
    ANSWER_LOST,
    CUT,
    HELD,
    LATE,
    LOST,
    STATUS,
    Chance,
    Fault,
    Proxy,
)
from tests.edgequant.tracking.recordings import RECORD, VARIANTS, held, whole, write

from edgequant.artifacts.result import load_result
from edgequant.errors import TrackingError
from edgequant.tracking.step import record

CREATES = ("experiments/create", "runs/create", "logged-models$", "registered-models/create", "model-versions/create")


def test_an_answer_that_is_lost_doubles_nothing(server: str, before: Proxy, results: Callable[..., Path]) -> None:
    """The server made it and the answer never came, once for everything that can be made: one of each is there."""
    before.faults = [Fault(kind=ANSWER_LOST, where=f"POST .*{path}") for path in CREATES]
    before.faults += [Fault(kind=ANSWER_LOST, where=f"(POST|PATCH) .*{path}") for path in ("log-batch", "runs/update")]
    path = write(results, "answers-lost", before)
    tracked = record(path)
    assert [fault.times for fault in before.faults] == [0] * len(before.faults)
    assert held(server, "answers-lost") == whole()
    assert (tracked.model_version, tracked.alias_version) == ("1", "1")


def test_failures_that_pass_are_tried_again(
    server: str, before: Proxy, results: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """No connection, 500, 503, 429, an upload that is cut off and a store that is full for a while cost time and nothing else."""
    before.faults = [
        Fault(kind=LOST, where=".", times=2),
        Fault(kind=STATUS, where="POST .*runs/create", status=503, times=2),
        Fault(kind=STATUS, where="POST .*log-batch", status=500),
        Fault(kind=STATUS, where="POST .*log-inputs", status=429),
        Fault(kind=CUT, where=r"PUT .*model\.tflite"),
        Fault(kind=STATUS, where=r"PUT .*report\.html", status=507),
    ]
    record(write(results, "passing", before))
    assert [fault.times for fault in before.faults] == [0] * len(before.faults)
    assert held(server, "passing") == whole()
    said = capsys.readouterr().out
    assert said.count("MLflow request failed") >= 5
    assert "retrying in" in said


def test_a_server_that_fails_every_tenth_request(
    server: str, before: Proxy, results: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused, lost and unanswered requests all along cost as many requests more, and few looks at what there is already."""
    before.fail_at_random(Chance(share=0.1, kinds=(STATUS, LOST, ANSWER_LOST), seed=1))
    record(write(results, "tenth", before))
    assert held(server, "tenth") == whole()
    assert before.failed >= 5
    assert capsys.readouterr().out.count("retrying in") <= 8
    assert len(before.seen) <= 300


def test_a_failed_upload_is_repeated_alone(
    server: str, before: Proxy, results: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """One file that was cut off is sent once more; no other request is."""
    before.faults = [Fault(kind=CUT, where=r"PUT .*model\.tflite")]
    record(write(results, "cut", before))
    assert held(server, "cut") == whole()
    puts = Counter(line for line in before.seen if line.startswith("PUT"))
    assert sorted(puts.values())[-2:] == [1, 2]
    said = capsys.readouterr().out
    assert said.count("retrying the request in") == 1
    assert "retrying in" not in said


def test_files_are_sent_once_however_often_the_recording_begins_anew(
    server: str, before: Proxy, results: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The alias, which is moved last, is refused twice: no file is uploaded again."""
    before.faults = [Fault(kind=STATUS, where="registered-models/alias", times=2)]
    record(write(results, "sent-once", before))
    assert held(server, "sent-once") == whole()
    assert capsys.readouterr().out.count("retrying in") == 2
    assert set(Counter(line for line in before.seen if line.startswith("PUT")).values()) == {1}


def test_what_is_uploaded_is_finished_though_another_upload_fails(
    server: str, before: Proxy, results: Callable[..., Path]
) -> None:
    """The report does not get there: every variant is done all the same, and no model is sent again."""
    before.faults = [Fault(kind=STATUS, where=r"PUT .*report\.html", status=507, times=10_000)]
    path = write(results, "no-report", before, retry_seconds=0.5)
    with pytest.raises(TrackingError, match="507"):
        record(path)
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    runs = client.search_runs([str(client.get_experiment_by_name("no-report").experiment_id)])
    assert Counter((run.data.tags["edgequant.role"], run.info.status) for run in runs) == {
        ("variant", "FINISHED"): 4,
        ("summary", "RUNNING"): 1,
    }
    assert sum("model.tflite" in line for line in before.seen) == 4
    before.faults, before.seen = [], []
    record(path)
    assert held(server, "no-report") == whole()
    assert sum("model.tflite" in line for line in before.seen) == 0


def test_killed_in_an_upload_and_run_again_it_is_whole(
    server: str, before: Proxy, results: Callable[..., Path]
) -> None:
    """A process dies while half of a model is sent; the next one ends with one of everything."""
    before.faults = [Fault(kind=HELD, where=r"PUT .*model\.tflite")]
    path = write(results, "killed-in-upload", before)
    with subprocess.Popen([sys.executable, "-c", RECORD, str(path)], stdout=subprocess.PIPE) as process:
        try:
            assert before.held.wait(timeout=120)
        finally:
            process.kill()
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    assert client.search_model_versions("name = 'killed-in-upload'") == []
    record(path)
    assert held(server, "killed-in-upload") == whole()


def test_a_request_that_lands_late_doubles_nothing(
    server: str, before: Proxy, results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gives up, looks, finds nothing, makes another; then the first one lands: one is kept, and it is whole."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    before.faults = [Fault(kind=LATE, where="POST .*runs/create", seconds=1.5)]
    # The second attempt is held up, so that the late run is there when it looks for what there is too much of.
    before.faults += [Fault(kind=LATE, where="POST .*runs/log-inputs", seconds=0.9)]
    record(write(results, "late", before))
    assert held(server, "late") == whole()


def test_a_store_that_stays_full_fails_the_step_and_loses_nothing(
    server: str, before: Proxy, results: Callable[..., Path]
) -> None:
    """After the configured time the step fails in one line; the result is whole, and recording it later makes one of each."""
    before.faults = [Fault(kind=STATUS, where="PUT .*/artifacts/", status=507, times=10_000)]
    path = write(results, "full", before, retry_seconds=0.5)
    with pytest.raises(TrackingError, match="did not accept the results") as raised:
        record(path)
    assert "507" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert load_result(path).verdict.best is not None
    assert json.loads((path / "result.json").read_text())["tracking"] is None
    record(path, server)
    assert held(server, "full") == whole()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_not_tried_again(before: Proxy, results: Callable[..., Path], status: int) -> None:
    """What another attempt would meet again ends the step at once."""
    before.faults = [Fault(kind=STATUS, where=".", status=status, times=10_000)]
    path = write(results, "refused", before)
    with pytest.raises(TrackingError, match="did not accept the results"):
        record(path)
    assert len(before.seen) == 1


def test_a_certificate_that_is_missing_is_not_tried_again(
    results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its path is wrong, which no time mends."""
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/none/ca.crt")
    with pytest.raises(TrackingError, match=r"/none/ca\.crt"):
        record(results(uri="https://127.0.0.1:9", retry_seconds=60.0))
    assert "again" not in capsys.readouterr().out


def test_a_page_that_is_none_of_mlflows_is_not_tried_again(
    results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A login answers 200, and so to any other attempt."""

    class Login(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>Log in</title>")

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    monkeypatch.setattr(Login, "do_POST", Login.do_GET, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Login) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with pytest.raises(TrackingError, match="not in a valid JSON format"):
                record(results(uri=f"http://127.0.0.1:{server.server_port}", retry_seconds=60.0))
        finally:
            server.shutdown()
            thread.join()
    assert "again" not in capsys.readouterr().out


def test_a_refused_recording_ends_its_summary(
    server: str, before: Proxy, results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account may make no version: the summary says so and is not left running; allowed to, it is finished later."""
    before.faults = [Fault(kind=STATUS, where="POST .*registered-models/create", status=403, times=10_000)]
    path = write(results, "may-not-register", before)
    with pytest.raises(TrackingError, match="did not accept the results") as raised:
        record(path)
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    experiment = str(client.get_experiment_by_name("may-not-register").experiment_id)
    (summary,) = client.search_runs([experiment], "tags.`edgequant.role` = 'summary'")
    assert summary.info.status == "FAILED"
    assert summary.data.tags["edgequant.registered"] == str(raised.value)
    before.faults = []
    tracked = record(path)
    assert tracked.summary_run_id == summary.info.run_id
    assert held(server, "may-not-register") == whole()

    # What is finished stays so, and of a run that KFP gave, the end is KFP's.
    client.delete_model_version("may-not-register", "1")
    client.delete_registered_model("may-not-register")
    before.faults = [Fault(kind=STATUS, where="POST .*registered-models/create", status=403, times=10_000)]
    given = client.create_run(experiment).info.run_id
    for run_id, status in ((summary.info.run_id, "FINISHED"), (given, "RUNNING")):
        with pytest.raises(TrackingError, match="did not accept the results"):
            record(path)
        assert client.get_run(run_id).info.status == status
        monkeypatch.setenv("MLFLOW_TRACKING_URI", before.address)
        monkeypatch.setenv("MLFLOW_RUN_ID", given)
    assert client.get_run(given).data.tags["edgequant.registered"] == str(raised.value)


def test_a_training_run_that_may_not_be_tagged(
    server: str, before: Proxy, results: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, and no failure: everything else is recorded."""
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    training = client.create_run(client.create_experiment("training-of-another")).info.run_id
    before.faults = [Fault(kind=STATUS, where="POST .*runs/set-tag", status=403, times=10_000)]
    tracked = record(write(results, "untagged", before, model_uri=f"runs:/{training}/model"))
    assert sum("runs/set-tag" in line for line in before.seen) == 1
    assert f"the training run {training} does not link here: its tag was refused" in capsys.readouterr().out
    assert "edgequant.quantized.digits" not in client.get_run(training).data.tags
    assert client.get_run(tracked.summary_run_id).data.tags["edgequant.source_run"] == training
    assert held(server, "untagged") == whole()


def test_two_pipeline_runs_at_once_do_not_mix(server: str, results: Callable[..., Path]) -> None:
    """Two processes that record for one new model at the same time make both sides whole, each with its own models."""
    names = ("run-a", "run-b")
    given = {"uri": server, "experiment": "both", "registered_model": "both"}
    # Of source models of their own: of one result, the second would find the first's version.
    paths = [results(name, pipeline_run=name, model_uri=name, **given) for name in names]
    processes = [
        subprocess.Popen([sys.executable, "-c", RECORD, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for path in paths
    ]
    said = [process.communicate(timeout=120)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    experiments = [str(client.get_experiment_by_name("both").experiment_id)]
    runs = {run.info.run_id: run for run in client.search_runs(experiments)}
    assert len(runs) == 10
    for name, path in zip(names, paths, strict=True):
        tracking = json.loads((path / "result.json").read_text())["tracking"]
        own = [run for run in runs.values() if run.data.tags["edgequant.pipeline_run"] == name]
        assert Counter(run.data.tags.get("edgequant.variant", "summary") for run in own) == Counter(
            [*VARIANTS, "summary"]
        )
        summary = runs[tracking["summary_run_id"]]
        version = client.get_model_version("both", tracking["model_version"])
        for variant in VARIANTS:
            assert summary.data.tags[f"edgequant.run.{variant}"] in {run.info.run_id for run in own}
        assert (
            version.tags["edgequant.pipeline_run"] == runs[version.run_id].data.tags["edgequant.pipeline_run"] == name
        )
        for run in own:
            for output in run.outputs.model_outputs:
                assert client.get_logged_model(output.model_id).source_run_id == run.info.run_id
    assert len(client.search_model_versions("name = 'both'")) == 2
    assert set(client.get_registered_model("both").aliases) == {"candidate"}
