"""A watcher that is killed at any point, and another that goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.forking import run_script

_KILLED = r"""
import json, os, shutil, sys
from pathlib import Path

import mlflow.artifacts, sqlalchemy, pandas
import mlflow.store.artifact.models_artifact_repo, mlflow.store.artifact.local_artifact_repo
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registered
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracked
from edgequant_pipelines.watching.prometheus import Measures
from edgequant_pipelines.watching.model_registry import ModelRegistry
from edgequant_pipelines.watching.rules.rules import RulesFile
from edgequant_pipelines.watching.context import WatchContext
from edgequant_pipelines.watching.watcher import Watcher
from tests.forking import fork

sys.path.insert(0, sys.argv[2])
from conftest import Ledger

folder = Path(sys.argv[1])
events, fatal, after = [], None, False


def spy(owner, name):
    inner = getattr(owner, name)
    def outer(*args, **kwargs):
        events.append(name)
        number = len(events)
        if number == fatal and not after:
            os._exit(9)
        result = inner(*args, **kwargs)
        if number == fatal:
            os._exit(9)
        return result
    setattr(owner, name, outer)


def watch(name):
    place = folder / name
    now = [1e10]
    # The first attempt of version 2 fails.
    ledger = Ledger(place / "ledger", lambda run: run.endswith("-1") and "-cnn-2-" in run)
    context = WatchContext(
        registry=ModelRegistry(f"sqlite:///{place / 'mlflow.db'}"), launchers=lambda _: ledger, measures=Measures(),
        show=lambda _: None, clock=lambda: now[0],
    )
    watcher = Watcher(RulesFile(folder / "RULES.yaml"), context)
    for _ in range(5):
        watcher.poll()
        now[0] += 100


def die_at(number, name, late):
    global fatal, after
    fatal, after = number, late
    for owner in (Registered, Tracked):
        for call in dir(owner):
            if call.startswith(("search_", "set_", "get_model_version", "get_run")):
                spy(owner, call)
    for call in ("find", "submit", "state"):
        spy(Ledger, call)
    watch(name)
    (folder / name / "events.json").write_text(json.dumps(events))


def new(name):
    (folder / name).mkdir()
    shutil.copyfile(folder / "mlflow.db", folder / name / "mlflow.db")


new("whole")
assert fork(lambda: die_at(None, "whole", False)) == 0
seen = json.loads((folder / "whole" / "events.json").read_text())
# Where something is changed, before and after it; of the questions, the first and the last of each kind.
changes = [n for n, kind in enumerate(seen, 1) if kind in ("set_model_version_tag", "submit")]
asked = {seen.index(kind) + 1 for kind in seen} | {len(seen) - seen[::-1].index(kind) for kind in seen}
for number, late in [(n, late) for n in changes for late in (False, True)] + [(n, False) for n in sorted(asked - set(changes))]:
    name = f"{number}-{late}"
    new(name)
    assert fork(lambda: die_at(number, name, late)) == 9, name
    assert fork(lambda: watch(name)) == 0, name
print(json.dumps({"seen": seen, "changes": len(changes)}))
"""


@pytest.mark.long
def test_killed_at_any_call_the_next_watcher_ends_with_the_same_runs(scene: Any) -> None:
    """Killed before and after every write and every submission, and around each kind of question: the same runs, none twice."""
    for _ in range(2):
        scene.version()
    scene.rules({"retry_seconds": 10})
    printed = run_script(_KILLED, str(scene.folder), str(Path(__file__).parent))
    killed = json.loads(printed.splitlines()[-1])
    assert set(killed["seen"]) >= {"set_model_version_tag", "submit", "state", "search_model_versions", "search_runs"}
    # Each of three attempts writes its claim, its start and its end, and is submitted.
    assert killed["changes"] == 3 * 4
    places = [path.parent for path in sorted(scene.folder.glob("*/mlflow.db"))]
    assert len(places) > 2 * killed["changes"]
    expected = _ended(places[-1])
    assert sorted(name.rpartition("-")[2] for name in expected["runs"]) == ["1", "1", "2"]
    assert list(expected["states"].values()) == ["succeeded"] * 2
    for place in places:
        assert _ended(place) == expected, place.name


def _ended(place: Path) -> dict[str, Any]:
    """Returns every run that was started, and what each version's tag says."""
    import sqlite3

    lines = (place / "ledger").read_text().splitlines()
    database = sqlite3.connect(place / "mlflow.db")
    tags = database.execute("SELECT version, value FROM model_version_tags ORDER BY version").fetchall()
    database.close()
    return {
        "runs": sorted(json.loads(line)["name"] for line in lines),
        "states": {version: json.loads(value)["state"] for version, value in tags},
        "attempts": {version: json.loads(value)["attempt"] for version, value in tags},
    }
