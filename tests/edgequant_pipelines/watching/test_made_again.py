"""Versions of the same name and number that are not the same: of a model that was made again, or of another registry."""

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from tests.kfp_server import KfpServer

from edgequant_pipelines.watching.claims import CLAIMED, RETRY, SUBMITTED, SUCCEEDED
from edgequant_pipelines.watching.launchers.base import LauncherError
from edgequant_pipelines.watching.launchers.local_run import END
from edgequant_pipelines.watching.launchers.pool import LauncherPool
from edgequant_pipelines.watching.rules.rules import RulesFile


def make_again(scene: Any) -> None:
    """Deletes the registered model, and makes its version 1 anew."""
    scene.client.delete_registered_model("digits-cnn")
    # No two versions are made in the same millisecond, which is what a registry notes.
    time.sleep(0.002)
    assert scene.version() == "1"


@pytest.mark.parametrize("same_watcher", [True, False])
def test_a_model_that_was_made_again_is_quantized_again(scene: Any, same_watcher: bool) -> None:
    """Its version 1 is another one than before: it has a run of its own, which is noted on it."""
    scene.version()
    watcher = scene.watcher(scene.rules({}))
    for _ in range(2):
        watcher.poll()
    make_again(scene)
    watcher = watcher if same_watcher else scene.watcher()
    for _ in range(3):
        watcher.poll()
    assert len(scene.ledger.names) == len(set(scene.ledger.names)) == 2
    (claim,) = scene.claims()
    assert (claim.state, claim.run_name) == (SUCCEEDED, scene.ledger.names[1])


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_of_a_version_that_was_made_again_says_nothing_of_the_new_one(scene: Any, fails: bool) -> None:
    """It ends after its version is gone: the new version is claimed for itself, and has its own end on record."""
    scene.version()
    watcher = scene.watcher(scene.rules({"tags": {"go": "on"}}))
    scene.client.set_model_version_tag("digits-cnn", "1", "go", "on")
    scene.ledger.running = True
    watcher.poll()
    make_again(scene)
    scene.ledger.running = False
    first = scene.ledger.names[0]
    scene.ledger._fails = lambda name: fails and name == first
    watcher.poll()
    # It is not what the rule selects, yet.
    assert (scene.claims(), watcher.open, watcher.later) == ([], {}, "")
    scene.client.set_model_version_tag("digits-cnn", "1", "go", "on")
    scene.now += 600
    for _ in range(2):
        watcher.poll()
    assert [(claim.state, claim.attempt) for claim in scene.claims()] == [(SUCCEEDED, 1)]
    assert len(set(scene.ledger.names)) == 2


def test_a_retry_of_a_version_that_was_made_again_is_let_go(scene: Any) -> None:
    """What is retried is the version whose run failed, and it is gone."""
    scene.version(tags={"go": "on"})
    watcher = scene.watcher(scene.rules({"tags": {"go": "on"}}))
    scene.ledger._fails = lambda _: True
    for _ in range(2):
        watcher.poll()
    assert [claim.state for claim in scene.claims()] == [RETRY]
    make_again(scene)
    scene.now += 120
    watcher.poll()
    assert (len(scene.ledger.names), scene.claims(), watcher.later) == (1, [], "")


def test_tags_that_were_copied_are_not_a_versions_own(scene: Any) -> None:
    """MLflow copies a version with its tags: the copy is another version, and has a run of its own."""
    scene.version()
    watcher = scene.watcher(scene.rules({}))
    scene.ledger.running = True
    watcher.poll()
    tags = scene.client.get_model_version("digits-cnn", "1").tags
    time.sleep(0.002)
    scene.version("digits-prod", tags=tags)
    scene.ledger.running = False
    for one in (watcher, scene.watcher()):
        for _ in range(3):
            one.poll()
    assert sorted(name.rpartition("-1-")[0] for name in scene.ledger.names) == [
        "digits-digits-cnn",
        "digits-digits-prod",
    ]
    for name in ("digits-cnn", "digits-prod"):
        (claim,) = scene.claims(name)
        assert (claim.state, claim.run_id) == (SUCCEEDED, claim.run_name)


def test_a_claim_that_was_read_from_a_tag_finds_its_run(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that an earlier release wrote, which named runs by name, version, rule and configuration alone."""
    scene.version()
    rules = scene.rules({})
    submit = scene.ledger.submit

    def unanswered(*arguments: Any) -> None:
        submit(*arguments)
        raise LauncherError("timed out")

    with monkeypatch.context() as patched:
        patched.setattr(scene.ledger, "submit", unanswered)
        scene.watcher(rules).poll()
    (claim,) = scene.claims()
    assert (claim.state, scene.ledger.names) == (CLAIMED, [claim.run_name])
    for _ in range(2):
        scene.watcher().poll()
    assert [item.state for item in scene.claims()] == [SUCCEEDED]
    assert len(scene.ledger.names) == 1

    scene.version()
    word = hashlib.sha256(f'["digits-cnn", "2", "digits", "{claim.digest}"]'.encode()).hexdigest()[:12]
    earlier = {"state": "claimed", "attempt": 1, "launcher": "local"}
    scene.client.set_model_version_tag("digits-cnn", "2", claim.tag, json.dumps(earlier))
    with (scene.folder / "ledger").open("a") as stream:
        stream.write(json.dumps({"name": f"digits-digits-cnn-2-{word}-1", "config": {}}) + "\n")
    for _ in range(2):
        scene.watcher().poll()
    assert [item.state for item in scene.claims(version="2")] == [SUCCEEDED]
    assert len(scene.ledger.names) == 2


def test_two_registries_in_front_of_one_kubeflow(
    scene: Any, new_scene: Any, empty_registry: Path, server: KfpServer, on_kubeflow: Any
) -> None:
    """Each has a version 1 of the same name: each has a run."""
    scene.version()
    watcher = on_kubeflow(server.url)
    watcher.poll()
    (scene.folder / "second").mkdir()
    other = new_scene(empty_registry, scene.folder / "second")
    time.sleep(0.002)
    other.version()
    shutil.copyfile(scene.folder / "config.yaml", other.folder / "config.yaml")
    shutil.copyfile(scene.folder / "RULES.yaml", other.folder / "RULES.yaml")
    file = RulesFile(other.folder / "RULES.yaml", other.uri)
    other.watcher(launchers=LauncherPool(file, other.folder, other.uri).launcher).poll()
    runs = {run["display_name"]: run["run_id"] for run in server.all("run")}
    assert len(runs) == 2
    for one in (scene, other):
        (claim,) = one.claims()
        assert (claim.state, claim.run_id) == (SUBMITTED, runs[claim.run_name])


def test_a_kept_work_directory_and_a_registry_that_was_made_again(
    scene: Any, new_scene: Any, empty_registry: Path, tmp_path: Path
) -> None:
    """What ended there was another version: the new one begins anew, in a folder of its own."""
    scene.rules({}, config={"model": "gone.keras"})
    works = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        one = new_scene(empty_registry, tmp_path / name)
        time.sleep(0.002)
        one.version()
        fleet = LauncherPool(RulesFile(scene.folder / "RULES.yaml"), tmp_path / "runs", one.uri)
        try:
            one.watcher(scene.folder / "RULES.yaml", launchers=fleet.launcher).poll()
        finally:
            fleet.close()
        (claim,) = one.claims()
        assert claim.state == SUBMITTED, one.said
        works.append(tmp_path / "runs" / claim.run_name)
        (works[-1] / END).write_text('{"outcome": "blessed", "reason": "", "wrong_config": false}')
    assert works[0] != works[1]
