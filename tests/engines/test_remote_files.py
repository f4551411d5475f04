"""Examples in buckets, of servers on this machine that speak S3's and Google's own protocols."""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from edgequant.artifacts.example_set import ExampleSet, load_example_set
from edgequant.errors import ExamplesError
from edgequant.sampling.decode.preprocessing import load_preprocess
from edgequant.sampling.fingerprint import fingerprint, of_examples
from edgequant.sampling.formats.files import Piece, read_piece
from edgequant.sampling.referenced_files import read_referenced_files
from edgequant.sampling.settings import ExampleSources
from edgequant.signature import ModelSignature

pytestmark = [pytest.mark.engines, pytest.mark.timeout(200)]
RunSample = Callable[..., subprocess.CompletedProcess[str]]
SCHEMES = ("s3", "gs")
# An error that needs no retry is told well before Beam's own retries, of minutes, are over.
SOON_SECONDS = 30


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> str:
    """A file system whose bucket my-bucket holds the points' shards, and whose credentials are in the environment."""
    request.getfixturevalue(f"{request.param}_bucket")
    return str(request.param)


@pytest.fixture
def draw(run_sample: RunSample, points: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Draws from patterns for calibration and evaluation to a directory, and returns how that ended."""

    def run(
        to: str,
        calibration: str,
        evaluation: str = "",
        options: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        config = {
            "name": "remote",
            "model": str(points / "model"),
            "examples": {"calibration": calibration, "label": "label"},
            "sampling": {"calibration": 40, "evaluation": 100},
        }
        if evaluation:
            config["examples"] = {"calibration": calibration, "evaluation": evaluation, "label": "label"}
        path = tmp_path / f"{to}.yaml"
        path.write_text(yaml.safe_dump(config))
        return run_sample(path, tmp_path / to, ["--runner=FnApiRunner", *options], environment)

    return run


@pytest.fixture
def drawn(
    draw: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> Callable[..., tuple[ExampleSet, ExampleSet]]:
    """Draws, which must succeed, and returns both sets."""

    def run(to: str, *patterns: str, options: Sequence[str] = ()) -> tuple[ExampleSet, ExampleSet]:
        done = draw(to, *patterns, options=options)
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        return load_example_set(tmp_path / to / "calibration"), load_example_set(tmp_path / to / "evaluation")

    return run


@pytest.fixture
def refused(
    draw: Callable[..., subprocess.CompletedProcess[str]],
    message: Callable[[subprocess.CompletedProcess[str]], str],
    tmp_path: Path,
) -> Callable[..., str]:
    """Draws, which must fail soon and leave nothing behind, and returns the message."""

    def run(
        pattern: str, code: int = 1, options: Sequence[str] = (), environment: Mapping[str, str | None] | None = None
    ) -> str:
        begin = time.monotonic()
        done = draw("refused", pattern, options=options, environment=environment)
        assert done.returncode == code, done.stdout + done.stderr[-3000:]
        assert time.monotonic() - begin < SOON_SECONDS
        assert not (tmp_path / "refused").exists() or not list((tmp_path / "refused").iterdir())
        return message(done)

    return run


def contents(examples: ExampleSet) -> tuple[list[str], str, str]:
    """Returns what an example set holds: its identities, and digests of inputs and labels."""
    arrays = {name: np.ascontiguousarray(array).tobytes() for name, array in examples.inputs.items()}
    labels = b"" if examples.labels is None else np.ascontiguousarray(examples.labels).tobytes()
    inputs = hashlib.sha256(json.dumps({k: v.hex() for k, v in arrays.items()}).encode()).hexdigest()
    return list(examples.identities), inputs, hashlib.sha256(labels).hexdigest()


@pytest.mark.parametrize(
    "options",
    [[], ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]],
    ids=["embedded", "multi_processing"],
)
def test_the_same_sample_as_of_local_files(
    scheme: str, points: Path, drawn: Callable[..., tuple[ExampleSet, ExampleSet]], options: Sequence[str]
) -> None:
    """The same examples are drawn from a bucket as from a directory, whichever process reads them."""
    local = drawn("local", str(points / "train-*"), str(points / "test-*"))
    remote = drawn(
        "remote", f"{scheme}://my-bucket/points/train-*", f"{scheme}://my-bucket/points/test-*", options=options
    )
    assert [contents(examples) for examples in remote] == [contents(examples) for examples in local]
    assert [file.path for file in remote[1].provenance.sources] == [
        f"{scheme}://my-bucket/points/test-0.tfrecord",
        f"{scheme}://my-bucket/points/test-1.tfrecord",
    ]


def test_workers_of_another_process_read_buckets(
    scheme: str,
    beside_buckets: list[str],
    points: Path,
    drawn: Callable[..., tuple[ExampleSet, ExampleSet]],
) -> None:
    """Workers of a pool, which Beam tells nothing about file systems, read from and write to a bucket."""
    local = drawn("local", str(points / "train-*"))
    options = [*beside_buckets, f"--temp_location={scheme}://my-bucket/temp"]
    remote = drawn("remote", f"{scheme}://my-bucket/points/train-*", options=options)
    assert [contents(examples) for examples in remote] == [contents(examples) for examples in local]


def test_the_fingerprint_follows_the_bucket(scheme: str, put: Callable[[str, str, bytes], None]) -> None:
    """A replaced object changes the fingerprint; what stays does not."""
    patterns = [f"{scheme}://my-bucket/changing/*.tfrecord"]
    put(scheme, "changing/a.tfrecord", b"one")
    first = fingerprint(patterns)
    assert fingerprint(patterns) == first
    put(scheme, "changing/a.tfrecord", b"two")
    second = fingerprint(patterns)
    assert second != first
    put(scheme, "changing/b.tfrecord", b"two")
    assert fingerprint(patterns) != second


def test_names_and_code_in_a_bucket(scheme: str, put: Callable[[str, str, bytes], None]) -> None:
    """The names of the classes and the preprocess function are read from the bucket, and the fingerprint follows both."""
    signature = ModelSignature(key="serving_default", inputs=(), outputs=())
    put(scheme, "named/labels.txt", b"ant\nbee\n")
    put(scheme, "named/prepare.py", b"def to_inputs(features):\n    return {}\n")
    labels, function = f"{scheme}://my-bucket/named/labels.txt", f"{scheme}://my-bucket/named/prepare.py:to_inputs"
    asked = ExampleSources(
        signature=signature,
        calibration=[],
        classes_file=labels,
        preprocess=function,
        task="classification",
        calibration_count=1,
        evaluation_count=1,
        seed=1,
        beam_options=[],
    )
    read = read_referenced_files(asked)
    assert read.classes == ["ant", "bee"]
    assert load_preprocess(read.preprocess, read.preprocess_source)({}) == {}
    first = of_examples([], [], labels, function)
    put(scheme, "named/labels.txt", b"ant\nbee\nwasp\n")
    second = of_examples([], [], labels, function)
    put(scheme, "named/prepare.py", b"def to_inputs(features):\n    return features\n")
    assert len({first, second, of_examples([], [], labels, function)}) == 3
    with pytest.raises(ExamplesError, match=r"no-such-file\.txt: cannot be read"):
        read_referenced_files(replace(asked, classes_file=f"{scheme}://my-bucket/named/no-such-file.txt"))


def test_a_bucket_that_does_not_exist(scheme: str, refused: Callable[..., str]) -> None:
    """The bucket is named, and that it does not exist."""
    found = refused(f"{scheme}://no-such-bucket/points/train-*")
    assert found.startswith("edgequant: examples")
    assert f"{scheme}://no-such-bucket" in found
    assert found.endswith("the bucket does not exist")


def test_a_pattern_that_matches_nothing(scheme: str, refused: Callable[..., str]) -> None:
    """The message is that of local files."""
    pattern = f"{scheme}://my-bucket/points/nothing-*"
    assert refused(pattern) == f"edgequant: examples.calibration: no file matches '{pattern}'"


def test_a_shard_that_vanishes_before_it_is_read(scheme: str) -> None:
    """A file system's own kind of error, too, becomes one that names the shard."""
    path = f"{scheme}://my-bucket/points/gone.tfrecord"
    with pytest.raises(ExamplesError, match=rf"^{path}: cannot be read"):
        list(read_piece(Piece(path, 1)))


def test_a_bucket_without_a_path(scheme: str, refused: Callable[..., str]) -> None:
    """A bucket alone is no pattern of files."""
    assert f"'{scheme}://my-bucket'" in refused(f"{scheme}://my-bucket", code=2)


def test_missing_credentials_of_s3(s3_bucket: None, refused: Callable[..., str]) -> None:
    """The variables to set are named; Beam alone would retry for minutes."""
    del s3_bucket
    missing: dict[str, str | None] = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    found = refused("s3://my-bucket/points/train-*", environment=missing | {"AWS_EC2_METADATA_DISABLED": "true"})
    assert "AWS_ACCESS_KEY_ID" in found


def test_missing_credentials_of_google(gs_bucket: None, refused: Callable[..., str], tmp_path: Path) -> None:
    """A bucket that needs credentials, asked without, is an error that names the variable to set."""
    del gs_bucket
    missing: dict[str, str | None] = {
        "GOOGLE_APPLICATION_CREDENTIALS": None,
        "CLOUDSDK_CONFIG": str(tmp_path),
        "NO_GCE_CHECK": "true",
    }
    assert "GOOGLE_APPLICATION_CREDENTIALS" in refused("gs://my-bucket/points/train-*", environment=missing)


@pytest.mark.parametrize("option", ["s3_access_key_id", "s3_secret_access_key", "s3_session_token"])
def test_credentials_are_no_options(s3_bucket: None, refused: Callable[..., str], option: str) -> None:
    """Options are in pipelines and logs for all to read: a secret is refused there, and not repeated."""
    del s3_bucket
    found = refused("s3://my-bucket/points/train-*", code=2, options=[f"--{option}=AKIAEXAMPLE"])
    assert f"--{option}" in found
    assert "AWS_" in found
    assert "AKIAEXAMPLE" not in found


@pytest.mark.parametrize(("scheme", "module"), [("s3", "boto3"), ("gs", "google_auth_httplib2")], indirect=["scheme"])
def test_a_missing_extra(scheme: str, module: str, refused: Callable[..., str], tmp_path: Path) -> None:
    """Without what the file system needs, the extra to install is named."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / f"{module}.py").write_text(f'raise ImportError("No module named {module}")\n')
    path = os.pathsep.join([str(tmp_path / "without"), os.environ.get("PYTHONPATH", "")])
    found = refused(f"{scheme}://my-bucket/points/train-*", environment={"PYTHONPATH": path})
    extra = {"s3": "s3", "gs": "gcs"}[scheme]
    assert f"edgequant[{extra}]" in found
