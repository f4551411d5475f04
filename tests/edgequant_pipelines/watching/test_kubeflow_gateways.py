"""What is between the watcher and Kubeflow answers, or Kubeflow is another one, or refuses one run: no second run, and no standstill."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.kfp_server import Fault, KfpServer, served
from tests.kfp_server.authorization import denying

from edgequant_pipelines.watching.claims import CLAIMED, FAILED, RETRY, SUBMITTED, SUCCEEDED
from edgequant_pipelines.watching.launchers.pool import LauncherPool
from edgequant_pipelines.watching.rules.rules import RulesFile
from edgequant_pipelines.watching.service import Service, Settings, WatchError
from edgequant_pipelines.watching.watcher import Watcher

New = Callable[..., Watcher]
PAGE_404: dict[str, Any] = {"status": 404, "html": True}


def states(scene: Any, count: int) -> list[str]:
    """Returns the state of each version, or ""."""
    by_version = [scene.claims(version=str(number)) for number in range(1, count + 1)]
    return [claims[0].state if claims else "" for claims in by_version]


@pytest.mark.parametrize("answer", [PAGE_404, {"status": 404}], ids=["a gateway's page", "KFP's own words"])
def test_a_run_that_one_answer_denies_is_not_started_again(
    scene: Any, server: KfpServer, on_kubeflow: New, answer: dict[str, Any]
) -> None:
    """It is pending, and one request for it says 404: it is still the version's run."""
    scene.version()
    watcher = on_kubeflow(server.url)
    watcher.poll()
    (run,) = server.all("run")
    server.fail(Fault(method="GET", path=f"/runs/{run['run_id']}", **answer))
    for _ in range(3):
        scene.now += 100
        watcher.poll()
    assert [(claim.state, claim.run_id) for claim in scene.claims()] == [(SUBMITTED, run["run_id"])]
    server.set_run(run["run_id"], "SUCCEEDED")
    watcher.poll()
    assert states(scene, 1) == [SUCCEEDED]
    assert len(server.all("run")) == 1


@pytest.mark.parametrize("state", [SUBMITTED, CLAIMED])
def test_another_address_while_a_run_is_under_way(
    scene: Any, server: KfpServer, on_kubeflow: New, tmp_path: Path, state: str
) -> None:
    """What was started at the earlier server, or may have been, is left alone and takes no room; it is said once."""
    scene.version()
    on_kubeflow(server.url).poll()
    (claim,) = scene.claims()
    if state == CLAIMED:
        # Killed before it noted the run.
        scene.client.set_model_version_tag("digits-cnn", "1", claim.tag, claim.value().replace(SUBMITTED, CLAIMED))
    with served(tmp_path / "other.db") as other:
        watcher = on_kubeflow(other.url, concurrency=1)
        scene.version()
        for _ in range(3):
            scene.now += 700
            watcher.poll()
        (made,) = other.all("run")
        assert made["display_name"].startswith("digits-digits-cnn-2-")
        assert states(scene, 2) == [state, SUBMITTED]
        (said,) = [text for text in scene.said if claim.run_name in text and "left alone" in text]
        assert f"at {server.url}, and this is {other.url}" in said
        # Back again, it is followed.
        server.set_run(server.all("run")[0]["run_id"], "SUCCEEDED")
        on_kubeflow(server.url)
        for _ in range(2):
            watcher.poll()
        assert states(scene, 2) == [SUCCEEDED, SUBMITTED]
        assert (len(server.all("run")), len(other.all("run"))) == (1, 1)


def test_a_person_releases_what_is_left_alone(scene: Any, server: KfpServer, on_kubeflow: New, tmp_path: Path) -> None:
    """The tag that is named is deleted: the next sweep starts the version here."""
    scene.version()
    on_kubeflow(server.url).poll()
    (claim,) = scene.claims()
    with served(tmp_path / "other.db") as other:
        watcher = on_kubeflow(other.url)
        watcher.poll()
        assert f"delete the tag {claim.tag} of the version" in scene.said[-1]
        scene.client.delete_model_version_tag("digits-cnn", "1", claim.tag)
        scene.now += 700
        watcher.poll()
        assert len(other.all("run")) == 1


def test_another_spelling_of_an_address(scene: Any, server: KfpServer, on_kubeflow: New) -> None:
    """A run that is found is followed, whatever its server was called."""
    scene.version()
    on_kubeflow(server.url).poll()
    (run,) = server.all("run")
    server.set_run(run["run_id"], "SUCCEEDED")
    watcher = on_kubeflow(server.url.replace("127.0.0.1", "localhost"))
    watcher.poll()
    assert states(scene, 1) == [SUCCEEDED]


def test_another_namespace_while_a_run_is_under_way(scene: Any, server: KfpServer, on_kubeflow: New) -> None:
    """The account may no longer see the run, which holds nothing up; where it still should, that is said and held."""
    scene.version()
    server.rules.namespaces = ("ours",)
    on_kubeflow(server.url, "ours").poll()
    server.rules.namespaces = ("theirs",)
    scene.version()
    watcher = on_kubeflow(server.url, "theirs")
    watcher.poll()
    watcher.poll()
    assert [run["namespace"] for run in server.all("run")] == ["ours", "theirs"]
    assert states(scene, 2) == [SUBMITTED, SUBMITTED]
    assert watcher.silence == ""
    server.fail(Fault(method="GET", path="/runs/", status=403))
    watcher.poll()
    assert "the account may not (403)" in watcher.silence
    assert states(scene, 2) == [SUBMITTED, SUBMITTED]


@pytest.mark.parametrize(
    "answer", [PAGE_404, {"status": 404}, {"status": 400}, {"html": True}, {"status": 302}], ids=str
)
@pytest.mark.parametrize("path", ["/healthz$", "/runs$"])
def test_an_ingress_that_is_away(
    scene: Any, server: KfpServer, on_kubeflow: New, path: str, answer: dict[str, Any]
) -> None:
    """Whatever a question is answered with, it is asked again at every look, and the watcher is not ready meanwhile."""
    scene.version()
    watcher = on_kubeflow(server.url)
    rules = scene.folder / "RULES.yaml"
    service = Service(Settings(rules=rules, tracking_uri=scene.uri, work=scene.folder, interval=1.0), scene.said.append)
    fault = Fault(method="GET", path=path, times=1000, **answer)
    server.fail(fault)
    LauncherPool(RulesFile(rules), scene.folder, scene.uri).check()
    for _ in range(2):
        assert service._look(watcher)
        assert "kubeflow: " in service._ready(watcher)
    assert scene.claims() == []
    assert len(scene.said) == 1
    fault.times = 0
    assert service._look(watcher)
    assert service._ready(watcher) == ""
    assert states(scene, 1) == [SUBMITTED]


@pytest.mark.long
@pytest.mark.parametrize(("due", "answer"), [(True, {"html": True}), (False, {"status": 302})], ids=["due", "not due"])
def test_looking_once_at_a_login(
    scene: Any, server: KfpServer, on_kubeflow: New, edgequant: Any, due: bool, answer: dict[str, Any]
) -> None:
    """It ends with 1 and says what is in front, also with nothing to start; nothing is claimed."""
    if due:
        scene.version()
    on_kubeflow(server.url)
    server.fail(Fault(method="*", path=r".*", times=1000, **answer))
    done = edgequant("watch", "RULES.yaml", "--once", "--tracking-uri", scene.uri, cwd=scene.folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not all that is due was started or followed: kubeflow: " in done.stderr
    assert "in front of KFP's API" in done.stderr
    assert "Traceback" not in done.stderr
    assert scene.claims() == []


@pytest.mark.parametrize("status", [500, 413])
def test_a_version_that_is_always_refused(scene: Any, server: KfpServer, on_kubeflow: New, status: int) -> None:
    """The others get through; this one is marked after its retries, and none is started twice."""
    for _ in range(4):
        scene.version()
    server.fail(Fault(method="POST", path="/runs$", body="digits-digits-cnn-2-", status=status, times=1000))
    watcher = on_kubeflow(server.url)
    watcher.poll()
    assert sorted(states(scene, 4)) == [RETRY, SUBMITTED, SUBMITTED, SUBMITTED]
    assert watcher.silence == ""
    for _ in range(3):
        scene.now += 100
        watcher.poll()
    (claim,) = scene.claims(version="2")
    assert (claim.state, claim.attempt, str(status) in claim.reason) == (FAILED, 3, True)
    assert len(server.all("run")) == 3


def test_a_run_that_cannot_be_read(scene: Any, server: KfpServer, on_kubeflow: New) -> None:
    """The others are followed and started; it is said once, looking once ends with 1, and when it is read again it is followed."""
    scene.version()
    watcher = on_kubeflow(server.url)
    rules = scene.folder / "RULES.yaml"
    service = Service(Settings(rules=rules, tracking_uri=scene.uri, work=scene.folder, interval=1.0), scene.said.append)
    watcher.poll()
    scene.version()
    watcher.poll()
    bad, good = (run["run_id"] for run in server.all("run"))
    server.set_run(good, "SUCCEEDED")
    fault = Fault(method="GET", path=f"/runs/{bad}$", status=500, times=1000)
    server.fail(fault)
    scene.version()
    scene.said.clear()
    for _ in range(2):
        assert service._look(watcher)
        assert states(scene, 3) == [SUBMITTED, SUCCEEDED, SUBMITTED]
        assert watcher.silence == ""
        assert f"the run '{bad}' cannot be looked up (500)" in service._ready(watcher)
    assert len([line for line in scene.said if bad in line]) == 1
    with pytest.raises(WatchError, match="not all that is due was started or followed: digits-cnn version 1 "):
        service._once(watcher)
    fault.times = 0
    server.set_run(bad, "SUCCEEDED")
    assert service._look(watcher)
    assert states(scene, 3) == [SUCCEEDED, SUCCEEDED, SUBMITTED]
    assert service._ready(watcher) == ""


def test_no_run_can_be_made(scene: Any, server: KfpServer, on_kubeflow: New) -> None:
    """That is no version's fault: one attempt is counted in each look, the launcher counts as silent, and all run at last."""
    for _ in range(3):
        scene.version()
    fault = Fault(method="POST", path="/runs$", status=500, times=1000)
    server.fail(fault)
    watcher = on_kubeflow(server.url)
    watcher.poll()
    assert sorted(states(scene, 3)) == ["", CLAIMED, RETRY]
    assert "the run cannot be created (500)" in watcher.silence
    fault.times = 0
    scene.now += 100
    watcher.poll()
    assert states(scene, 3) == [SUBMITTED] * 3
    assert watcher.silence == ""
    assert len(server.all("run")) == 3


@pytest.mark.parametrize("again", [False, True], ids=["the same watcher", "the next watcher"])
def test_a_run_that_is_made_long_after_its_creation_failed(
    scene: Any, server: KfpServer, on_kubeflow: New, again: bool
) -> None:
    """The retry takes it; when it fails, the attempt after that is another run."""
    scene.version()
    server.fail(Fault(method="POST", path="/runs$", status=500, late=True))
    server.fail(Fault(method="POST", path="/runs$", status=500, times=2))
    watcher = on_kubeflow(server.url)
    watcher.poll()
    assert states(scene, 1) == [RETRY]
    assert server.all("run") == []
    server.carry_out_late()
    scene.now += 100
    watcher = on_kubeflow() if again else watcher
    watcher.poll()
    (run,) = server.all("run")
    (claim,) = scene.claims()
    assert (claim.state, claim.attempt, claim.run_id) == (SUBMITTED, 2, run["run_id"])
    assert claim.run_name == run["display_name"]
    server.set_run(run["run_id"], "FAILED", error="no node fits")
    watcher.poll()
    scene.now += 100
    watcher.poll()
    assert [item["display_name"][-2:] for item in server.all("run")] == ["-1", "-3"]


def test_an_unanswered_creation_and_another_address(
    scene: Any, server: KfpServer, on_kubeflow: New, tmp_path: Path
) -> None:
    """The run may yet be made where it was asked for: it is not started elsewhere."""
    scene.version()
    server.fail(Fault(method="POST", path="/runs$", status=500, times=3))
    on_kubeflow(server.url).poll()
    with served(tmp_path / "other.db") as other:
        scene.now += 100
        watcher = on_kubeflow(other.url)
        watcher.poll()
        assert "may have been started at" in scene.said[-1]
        assert other.all("run") == []
    assert states(scene, 1) == [RETRY]


def test_a_right_that_is_missing(scene: Any, server: KfpServer, on_kubeflow: New) -> None:
    """KFP answers an upload without the right to it with 400: no version loses an attempt, and all run once there is the right."""
    server.rules.namespaces, server.rules.authorizer = ("ours",), denying("create pipelines")
    server.add("pipeline", "pipeline_id", {"display_name": "quantize-model", "namespace": "ours"})
    scene.version()
    scene.version()
    watcher = on_kubeflow(server.url, "ours")
    for _ in range(4):
        watcher.poll()
        assert "cannot be uploaded: the account may not (400): " in watcher.silence
        scene.now += 700
    assert not {RETRY, FAILED} & set(states(scene, 2))
    assert {claim.attempt for number in "12" for claim in scene.claims(version=number)} == {1}
    server.rules.authorizer = None
    scene.now += 700
    watcher.poll()
    watcher.poll()
    assert states(scene, 2) == [SUBMITTED] * 2
    assert watcher.silence == ""
    assert len(server.all("run")) == 2


def test_an_upload_while_the_database_is_away(scene: Any, server: KfpServer, on_kubeflow: New) -> None:
    """That is 400 as well, and no version's fault: none loses an attempt, and all run when it is back."""
    for _ in range(3):
        scene.version()
    fault = Fault(method="POST", path="/upload_version$", status=400, upload="database is locked", times=1000)
    server.fail(fault)
    watcher = on_kubeflow(server.url)
    watcher.poll()
    assert "cannot be uploaded (400): database is locked" in watcher.silence
    assert not {RETRY, FAILED} & set(states(scene, 3))
    fault.times = 0
    scene.now += 100
    watcher.poll()
    assert states(scene, 3) == [SUBMITTED] * 3


def test_a_name_that_the_database_takes_for_another(scene: Any, server: KfpServer, on_kubeflow: New) -> None:
    """An experiment's or a pipeline's is no version's fault: nothing is made or marked until it is renamed."""
    scene.version()
    other = server.add("experiment", "experiment_id", {"display_name": "Edgequant", "namespace": ""})
    watcher = on_kubeflow(server.url)
    watcher.poll()
    assert "experiment: there is no 'edgequant' at" in watcher.silence
    assert not {RETRY, FAILED} & set(states(scene, 1))
    assert server.requests("POST") == []
    server.delete(other["experiment_id"])
    scene.now += 100
    watcher.poll()
    assert states(scene, 1) == [SUBMITTED]


def test_a_run_that_failed_without_a_reason(scene: Any, server: KfpServer, on_kubeflow: New) -> None:
    """KFP 2.17 tells none: the step that failed is named."""
    scene.version()
    watcher = on_kubeflow(server.url)
    watcher.poll()
    server.set_run(server.all("run")[0]["run_id"], "FAILED", {"pin": "SUCCEEDED", "sample": "FAILED"})
    watcher.poll()
    (claim,) = scene.claims()
    assert (claim.state, claim.reason) == (RETRY, "FAILED in sample: no reason given")
