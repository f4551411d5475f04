"""The history of a model's variants, from runs that a real server holds, by known times."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from edgequant.errors import TrackingError
from edgequant.tracking.reading import mlflow_client as module
from edgequant.tracking.reading.history import HistoryRow, history
from edgequant_pipelines.cli import main

_DAY = 86_400_000


@pytest.fixture
def client(server: str) -> MlflowClient:
    """A client of the server."""
    return MlflowClient(tracking_uri=server, registry_uri=server)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets MLflow answer with two at a time."""
    monkeypatch.setattr(module, "_PAGE", 2)


def _record(client: MlflowClient, experiment: str, name: str, day: int, **given: Any) -> list[str]:
    """Makes the runs of three variants and a summary, an hour apart, and returns the variants' identifiers."""
    ids = []
    for hour, variant in enumerate(("float32", "float16", "full_int8", "")):
        tags = {
            "edgequant.key": f"run-{day}:{name}",
            "edgequant.name": name,
            "edgequant.pipeline_run": f"run-{day}",
            "edgequant.source_model": f"models:/{name}/{day}",
            "edgequant.role": "variant" if variant else "summary",
            "edgequant.verdict": "blessed",
            "edgequant.variant": variant,
        }
        start = day * _DAY + (hour + given.get("late", {}).get(variant, 0)) * 3_600_000
        ids.append(client.create_run(experiment, start_time=start, tags=tags).info.run_id)
    return [str(run_id) for run_id in ids[:3]]


def _shown(rows: list[HistoryRow]) -> list[tuple[str, str]]:
    return [(row.source_model, row.variant) for row in rows]


def test_all_of_the_last_runs_are_found_however_many_there_are(client: MlflowClient, server: str) -> None:
    """What is beyond MLflow's first page is read as well, and a run that began before others and ended after them is whole."""
    experiment = client.create_experiment("pages")
    for day in (1, 2, 3):
        _record(client, experiment, "pages", day, late={"full_int8": 100} if day == 1 else {})
    rows = _shown(history("pages", 9, server))
    variants = ["float32", "float16", "full_int8"]
    # The first was finished last.
    assert rows == [(f"models:/pages/{day}", variant) for day in (1, 3, 2) for variant in variants]
    assert _shown(history("pages", 1, server)) == rows[:3]
    with pytest.raises(TrackingError, match=r"it has those of .*pages"):
        history("pges", 1, server)


def test_a_run_that_is_recorded_in_two_experiments_is_there_twice(client: MlflowClient, server: str) -> None:
    """Somebody named another experiment since: the two are not mixed, and each is one of the last runs."""
    for experiment in ("first-place", "second-place"):
        ids = _record(client, client.create_experiment(experiment), "placed", 1)
    rows = history("placed", 9, server)
    assert [row.variant for row in rows] == ["float32", "float16", "full_int8"] * 2
    assert len(history("placed", 1, server)) == 3
    assert set(ids) in [{row.run_id for row in rows[:3]}, {row.run_id for row in rows[3:]}]


def test_a_registered_model_has_the_last_runs_of_all_that_feed_it(client: MlflowClient, server: str) -> None:
    """Of two quantizations that feed one model, the last runs are those of both in the order of time."""
    experiment = client.create_experiment("fed")
    client.create_registered_model("fed-tflite")
    for day in range(1, 6):
        name = "fed-left" if day in (1, 2, 5) else "fed-right"
        run = client.get_run(_record(client, experiment, name, day)[1])
        tags = {"edgequant.name": name}
        client.create_model_version("fed-tflite", f"{run.info.artifact_uri}/model", run.info.run_id, tags=tags)
    client.set_registered_model_alias("fed-tflite", "candidate", "4")
    rows = history("fed-tflite", 3, server)
    expected = ["models:/fed-left/5", "models:/fed-right/4", "models:/fed-right/3"]
    assert [row.source_model for row in rows] == [source for source in expected for _ in range(3)]
    assert [(row.registered, row.aliases) for row in rows if row.registered] == [
        ("fed-tflite/5", ()),
        ("fed-tflite/4", ("candidate",)),
        ("fed-tflite/3", ()),
    ]
    assert len(history("fed-tflite", 9, server)) == 15
    assert [row.pipeline_run for row in history("fed-left", 2, server)] == ["run-5"] * 3 + ["run-2"] * 3


def test_compare_reads_what_a_run_wrote(
    new_mlflow: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after `edgequant run`, its own work directory is read, and named; of several others, none is guessed."""
    monkeypatch.chdir(tmp_path)
    works = Path("edgequant-work")
    for name in ("daisies", "tulips"):
        (works / name).mkdir(parents=True)
    client = MlflowClient(new_mlflow(works / "daisies" / "mlflow.db"))
    for run_id in _record(client, client.create_experiment("daisies"), "daisies", 1):
        client.log_metric(run_id, "examples", 1719)
        client.set_tag(run_id, "edgequant.gate", "max_drop_points=1.0")
    shutil.copyfile(works / "daisies" / "mlflow.db", works / "tulips" / "mlflow.db")

    def compare(name: str) -> Any:
        return CliRunner().invoke(main, ["compare", name])

    done = compare("daisies")
    database = (works / "daisies" / "mlflow.db").resolve()
    assert (done.exit_code, done.stderr) == (0, f"MLflow: sqlite:///{database}\n")
    assert "models:/daisies/1  gate: max_drop_points=1.0" in done.stdout
    heading, row = [line.split() for line in done.stdout.splitlines() if "variant" in line or "full_int8" in line]
    assert "n" in heading
    assert "1,719" in row
    several = compare("roses")
    assert several.exit_code == 2
    assert "there are several databases: edgequant-work/daisies/mlflow.db, edgequant-work/tulips/" in several.stderr
    assert "--tracking-uri sqlite:///edgequant-work/daisies/mlflow.db reads one" in several.stderr
    shutil.rmtree(works / "tulips")
    shutil.move(works / "daisies", "edgequant-demo")
    assert compare("daisies").stdout == done.stdout
