"""Runs on Kubeflow Pipelines: KFP's own client, a server that keeps state, and a real registry."""

from pathlib import Path
from typing import Any

import pytest
from tests.kfp_server import Fault, KfpServer, served

from edgequant.errors import ConfigError
from edgequant_pipelines.watching.claims import CLAIMED, FAILED, RETRY, SUBMITTED, SUCCEEDED
from edgequant_pipelines.watching.launchers.base import LauncherError
from edgequant_pipelines.watching.launchers.pool import LauncherPool
from edgequant_pipelines.watching.rules.rules import RulesFile
from edgequant_pipelines.watching.service import Service, Settings
from edgequant_pipelines.watching.watcher import Watcher

CONFIG = {
    "examples": {"calibration": "s3://bucket/train-*.npz", "label": "digit"},
    "tracking": {"uri": "https://mlflow.example.com"},
}


def test_runs_at_a_server(scene: Any, server: KfpServer) -> None:
    """One run for each version, found again by the next watcher; its end, a failure and a deletion are noted."""
    scene.version()
    rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"host": server.url})

    def watcher() -> Any:
        return scene.watcher(rules, launchers=LauncherPool(RulesFile(rules), scene.folder, scene.uri).launcher)

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
    watcher = scene.watcher(rules, launchers=LauncherPool(RulesFile(rules), scene.folder, scene.uri).launcher)
    server.fail(Fault(method="POST", path=r".*/runs", status=500, after=True))
    for _ in range(3):
        watcher.poll()
    assert len(server.all("run")) == 1
    assert [claim.state for claim in scene.claims()] == [SUBMITTED]


def test_a_configuration_that_cannot_work_on_a_cluster(scene: Any, server: KfpServer) -> None:
    """A tag of the version says a path of this machine, which is no use there: it is marked at once, with the reason."""
    scene.version(tags={"file": "/models/model.keras"})
    rules = scene.rules(
        {"submit": "kubeflow"}, config={**CONFIG, "model": "{tags.file}"}, kubeflow={"host": server.url}
    )
    watcher = scene.watcher(rules, launchers=LauncherPool(RulesFile(rules), scene.folder, scene.uri).launcher)
    watcher.poll()
    (claim,) = scene.claims()
    assert (claim.state, claim.attempt, "model" in claim.reason) == (FAILED, 1, True)
    assert server.all("run") == []
    scene.client.set_model_version_tag("digits-cnn", "1", "file", "models:/digits-cnn/1")
    scene.now += 600
    watcher.poll()
    assert [(claim.state, claim.attempt) for claim in scene.claims()] == [(SUBMITTED, 2)]
    assert len(server.all("run")) == 1


@pytest.mark.parametrize(
    ("config", "tracking_uri", "text"),
    [
        ({"model": "model.keras"}, "", "model: '{folder}/model.keras' is a path of this machine"),
        (
            {"name": "{tags.site}", "examples": {"calibration": ["s3://bucket/{name}.npz", "train.npz"]}},
            "",
            "examples.calibration: '{folder}/train.npz' is a path of this machine",
        ),
        ({"tracking": {"uri": "http://localhost:5000"}}, "https://mlflow.example.com", "tracking.uri: 'http://localhost:5000'"),
        ({"tracking": {}}, "http://127.0.0.1:5000", "it names no MLflow server, so that of watch counts: tracking.uri: 'http://127.0.0.1:5000' is this machine"),
    ],
)  # fmt: skip
def test_what_no_version_can_make_right_is_the_rules_mistake(
    scene: Any, config: dict[str, Any], tracking_uri: str, text: str
) -> None:
    """Wrong rules, when they are read; while watching, the earlier ones stay in force and no version is marked."""
    scene.version(tags={"site": "north"})
    file = RulesFile(scene.rules({"submit": "kubeflow", "tags": {"no": "such"}}, config=CONFIG))
    rules = scene.rules({"submit": "kubeflow"}, config={**CONFIG, **config})
    expected = text.replace("{folder}", str(scene.folder))
    with pytest.raises(ConfigError) as caught:
        RulesFile(rules, tracking_uri)
    assert f"{rules}: rules.0: {scene.folder / 'config.yaml'}: {expected}" in str(caught.value)
    if not tracking_uri:
        assert not file.reload()
        assert expected in file.problem
        assert file.rules.rules["digits"].tags == {"no": "such"}
    RulesFile(scene.rules({}, config={**CONFIG, **config}), tracking_uri)


def test_what_only_a_version_can_make_right_is_left_to_it(scene: Any) -> None:
    """Keys with places, names of files or of folders that pods have, and what is reached from here alone."""
    patterns = ["{tags.data}/a.parquet", "{name}.parquet", "/data/b.parquet"]
    examples = {"calibration": patterns, "evaluation": "{tags.data}", "label": "y"}
    config = {**CONFIG, "model": "{tags.file}", "examples": examples, "kubeflow": {"mounted": ["/data"]}}
    assert RulesFile(scene.rules({"submit": "kubeflow"}, config=config), "http://localhost:5000").problem == ""


def test_a_namespace_where_there_is_none(scene: Any, server: KfpServer, edgequant: Any) -> None:
    """Said at the start, by the key of the file: lists would be asked of a namespace that no run is in."""
    rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"host": server.url, "namespace": "team"})
    done = edgequant("watch", rules.name, "--once", "--tracking-uri", scene.uri, cwd=scene.folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{rules.name}: kubeflow.namespace: 'team' is given, and {server.url} is a single-user inst" in done.stderr


@pytest.mark.parametrize("due", [True, False], ids=["a version is due", "nothing is due"])
def test_an_account_that_is_refused(scene: Any, server: KfpServer, edgequant: Any, due: bool) -> None:
    """Looking once ends with 1 and the reason, whether or not there is something to start; nothing is claimed."""
    if due:
        scene.version()
    scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"host": server.url})
    server.fail(Fault(method="GET", path=r".*", status=401, times=1000))
    done = edgequant("watch", "RULES.yaml", "--once", "--tracking-uri", scene.uri, cwd=scene.folder)
    assert (done.returncode, "401" in done.stderr) == (1, True), done.stdout + done.stderr
    assert "not all that is due was started or followed: kubeflow: " in done.stderr
    assert "retried" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert scene.claims() == []


def test_a_token_that_expires_shows_before_the_next_version(scene: Any, server: KfpServer) -> None:
    """The watcher is not ready while the server refuses it, though nothing is due, and goes on when it is let in again."""
    rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"host": server.url})
    settings = Settings(rules=rules, tracking_uri=scene.uri, work=scene.folder, interval=1.0)
    service = Service(settings, scene.said.append)
    watcher = scene.watcher(rules, launchers=LauncherPool(RulesFile(rules), scene.folder, scene.uri).launcher)
    assert service._look(watcher)
    assert service._ready(watcher) == ""
    assert scene.value("launcher_errors_total", launcher="kubeflow") == 0
    refusal = Fault(method="GET", path=r".*", status=401, times=1000)
    server.fail(refusal)
    assert service._look(watcher)
    assert "401" in service._ready(watcher)
    assert scene.value("launcher_errors_total", launcher="kubeflow") == 1
    scene.version()
    assert service._look(watcher)
    assert scene.claims() == []
    refusal.times = 0
    assert service._look(watcher)
    assert service._ready(watcher) == ""
    assert [claim.state for claim in scene.claims()] == [SUBMITTED]


def test_a_run_in_another_namespace_is_left_to_its_own_watcher(scene: Any, server: KfpServer) -> None:
    """Two watchers with rules of their own on one registry: neither follows, counts nor ends the other's runs."""
    scene.version()
    server.rules.namespaces = ("ours", "theirs")

    def look(namespace: str, **rule: Any) -> Watcher:
        where = {"host": server.url, "namespace": namespace}
        rules = scene.rules({"submit": "kubeflow", **rule}, config=CONFIG, kubeflow=where)
        watcher: Watcher = scene.watcher(
            rules, launchers=LauncherPool(RulesFile(rules), scene.folder, scene.uri).launcher
        )
        watcher.poll()
        return watcher

    look("ours")
    assert [(claim.state, claim.place) for claim in scene.claims()] == [(SUBMITTED, f"{server.url} ours")]
    for namespace, followed in (("theirs", 0), ("ours", 1)):
        assert len(look(namespace, name="other", metrics={"loss": {"at_most": 1.0}}).open) == followed
        assert [claim.state for claim in scene.claims()] == [SUBMITTED]


@pytest.mark.parametrize(
    ("where", "environment", "text"),
    [
        ({}, {}, "RULES.yaml: kubeflow.host: none is given, this is no pod, and there is no kubeconfig; give kubeflow.host or set KF_PIPELINES_ENDPOINT"),
        ({"host": "127.0.0.1:9"}, {}, "RULES.yaml: kubeflow.host: '127.0.0.1:9' is not a URL"),
        ({}, {"KF_PIPELINES_ENDPOINT": "127.0.0.1:9"}, "KF_PIPELINES_ENDPOINT: '127.0.0.1:9' is not a URL"),
        ({"host": "http://127.0.0.1:9"}, {"KF_PIPELINES_SA_TOKEN_PATH": "/no/token"}, "KF_PIPELINES_SA_TOKEN_PATH: /no/token is not a file"),
    ],
)  # fmt: skip
def test_an_address_that_is_wrong(
    scene: Any, monkeypatch: pytest.MonkeyPatch, where: dict[str, str], environment: dict[str, str], text: str
) -> None:
    """The message names the file and the key, or the variable: watch has no option for it."""
    for name in ("ENDPOINT", "TOKEN", "SA_TOKEN_PATH"):
        monkeypatch.delenv(f"KF_PIPELINES_{name}", raising=False)
    for name, value in {"KUBECONFIG": str(scene.folder / "none"), **environment}.items():
        monkeypatch.setenv(name, value)
    rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow=where)
    fleet = LauncherPool(RulesFile(rules), scene.folder, scene.uri)
    with pytest.raises(ConfigError) as caught:
        fleet.check()
    assert str(caught.value).startswith(text.replace("RULES.yaml", str(rules)))
    # While watching, such an address is one that does not answer.
    with pytest.raises(LauncherError) as silent:
        fleet.launcher("kubeflow")
    assert str(silent.value) == str(caught.value)


def test_a_namespace_that_is_needed(scene: Any, tmp_path: Path) -> None:
    """On a multi-user installation the key is asked for."""
    with served(tmp_path / "kfp.db", namespaces=("ours",)) as server:
        rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"host": server.url})
        with pytest.raises(ConfigError) as caught:
            LauncherPool(RulesFile(rules), scene.folder, scene.uri).check()
    message = f"kubeflow.namespace: {server.url} is a multi-user installation; give kubeflow.namespace"
    assert str(caught.value) == f"{rules}: {message}"


def test_a_server_that_is_not_there(scene: Any) -> None:
    """The version waits unclaimed, nothing fails, and it is said once."""
    scene.version()
    rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"host": "http://127.0.0.1:9"})
    watcher = scene.watcher(rules, launchers=LauncherPool(RulesFile(rules), scene.folder, scene.uri).launcher)
    watcher.poll()
    watcher.poll()
    assert scene.claims() == []
    assert len(scene.said) == 1
    assert "cannot be reached" in scene.said[0]
    assert scene.said[0].startswith("kubeflow: ")


@pytest.mark.parametrize(
    ("name", "text"), [("x" * 129, "has 129 characters; 128 are"), ("night 🌙", "the character '🌙'")]
)
def test_an_experiment_that_the_server_cannot_hold(scene: Any, name: str, text: str) -> None:
    """No version can make it right: the rules are wrong, where runs go to Kubeflow."""
    rules = scene.rules({"submit": "kubeflow"}, config=CONFIG, kubeflow={"experiment": name})
    with pytest.raises(ConfigError) as caught:
        RulesFile(rules)
    assert str(caught.value).startswith(f"{rules}: kubeflow.experiment: experiment name: ")
    assert text in str(caught.value)
    RulesFile(scene.rules({}, kubeflow={"experiment": name}))
