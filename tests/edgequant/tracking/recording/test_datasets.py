"""The example sets of a result as MLflow has them, read back from a real server by MLflow's own parser."""

import hashlib
import json
from typing import Any

import mlflow.data
import pytest
from mlflow import MlflowClient
from mlflow.data.dataset_source_registry import get_dataset_source_from_json
from mlflow.utils import validation

from edgequant.artifacts.example_set import DatasetFacts, Provenance, SourceFile
from edgequant.artifacts.result import ResultContent, TrackingSettings
from edgequant.tracking.recording.datasets import datasets


def _content(*paths: str, rule: str = "random") -> ResultContent:
    """Returns what a result says whose two sets were drawn from files of 7 bytes."""

    def facts(purpose: str) -> DatasetFacts:
        sources = tuple(SourceFile(path=path, size_bytes=7) for path in paths)
        given: dict[str, Any] = {"signature": "serving_default", "seed": 0, "requested": 3, "records_read": 9}
        provenance = Provenance(purpose=purpose, rule=rule, duplicates=0, sources=sources, **given)
        return DatasetFacts(digest="0123456789abcdef" * 4, examples=3, provenance=provenance)

    settings = TrackingSettings(uri="", experiment="digits")
    return ResultContent(settings=settings, calibration=facts("calibration"), evaluation=facts("evaluation"))


def _source(*paths: str, **given: Any) -> tuple[str, dict[str, Any]]:
    """Returns the type and the fields of a dataset's source."""
    dataset = datasets(_content(*paths, **given))[0].dataset
    return dataset.source_type, json.loads(dataset.source)


@pytest.mark.parametrize(
    ("paths", "kind", "uri"),
    [
        (["gs://bucket/a/part-0", "gs://bucket/a/part-1"], "gs", "gs://bucket/a"),
        (["s3://bucket/a/b/part-0", "s3://bucket/a/c/part-0"], "s3", "s3://bucket/a"),
        (["s3://bucket/a/part-0"], "s3", "s3://bucket/a/part-0"),
        (["/data/train/0.npz", "/data/test/0.npz"], "local", "/data"),
        (["/data/a:b/0.npz"], "local", "/data/a:b/0.npz"),
        # What have no folder in common: the first.
        (["gs://one/a", "gs://other/a"], "gs", "gs://one/a"),
        (["s3://bucket/a", "gs://bucket/a"], "s3", "s3://bucket/a"),
        (["/a/0.npz", "/b/0.npz"], "local", "/a/0.npz"),
    ],
)
def test_a_source_is_one_that_mlflow_reads(paths: list[str], kind: str, uri: str) -> None:
    """It has the type of its scheme, and the folder that all files are in; of one file, the file."""
    for item in datasets(_content(*paths)):
        assert mlflow.data.get_source(item).to_dict() == {"uri": uri}
        parsed = get_dataset_source_from_json(item.dataset.source, item.dataset.source_type)
        assert parsed._get_source_type() == item.dataset.source_type == kind
    assert _source(*paths)[1]["files"] == paths


def test_a_source_tells_how_many_files_there_are_and_which() -> None:
    """Of many files it lists the first 100; the digest is over the lines of path and size, and covers all."""
    paths = [f"gs://bucket/a/part-{number:05}" for number in range(102)]
    _, source = _source(*paths)
    assert (source["count"], source["files"]) == (102, paths[:100])
    lines = "".join(f"{path} 7\n" for path in paths)
    assert source["files_digest"] == hashlib.sha256(lines.encode()).hexdigest()
    assert _source(*paths[:-1], "gs://bucket/a/other")[1]["files_digest"] != source["files_digest"]
    assert _source(*paths, rule="the rule")[1]["rule"] == "the rule"


def test_a_server_takes_2000_shards(server: str) -> None:
    """However many and however long the paths are, all fields are as short as MLflow wants them."""
    client = MlflowClient(tracking_uri=server)
    long = "é" * 800
    for name, folder, rule in (("short", "gs://bucket/a", "random"), ("long", f"s3://bucket/{long}", "r" * 20_000)):
        paths = [f"{folder}/part-{number:05}-of-02000.tfrecord.gz" for number in range(2000)]
        # An experiment has one dataset of a name and digest.
        run = client.create_run(client.create_experiment(f"shards-{name}"))
        client.log_inputs(run.info.run_id, datasets=datasets(_content(*paths, rule=rule)))
        inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
        assert [mlflow.data.get_source(item).to_dict() for item in inputs] == [{"uri": folder}] * 2
        for item in inputs:
            source = json.loads(item.dataset.source)
            assert source["count"] == 2000
            assert 0 < len(source["files"]) <= 100
            assert source["files"] == paths[: len(source["files"])]
            assert len(item.dataset.source) <= validation.MAX_DATASET_SOURCE_SIZE
            assert len(item.dataset.profile) <= validation.MAX_DATASET_PROFILE_SIZE
            assert len(item.dataset.name) <= validation.MAX_DATASET_NAME_SIZE
            assert len(item.dataset.digest) <= validation.MAX_DATASET_DIGEST_SIZE
