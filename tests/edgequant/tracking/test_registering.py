"""Which variants become versions, the run that KFP gives, and the link with the training run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from edgequant.errors import TrackingError
from edgequant.gate import Gate
from edgequant.tracking.step import kfp_view, record

Results = Callable[..., Path]
VARIANTS = {"float32", "weights_only", "full_int8", "integer_only"}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database for all tests here, each of which uses a model of its own."""
    return f"sqlite:///{tmp_path_factory.mktemp('database') / 'mlflow.db'}"


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


def test_nothing_blessed_is_said(client: MlflowClient, record_as: Callable[..., Any]) -> None:
    """No version is made, the alias stays on the earlier one, and the summary says why."""
    record_as("rejecting", pipeline_run="earlier")
    tracked = record_as("rejecting", pipeline_run="now", gate=Gate(max_size_ratio=0.01))
    assert tracked.model_version is None
    assert "version" not in tracked.links
    assert len(client.search_model_versions("name = 'rejecting'")) == 1
    assert client.get_registered_model("rejecting").aliases == {"candidate": 1}
    said = _summary(client, tracked)["edgequant.registered"]
    assert said.startswith("Nothing is registered in rejecting, and no alias was moved: No variant is blessed")
    assert said in _summary(client, tracked)["mlflow.note.content"]


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
        found = client.get_experiment_by_name(experiment)
        experiment_id = found.experiment_id if found else client.create_experiment(experiment)
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
