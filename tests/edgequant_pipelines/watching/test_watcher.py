"""What the watcher does with the versions of a real registry."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgequant_pipelines.watching.claims import CLAIMED, FAILED, RETRY, SUBMITTED, SUCCEEDED
from edgequant_pipelines.watching.launchers.base import LaunchedRun, LauncherError, Progress
from edgequant_pipelines.watching.model_registry import ModelRegistry, RegistryError
from edgequant_pipelines.watching.model_version import ModelVersion


def test_a_version_is_run_once_and_its_end_is_noted(scene: Any) -> None:
    """A first look starts the run, a second notes its end, and no watcher after that does anything."""
    scene.version(tags={"stage": "prod"})
    watcher = scene.watcher(scene.rules({}))
    watcher.poll()
    (claim,) = scene.claims()
    assert (claim.state, claim.attempt, claim.run_id) == (SUBMITTED, 1, claim.run_name)
    assert scene.ledger.names == [claim.run_name]
    assert claim.run_name.startswith("digits-digits-cnn-1-")
    watcher.poll()
    assert [item.state for item in scene.claims()] == [SUCCEEDED]
    for again in (watcher, scene.watcher(), scene.watcher()):
        again.poll()
    assert len(scene.ledger.names) == 1
    assert (scene.value("runs_submitted_total", rule="digits"), scene.value("runs_succeeded_total", rule="digits")) == (
        1,
        1,
    )
    assert scene.value("versions_seen_total") == 3  # once for each watcher


def test_the_configuration_is_filled_in_from_the_version(scene: Any) -> None:
    """Name, version, run and tags are put in; relative paths are relative to the configuration's folder."""
    scene.version("digits-a")
    scene.version("digits-a", tags={"site": "north: [1]"})
    config = {"tracking": {"uri": "sqlite:///m.db", "experiment": "{tags.site}/{run_id}"}}
    scene.watcher(scene.rules({}, config=config)).poll()
    # The version without the tag is none that the rule selects.
    (used,) = scene.ledger.configs
    run_id = scene.client.get_model_version("digits-a", "2").run_id
    assert (used["name"], used["model"]) == ("digits-a-v2", "models:/digits-a/2")
    assert used["tracking"]["experiment"] == f"north: [1]/{run_id}"
    assert used["examples"]["calibration"] == [str(scene.folder / "train.npz")]


@pytest.fixture(scope="module")
def made(new_scene: Any, empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Seven versions of one model."""
    scene = new_scene(empty_registry, tmp_path_factory.mktemp("seven"))
    scene.version()
    scene.version(tags={"stage": "prod"}, metrics={"accuracy": 0.85})
    scene.version(tags={"stage": "test"}, metrics={"accuracy": 0.95})
    scene.version(status="FAILED", metrics={"accuracy": 0.95})
    scene.version(metrics={"accuracy": float("nan")})
    scene.version(status="RUNNING")
    # What a quantization registered is none to quantize.
    scene.version(tags={"edgequant.variant": "full_int8"})
    scene.client.set_registered_model_alias("digits-cnn", "champion", "5")
    return scene


@pytest.fixture
def seven_versions(new_scene: Any, made: Any, tmp_path: Path) -> Any:
    """A copy of them."""
    return new_scene(made.folder / "mlflow.db", tmp_path)


@pytest.mark.parametrize(
    ("rule", "selected"),
    [
        ({}, {"1", "2", "3", "5"}),
        ({"run": "any"}, {"1", "2", "3", "4", "5", "6"}),
        ({"tags": {"stage": "prod"}}, {"2"}),
        ({"tags": {"stage": "prod", "site": "north"}}, set()),
        ({"metrics": {"accuracy": {"at_least": 0.9}}}, {"3"}),
        ({"metrics": {"accuracy": {"at_most": 0.9}}}, {"2"}),
        ({"metrics": {"accuracy": {"at_least": 0.8, "at_most": 0.96}}}, {"2", "3"}),
        ({"alias": "champion"}, {"5"}),
        ({"registered_model": "digits-cn?"}, {"1", "2", "3", "5"}),
        ({"registered_model": "digits-[a-z]nn"}, {"1", "2", "3", "5"}),
        ({"registered_model": "digits_*"}, set()),
        ({"registered_model": "digits"}, set()),
        ({"created_after": "2099-01-01"}, set()),
        ({"created_after": "2001-01-01"}, {"1", "2", "3", "5"}),
    ],
)
def test_rules_select_by_name_tags_alias_run_metric_and_age(
    seven_versions: Any, rule: dict[str, Any], selected: set[str]
) -> None:
    """Each condition selects the versions that one would pick by hand from these seven."""
    seven_versions.watcher(seven_versions.rules(rule)).poll()
    names = seven_versions.ledger.names
    assert {name.split("-")[3] for name in names} == selected
    assert len(names) == len(selected)


def test_a_version_registered_by_a_running_run_waits_for_its_end(scene: Any) -> None:
    """Training code registers a model while its run goes on: it is quantized at the first look after that."""
    scene.version(status="RUNNING")
    watcher = scene.watcher(scene.rules({"metrics": {"accuracy": {"at_least": 0.9}}}))
    watcher.poll()
    watcher.poll()
    assert scene.ledger.names == []
    run_id = scene.client.get_model_version("digits-cnn", "1").run_id
    scene.client.log_metric(run_id, "accuracy", 0.93)
    scene.client.set_terminated(run_id, "FINISHED")
    watcher.poll()
    assert len(scene.ledger.names) == 1


def test_an_alias_is_seen_at_the_next_look_and_a_tag_at_the_next_sweep(scene: Any) -> None:
    """What changes about an old version is found, each in its time."""
    for _ in range(3):
        scene.version(age_seconds=3600)
    scene.version()
    watcher = scene.watcher(
        scene.rules({"name": "aliased", "alias": "candidate"}, {"name": "tagged", "tags": {"go": "on"}})
    )
    watcher.poll()
    scene.client.set_registered_model_alias("digits-cnn", "candidate", "1")
    scene.client.set_model_version_tag("digits-cnn", "2", "go", "on")
    watcher.poll()
    assert [name.split("-")[:1] for name in scene.ledger.names] == [["aliased"]]
    scene.client.set_registered_model_alias("digits-cnn", "candidate", "3")
    watcher.poll()
    assert [name.split("-")[3] for name in scene.ledger.names] == ["1", "3"]
    scene.now += 599
    watcher.poll()
    assert len(scene.ledger.names) == 2
    scene.now += 1
    watcher.poll()
    assert scene.ledger.names[2].startswith("tagged-digits-cnn-2-")


def test_new_versions_are_found_between_sweeps(scene: Any) -> None:
    """A version that comes after the sweep is run at the next look."""
    watcher = scene.watcher(scene.rules({}, sweep_seconds=1e9))
    for count in range(3):
        watcher.poll()
        assert len(scene.ledger.names) == count
        scene.version(f"digits-{count}")
    assert scene.value("versions_seen_total") == 2


def test_a_failed_run_is_tried_again_later_and_later_and_then_given_up(scene: Any) -> None:
    """With two retries after 10 s there are three runs, at 0, 10 and 30 s, and a mark with the reason."""
    scene.version()
    scene.ledger._fails = lambda _: True
    rules = scene.rules({"retries": 2, "retry_seconds": 10})
    start = scene.now = scene.now + 100
    watcher = scene.watcher(rules)
    begun: list[float] = []
    while scene.now < start + 200:
        watcher.poll()
        begun += [scene.now - start] * (len(scene.ledger.names) - len(begun))
        scene.now += 1
        if int(scene.now - start) % 7 == 0:
            # Another watcher goes on from the tag alone.
            watcher = scene.watcher()
        if int(scene.now - start) == 5:
            assert watcher.later == "1 version is to be retried, in 6 s at the earliest"
    assert watcher.later == ""
    # Each attempt's failure is seen a second after its start.
    assert begun == [0, 11, 32]
    (claim,) = scene.claims()
    assert (claim.state, claim.attempt, claim.reason) == (FAILED, 3, "the pod is gone")
    assert [name[-2:] for name in scene.ledger.names] == ["-1", "-2", "-3"]
    assert scene.value("runs_failed_total", rule="digits") == 3
    assert scene.value("versions_given_up_total", rule="digits") == 1


def test_a_version_whose_files_are_gone_is_marked(scene: Any) -> None:
    """No run is started, nothing is retried, and the tag says why."""
    scene.version()
    shutil.rmtree(scene.folder / "models")
    watcher = scene.watcher(scene.rules({}))
    watcher.poll()
    (claim,) = scene.claims()
    assert (claim.state, claim.reason) == (FAILED, "the version's files are gone")
    scene.now += 1e6
    watcher.poll()
    scene.watcher().poll()
    assert scene.ledger.names == []
    assert [text for text in scene.said if "given up" in text] == [
        "digits-cnn version 1 (rule digits): given up after 1 attempt: the version's files are gone"
    ]


def test_a_version_that_makes_no_configuration_is_marked(scene: Any) -> None:
    """A value that is not allowed where it is put in is the version's failure, said in the tag."""
    scene.version(tags={"site": "north pole"})
    scene.watcher(scene.rules({}, config={"name": "{tags.site}"})).poll()
    (claim,) = scene.claims()
    assert claim.state == FAILED
    assert "filled in from digits-cnn version 1: name: 'north pole' is not allowed" in claim.reason


def test_a_version_is_tried_again_when_its_tags_change(scene: Any) -> None:
    """Judged again at the next sweep, once for each change, by the watcher at work and by the next; then it runs once."""
    scene.version(tags={"site": "north pole", "other": "1"})
    watcher = scene.watcher(scene.rules({}, config={"name": "{tags.site}"}))

    def look(**tags: str) -> tuple[str, int]:
        for key, value in tags.items():
            scene.client.set_model_version_tag("digits-cnn", "1", key, value)
        for one in (watcher, scene.watcher()):
            scene.now += 600
            one.poll()
            one.poll()
        (claim,) = scene.claims()
        return claim.state, claim.attempt

    assert look() == (FAILED, 1)
    assert scene.said[0].endswith("; it is retried when the tags that fill it in change")
    assert look(other="2") == (FAILED, 1)
    assert look(site="south pole") == (FAILED, 2)
    assert scene.value("versions_given_up_total", rule="digits") == 2
    assert look(site="south-pole") == (SUCCEEDED, 3)
    assert look(site="north-pole") == (SUCCEEDED, 3)
    assert [config["name"] for config in scene.ledger.configs] == ["south-pole"]


def test_a_version_out_of_retries_is_not_tried_again_when_its_tags_change(scene: Any) -> None:
    """The tags were not what was wrong."""
    scene.version(tags={"site": "north"})
    scene.ledger._fails = lambda _: True
    watcher = scene.watcher(scene.rules({"retries": 0}, config={"name": "{tags.site}"}))
    for _ in range(2):
        watcher.poll()
    scene.client.set_model_version_tag("digits-cnn", "1", "site", "south")
    scene.now += 600
    watcher.poll()
    assert [(claim.state, claim.attempt) for claim in scene.claims()] == [(FAILED, 1)]
    assert scene.said[-1].endswith("given up after 1 attempt: the pod is gone")


def test_a_rule_and_a_configuration_of_another_digest_run_again(scene: Any) -> None:
    """Exactly once for each version, rule and configuration: a comment changes nothing, a value does, and back does not."""
    scene.version()
    rules = scene.rules({})
    watcher = scene.watcher(rules)
    watcher.poll()
    config = scene.folder / "config.yaml"
    text = config.read_text()
    config.write_text(f"# for the night\n{text}")
    watcher.poll()
    assert len(scene.ledger.names) == 1
    config.write_text(f"{text}resolver: builtin\n")
    watcher.poll()
    assert len(scene.ledger.names) == 2
    config.write_text(text)
    for _ in range(3):
        watcher.poll()
    assert len(scene.ledger.names) == 2
    assert [claim.state for claim in scene.claims()] == [SUCCEEDED, SUCCEEDED]
    scene.rules({}, {"name": "second"})
    watcher.poll()
    assert len(scene.ledger.names) == 3


def test_no_more_runs_than_allowed_are_under_way(scene: Any) -> None:
    """With a limit of two, seven versions run two at a time, also when the watcher is replaced meanwhile."""
    for _ in range(7):
        scene.version()
    rules = scene.rules({}, concurrency=2)
    scene.ledger.running = True
    for _ in range(3):
        watcher = scene.watcher(rules)
        watcher.poll()
        watcher.poll()
        assert len(scene.ledger.names) == 2
        assert len(watcher.open) == 2
    scene.ledger.running = False
    for expected in (4, 6, 7, 7):
        watcher.poll()
        assert len(scene.ledger.names) == expected


def test_versions_that_wait_for_room_are_told_of_once_per_change(scene: Any) -> None:
    """How many wait, how many runs are under way and how many may be; a watcher that looks once says so as well."""
    for _ in range(4):
        scene.version()
    scene.ledger.running = True
    scene.watcher(scene.rules({}, concurrency=3)).poll()
    assert scene.said[-1] == "1 version waits for a free slot: 3 runs are under way, and concurrency is 3"
    scene.said.clear()
    # The runs of an earlier rule count too.
    rules = scene.rules({"name": "second"}, concurrency=2)
    watcher = scene.watcher(rules, once=True)
    for _ in range(2):
        watcher.poll()
    assert scene.said == ["4 versions wait for a free slot: 3 runs are under way, and concurrency is 2"]
    scene.version()
    watcher.poll()
    assert scene.said[1:] == ["5 versions wait for a free slot: 3 runs are under way, and concurrency is 2"]
    scene.ledger.running = False
    for _ in range(4):
        watcher.poll()
    waiting = [line for line in scene.said if "wait" in line]
    assert waiting[2:] == [
        "3 versions wait for a free slot: 2 runs are under way, and concurrency is 2",
        "1 version waits for a free slot: 2 runs are under way, and concurrency is 2",
    ]


def test_a_version_that_lost_its_alias_while_it_waited_for_room(scene: Any) -> None:
    """When there is room it is no longer what the rule selects; the version that has the alias now is."""
    for _ in range(3):
        scene.version()
    scene.client.set_registered_model_alias("digits-cnn", "candidate", "1")
    scene.ledger.running = True
    watcher = scene.watcher(
        scene.rules({"alias": "candidate"}, {"name": "every", "created_after": "2099-01-01"}, concurrency=1)
    )
    watcher.poll()
    scene.client.set_registered_model_alias("digits-cnn", "candidate", "2")
    watcher.poll()
    scene.client.set_registered_model_alias("digits-cnn", "candidate", "3")
    watcher.poll()
    assert [name.split("-")[3] for name in scene.ledger.names] == ["1"]
    scene.ledger.running = False
    for _ in range(4):
        watcher.poll()
    assert [name.split("-")[3] for name in scene.ledger.names] == ["1", "3"]
    assert scene.claims(version="2") == []
    # It is selected when it has the alias again.
    scene.client.set_registered_model_alias("digits-cnn", "candidate", "2")
    for _ in range(2):
        watcher.poll()
    assert [claim.state for claim in scene.claims(version="2")] == [SUCCEEDED]


def test_watchers_that_look_once_get_on(scene: Any) -> None:
    """As a CronJob, each a new process: one notes how the runs of the one before ended, and starts the next."""
    for _ in range(3):
        scene.version()
    rules = scene.rules({}, concurrency=1)
    for expected in (1, 2, 3, 3):
        scene.watcher(rules).poll()
        assert len(scene.ledger.names) == expected
    assert {claim.state for number in "123" for claim in scene.claims(version=number)} == {SUCCEEDED}


def test_a_silent_launcher_holds_nothing_else_up_and_starts_nothing_twice(scene: Any) -> None:
    """What cannot be asked is said once; when it answers, each version has one run."""
    for _ in range(3):
        scene.version()
    watcher = scene.watcher(scene.rules({}))
    scene.ledger.silent = True
    for _ in range(3):
        watcher.poll()
    assert scene.value("launcher_errors_total", launcher="local") == 3
    assert scene.said == ["local: the ledger does not answer; retried at every look"]
    assert not watcher.more
    scene.ledger.silent = False
    for _ in range(3):
        watcher.poll()
    assert "local: answers again" in scene.said
    assert len(scene.ledger.names) == len(set(scene.ledger.names)) == 3


def test_a_launcher_that_is_not_asked_any_more(scene: Any) -> None:
    """Its silence is forgotten once no rule needs it; that it answers again is said of one that does."""
    remote = {"examples": {"calibration": "s3://b/x.npz"}, "tracking": {"uri": "https://mlflow.example.com"}}
    scene.ledger.silent = True
    watcher = scene.watcher(scene.rules({"submit": "kubeflow"}, config=remote))
    watcher.poll()
    assert "kubeflow: the ledger does not answer" in watcher.silence
    scene.rules({"submit": "local"}, config=remote)
    scene.ledger.silent = False
    watcher.poll()
    assert watcher.silence == ""
    assert [line for line in scene.said if "answers again" in line] == []


def test_claims_of_others_cost_one_question_at_a_look(scene: Any) -> None:
    """Another team's runs are at a Kubeflow that does not answer here: it is asked for once, however many there are."""
    value = json.dumps({"state": SUBMITTED, "attempt": 1, "launcher": "kubeflow", "place": "http://b b", "run_id": "r"})
    for _ in range(3):
        scene.version(tags={"edgequant.watch.theirs.0123456789ab": value})
    checked: list[str] = []

    def launcher(name: str) -> Any:
        if name == "local":
            return scene.ledger
        checked.append(name)
        raise LauncherError("cannot be reached")

    watcher = scene.watcher(scene.rules({}), launchers=launcher)
    for looks in (1, 2):
        watcher.poll()
        assert checked == ["kubeflow"] * looks
        scene.now += 601
    assert watcher.silence == ""
    assert len(scene.ledger.names) == 3


def test_a_submission_that_was_not_answered_is_found(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeout after the run was made: it is found by its name, and there is no second."""
    scene.version()
    submit = scene.ledger.submit

    def unanswered(*arguments: Any) -> None:
        submit(*arguments)
        raise LauncherError("timed out")

    monkeypatch.setattr(scene.ledger, "submit", unanswered)
    watcher = scene.watcher(scene.rules({}))
    for _ in range(4):
        watcher.poll()
    assert len(scene.ledger.names) == 1
    assert [claim.state for claim in scene.claims()] == [SUCCEEDED]


@pytest.mark.parametrize("after", [False, True], ids=["refused", "taken and not answered"])
@pytest.mark.parametrize("failing", range(1, 4))
def test_a_tag_that_cannot_be_written(scene: Any, monkeypatch: pytest.MonkeyPatch, failing: int, after: bool) -> None:
    """Whichever write fails, before or after it took effect, the next looks end with one run and its end on record."""
    import mlflow.exceptions
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    scene.version()
    count = 0
    write = SqlAlchemyStore.set_model_version_tag

    def flaky(self: Any, *arguments: Any) -> None:
        nonlocal count
        count += 1
        if count != failing or after:
            write(self, *arguments)
        if count == failing:
            raise mlflow.exceptions.MlflowException("the database is locked")

    monkeypatch.setattr(SqlAlchemyStore, "set_model_version_tag", flaky)
    watcher = scene.watcher(scene.rules({}))
    errors = []
    for _ in range(5):
        try:
            watcher.poll()
        except RegistryError as error:
            errors.append(str(error))
    assert errors == ["MLflow: the database is locked"]
    assert len(scene.ledger.names) == 1
    assert [claim.state for claim in scene.claims()] == [SUCCEEDED]


@pytest.mark.parametrize(
    ("fails", "state"), [(False, SUCCEEDED), (True, FAILED)], ids=["it ends well", "it is given up"]
)
@pytest.mark.parametrize("after", [False, True], ids=["refused", "taken and not answered"])
@pytest.mark.parametrize("failing", [1, 2])
def test_a_tag_that_cannot_be_written_and_no_room(
    scene: Any, monkeypatch: pytest.MonkeyPatch, failing: int, after: bool, fails: bool, state: str
) -> None:
    """A version whose claim is written counts as begun: once its run has ended it is not run again, nor does it wait for room."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    scene.version()
    write = SqlAlchemyStore.set_model_version_tag
    count = 0

    def flaky(self: Any, *arguments: Any) -> None:
        nonlocal count
        count += 1
        if count != failing or after:
            write(self, *arguments)
        if count == failing:
            raise OSError("connection reset")

    monkeypatch.setattr(SqlAlchemyStore, "set_model_version_tag", flaky)
    scene.ledger._fails = lambda _: fails
    watcher = scene.watcher(scene.rules({"retries": 0}, concurrency=1))
    with pytest.raises(RegistryError):
        watcher.poll()
    assert watcher.more == (failing == 1)
    for _ in range(5):
        scene.now += 1
        watcher.poll()
    assert len(scene.ledger.names) == 1
    assert [(claim.state, claim.attempt) for claim in scene.claims()] == [(state, 1)]
    assert (watcher.more, watcher.later) == (False, "")


def test_a_deleted_version_is_let_go(scene: Any) -> None:
    """A version that is deleted while its run goes on is followed no more."""
    scene.version()
    scene.version()
    scene.ledger.running = True
    watcher = scene.watcher(scene.rules({}))
    watcher.poll()
    scene.client.delete_model_version("digits-cnn", "1")
    scene.ledger.running = False
    watcher.poll()
    assert watcher.open == {}
    assert [claim.state for claim in scene.claims(version="2")] == [SUCCEEDED]


class _SmallPages(ModelRegistry):
    """A registry whose pages hold one version."""

    def versions(self, filter_string: str = "", page_size: int = 1) -> Iterator[list[ModelVersion]]:
        return super().versions(filter_string, min(page_size, 1))


@pytest.mark.parametrize("state", [CLAIMED, SUBMITTED, RETRY])
@pytest.mark.parametrize("later", [{"tags": {"stage": "candidate"}}, {"created_after": "2099-01-01"}], ids=str)
def test_what_a_rule_no_longer_selects_goes_on(
    scene: Any, monkeypatch: pytest.MonkeyPatch, state: str, later: dict[str, Any]
) -> None:
    """A tag that was changed since, or a day that was set since: the next watcher completes what was begun, and it takes room."""

    def unanswered(*_: Any) -> None:
        raise LauncherError("timed out")

    first = scene.version(tags={"stage": "candidate"})
    scene.ledger.running = state != RETRY
    scene.ledger._fails = lambda name: name.endswith("-1")
    watcher = scene.watcher(scene.rules({"tags": {"stage": "candidate"}}, concurrency=1))
    with monkeypatch.context() as patched:
        if state == CLAIMED:
            patched.setattr(scene.ledger, "submit", unanswered)
        watcher.poll()
    if state == RETRY:
        watcher.poll()
    assert [claim.state for claim in scene.claims()] == [state]
    scene.client.set_model_version_tag("digits-cnn", first, "stage", "archived")
    scene.version(tags={"stage": "candidate"})
    scene.rules(later, concurrency=1)
    scene.now += 1000
    scene.ledger.running = True
    watcher = scene.watcher(registry=_SmallPages(scene.uri))
    watcher.poll()
    assert [claim.version for claim in watcher.open.values()] == [first]
    scene.ledger.running = False
    scene.ledger._fails = lambda _: False
    for _ in range(3):
        watcher.poll()
    assert [claim.state for claim in scene.claims()] == [SUCCEEDED]
    assert scene.ledger.names[0].startswith("digits-digits-cnn-1-")


def test_a_claim_whose_rule_is_gone_is_left_alone_and_its_run_is_still_followed(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was started ends as it ends; one that was only claimed waits for a watcher that knows its rule."""

    def unanswered(*_: Any) -> None:
        raise LauncherError("timed out")

    scene.version()
    scene.ledger.running = True
    watcher = scene.watcher(scene.rules({}))
    watcher.poll()
    scene.rules({"name": "other", "registered_model": "nothing"})
    scene.ledger.running = False
    watcher.poll()
    assert [claim.state for claim in scene.claims()] == [SUCCEEDED]

    scene.version()
    watcher = scene.watcher(scene.rules({"name": "third"}))
    with monkeypatch.context() as patched:
        patched.setattr(scene.ledger, "submit", unanswered)
        watcher.poll()
    assert [claim.state for claim in scene.claims(version="2")] == [CLAIMED]
    third = (scene.folder / "RULES.yaml").read_text()
    scene.rules({"name": "other", "registered_model": "digits-cnn", "tags": {"no": "such"}})
    for other in (watcher, scene.watcher()):
        other.poll()
        assert [(claim.state, claim.attempt) for claim in scene.claims(version="2")] == [(CLAIMED, 1)]
        assert other.open == {}
    assert len(scene.ledger.names) == 1
    (scene.folder / "RULES.yaml").write_text(third)
    scene.watcher().poll()
    assert scene.claims(version="2")[0].state in (SUBMITTED, SUCCEEDED)
    assert scene.ledger.names[1].startswith("third-digits-cnn-2-")


def test_wrong_rules_keep_the_earlier_ones_in_force(scene: Any) -> None:
    """The reason is said once, counted, and gone when the file is right again."""
    path = scene.rules({})
    watcher = scene.watcher(path)
    right = path.read_text()
    path.write_text(right.replace("registered_model", "registerd_model"))
    scene.version()
    for _ in range(2):
        watcher.poll()
    assert len(scene.ledger.names) == 1
    (said,) = [text for text in scene.said if "wrong" in text]
    assert "did you mean 'registered_model'?" in said
    assert "the earlier ones stay in force" in said
    assert watcher.problem
    assert scene.value("rules_valid") == 0
    path.write_text(right)
    watcher.poll()
    assert (watcher.problem, scene.value("rules_valid")) == ("", 1)
    assert scene.said[-1] == "the rules are right again"


def test_nothing_is_started_once_the_watcher_is_told_to_end(scene: Any) -> None:
    """The claim in hand is finished, the next version is left to the next watcher."""
    for _ in range(3):
        scene.version()
    stop = False

    def show(text: str) -> None:
        nonlocal stop
        stop = stop or "started" in text

    watcher = scene.watcher(scene.rules({}), stopping=lambda: stop, show=show)
    watcher.poll()
    assert len(scene.ledger.names) == 1
    assert sorted(claim.state for number in "123" for claim in scene.claims(version=number)) == [SUBMITTED]


@pytest.mark.parametrize(("earlier", "later"), [("local", "kubeflow"), ("kubeflow", "local")])
@pytest.mark.parametrize("state", [CLAIMED, SUBMITTED, RETRY])
def test_a_rule_whose_runs_go_elsewhere_from_now_on(
    scene: Any, monkeypatch: pytest.MonkeyPatch, earlier: str, later: str, state: str
) -> None:
    """The next attempt goes where the rule says, and so does what ended with its watcher; Kubeflow's runs end there."""
    remote = {
        "examples": {"calibration": "s3://bucket/train.npz"},
        "tracking": {"uri": "https://mlflow.example.com"},
    }
    ledgers = {name: type(scene.ledger)(scene.folder / name) for name in (earlier, later)}

    def watch(submit: str) -> Any:
        return scene.watcher(scene.rules({"submit": submit}, config=remote), launchers=ledgers.__getitem__)

    def unanswered(*_: Any) -> None:
        raise LauncherError("timed out")

    def interrupted(run_id: str) -> LaunchedRun:
        return LaunchedRun(run_id=run_id, progress=Progress.INTERRUPTED)

    scene.version()
    watcher = watch(earlier)
    with monkeypatch.context() as patched:
        if state == CLAIMED:
            patched.setattr(ledgers[earlier], "submit", unanswered)
        watcher.poll()
    if state == RETRY:
        ledgers[earlier]._fails = lambda _: True
        watcher.poll()
    assert [(claim.state, claim.launcher) for claim in scene.claims()] == [(state, earlier)]
    if earlier == "local":
        # It ended with its watcher.
        monkeypatch.setattr(ledgers[earlier], "state", interrupted)
    scene.now += 1000
    watcher = watch(later)
    for _ in range(3):
        watcher.poll()
    moves = state == RETRY or earlier == "local"
    (claim,) = scene.claims()
    where = later if moves else earlier
    assert (claim.state, claim.launcher, claim.place) == (SUCCEEDED, where, ledgers[where].place)
    assert ledgers[later].names == [claim.run_name] * moves
    assert len(ledgers[earlier].names) == (state != CLAIMED or not moves)


def test_a_rule_goes_on_elsewhere_though_its_earlier_launcher_is_silent(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is to be retried is not held up by a server that the rules no longer name."""

    def state(run_id: str) -> LaunchedRun:
        progress = Progress.FAILED if "-cnn-1-" in run_id else Progress.RUNNING
        return LaunchedRun(run_id=run_id, progress=progress, reason="evicted")

    remote = {"examples": {"calibration": "s3://b/train.npz"}, "tracking": {"uri": "https://mlflow.example.com"}}
    ledgers = {name: type(scene.ledger)(scene.folder / name) for name in ("local", "kubeflow")}
    first = scene.version()
    second = scene.version()
    watcher = scene.watcher(scene.rules({"submit": "kubeflow"}, config=remote), launchers=ledgers.__getitem__)
    watcher.poll()
    with monkeypatch.context() as patched:
        patched.setattr(ledgers["kubeflow"], "state", state)
        watcher.poll()
    assert [scene.claims(version=number)[0].state for number in (first, second)] == [RETRY, SUBMITTED]
    ledgers["kubeflow"].silent = True
    scene.rules({"submit": "local"}, config=remote)
    scene.now += 1000
    watcher.poll()
    assert [claim.launcher for claim in scene.claims(version=first)] == ["local"]
    assert len(ledgers["local"].names) == 1
    assert "kubeflow: the ledger does not answer" in watcher.silence


def test_a_version_that_cannot_be_asked_about_holds_up_no_other(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An artifact store that fails for one version costs that version its attempts alone."""
    import mlflow.artifacts

    first, second = scene.version(), scene.version()
    listed = mlflow.artifacts.list_artifacts

    def failing(artifact_uri: str) -> Any:
        if artifact_uri == scene.client.get_model_version("digits-cnn", second).source:
            raise OSError("bucket policy")
        return listed(artifact_uri=artifact_uri)

    monkeypatch.setattr(mlflow.artifacts, "list_artifacts", failing)
    scene.watcher(scene.rules({})).poll()
    assert [claim.state for claim in scene.claims(version=first)] == [SUBMITTED]
    (claim,) = scene.claims(version=second)
    assert (claim.state, claim.reason) == (RETRY, "its files cannot be listed: MLflow: bucket policy")
