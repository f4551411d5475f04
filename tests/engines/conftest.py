"""Engines, each started for real in processes of its own and ended with the tests, and what the tests draw from."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
# What `make test-engines` puts here: prism, and Flink's job server with what it needs.
INSTALLED = HERE.parent.parent / ".engines"
# Set by `make test-engines`: an engine that cannot be had fails its tests, where they are skipped otherwise.
REQUIRE = "EDGEQUANT_REQUIRE_ENGINES"
BUCKET = "my-bucket"
SPLIT = "split"
SEPARATE = "separate"
_START_SECONDS = 60
_END_SECONDS = 15
_SAMPLE_SECONDS = 150

Serve = Callable[[str, Sequence[str]], int]
RunSample = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of a tiny SavedModel, `model`, and shards of points, `train-*` and `test-*`."""
    folder = tmp_path_factory.mktemp("points")
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(HERE / "make_input.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def configs(points: Path) -> Mapping[str, Path]:
    """By case, the configuration that draws from the points: one source that is split, or two."""
    found = {}
    for case, held_out in ((SPLIT, {}), (SEPARATE, {"evaluation": "test-*"})):
        config = {
            "name": "engines",
            "model": "model",
            "examples": {"calibration": "train-*", "label": "label", **held_out},
            "sampling": {"calibration": 40, "evaluation": 100},
        }
        found[case] = points / f"{case}.yaml"
        found[case].write_text(yaml.safe_dump(config))
    return found


@pytest.fixture(scope="session")
def run_sample() -> RunSample:
    """Runs ``edgequant sample CONFIG`` with Beam's options in a process of its own, and returns how it ended."""

    def run(
        config: Path, output: Path, options: Sequence[str], environment: Mapping[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from edgequant_pipelines.cli import main; main()"]
        command += ["sample", str(config), "--output", str(output)]
        command += ["--set", f"beam={json.dumps(list(options))}"]
        changed = {**_environment(), **(environment or {})}
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={name: value for name, value in changed.items() if value is not None},
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(timeout=_SAMPLE_SECONDS)
            except subprocess.TimeoutExpired:
                _end(process)
                out, err = process.communicate()
                err += f"\nended by the test: no result after {_SAMPLE_SECONDS} s"
            finally:
                _end(process)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def message() -> Callable[[subprocess.CompletedProcess[str]], str]:
    """Returns the one line in which a command says why it ended.

    It need not be the last: a thread of google-auth looks for a region in the background, and may log at any time that
    it found none.
    """

    def find(done: subprocess.CompletedProcess[str]) -> str:
        lines = [line for line in done.stderr.splitlines() if line.startswith("edgequant: ")]
        assert len(lines) == 1, done.stdout + done.stderr[-3000:]
        return lines[0]

    return find


@pytest.fixture(scope="session")
def digests(
    run_sample: RunSample, configs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Sequence[str]], dict[str, str]]:
    """Draws a case with Beam's options, and returns the digest of the manifest of each set."""

    def draw(case: str, options: Sequence[str]) -> dict[str, str]:
        output = tmp_path_factory.mktemp("sets")
        done = run_sample(configs[case], output, options)
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        return {
            name: hashlib.sha256((output / name / "manifest.json").read_bytes()).hexdigest()
            for name in ("calibration", "evaluation")
        }

    return draw


@pytest.fixture(scope="session")
def embedded(digests: Callable[[str, Sequence[str]], dict[str, str]]) -> Mapping[str, dict[str, str]]:
    """By case, the digests of what the default runner draws, in one process."""
    return {case: digests(case, ["--runner=FnApiRunner"]) for case in (SPLIT, SEPARATE)}


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts a server by its name and command, where {port} stands for the port to listen on, and returns the port.

    When the tests are over each is ended together with what it started, and nothing of it may be left.
    """
    logs = tmp_path_factory.mktemp("servers")
    with ExitStack() as running:

        def start(name: str, command: Sequence[str]) -> int:
            port = _free_port()
            filled = [part.replace("{port}", str(port)) for part in command]
            running.enter_context(_server(filled, port, logs / f"{name}-{port}.log"))
            return port

        yield start


@pytest.fixture(scope="session")
def external_workers(serve: Serve) -> list[str]:
    """The options for workers of a pool in another process, as beside Flink's task managers on Kubernetes."""
    return _worker_pool(serve)


@pytest.fixture(scope="session")
def multi_processing() -> list[str]:
    """Beam's own runner with two worker processes."""
    return ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]


@pytest.fixture(scope="session")
def portable(serve: Serve, external_workers: list[str]) -> list[str]:
    """Beam's portable job service in Python."""
    module = "apache_beam.runners.portability.local_job_service_main"
    port = serve("portable", [sys.executable, "-m", module, "--job_port={port}"])
    return ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}", *external_workers]


@pytest.fixture(scope="session")
def beside_buckets(serve: Serve, portable: list[str], s3_bucket: None, gs_bucket: None) -> list[str]:
    """As `portable`, with workers in whose environment are the buckets' addresses and credentials."""
    del s3_bucket, gs_bucket
    return [option for option in portable if not option.startswith("--environment")] + _worker_pool(serve)


@pytest.fixture(scope="session")
def dask(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A Dask `LocalCluster` of two processes. By itself Dask would give 128 portions to one of them."""
    folder = tmp_path_factory.mktemp("dask")
    port = serve("dask", [sys.executable, str(HERE / "dask_cluster.py"), "{port}", str(folder)])
    return [
        "--runner=DaskRunner",
        f"--dask_client_address=tcp://127.0.0.1:{port}",
        "--dask_partition_size=1",
    ]


@pytest.fixture(scope="session")
def prism(serve: Serve, external_workers: list[str]) -> list[str]:
    """Prism, Beam's runner in Go."""
    binary = INSTALLED / "prism"
    _need(binary.is_file(), "Prism is not installed: `make test-engines` builds it with Go")
    port = serve("prism", [str(binary), "-job_port={port}", "-serve_http=false"])
    return ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}", *external_workers]


@pytest.fixture(scope="session")
def flink(serve: Serve, external_workers: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Beam's job server for Flink, with a Flink cluster in it."""
    java = shutil.which("java")
    _need(java is not None, "Flink needs Java: there is no `java` on the path")
    jars = INSTALLED / "flink"
    _need(any(jars.glob("*.jar")), "Flink's job server is not installed: `make test-engines` fetches it with Maven")
    port = serve(
        "flink",
        [
            *(str(java), "-cp", f"{jars}/*", "org.apache.beam.runners.flink.FlinkJobServerDriver"),
            *("--flink-master", "[local]", "--job-port", "{port}", "--artifact-port", "0", "--expansion-port", "-1"),
            *("--artifacts-dir", str(tmp_path_factory.mktemp("artifacts"))),
        ],
    )
    return ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}", "--parallelism=2", *external_workers]


@pytest.fixture(scope="session")
def s3_bucket(serve: Serve, points: Path) -> Iterator[None]:
    """S3 on this machine: my-bucket holds the points' shards under points/. Its address and keys are in the environment."""
    import boto3

    port = serve("s3", [sys.executable, "-m", "moto.server", "--port={port}"])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        for shard in points.glob("*.tfrecord*"):
            _put_s3(f"points/{shard.name}", shard.read_bytes())
        yield


@pytest.fixture(scope="session")
def gs_bucket(serve: Serve, points: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Google Cloud Storage on this machine, as `s3_bucket`. The credentials are a service account's, of this machine, too."""
    from google.cloud import storage

    issuer = serve("token_issuer", [sys.executable, str(HERE / "token_issuer.py"), "{port}"])
    port = serve("gs", [sys.executable, "-m", "gcp_storage_emulator", "start", "--in-memory", "--port={port}"])
    account = tmp_path_factory.mktemp("account") / "account.json"
    account.write_text(json.dumps(_service_account(f"http://127.0.0.1:{issuer}/token")))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        environment.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        # What Google's library would still ask of Google itself is refused on this machine.
        environment.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        environment.setenv("NO_PROXY", "127.0.0.1,localhost")
        storage.Client().create_bucket(BUCKET)
        for shard in points.glob("*.tfrecord*"):
            _put_gs(f"points/{shard.name}", shard.read_bytes())
        yield


@pytest.fixture(scope="session")
def put() -> Callable[[str, str, bytes], None]:
    """Writes an object to the bucket of a file system: s3 or gs, the object's name, its bytes."""
    return lambda scheme, name, data: {"s3": _put_s3, "gs": _put_gs}[scheme](name, data)


def _put_s3(name: str, data: bytes) -> None:
    import boto3

    boto3.client("s3").put_object(Bucket=BUCKET, Key=name, Body=data)


def _put_gs(name: str, data: bytes) -> None:
    from google.cloud import storage

    storage.Client().bucket(BUCKET).blob(name).upload_from_string(data)


def _service_account(token_uri: str) -> dict[str, str]:
    """Returns the key file of a service account, with a new key, whose tokens come from an address of this machine."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "my-project",
        "client_email": "sampler@my-project.example.com",
        "private_key": key.decode(),
        "token_uri": token_uri,
    }


def _worker_pool(serve: Serve) -> list[str]:
    module = "apache_beam.runners.worker.worker_pool_main"
    port = serve("worker_pool", [sys.executable, "-m", module, "--service_port={port}"])
    return ["--environment_type=EXTERNAL", f"--environment_config=localhost:{port}"]


def _need(found: bool, why: str) -> None:
    """Skips the test that lacks something; fails it where nothing may be lacking."""
    if not found:
        (pytest.fail if os.environ.get(REQUIRE) else pytest.skip)(why)


def _free_port() -> int:
    """Returns a port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _environment() -> dict[str, str]:
    """Returns the environment of every process here: Beam's worker pool starts whatever `python` is first on the path."""
    first = str(Path(sys.executable).parent)
    return os.environ | {"PATH": os.pathsep.join([first, os.environ["PATH"]])}


@contextmanager
def _server(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Runs a server in a process group of its own, from when it listens until the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=_environment(), start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command} does not listen on port {port}: {log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield
    finally:
        _end(process)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Ends a process that leads a group, and all of the group: by force what has not ended after some seconds."""
    for way in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            try:
                os.killpg(process.pid, way)
            except ProcessLookupError:
                return
            process.poll()
            time.sleep(0.2)
    pytest.fail(f"{process.args!r} cannot be ended")
