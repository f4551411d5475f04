"""Ten thousand versions: how often MLflow is asked, and what is kept in mind."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.mlflow_server import mlflow_server

from edgequant_pipelines.watching import discovery
from edgequant_pipelines.watching.claims import SUCCEEDED

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "watching.py"
VERSIONS = 10_000


def fill(scene: Any, count: int, tag: str = "", apart_ms: int = 1000) -> None:
    """Puts versions of one finished run into the registry's database at once, the newest an hour old."""
    scene.version("digits-cnn", age_seconds=3600)
    with closing(sqlite3.connect(scene.folder / "mlflow.db")) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(model_versions)")]
        values = ", ".join(
            {"version": "version + n", "creation_time": f"creation_time - n * {apart_ms}"}.get(name, name)
            for name in columns
        )
        database.execute(
            f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count - 1}) "  # noqa: S608
            f"INSERT INTO model_versions ({', '.join(columns)}) SELECT {values} FROM model_versions, c"
        )
        if tag:
            database.execute(
                "INSERT INTO model_version_tags (workspace, name, version, key, value) "
                "SELECT workspace, name, version, ?, ? FROM model_versions",
                (tag, '{"state": "succeeded", "attempt": 1, "launcher": "local"}'),
            )


def test_an_idle_registry_of_ten_thousand_versions(scene: Any, requests: list[str]) -> None:
    """Twenty minutes of looks every 30 s: 1 request each, and 10 more in each of the two sweeps."""
    rules = scene.rules({})
    digest = scene.watcher(rules)._file.rules.templates["digits"].digest
    fill(scene, VERSIONS, f"edgequant.watch.digits.{digest}")
    watcher = scene.watcher(rules)
    watcher.poll()
    requests.clear()
    for _ in range(41):
        scene.now += 30
        watcher.poll()
    assert scene.ledger.names == []
    assert sorted(set(requests)) == ["search_model_versions"]
    assert len(requests) == 41 + 2 * VERSIONS // 1000


def test_versions_that_no_rule_selects_cost_no_more(scene: Any, requests: list[str]) -> None:
    """Ten thousand whose metric is too low: a sweep asks for their one run once in each page, and nothing is kept."""
    fill(scene, VERSIONS, apart_ms=1)
    watcher = scene.watcher(scene.rules({"metrics": {"accuracy": {"at_least": 0.9}}}))
    requests.clear()
    watcher.poll()
    assert {name: requests.count(name) for name in set(requests)} == {
        "search_model_versions": 1 + VERSIONS // 1000,
        "search_runs": VERSIONS // 1000,
        "search_experiments": VERSIONS // 1000,
    }
    # They came within ten seconds of each other, a minute ago: no look goes through them again.
    scene.now += 60
    requests.clear()
    watcher.poll()
    assert requests == ["search_model_versions"]
    assert watcher._discovery.backlog == {}


def test_more_versions_than_the_backlog_holds(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times what is kept in mind: each is run once, few at a time, and nothing grows past its limit."""
    monkeypatch.setattr(discovery, "_MOST_BACKLOG", 20)
    fill(scene, 60)
    watcher = scene.watcher(scene.rules({}, concurrency=10))
    most, looks = 0, 0
    while watcher.more or watcher.open or not looks:
        watcher.poll()
        looks += 1
        most = max(most, len(watcher._discovery.backlog))
        assert len(watcher.open) <= 10
        assert looks < 20
    assert len(scene.ledger.names) == len(set(scene.ledger.names)) == 60
    # Twenty were found, and ten of them begun, in one look.
    assert most == 10


def _measured(versions: int) -> dict[str, float]:
    """Returns what the benchmark finds, in a process of its own: what others need would hide what the watcher does."""
    command = [sys.executable, str(BENCHMARK), "--versions", str(versions)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.long
def test_a_thousand_versions_at_once() -> None:
    """Each is run once, in few requests; what is held afterwards, and asked for when nothing happens, is as for a quarter."""
    few, many = _measured(250), _measured(1000)
    for versions, found in ((250, few), (1000, many)):
        assert (found["versions"], found["runs"], found["runs_twice"]) == (versions, versions, 0)
        # Two looks, and a tenth of a sweep's one page.
        assert found["requests_per_minute_idle"] == 2.1
        assert found["requests_per_version"] < 7
    assert many["memory_growth"] < 1.05
    # Of each version the benchmark's launcher keeps the run's name, one block, and the watcher nothing: a claim alone is five.
    assert (many["blocks"] - few["blocks"]) / 750 < 2.5


@pytest.mark.long
def test_requests_to_a_real_server(scene: Any, tmp_path: Path) -> None:
    """Over HTTP: a version is run once, and each look after that is the one request that the server's log shows."""
    with mlflow_server(tmp_path / "server", "sqlite:///mlflow.db") as address:
        scene.uri = address
        client = scene.client
        client.create_registered_model("digits-cnn")
        run = client.create_run("0")
        client.log_text(run.info.run_id, "flavors: {}\n", "model/MLmodel")
        client.set_terminated(run.info.run_id)
        made = client.create_model_version("digits-cnn", f"{run.info.artifact_uri}/model", run.info.run_id)
        scene.now = made.creation_timestamp / 1000
        watcher = scene.watcher(scene.rules({}))
        for _ in range(2):
            watcher.poll()
        assert [claim.state for claim in scene.claims()] == [SUCCEEDED]
        assert len(scene.ledger.names) == 1
        log = tmp_path / "server" / "server.log"
        before = len(log.read_text())
        for _ in range(5):
            scene.now += 30
            watcher.poll()
        requests = re.findall(r'"([A-Z]+ [^ ?]+)[^"]* HTTP/1\.1" 200', log.read_text()[before:])
        assert requests == ["GET /api/2.0/mlflow/model-versions/search"] * 5
