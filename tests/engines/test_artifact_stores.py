"""Artifacts in a bucket that MLflow's client writes to itself: what passes is retried, what is refused is not."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.edgequant.tracking.fault_proxy import CUT, LOST, STATUS, Fault, Proxy, proxy

from edgequant.mlflow_access import retries
from edgequant.mlflow_access.retries import RetryPolicy
from edgequant.tracking.recording.uploads import Upload, Uploader, complete

pytestmark = [pytest.mark.engines, pytest.mark.timeout(100)]
LOCATION = "s3://my-bucket/models"
FILES = {"MLmodel": b"flavors", "artifacts/model.tflite": b"TFL3" * 1000}


@pytest.fixture
def before(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy before the bucket's server; botocore asks once, waits between attempts are short."""
    import boto3

    request.getfixturevalue("s3_bucket")
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(retries, "_LONGEST_WAIT_SECONDS", 0.1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with proxy(str(boto3.client("s3").meta.endpoint_url)) as state:
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", state.address)
        yield state


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., list[str]]:
    """Copies the files to a location, and adds what is told to a list, which it returns."""

    def run(location: str, told: list[str] | None = None) -> list[str]:
        told = [] if told is None else told
        for name, content in FILES.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(content)
        with Uploader("sqlite://", RetryPolicy(10.0, told.append)) as uploader:
            complete(uploader.begin(Upload(directory=tmp_path, location=location)))
        return told

    return run


def _held(folder: str) -> dict[str, bytes]:
    """Returns what the bucket has below a folder."""
    import boto3

    bucket: Any = boto3.resource("s3").Bucket("my-bucket")
    found = bucket.objects.filter(Prefix=f"{folder}/")
    return {item.key.removeprefix(f"{folder}/"): item.get()["Body"].read() for item in found}


def test_a_store_that_fails_for_a_while(before: Proxy, copy: Callable[..., list[str]]) -> None:
    """Refused for now, not answered, cut off: each file is sent again until it is there."""
    before.faults = [
        Fault(kind=STATUS, where=r"PUT .*model\.tflite", status=503, times=2),
        Fault(kind=CUT, where=r"PUT .*model\.tflite"),
        Fault(kind=LOST, where="PUT .*MLmodel", times=2),
        Fault(kind=STATUS, where="PUT .*MLmodel", status=507),
    ]
    told = copy(f"{LOCATION}/passing")
    assert [fault.times for fault in before.faults] == [0] * 4
    assert _held("models/passing") == FILES
    assert len(told) == 6


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_store_that_refuses(before: Proxy, copy: Callable[..., list[str]], status: int) -> None:
    """It is asked once for a file, and nothing is told but its own error."""
    before.faults = [Fault(kind=STATUS, where="PUT", status=status, times=10_000)]
    with pytest.raises(Exception, match=str(status)):
        copy(f"{LOCATION}/refused")
    assert len(before.seen) <= 2


def test_a_bucket_that_is_not_there(before: Proxy, copy: Callable[..., list[str]]) -> None:
    """No attempt makes it be there."""
    with pytest.raises(Exception, match="NoSuchBucket"):
        copy("s3://another-bucket/models")
    assert len(before.seen) <= 2


def test_a_store_that_is_down(copy: Callable[..., list[str]], before: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where it should be: that is asked again, a few times for each file."""
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    told: list[str] = []
    with pytest.raises(Exception, match=r"127\.0\.0\.1:9"):
        copy(f"{LOCATION}/down", told)
    assert len(told) == 6
    assert before.seen == []
