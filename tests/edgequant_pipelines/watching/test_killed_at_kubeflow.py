"""A watcher whose process is killed around the submission of a run to Kubeflow, and another that goes on."""

import json
from typing import Any

import pytest
from tests.forking import run_script
from tests.kfp_server import KfpServer

_KILLED = r"""
import json, os, sys
from pathlib import Path

import kfp, mlflow.artifacts, sqlalchemy, pandas
import mlflow.store.artifact.models_artifact_repo, mlflow.store.artifact.local_artifact_repo
from kfp_server_api.rest import RESTClientObject
from edgequant_pipelines.watching.launchers.pool import LauncherPool
from edgequant_pipelines.watching.prometheus import Measures
from edgequant_pipelines.watching.model_registry import ModelRegistry
from edgequant_pipelines.watching.rules.rules import RulesFile
from edgequant_pipelines.watching.context import WatchContext
from edgequant_pipelines.watching.watcher import Watcher
from tests.forking import fork

folder, uri = Path(sys.argv[1]), sys.argv[2]


def spy(owner, name, kind_of, fatal, late):
    inner = getattr(owner, name)
    def outer(self, *args, **kwargs):
        here = kind_of(*args) == fatal
        if here and not late:
            os._exit(9)
        result = inner(self, *args, **kwargs)
        if here:
            os._exit(9)
        return result
    setattr(owner, name, outer)


def watch(rules):
    file = RulesFile(rules)
    context = WatchContext(
        registry=ModelRegistry(uri), launchers=LauncherPool(file, folder, uri).launcher, measures=Measures(), show=lambda _: None,
    )
    watcher = Watcher(file, context)
    for _ in range(2):
        watcher.poll()


def die_at(rules, fatal, late):
    spy(RESTClientObject, "POST", lambda url, *_: url.rpartition("/")[2], fatal, late)
    spy(ModelRegistry, "write", lambda claim: claim.state, fatal, late)
    watch(rules)


for name, fatal, late in json.loads(sys.argv[3]):
    rules = folder / f"{name}.yaml"
    assert fork(lambda: die_at(rules, fatal, late)) == 9, name
    assert fork(lambda: watch(rules)) == 0, name
"""

_POINTS = [
    ("claim-noted", "claimed", True),
    ("pipeline-sent", "upload_version", True),
    ("run-not-sent", "runs", False),
    ("run-sent", "runs", True),
    ("run-not-noted", "submitted", False),
    ("run-noted", "submitted", True),
]


@pytest.mark.long
def test_killed_around_a_submission_there_is_one_run(scene: Any, server: KfpServer) -> None:
    """Before and after each step of it: the next watcher starts the run, or finds it, and notes it."""
    scene.version()
    config = {"examples": {"calibration": "s3://bucket/train-*.npz"}, "tracking": {"uri": "https://mlflow.example.com"}}
    for number, (name, _, _) in enumerate(_POINTS):
        # The first two upload a pipeline each: others find it there.
        placed = {"kubeflow": {"retries": number}} if number < 2 else {}
        path = scene.rules({"name": name, "submit": "kubeflow"}, config=config | placed, kubeflow={"host": server.url})
        (scene.folder / f"{name}.config.yaml").write_text((scene.folder / "config.yaml").read_text())
        (scene.folder / f"{name}.yaml").write_text(path.read_text().replace("config.yaml", f"{name}.config.yaml"))
    run_script(_KILLED, str(scene.folder), scene.uri, json.dumps(_POINTS))
    runs = {run["display_name"]: run["run_id"] for run in server.all("run")}
    claims = {claim.rule: claim for claim in scene.claims()}
    assert sorted(claims) == sorted(name for name, _, _ in _POINTS)
    assert len(runs) == len(server.all("run")) == len(_POINTS)
    for claim in claims.values():
        assert (claim.state, claim.attempt, claim.run_id) == ("submitted", 1, runs[claim.run_name])
    versions = [body["display_name"] for body in server.all("version")]
    assert len(versions) == len(set(versions)) == 3
