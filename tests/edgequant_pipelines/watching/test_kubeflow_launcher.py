"""Runs on Kubeflow Pipelines: KFP's own client, a server that keeps state, and a real registry."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kfp_server import Fault, KfpServer, served

from edgequant_pipelines.watching.claims import CLAIMED, FAILED, RETRY, SUBMITTED, SUCCEEDED
from edgequant_pipelines.watching.fleet import Fleet
from edgequant_pipelines.watching.rules import RulesFile

CONFIG = {
    "examples": {"calibration": "s3://bucket/train-*.npz", "label": "digit"},
    "tracking": {"uri": "https://mlflow.example.com"},
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KfpServer]:
    """A single-user installation."""
    for name in ("ENDPOINT", "UI_ENDPOINT", "TOKEN", "SA_TOKEN_PATH"):
        monkeypatch.delenv(f"KF_PIPELINES_{name}", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with served(tmp_path / "kfp.db") as found:
        yield found


def test_runs_at_a_server(scene: Any, server: KfpServer) -> None:
    """One run for each version, found again by the next watcher; its end, a failure and a deletion are noted."""
    scene.version()
    rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"host": server.url})

    def watcher() -> Any:
        return scene.watcher(rules, launchers=Fleet(RulesFile(rules), scene.folder, scene.uri).launcher)

    first = watcher()
    first.poll()
    (run,) = server.all("run")
    (claim,) = scene.claims()
    assert (claim.state, claim.run_id, claim.run_name) == (SUBMITTED, run["run_id"], run["display_name"])
    # One that was started and not noted is found by its name.
    scene.client.set_model_version_tag("digits-cnn", "1", claim.tag, claim.value().replace(SUBMITTED, CLAIMED))
    watcher().poll()
    assert [claim.state for claim in scene.claims()] == [SUBMITTED]
    assert len(server.all("run")) == 1
    server.set_run(run["run_id"], "FAILED", error="no node fits")
    second = watcher()
    second.poll()
    second.poll()
    (claim,) = scene.claims()
    assert (claim.state, claim.reason) == (RETRY, "FAILED: no node fits")
    scene.now += 61
    second.poll()
    (again,) = [item for item in server.all("run") if item["run_id"] != run["run_id"]]
    server.set_run(again["run_id"], "SUCCEEDED")
    second.poll()
    assert [claim.state for claim in scene.claims()] == [SUCCEEDED]
    assert len(server.all("run")) == 2


def test_a_server_that_fails_after_it_made_the_run(scene: Any, server: KfpServer) -> None:
    """The answer is an error and the run is there: there is no second."""
    scene.version()
    rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"host": server.url})
    watcher = scene.watcher(rules, launchers=Fleet(RulesFile(rules), scene.folder, scene.uri).launcher)
    server.fail(Fault(method="POST", path=r".*/runs", status=500, after=True))
    for _ in range(3):
        watcher.poll()
    assert len(server.all("run")) == 1
    assert [claim.state for claim in scene.claims()] == [SUBMITTED]


def test_a_configuration_that_cannot_work_on_a_cluster(scene: Any, server: KfpServer) -> None:
    """A path of this machine is no use there: the version is marked at once, with the reason."""
    scene.version()
    rules = scene.rules(
        {"submit": "kubeflow"}, config={**CONFIG, "model": "model.keras"}, kubeflow={"host": server.url}
    )
    watcher = scene.watcher(rules, launchers=Fleet(RulesFile(rules), scene.folder, scene.uri).launcher)
    watcher.poll()
    (claim,) = scene.claims()
    assert (claim.state, claim.attempt, "model" in claim.reason) == (FAILED, 1, True)
    assert server.all("run") == []


def test_a_server_that_is_not_there(scene: Any) -> None:
    """The version stays claimed, nothing fails, and it is said once."""
    scene.version()
    rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"host": "http://127.0.0.1:9"})
    watcher = scene.watcher(rules, launchers=Fleet(RulesFile(rules), scene.folder, scene.uri).launcher)
    watcher.poll()
    watcher.poll()
    assert [claim.state for claim in scene.claims()] == [CLAIMED]
    assert len(scene.said) == 1
    assert "cannot be reached" in scene.said[0]
    assert scene.said[0].startswith("kubeflow: ")
