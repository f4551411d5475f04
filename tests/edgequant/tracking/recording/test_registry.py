"""Which variants become versions, the run that KFP gives, and the link with the training run."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from edgequant.errors import TrackingError
from edgequant.gate import Gate
from edgequant.tracking.markdown import plain
from edgequant.tracking.recording.source_model import is_newer
from edgequant.tracking.step import kfp_view, record
from edgequant.validation.step import validate

Results = Callable[..., Path]
VARIANTS = {"float32", "weights_only", "full_int8", "integer_only"}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory, new_mlflow: Callable[[Path], str]) -> str:
    """A database for all tests here, each of which uses a model of its own."""
    return new_mlflow(tmp_path_factory.mktemp("database") / "mlflow.db")


@pytest.fixture
def client(uri: str) -> MlflowClient:
    """A client of it."""
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def record_as(uri: str, results: Results) -> Callable[..., Any]:
    """Returns a function that records a result for a model, and returns where it is."""

    def record_it(name: str, **settings: Any) -> Any:
        return record(
            results(f"{name}-result", **{"uri": uri, "experiment": name, "registered_model": name, **settings})
        )

    return record_it


@pytest.fixture
def other_kernels(digits_sets: Any, tmp_path: Path) -> Path:
    """The verdict of the digits, had they been run by the runtime's own kernels."""

    def by_others(path: Path) -> Path:
        copy = tmp_path / path.relative_to(digits_sets.variant_set.parent)
        shutil.copytree(path, copy)
        manifest = copy / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"resolver": "xnnpack"', '"resolver": "builtin"'))
        return copy

    inputs = replace(
        digits_sets.inputs,
        benchmark=by_others(digits_sets.benchmark),
        evaluations=[by_others(path) for path in digits_sets.evaluations.values()],
    )
    validate("digits", "classification", Gate(max_drop_points=5.0), inputs, tmp_path / "verdict")
    return tmp_path / "verdict"


def _summary(client: MlflowClient, tracked: Any) -> Any:
    return client.get_run(tracked.summary_run_id).data.tags


def test_every_blessed_variant_on_demand(client: MlflowClient, record_as: Callable[..., Any], digits_sets: Any) -> None:
    """With `blessed`, each has a version with tags of its own; the best one's is the newest, and has the alias."""
    tracked = record_as("all", register="blessed")
    versions = client.search_model_versions("name = 'all'")
    assert {version.tags["edgequant.variant"] for version in versions} == VARIANTS - {"float32"}
    assert tracked.versions == {version.tags["edgequant.variant"]: str(version.version) for version in versions}
    newest = max(versions, key=lambda version: int(version.version))
    assert newest.tags["edgequant.variant"] == digits_sets.best
    assert client.get_registered_model("all").aliases == {"candidate": newest.version}
    assert tracked.model_version == str(newest.version) == "3"
    for version in versions:
        run = client.get_run(version.run_id)
        assert run.data.tags["edgequant.variant"] == version.tags["edgequant.variant"]
        assert version.tags["edgequant.tflite_sha256"] == run.data.tags["edgequant.tflite_sha256"]
        assert float(version.tags["edgequant.drop_high_points"]) == pytest.approx(
            run.data.metrics["drop_high_points"], abs=1e-4
        )
        assert len(version.tags["edgequant.calibration_digest"]) == 64
    assert "full_int8 as version" in _summary(client, tracked)["edgequant.registered"]


def test_more_may_be_registered_later(client: MlflowClient, results: Results, uri: str) -> None:
    """A result that was recorded with `none` has its runs; recorded again with `best`, it gets the version and no other run."""
    given = {"uri": uri, "experiment": "later", "registered_model": "later"}
    first = record(results("none", register="none", **given))
    assert (first.model_version, first.versions) == (None, {})
    assert "register is 'none'" in _summary(client, first)["mlflow.note.content"]
    second = record(results("best", register="best", **given))
    assert second.run_ids == first.run_ids
    assert second.summary_run_id == first.summary_run_id
    assert second.model_version == "1"
    assert "Registered in later" in _summary(client, first)["mlflow.note.content"]


@pytest.mark.parametrize("register", ["best", "blessed"])
def test_a_night_without_a_change_makes_no_version(
    client: MlflowClient, record_as: Callable[..., Any], register: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has runs of its own, and says which version has the same file; another source model makes versions again."""
    name, count = f"nightly-{register}", {"best": 1, "blessed": 3}[register]

    def night(number: int, **settings: Any) -> Any:
        return record_as(name, pipeline_run=f"night-{number}", register=register, **settings)

    first, second = night(1), night(2)
    assert second.versions == first.versions
    assert second.model_version == first.model_version == second.alias_version == str(count)
    assert not set(second.run_ids.values()) & set(first.run_ids.values())
    assert len(client.search_model_versions(f"name = '{name}'")) == count
    said = _summary(client, second)["edgequant.registered"]
    assert said.startswith(f"Nothing new is registered in {name}: ")
    assert f"whose file is that of version {count} already" in said
    best = client.get_run(second.run_ids[_summary(client, second)["edgequant.best"]])
    assert best.data.tags["edgequant.earlier_version"] == f"{name}/{count}"

    # A person went back to another version, and is not argued with.
    client.create_model_version(name, source="file:///older")
    client.set_registered_model_alias(name, "candidate", str(count + 1))
    capsys.readouterr()
    assert night(3).alias_version == str(count + 1)
    assert f"version {count}; alias candidate is on version {count + 1}" in capsys.readouterr().out

    retrained = night(4, model_uri="models:/digits/8")
    assert retrained.model_version == retrained.alias_version == str(2 * count + 1)
    again = night(3)
    assert (again.versions, again.alias_version) == (first.versions, retrained.alias_version)
    assert len(client.search_model_versions(f"name = '{name}'")) == 2 * count + 1


def test_other_kernels_make_versions_again(
    client: MlflowClient, record_as: Callable[..., Any], other_kernels: Path
) -> None:
    """The same file runs and was measured by others: what is registered says and uses those."""
    first = record_as("kernels", pipeline_run="night-1")
    second = record_as("kernels", pipeline_run="night-2", verdict=other_kernels)
    assert (first.model_version, second.model_version) == ("1", "2")
    versions = [client.get_model_version("kernels", number) for number in ("1", "2")]
    assert [version.tags["edgequant.resolver"] for version in versions] == ["xnnpack", "builtin"]
    runs = [client.get_run(version.run_id).data for version in versions]
    assert [run.params["resolver"] for run in runs] == ["xnnpack", "builtin"]
    models = [mlflow.models.Model.load(version.source.removeprefix("file://")) for version in versions]
    configs = [model.flavors["python_function"]["config"] for model in models]
    assert configs == [{"resolver": "xnnpack"}, {"resolver": "builtin"}]


def test_another_gate_makes_versions_again(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """A verdict is of a gate: the same file under another one is another version, that says what was asked."""
    for number, limit in enumerate((5.0, 50.0, 50.0), start=1):
        tracked = record_as("gates", pipeline_run=f"night-{number}", gate=Gate(max_drop_points=limit))
        assert tracked.model_version == tracked.alias_version == str(min(number, 2))
        gate = client.get_model_version("gates", tracked.model_version).tags["edgequant.gate"]
        assert f"max_drop_points={limit}" in gate
    assert len(client.search_model_versions("name = 'gates'")) == 2


def test_a_variant_that_is_best_again_is_a_new_version(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """Another was the best in between, and has the alias: an earlier version of the same file does not take it back."""
    for number, (best, asked) in enumerate(
        [("weights_only", None), ("integer_only", "required"), ("weights_only", None)], start=1
    ):
        gate = Gate(max_drop_points=50, integer_only=asked)
        tracked = record_as("again", pipeline_run=f"night-{number}", gate=gate)
        assert _summary(client, tracked)["edgequant.best"] == best
        assert (tracked.model_version, tracked.alias_version) == (str(number), str(number))


def _waves(record_as: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Returns a function that records the quantization of a version of the source model ``waves``, as a watcher names it."""

    def quantized(number: int, run: str = "", **settings: Any) -> Any:
        settings = {"model_uri": f"models:/waves/{number}", "pipeline_run": run or f"run-{number}", **settings}
        return record_as(name, **settings)

    return quantized


def test_the_alias_stays_with_the_newer_source(
    client: MlflowClient, record_as: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Version 10 of the source is done first, 9 after it: 9 is registered, the alias stays, and it is said how to move it."""
    waves = _waves(record_as, "waves-lite")
    newer = waves(10)
    assert (newer.model_version, newer.alias_version) == ("1", "1")
    capsys.readouterr()
    for _ in range(2):  # Recorded again, it is the same.
        older = waves(9)
        assert (older.model_version, older.alias_version) == ("2", "1")
        assert client.get_registered_model("waves-lite").aliases == {"candidate": 1}
        assert _summary(client, older)["edgequant.registered"] == (
            f"Registered in waves-lite: {_summary(client, older)['edgequant.best']} as version 2."
            " Alias candidate stays on version 1, whose source models:/waves/10 is newer than models:/waves/9;"
            " `edgequant promote waves-lite 2 --alias candidate` moves it."
        )
        said = capsys.readouterr().out
        assert _summary(client, older)["edgequant.registered"] in said
        assert "is waves-lite version 2; alias candidate is on version 1, and was left there" in said
    assert _summary(client, older)["edgequant.registered"] in plain(_summary(client, older)["mlflow.note.content"])
    tags = client.get_model_version("waves-lite", "2").tags
    assert tags["edgequant.not_aliased"] == "candidate stays on version 1, whose source models:/waves/10 is newer"
    assert "edgequant.aliased" not in tags
    assert len(client.search_model_versions("name = 'waves-lite'")) == 2

    # Another night of the older one finds its version, and leaves the alias as well.
    again = waves(9, "night-2")
    assert (again.model_version, again.alias_version) == ("2", "1")
    assert "Alias candidate stays on version 1," in _summary(client, again)["edgequant.registered"]


def test_the_alias_moves_to_a_newer_source_and_among_equals(
    client: MlflowClient, record_as: Callable[..., Any]
) -> None:
    """In order it moves; judged by another gate, the newest one's quantization takes it; recorded late, an old one does not."""
    waves = _waves(record_as, "waves-in-order")
    assert (waves(1).alias_version, waves(2).alias_version) == ("1", "2")
    anew = waves(2, "run-2b", gate=Gate(max_drop_points=50, integer_only="required"))
    assert anew.model_version == anew.alias_version == "3"
    assert "stays" not in _summary(client, anew)["edgequant.registered"]
    retried = waves(1, "run-1b")
    assert (retried.model_version, retried.alias_version) == ("4", "3")
    assert waves(3).alias_version == "5"


@pytest.mark.parametrize(
    ("uri", "than", "expected"),
    [
        ("models:/waves/10", "models:/waves/9", True),
        ("models:/waves/9", "models:/waves/10", False),
        ("models:/waves/9", "models:/waves/9", False),
        ("models:/tides/10", "models:/waves/9", False),
        ("models:/waves@live", "models:/waves/9", False),
        ("models:/waves/10", "models:/waves@live", False),
        ("models:/waves/10", "runs:/0a/model", False),
        ("", "models:/waves/9", False),
        ("models:/waves/10", "", False),
    ],
)
def test_which_source_is_newer(uri: str, than: str, expected: bool) -> None:
    """That of a greater number, if both are versions of one registered model; else there is no order."""
    assert is_newer(uri, than) is expected


def test_sources_that_have_no_order(record_as: Callable[..., Any]) -> None:
    """Of another registered model, the last one recorded has the alias."""
    waves = _waves(record_as, "unordered")
    waves(2)
    tracked = waves(1, model_uri="models:/tides/1")
    assert (tracked.model_version, tracked.alias_version) == ("2", "2")


def test_a_decision_on_the_alias_is_made_once(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """Somebody moved or deleted the alias since: the older model's quantization, recorded again, does not argue."""
    waves = _waves(record_as, "decided")
    waves(2)
    waves(1)
    client.create_model_version("decided", source="file:///mine")
    client.set_registered_model_alias("decided", "candidate", "3")
    again = waves(1)
    assert (again.model_version, again.alias_version) == ("2", "3")
    assert "stays" not in _summary(client, again)["edgequant.registered"]
    client.delete_registered_model_alias("decided", "candidate")
    assert waves(1).alias_version is None


@pytest.mark.parametrize("between", ["set_registered_model_alias", "set_model_version_tag"])
def test_killed_before_the_alias(
    client: MlflowClient, record_as: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    """The older one ends before it could take the alias, the newer one takes it: the older, repeated, leaves it there."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    waves = _waves(record_as, f"killed-{between}")
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, between, killed)
        with pytest.raises(KeyboardInterrupt):
            waves(1)
    assert waves(2).alias_version == "2"
    repeated = waves(1)
    assert (repeated.model_version, repeated.alias_version) == ("1", "2")
    assert "Alias candidate stays on version 2," in _summary(client, repeated)["edgequant.registered"]


def test_killed_between_the_alias_and_its_tag(
    client: MlflowClient, record_as: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later result took the alias since, of a source that is not newer: the first one, repeated, takes it back at no time."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    waves = _waves(record_as, "killed-between")
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_model_version_tag", killed)
        with pytest.raises(KeyboardInterrupt):
            waves(1)
    assert client.get_registered_model("killed-between").aliases == {"candidate": 1}
    assert waves(2, model_uri="models:/tides/1").alias_version == "2"
    for alias_version in ("2", None):
        repeated = waves(1)
        assert (repeated.model_version, repeated.alias_version) == ("1", alias_version)
        client.delete_registered_model_alias("killed-between", "candidate")


@pytest.mark.parametrize("said", [True, False], ids=["the newer one has said so", "it has not"])
def test_a_request_for_the_alias_that_is_slow(
    client: MlflowClient, record_as: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, said: bool
) -> None:
    """The older model's quantization asks for it, the newer one's gets it, and the first request lands after that."""
    name = f"slow-alias-{said}"
    waves = _waves(record_as, name)
    move, tag = MlflowClient.set_registered_model_alias, MlflowClient.set_model_version_tag

    def slow(self: MlflowClient, *given: Any) -> None:
        monkeypatch.setattr(MlflowClient, "set_registered_model_alias", move)

        def tag_late(newer: MlflowClient, *tagged: Any) -> None:
            move(self, *given)
            tag(newer, *tagged)

        with monkeypatch.context() as patch:
            if not said:
                patch.setattr(MlflowClient, "set_model_version_tag", tag_late)
            assert waves(2).alias_version == "2"
        if said:
            move(self, *given)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", slow)
    older = waves(1)
    assert client.get_registered_model(name).aliases == {"candidate": 2}
    assert (older.model_version, older.alias_version) == ("1", "2")


def test_an_alias_that_was_moved_back(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """Somebody went back from the newest model's quantization: that of a model in between gets the alias, and not the newest."""
    waves = _waves(record_as, "moved-back")
    assert [waves(number).alias_version for number in (1, 3)] == ["1", "2"]
    client.set_registered_model_alias("moved-back", "candidate", "1")
    assert waves(2).alias_version == "3"


def test_an_alias_that_was_configured_later(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """An unchanged result gives it to the version there is, unless somebody has put it elsewhere."""
    record_as("late-alias", pipeline_run="1", alias="")
    tracked = record_as("late-alias", pipeline_run="2")
    assert (tracked.model_version, tracked.alias_version) == ("1", "1")
    client.create_model_version("late-alias", source="file:///other")
    client.set_registered_model_alias("late-alias", "live", "2")
    assert record_as("late-alias", pipeline_run="3", alias="live").alias_version == "2"


def test_a_pipeline_run_has_one_result(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """Another result by its name is refused, and both are named: the runs of the first would pass for it."""
    tracked = record_as("reused", pipeline_run="run-1")
    digest = _summary(client, tracked)["edgequant.result_digest"]
    with pytest.raises(
        TrackingError,
        match=rf"^pipeline_run: 'run-1' is taken: run \w+ at .* is of the result {digest[:12]}, and .*reused-result is \w{{12}};",
    ):
        record_as("reused", pipeline_run="run-1", model_uri="models:/digits/9")
    assert len(client.search_runs([tracked.experiment_id])) == 5
    assert len(client.search_model_versions("name = 'reused'")) == 1


def test_nothing_blessed_is_said(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """No version is made, the alias stays on the earlier one, and the summary says why."""
    record_as("rejecting", pipeline_run="earlier")
    tracked = record_as("rejecting", pipeline_run="now", gate=Gate(max_size_ratio=0.01))
    assert tracked.model_version is None
    assert tracked.alias_version == "1"
    assert "version" not in tracked.links
    assert len(client.search_model_versions("name = 'rejecting'")) == 1
    assert client.get_registered_model("rejecting").aliases == {"candidate": 1}
    said = _summary(client, tracked)["edgequant.registered"]
    assert said.startswith("Nothing is registered in rejecting, and no alias was moved: float32's accuracy is ")
    assert " No variant is blessed" in said
    # The note begins with the reason, and gives it once.
    what, _, why = said.partition(": ")
    note = plain(_summary(client, tracked)["mlflow.note.content"])
    assert f"{what}." in note
    assert note.count(why) == 1


def test_the_version_has_its_page(record_as: Callable[..., Any]) -> None:
    """The registered version is among the links, and in what KFP shows of the result."""
    tracked = record_as("paged")
    assert tracked.links["version"] == "http://127.0.0.1:5000/#/models/paged/versions/1?workflowType=machine_learning"
    shown = kfp_view(tracked)
    assert shown["model version"] == "1"
    assert shown["mlflow version"] == tracked.links["version"]
    assert {"mlflow experiment", "mlflow summary", "mlflow compare"} <= set(shown)


@pytest.fixture
def given(client: MlflowClient, uri: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Returns a function that makes a run in an experiment as KFP's plugin does, and gives it to the step."""

    def give(experiment: str) -> str:
        existing = client.get_experiment_by_name(experiment)
        experiment_id = existing.experiment_id if existing else client.create_experiment(experiment)
        run_id = str(client.create_run(experiment_id, run_name="track").info.run_id)
        for name, value in {"TRACKING_URI": uri, "EXPERIMENT_ID": str(experiment_id), "RUN_ID": run_id}.items():
            monkeypatch.setenv(f"MLFLOW_{name}", value)
        return run_id

    return give


def test_the_run_that_kfp_gives_is_the_summary(
    client: MlflowClient, record_as: Callable[..., Any], given: Callable[[str], str], tmp_path: Path
) -> None:
    """It becomes the summary where it is, whatever the configuration names; its name and its end are left to KFP."""
    run_id = given("of-kfp")
    tracked = record_as("kfp", uri=f"sqlite:///{tmp_path / 'other.db'}", pipeline_run="kfp-1")
    assert tracked.summary_run_id == run_id
    assert not (tmp_path / "other.db").exists()
    assert client.get_experiment_by_name("kfp") is None
    run = client.get_run(run_id)
    assert (run.info.status, run.info.run_name) == ("RUNNING", "track")
    assert run.data.tags["edgequant.role"] == "summary"
    assert run.data.tags["edgequant.key"] == "kfp-1:digits"
    assert run.data.tags["mlflow.note.content"].startswith("**blessed**")
    assert {item.path for item in client.list_artifacts(run_id)} >= {"report.html", "comparison.json", "plots"}
    assert len(client.search_runs([run.info.experiment_id])) == 5

    again = given("of-kfp")
    retried = record_as("kfp", pipeline_run="kfp-1")
    assert (retried.summary_run_id, retried.run_ids) == (again, tracked.run_ids)
    assert client.get_run(run_id).data.tags["edgequant.role"] == "superseded"
    assert len(client.search_runs([run.info.experiment_id], "tags.`edgequant.role` = 'summary'")) == 1

    other = record_as("kfp-other", pipeline_run="kfp-2")
    assert other.summary_run_id != again
    assert client.get_run(again).data.tags["edgequant.key"] == "kfp-1:digits"
    assert other.experiment_id == tracked.experiment_id


def test_the_run_of_kfps_last_attempt_stays_the_summary(
    client: MlflowClient, record_as: Callable[..., Any], given: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pod of a lost node lives on, and ends after the one in its place: it takes the summary from nobody."""
    first, second = given("of-lost"), given("of-lost")
    assert record_as("lost", pipeline_run="kfp-lost").summary_run_id == second
    monkeypatch.setenv("MLFLOW_RUN_ID", first)
    assert record_as("lost", pipeline_run="kfp-lost").summary_run_id == second
    assert client.get_run(second).data.tags["edgequant.role"] == "summary"
    assert client.get_run(first).data.tags.get("edgequant.role") is None


def test_a_run_of_kfp_that_was_deleted(
    client: MlflowClient, record_as: Callable[..., Any], given: Callable[[str], str]
) -> None:
    """It is an error that names the run."""
    run_id = given("of-kfp-deleted")
    client.delete_run(run_id)
    with pytest.raises(TrackingError, match=f"MLFLOW_RUN_ID: the run {run_id} .* was deleted"):
        record_as("kfp-deleted")


def test_a_deleted_experiment(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """It is an error that says what to do."""
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(
        TrackingError, match=r"tracking\.experiment: 'gone' .* was deleted; restore it, or name another"
    ):
        record_as("gone")


def test_the_training_run_is_linked_both_ways(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """Our runs and the version name the run that trained the model, the note links it, and it names the summary."""
    experiment_id = client.create_experiment("training")
    training = client.create_run(experiment_id).info.run_id
    client.create_registered_model("source")
    client.create_model_version("source", source="file:///nowhere", run_id=training)
    client.set_registered_model_alias("source", "production", "1")
    for number, model_uri in enumerate(("models:/source/1", "models:/source@production", f"runs:/{training}/model")):
        tracked = record_as(f"linked-{number}", model_uri=model_uri)
        summary = _summary(client, tracked)
        assert summary["edgequant.source_run"] == training
        assert f"/#/experiments/{experiment_id}/runs/{training}?" in summary["mlflow.note.content"]
        assert {client.get_run(run_id).data.tags["edgequant.source_run"] for run_id in tracked.run_ids.values()} == {
            training
        }
        (version,) = client.search_model_versions(f"name = 'linked-{number}'")
        assert version.tags["edgequant.source_run"] == training
        assert client.get_run(training).data.tags["edgequant.quantized.digits"] == tracked.summary_run_id


def test_a_training_run_that_is_not_known(record_as: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and no failure."""
    tracked = record_as("unlinked", model_uri="models:/nobody/7")
    assert tracked.model_version == "1"
    assert "the training run of models:/nobody/7 is not linked: it cannot be read" in capsys.readouterr().out


def test_a_model_of_another_mlflow(
    client: MlflowClient, results: Results, uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A result is recorded elsewhere than where its model was looked up: the run of a version by that name there is another's."""
    training = client.create_run(client.create_experiment("of-another")).info.run_id
    client.create_registered_model("namesake")
    client.create_model_version("namesake", source="file:///nowhere", run_id=training)
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    for model_uri, is_linked in (("models:/namesake/1", False), (f"runs:/{training}/model", True)):
        path = results(uri=elsewhere, experiment="moved", registered_model="", model_uri=model_uri)
        tracked = record(path, uri)
        assert ("edgequant.source_run" in _summary(client, tracked)) == is_linked
        assert ("edgequant.quantized.digits" in client.get_run(training).data.tags) == is_linked
    said = capsys.readouterr().out
    assert f"the training run of models:/namesake/1 is not linked: the model was looked up at {elsewhere}" in said
    assert said.count("is not linked") == 1
