"""Two recordings of one result at once, and a version that lands late: one of each is left, with every alias."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from tests.edgequant.tracking.fault_proxy import GIVEN_UP, LATE, TOGETHER, Fault, Proxy
from tests.edgequant.tracking.recordings import RECORD, held, whole, write

from edgequant.artifacts.result import Tracked
from edgequant.errors import TrackingError
from edgequant.tracking.step import record


@pytest.fixture
def client(server: str) -> MlflowClient:
    """A client of the server itself."""
    return MlflowClient(tracking_uri=server, registry_uri=server)


def _at_once(*paths: Path) -> None:
    """Records in processes of their own at the same time."""
    for code, text in _ended(*paths):
        assert code == 0, text[-3000:]


def _ended(*paths: Path) -> list[tuple[int, str]]:
    """Returns how processes end that record at the same time, and what they say."""
    processes = [
        subprocess.Popen([sys.executable, "-c", RECORD, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for path in paths
    ]
    said = [process.communicate(timeout=400)[0].decode() for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def _hangs_together(client: MlflowClient, name: str, tracked: Tracked) -> None:
    """Asserts that what a recording named is there, and that the version is of its run and of that run's model."""
    assert tracked.model_version is not None
    version = client.get_model_version(name, tracked.model_version)
    runs = {run.info.run_id: run for run in client.search_runs([tracked.experiment_id])}
    assert runs.keys() == {*tracked.run_ids.values(), tracked.summary_run_id}
    (output,) = runs[version.run_id].outputs.model_outputs
    assert client.get_logged_model(output.model_id).artifact_location == version.source
    variant = version.tags["edgequant.variant"]
    assert runs[tracked.summary_run_id].data.tags[f"edgequant.run.{variant}"] == version.run_id
    assert tracked.alias_version == tracked.model_version


@pytest.mark.parametrize(
    ("parties", "where"),
    [
        (2, ("runs/create",)),
        (2, ("logged-models$",)),
        (2, ("model-versions/create",)),
        pytest.param(3, ("model-versions/create",), marks=pytest.mark.long),
        pytest.param(3, ("runs/create", "log-batch", "model-versions/create"), marks=pytest.mark.long),
    ],
)
def test_copies_that_are_recorded_at_once(
    client: MlflowClient,
    server: str,
    before: Proxy,
    results: Callable[..., Path],
    tmp_path: Path,
    parties: int,
    where: tuple[str, ...],
) -> None:
    """Each has looked, found nothing, and makes its own: once all are done there is one of each, and all name it."""
    name = f"copies-{parties}-" + "-".join(re.sub("[^a-z]", "-", path) for path in where)
    # On a busy machine all of them wait for the slowest to begin.
    path = write(results, name, before, retry_seconds=180.0)
    copies = [tmp_path / f"copy-{number}" / "result" for number in range(parties - 1)]
    for copy in copies:
        shutil.copytree(path, copy)
    before.faults = [Fault(kind=TOGETHER, where=f"POST .*{each}", times=parties, parties=parties) for each in where]
    _at_once(path, *copies)
    assert [fault.times for fault in before.faults] == [0] * len(where)
    last = record(path)
    assert held(server, name) == whole()
    _hangs_together(client, name, last)
    assert last.model_version == "1"


@pytest.mark.long
def test_a_recording_whose_runs_are_removed(
    client: MlflowClient, server: str, before: Proxy, results: Callable[..., Path], tmp_path: Path
) -> None:
    """One is held up until the other has kept its own runs and removed these: it goes on with those that are kept."""
    path = write(results, "overtaken", before)
    copy = tmp_path / "copy" / "result"
    shutil.copytree(path, copy)
    before.faults = [
        Fault(kind=TOGETHER, where="POST .*runs/create", times=2),
        Fault(kind=LATE, where="POST .*runs/log-batch", seconds=25),
    ]
    _at_once(path, copy)
    assert held(server, "overtaken") == whole()
    _hangs_together(client, "overtaken", record(path))


@pytest.mark.long
def test_a_recording_whose_summary_alone_is_removed(
    client: MlflowClient, server: str, before: Proxy, results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another keeps its own, and the variants' runs of this one, at the worst moment: it goes on with what is kept."""
    path = write(results, "summary-removed", before)
    pristine = MlflowClient.log_batch
    replaced: list[str] = []

    def log_batch(self: MlflowClient, run_id: str, **entries: Any) -> Any:
        run = client.get_run(run_id)
        if run.data.tags["edgequant.role"] == "summary" and not replaced:
            replaced.append(client.create_run(run.info.experiment_id, start_time=1, tags=run.data.tags).info.run_id)
            client.delete_run(run_id)
        return pristine(self, run_id, **entries)

    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    tracked = record(path)
    assert [tracked.summary_run_id] == replaced
    assert held(server, "summary-removed") == whole()
    _hangs_together(client, "summary-removed", tracked)


@pytest.mark.long
def test_a_directory_has_one_writer(
    client: MlflowClient, server: str, before: Proxy, results: Callable[..., Path]
) -> None:
    """Two processes that record one directory take turns: nothing is made twice, not even for a moment."""
    path = write(results, "turns", before)
    # While the first one makes its runs, the second would look and find none of them.
    before.faults = [Fault(kind=LATE, where="POST .*runs/create", seconds=1.5, times=3)]
    _at_once(path, path)
    assert held(server, "turns") == whole()
    experiment = client.get_experiment_by_name("turns").experiment_id
    assert len(client.search_runs([experiment], run_view_type=ViewType.ALL)) == 5


def test_a_version_that_lands_late(
    client: MlflowClient, server: str, before: Proxy, results: Callable[..., Path]
) -> None:
    """The client gave up, and the server makes it just before it is asked again: the first one stays, with the alias."""
    path = write(results, "late-version", before)
    client.create_registered_model("late-version")
    before.faults = [Fault(kind=GIVEN_UP, where="POST .*model-versions/create")]
    tracked = record(path)
    assert before.faults[0].times == 0
    assert not before.given_up
    assert held(server, "late-version") == whole()
    assert (tracked.model_version, tracked.alias_version) == ("1", "1")
    assert tracked.links["version"].endswith("/models/late-version/versions/1?workflowType=machine_learning")
    assert "as version 1" in client.get_run(tracked.summary_run_id).data.tags["edgequant.registered"]
    assert "edgequant.aliased" in client.get_model_version("late-version", "1").tags
    _hangs_together(client, "late-version", tracked)


def test_a_version_that_goes_leaves_its_aliases(
    client: MlflowClient, server: str, before: Proxy, results: Callable[..., Path]
) -> None:
    """One was made twice, and the second has both aliases: the first gets them and the tags that tell of them."""
    path = write(results, "left-twice", before)
    record(path)
    first = client.get_model_version("left-twice", "1")
    tags = {name: value for name, value in first.tags.items() if name != "edgequant.aliased"}
    client.delete_model_version_tag("left-twice", "1", "edgequant.aliased")
    second = {"edgequant.aliased": "candidate", "edgequant.forced.champion": "promoted with --force"}
    model_id = client.get_run(first.run_id).outputs.model_outputs[0].model_id
    client.create_model_version("left-twice", first.source, first.run_id, tags={**tags, **second}, model_id=model_id)
    for alias in ("candidate", "champion"):
        client.set_registered_model_alias("left-twice", alias, "2")
    tracked = record(path)
    assert (tracked.model_version, tracked.alias_version) == ("1", "1")
    aliases = client.get_registered_model("left-twice").aliases
    assert {alias: str(number) for alias, number in aliases.items()} == {"candidate": "1", "champion": "1"}
    assert held(server, "left-twice")["versions"] == 1
    assert client.get_model_version("left-twice", "1").tags == {**tags, **second}


def test_of_two_runs_the_registered_one_stays(
    client: MlflowClient, server: str, before: Proxy, results: Callable[..., Path]
) -> None:
    """Another finished run of the same variant began before: the version cannot change its run, so that one stays."""
    path = write(results, "two-runs", before)
    tracked = record(path)
    version = client.get_model_version("two-runs", "1")
    run = client.get_run(version.run_id)
    other = client.create_run(run.info.experiment_id, start_time=1, tags=run.data.tags)
    client.set_terminated(other.info.run_id, "FINISHED")
    again = record(path)
    assert again == tracked
    assert held(server, "two-runs") == whole()


@pytest.mark.parametrize("moved", [False, True], ids=["the same model", "another registered model"])
def test_a_registered_model_whose_run_was_deleted(
    client: MlflowClient,
    before: Proxy,
    results: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    moved: bool,
) -> None:
    """Somebody removed the version's run: recorded again, the variant has a run and a model of its own, and the version its files."""
    name = f"run-deleted-{moved}"
    record(write(results, name, before))
    version = client.get_model_version(name, "1")
    client.delete_run(version.run_id)
    capsys.readouterr()
    again = record(
        results(uri=before.address, experiment=name, registered_model=f"{name}-2" if moved else name, name="again")
    )
    assert "some of it was there twice" not in capsys.readouterr().out
    assert again.versions == {version.tags["edgequant.variant"]: "1"}
    models = client.search_logged_models([again.experiment_id])
    assert version.source in {model.artifact_location for model in models}
    assert len(models) == 5
    assert {model.source_run_id for model in models} == {*again.run_ids.values(), version.run_id}


@pytest.mark.long
def test_two_results_under_one_key_at_once(
    client: MlflowClient, server: str, before: Proxy, results: Callable[..., Path], tmp_path: Path
) -> None:
    """The one whose first run began before the other's goes on; the other is refused, and takes back what it made."""
    for number in (1, 2):
        write(results, "shared", before, pipeline_run="shared", model_uri=f"model-{number}").rename(
            tmp_path / f"result-{number}"
        )
    paths = [tmp_path / "result-1", tmp_path / "result-2"]
    before.faults = [Fault(kind=TOGETHER, where="POST .*runs/create", times=2)]
    ended = _ended(*paths)
    assert sorted(code for code, _ in ended) == [0, 1], ended
    (refusal,) = [text for code, text in ended if code]
    assert "pipeline_run: 'shared' is taken: run" in refusal
    assert held(server, "shared") == whole()
    kept, other = (path for _, path in sorted(zip([code for code, _ in ended], paths, strict=True)))
    tracked = record(kept)
    with pytest.raises(TrackingError, match="is taken"):
        record(other)
    assert held(server, "shared") == whole()
    _hangs_together(client, "shared", tracked)


def test_versions_of_another_result_are_no_doubles(
    client: MlflowClient, before: Proxy, results: Callable[..., Path]
) -> None:
    """One was made under this key before it was refused: it and its aliases stay as they are."""
    path = write(results, "no-doubles", before)
    record(path)
    first = client.get_model_version("no-doubles", "1")
    tags = {**first.tags, "edgequant.result_digest": "another"}
    model_id = client.get_run(first.run_id).outputs.model_outputs[0].model_id
    client.create_model_version("no-doubles", first.source, first.run_id, tags=tags, model_id=model_id)
    client.set_registered_model_alias("no-doubles", "champion", "2")
    record(path)
    assert client.get_registered_model("no-doubles").aliases == {"candidate": "1", "champion": "2"}
