"""What MLflow holds after a result was recorded, read back from a real database."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.forking import run_script

from edgequant import __version__
from edgequant.artifacts.directory import file_digest
from edgequant.artifacts.verdict import load_verdict
from edgequant.gate import Gate
from edgequant.tracking.step import record

NAME = "digits-tflite"
VARIANTS = ["float32", "weights_only", "full_int8", "integer_only"]
# Half of the last of four places.
_PLACES = 0.51e-4


def _client(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _runs(client: MlflowClient, experiment: str = "digits") -> list[Any]:
    existing = client.get_experiment_by_name(experiment)
    return [] if existing is None else list(client.search_runs([existing.experiment_id]))


def _by_role(runs: list[Any], role: str) -> list[Any]:
    return [run for run in runs if run.data.tags["edgequant.role"] == role]


def _model_id(version: Any) -> str:
    """Returns the logged model whose files a version has, by its artifact location …/models/ID/artifacts."""
    return str(version.source.split("/")[-2])


def _snapshot(uri: str) -> dict[str, Any]:
    """Returns everything that recording makes, without times and identifiers."""
    client = _client(uri)
    experiment = client.get_experiment_by_name("digits")
    runs = _runs(client)
    models = client.search_logged_models([experiment.experiment_id])
    ids = {run.info.run_id: run.data.tags.get("edgequant.variant", "summary") for run in runs}
    names = {model.model_id: model.name for model in models}
    return {
        "runs": sorted(
            (
                run.data.tags.get("edgequant.variant", "summary"),
                run.info.run_name,
                run.info.status,
                sorted(run.data.metrics.items()),
                sorted(run.data.params.items()),
                sorted((k, ids.get(v, v)) for k, v in run.data.tags.items()),
                sorted((item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs),
                [names[output.model_id] for output in run.outputs.model_outputs],
                sorted((item.path, item.file_size) for item in client.list_artifacts(run.info.run_id)),
                sorted((k, len(client.get_metric_history(run.info.run_id, k))) for k in run.data.metrics),
            )
            for run in runs
        ),
        "models": sorted(
            (
                model.name,
                str(model.status),
                ids[model.source_run_id],
                sorted(model.tags.items()),
                sorted((metric.key, metric.value) for metric in model.metrics or []),
                sorted(
                    path.name
                    for path in Path(model.artifact_location.removeprefix("file://")).rglob("*")
                    # MLflow's name for a file that it has begun to copy: the process may have died during one.
                    if not path.name.startswith(".artifact.uploading.")
                ),
            )
            for model in models
        ),
        "versions": [
            (version.version, ids[version.run_id], names[_model_id(version)], sorted(version.tags.items()))
            for version in client.search_model_versions(f"name = '{NAME}'")
        ],
        "aliases": [dict(model.aliases) for model in client.search_registered_models()],
    }


def test_there_is_one_flat_run_per_variant_and_one_summary(recorded: Any) -> None:
    """The experiment holds a finished run for each variant and a summary, tied together by tags and not nested."""
    runs = _runs(_client(recorded.uri))
    assert sorted(run.data.tags["edgequant.variant"] for run in _by_role(runs, "variant")) == sorted(VARIANTS)
    assert len(_by_role(runs, "summary")) == 1
    assert len(runs) == 5
    for run in runs:
        assert run.info.status == "FINISHED"
        assert "mlflow.parentRunId" not in run.data.tags
        assert run.data.tags["edgequant.key"] == "run-1:digits"
        assert run.data.tags["edgequant.pipeline_run"] == "run-1"
        assert run.data.tags["edgequant.source_model"] == "models:/digits/3"
        assert run.data.tags["mlflow.source.name"] == f"edgequant {__version__}"
    names = {run.info.run_name for run in runs}
    assert {"digits v3 · float32 · reference", "digits v3 · summary · blessed"} <= names
    assert {" · ".join(name.split(" · ")[:2]) for name in names} == {f"digits v3 · {n}" for n in [*VARIANTS, "summary"]}


def test_the_experiments_link_opens_its_one_shared_view(recorded: Any) -> None:
    """The experiment has one view, which the link names; recording again adds none and changes nothing."""
    client = _client(recorded.uri)

    def views() -> dict[str, str]:
        experiment = client.get_experiment_by_name("digits")
        return {name: value for name, value in experiment.tags.items() if name.startswith("mlflow.sharedViewState.")}

    ((tag, value),) = views().items()
    again = record(recorded.result)
    assert views() == {tag: value}
    assert f"/runs?viewStateShareKey={tag.rpartition('.')[2]}&" in again.links["experiment"]
    assert json.loads(value)["name"] == "edgequant: accuracy_percent"


def test_what_was_asked_is_told_with_every_verdict(recorded: Any) -> None:
    """A verdict is of a gate: runs and the registered version carry it, so that those of another one are told apart."""
    client = _client(recorded.uri)
    gate = load_verdict(recorded.result / "verdict").gate
    expected = ", ".join(f"{name}={gate[name]}" for name in gate)
    assert "max_drop_points=" in expected
    (version,) = client.search_model_versions(f"name = '{NAME}'")
    assert {run.data.tags["edgequant.gate"] for run in _runs(client)} == {version.tags["edgequant.gate"]} == {expected}


def test_metrics_are_in_units_that_charts_show(recorded: Any) -> None:
    """Shares are in percent, drops in points, latencies in milliseconds; each metric belongs to run, model and data set."""
    verdict = load_verdict(recorded.result / "verdict")
    client = _client(recorded.uri)
    for run in _by_role(_runs(client), "variant"):
        expected = verdict.variants[run.data.tags["edgequant.variant"]]
        metrics = run.data.metrics
        assert metrics["accuracy_percent"] == pytest.approx(100 * expected.metrics["accuracy"], abs=_PLACES)
        low, high = expected.metric_interval or (0, 0)
        assert metrics["accuracy_low_percent"] == pytest.approx(100 * low, abs=_PLACES)
        assert metrics["accuracy_high_percent"] == pytest.approx(100 * high, abs=_PLACES)
        assert metrics["peak_memory_bytes"] == expected.peak_memory_bytes
        assert max(len(str(value)) for name, value in metrics.items() if name.endswith(("_percent", "_points"))) <= 8
        assert metrics["agreement_percent"] == pytest.approx(100 * (expected.agreement or 0), abs=_PLACES)
        assert metrics["drop_points"] == pytest.approx(expected.drop_points, abs=_PLACES)
        assert metrics["size_bytes"] == expected.size_bytes
        assert metrics["examples"] == 300
        assert expected.latency is not None
        assert metrics["latency_p50_ms"] == pytest.approx(expected.latency.p50_ms, rel=1e-5)
        assert ("drop_low_points" in metrics) == (expected.verdict != "reference")
        (model,) = run.outputs.model_outputs
        logged = client.get_logged_model(model.model_id)
        assert {metric.key: metric.value for metric in logged.metrics} == metrics
        assert {metric.dataset_name for metric in logged.metrics} == {"evaluation"}


def test_runs_name_their_data_sets(recorded: Any) -> None:
    """Every run has both sets as inputs, with context, digest and source files; the UI shows the first, which is evaluated on."""
    for run in _runs(_client(recorded.uri)):
        datasets = {item.dataset.name: item for item in run.inputs.dataset_inputs}
        assert list(datasets) == ["evaluation", "calibration"]
        for name, item in datasets.items():
            assert [(tag.key, tag.value) for tag in item.tags] == [("mlflow.data.context", name)]
            assert len(item.dataset.digest) == 32
            assert json.loads(item.dataset.source)["files"][0].endswith(".npz")


def test_every_variant_is_a_logged_model(recorded: Any) -> None:
    """Each variant's file is one artifact path away in a READY model, with its digest as a tag."""
    client = _client(recorded.uri)
    models = client.search_logged_models([client.get_experiment_by_name("digits").experiment_id])
    assert sorted(model.name for model in models) == sorted(f"digits-v3-{name}" for name in VARIANTS)
    for model in models:
        assert str(model.status) == "READY"
        path = Path(model.artifact_location.removeprefix("file://")) / "artifacts" / "model.tflite"
        assert model.tags["edgequant.tflite_sha256"] == file_digest(path)


def test_the_best_variant_is_a_registered_version_with_its_alias(recorded: Any, digits_sets: Any) -> None:
    """The version carries what it is by its tags, comes from the variant's model, and has the alias."""
    client = _client(recorded.uri)
    (version,) = client.search_model_versions(f"name = '{NAME}'")
    assert version.tags["edgequant.variant"] == digits_sets.best
    assert version.tags["edgequant.verdict"] == "blessed"
    # As the UI lists them; the alias is given last.
    shown = [name.removeprefix("edgequant.") for name in version.tags]
    assert shown[:4] == ["variant", "verdict", "drop_points", "drop_high_points"]
    digests = ["result_digest", "tflite_sha256", "model_sha256", "calibration_digest", "evaluation_digest", "key"]
    assert shown[-7:] == [*digests, "aliased"]
    assert version.tags["edgequant.key"] == "run-1:digits"
    assert float(version.tags["edgequant.drop_points"]) < 5
    assert client.get_model_version_by_alias(NAME, "candidate").version == version.version
    run = client.get_run(version.run_id)
    assert [output.model_id for output in run.outputs.model_outputs] == [_model_id(version)]


def test_the_summary_compares_the_variants(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The summary run has the report, the verdict, a note and a table with a row per variant that the UI can show."""
    client = _client(recorded.uri)
    (summary,) = _by_role(_runs(client), "summary")
    run_id = summary.info.run_id
    assert {item.path for item in client.list_artifacts(run_id)} == {
        "comparison.json",
        "config.yaml",
        "per_class_recall.json",
        "plots",
        "report.html",
        "verdict.json",
    }
    # `load_table` looks for runs in the environment's store, whatever the client's is.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded.uri)
    table = client.load_table(summary.info.experiment_id, "comparison.json", run_ids=[run_id])
    assert table["variant"].tolist() == VARIANTS
    assert table["source"].tolist() == ["digits v3"] * 4
    assert table["verdict"].tolist() == ["reference", "blessed", "blessed", "blessed"]
    assert table["accuracy_percent"].between(90, 100).all()
    verdict = load_verdict(recorded.result / "verdict")
    assert summary.data.tags["mlflow.note.content"].startswith(f"**blessed**: {verdict.why}")
    assert summary.data.tags["edgequant.best"] == verdict.best


def test_result_json_has_the_documented_names(recorded: Any, digits_sets: Any) -> None:
    """A script finds every name that is promised, and the identifiers lead to the runs in MLflow."""
    result = json.loads((recorded.result / "result.json").read_text())
    assert {"schema", "name", "outcome", "best", "variants", "tracking"} <= set(result)
    assert (result["schema"], result["name"], result["outcome"]) == (1, "digits", "blessed")
    assert result["best"] == digits_sets.best
    assert set(result["tracking"]) >= {"uri", "experiment_id", "summary_run_id", "model_version", "links"}
    assert result["tracking"]["model_version"] == "1"
    assert set(result["tracking"]["links"]) >= {"experiment", "compare"}
    client = _client(recorded.uri)
    for name, variant in result["variants"].items():
        assert set(variant) >= {
            "status",
            "reason",
            "size_bytes",
            "examples",
            "metrics",
            "drop_points",
            "drop_interval_points",
            "agreement",
            "verdict",
            "reasons",
            "latency_ms",
            "latency_runs",
            "latency_ratio",
            "run_id",
            "inspection",
        }
        assert set(variant["latency_ms"]) == {"p50", "p90", "p99"}
        assert set(variant["inspection"]) >= {"kind", "inputs", "outputs", "ops"}
        assert client.get_run(variant["run_id"]).data.tags["edgequant.variant"] == name
    summary = client.get_run(result["tracking"]["summary_run_id"])
    assert summary.data.tags["edgequant.role"] == "summary"
    assert (recorded.result / "report.html").is_file()


def test_recording_again_adds_nothing(recorded: Any) -> None:
    """A second recording of a result finds everything, and gives the same identifiers."""
    before = _snapshot(recorded.uri)
    result = (recorded.result / "result.json").read_text()
    record(recorded.result)
    assert _snapshot(recorded.uri) == before
    assert (recorded.result / "result.json").read_text() == result


@pytest.mark.parametrize(
    ("gate", "settings"),
    [
        (Gate(max_size_ratio=0.01), {}),
        (Gate(), {}),
        (None, {"registered_model": ""}),
    ],
    ids=["nothing blessed", "no gate", "no registered model"],
)
def test_nothing_is_registered_unless_it_is_blessed_and_wanted(
    results: Callable[..., Path], gate: Gate | None, settings: dict[str, str]
) -> None:
    """Runs are recorded all the same; there is no registered model and no version."""
    path = results(gate=gate, **settings)
    tracked = record(path)
    assert tracked.model_version is None
    client = _client(tracked.uri)
    assert len(_runs(client)) == 5
    assert client.search_registered_models() == []


def test_a_version_without_an_alias_has_none(results: Callable[..., Path]) -> None:
    """With no alias configured a version is made, and no alias."""
    tracked = record(results(alias=""))
    assert tracked.model_version == "1"
    (model,) = _client(tracked.uri).search_registered_models()
    assert model.aliases == {}


def test_a_newer_version_keeps_its_alias(results: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Recording an older result again does not take the alias back from the version that came after it."""
    older, newer = results("older", pipeline_run="run-1"), results("newer", pipeline_run="run-2", model_uri="retrained")
    assert record(older).model_version == "1"
    tracked = record(newer)
    assert tracked.model_version == "2"
    assert tracked.alias_version == "2"
    again = record(older)
    assert (again.model_version, again.alias_version) == ("1", "2")
    assert "is digits-tflite version 1; alias candidate is on version 2" in capsys.readouterr().out
    client = _client(tracked.uri)
    assert client.get_model_version_by_alias(NAME, "candidate").version == 2
    assert len(_runs(client)) == 10


_KILLED = r"""
import json, os, shutil, sys
from collections import Counter
from pathlib import Path

import mlflow.pyfunc, mlflow.store.artifact.local_artifact_repo, pandas, sqlalchemy
from mlflow import MlflowClient
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
from mlflow.utils import requirements_utils
from edgequant.tracking.recording import packaging
from edgequant.tracking.recording import recorder
from edgequant.tracking.step import record
from tests.forking import fork

result, folder = Path(sys.argv[1]), Path(sys.argv[2])
events, fatal = [], None


def watch(owner, name, shown):
    inner = getattr(owner, name)
    def outer(*args, **kwargs):
        events.append(shown)
        # Several files are copied at a time: which call of its kind one is stays the same, its place among all does not.
        if (shown, events.count(shown)) == fatal:
            os._exit(9)
        return inner(*args, **kwargs)
    setattr(owner, name, outer)


def watch_all():
    for owner in (Tracking, Registry):
        for name in dir(owner):
            if name.startswith(("create_", "log_", "set_", "update_", "delete_", "finalize_", "link_", "record_")):
                watch(owner, name, name)
    watch(shutil, "copy2", "copy_a_file")


def uri(name):
    return f"sqlite:///{folder / name / 'mlflow.db'}"


def die_at(call, name):
    global fatal
    fatal = call
    watch_all()
    record(result, uri(name))
    (folder / name / "events.json").write_text(json.dumps(events))


def new(name):
    (folder / name).mkdir()
    shutil.copyfile(folder / "empty.db", folder / name / "mlflow.db")


def make_empty():
    MlflowClient(tracking_uri=f"sqlite:///{folder / 'empty.db'}").search_experiments()


# Half a second's work, which every child would do.
requirements_utils._init_modules_to_packages_map()
requirements_utils._init_packages_to_modules_map()
assert fork(make_empty) == 0
new("whole")
assert fork(lambda: die_at(None, "whole")) == 0
seen = json.loads((folder / "whole" / "events.json").read_text())
calls = [(kind, number) for kind, times in Counter(seen).items() for number in range(1, times + 1)]
for kind, number in calls:
    name = f"{kind}-{number}"
    new(name)
    assert fork(lambda: die_at((kind, number), name)) == 9, name
    assert fork(lambda: record(result, uri(name))) == 0, name
print(json.dumps(calls))
"""


@pytest.mark.long
def test_killed_at_any_call_and_run_again_it_ends_the_same(results: Callable[..., Path], tmp_path: Path) -> None:
    """A process that dies before any call of MLflow's that writes, or a file's copy, leaves what a second one completes, once."""
    path, folder = results(), tmp_path / "killed"
    folder.mkdir()
    printed = run_script(_KILLED, str(path), str(folder))
    calls = json.loads(printed.splitlines()[-1])
    assert {kind for kind, _ in calls} >= {
        "create_experiment",
        "create_run",
        "create_logged_model",
        "copy_a_file",
        "finalize_logged_model",
        "log_outputs",
        "log_batch",
        "log_inputs",
        "update_run_info",
        "create_registered_model",
        "create_model_version",
        "set_registered_model_alias",
        "set_model_version_tag",
    }
    whole = _snapshot(f"sqlite:///{folder / 'whole' / 'mlflow.db'}")
    assert len(whole["runs"]) == 5
    assert len(whole["versions"]) == 1
    assert whole["aliases"] == [{"candidate": 1}]
    for kind, number in calls:
        snapshot = _snapshot(f"sqlite:///{folder / f'{kind}-{number}' / 'mlflow.db'}")
        assert snapshot == whole, f"killed before {kind}, the {number}. time"
    shutil.rmtree(folder)
