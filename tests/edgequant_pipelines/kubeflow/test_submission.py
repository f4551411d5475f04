"""Runs are started once, whatever happens on the way."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.kfp_server import Fault, KfpServer
from tests.kfp_server.serving import free_port

from edgequant.errors import ConfigError
from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.deployment import Kubeflow
from edgequant_pipelines.kubeflow import (
    Connection,
    KubeflowError,
    connect,
    find_run,
    named_runs,
    pipeline_versions,
    state_of,
    submit,
)
from edgequant_pipelines.kubeflow.named_runs import OtherRunError


@pytest.fixture(autouse=True)
def compiled_once(compiled: CompiledPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares each test the seconds of compiling the same pipeline; what differs by configuration is compiled."""

    def compile_for(config: Config, **names: str) -> CompiledPipeline:
        return (
            compiled if config.kubeflow == Kubeflow() and not names else pipeline_versions.compile_for(config, **names)
        )

    monkeypatch.setattr(named_runs, "compile_for", compile_for)


def test_a_run_is_started_with_the_arguments_of_the_configuration(
    server: KfpServer, connection: Connection, config: Config
) -> None:
    """The pipeline is uploaded, and the run has its experiment, its arguments and its page."""
    run = submit(connection, config)
    (made,) = server.all("run")
    (version,) = server.all("version")
    arguments = made["runtime_config"]["parameters"]
    assert made["run_id"] == run.run_id
    assert run.url == f"{server.url}/#/runs/details/{run.run_id}"
    assert run.name.startswith("flowers-")
    assert (run.state, run.ended) == ("PENDING", False)
    assert made["pipeline_version_reference"]["pipeline_version_id"] == version["pipeline_version_id"]
    assert [body["display_name"] for body in server.all("experiment")] == ["flowers"]
    # The alias goes along as it is: the run looks up what it stands for.
    assert arguments["model"] == "models:/flowers@champion"
    assert arguments["gate"] == {"max_drop_points": 1.0}
    assert not {"model_digest", "examples_digest", "champion_digest"} & set(arguments)


def test_a_pipeline_is_uploaded_once(server: KfpServer, connection: Connection, config: Config) -> None:
    """A second run uses the version that is there, also with other arguments; other resources are another version."""
    submit(connection, config)
    submit(connection, config.model_copy(update={"gate": {}}))
    assert len(server.all("version")) == 1
    placed = config.kubeflow.model_copy(update={"labels": {"team": "vision"}})
    submit(connection, config.model_copy(update={"kubeflow": placed}))
    assert len(server.all("pipeline")) == 1
    assert len(server.all("version")) == 2
    assert len({body["display_name"] for body in server.all("version")}) == 2
    assert len(server.all("run")) == 3


def test_a_named_run_is_started_once(server: KfpServer, connection: Connection, config: Config) -> None:
    """Asked again under the same name, the run that is there is returned; a name that is part of another is not it."""
    assert find_run(connection, "flowers-7") is None
    run = submit(connection, config, run_name="flowers-7")
    assert submit(connection, config, run_name="flowers-7") == replace(run, already_existed=True)
    assert find_run(connection, "flowers-7") == run
    assert find_run(connection, "flowers") is None
    assert len(server.all("run")) == 1


def test_a_named_run_of_something_else(server: KfpServer, connection: Connection, config: Config) -> None:
    """Another configuration under the name of a run is an error that names what differs, and nothing is made."""
    submit(connection, config, run_name="flowers-7")
    posted = server.requests("POST")
    with pytest.raises(
        OtherRunError, match=r"gate \({'max_drop_points': 1.0} there, {'max_drop_points': 2.0} now\); give"
    ) as raised:
        submit(connection, config.model_copy(update={"gate": {"max_drop_points": 2.0}}), run_name="flowers-7")
    assert "model" not in str(raised.value)
    placed = config.model_copy(update={"kubeflow": config.kubeflow.model_copy(update={"retries": 1})})
    with pytest.raises(
        OtherRunError, match=r"of something else: the pipeline \(now quantize-model-[0-9a-f]{12}\); give"
    ):
        submit(connection, placed, run_name="flowers-7")
    with pytest.raises(
        OtherRunError, match=r"of something else: the experiment \('flowers' there, 'releases' now\); give"
    ):
        submit(connection, config, run_name="flowers-7", experiment="releases")
    assert server.requests("POST") == posted


def test_state_of_a_run(server: KfpServer, connection: Connection, config: Config) -> None:
    """What the server says of a run is passed on, with its reason."""
    run = submit(connection, config)
    server.set_run(run.run_id, "FAILED", error="no such\n bucket")
    current = state_of(connection, run.run_id)
    assert (current.state, current.ended, current.succeeded, current.error) == ("FAILED", True, False, "no such bucket")
    with pytest.raises(KubeflowError, match=r"'nowhere'.*\(404\)"):
        state_of(connection, "nowhere")


@pytest.mark.parametrize("path", ["/runs$", "/experiments$", "/pipelines$", "/upload_version$"])
@pytest.mark.parametrize(
    "fault",
    [
        {"after": True, "seconds": 2.0},
        {"after": True, "status": 500},
        {"after": True, "status": 409},
        {"status": 500},
        {"seconds": 0.2},
    ],
    ids=str,
)
def test_nothing_is_made_twice(
    server: KfpServer, connection: Connection, config: Config, path: str, fault: dict[str, float]
) -> None:
    """A creation that was not answered well is looked up before it is retried: one of everything, whatever happened."""
    server.fail(Fault(method="POST", path=path, **fault))  # type: ignore[arg-type]
    run = submit(replace(connection, timeout_s=0.5), config)
    assert [body["run_id"] for body in server.all("run")] == [run.run_id]
    assert [len(server.all(kind)) for kind in ("experiment", "pipeline", "version")] == [1, 1, 1]


def test_a_server_that_never_answers(server: KfpServer, connection: Connection, config: Config) -> None:
    """After a few attempts the error says what could not be done."""
    server.fail(Fault(method="POST", path="/runs$", status=500, times=100))
    with pytest.raises(KubeflowError, match=r"the run cannot be created \(500\): injected"):
        submit(connection, config)
    assert server.requests("POST").count("POST /apis/v2beta1/runs") == 3
    assert server.all("run") == []


def test_looking_is_tried_again(server: KfpServer, connection: Connection, config: Config) -> None:
    """A gateway that fails for a moment does not end a submission."""
    server.fail(Fault(method="GET", path="/pipelines$", status=503, times=2))
    submit(connection, config)
    assert len(server.all("run")) == 1


def test_an_answer_that_says_when_to_ask_again(server: KfpServer, connection: Connection) -> None:
    """It may say hours; the question is repeated soon all the same, and then it is an error that says why."""
    server.fail(Fault(method="GET", path="/runs$", status=429, retry_after=90, times=100))
    began = time.monotonic()
    with pytest.raises(KubeflowError, match="429"):
        find_run(connection, "any")
    assert time.monotonic() - began < 80


def test_a_server_that_is_killed_and_started_again(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs are found again after the server was killed: what it answered, it has kept."""
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "any")
    port = free_port()
    command = [sys.executable, "-m", "tests.kfp_server.serving", str(tmp_path / "state.db"), str(port)]

    def start() -> "subprocess.Popen[str]":
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    first = start()
    try:
        run = submit(connect(f"http://127.0.0.1:{port}"), config, run_name="flowers-1")
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    second = start()
    try:
        connection = connect(f"http://127.0.0.1:{port}")
        assert find_run(connection, "flowers-1") == run
        assert submit(connection, config, run_name="flowers-1") == replace(run, already_existed=True)
    finally:
        second.kill()
        second.communicate()


def test_the_cluster_of_the_kubeconfig(
    kubeconfig: Callable[[str], None], config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a host, KFP's client asks through Kubernetes' own API server, with the credentials of the kubeconfig."""
    kubeconfig("the-token")
    run = submit(connect(), config)
    # Where the pages are is not known then.
    assert run.url == f"/#/runs/details/{run.run_id}"
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example.com/pipeline/")
    assert find_run(connect(), run.name) == replace(
        run, url=f"https://kubeflow.example.com/pipeline/#/runs/details/{run.run_id}"
    )


def test_pages_that_are_elsewhere_than_the_host(
    server: KfpServer, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tunnel to the API alone, the pages are where the environment says, also when a host is given."""
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "http://localhost:8081/")
    run = submit(connect(server.url), config)
    assert run.url == f"http://localhost:8081/#/runs/details/{run.run_id}"


def test_a_token_that_is_replaced_in_its_file(
    server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A projected token is read at every request: the kubelet replaces it while a watcher runs."""
    monkeypatch.delenv("KF_PIPELINES_TOKEN")
    path = tmp_path / "token"
    path.write_text("the-token\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(path))
    connection = connect(server.url)
    server.rules.token = "the-next"  # noqa: S105
    with pytest.raises(KubeflowError, match=r"refuses the credentials \(401\).*read from .*token"):
        find_run(connection, "any")
    path.write_text("the-next\n")
    assert find_run(connection, "any") is None


def test_a_multi_user_installation(server: KfpServer, config: Config) -> None:
    """There everything is in the user's namespace, which must be given, and be one that the account may use."""
    server.rules.namespaces = ("team-a", "team-b")
    with pytest.raises(ConfigError, match="is a multi-user installation; give --namespace"):
        connect(server.url)
    run = submit(connect(server.url, "team-a"), config)
    assert [body["namespace"] for body in server.all("run")] == ["team-a"]
    assert find_run(connect(server.url, "team-b"), run.name) is None
    with pytest.raises(KubeflowError, match=r"the account may not \(403\).*team-c"):
        find_run(connect(server.url, "team-c"), run.name)


@pytest.mark.parametrize(
    ("host", "error", "text"),
    [
        ("kfp.example.com", ConfigError, "'kfp.example.com' is not a URL; one that begins with http"),
        (
            "https://me:secret@kfp.example.com",
            ConfigError,
            "host: holds a password; give a token in KF_PIPELINES_TOKEN",
        ),
        (
            "https://secret@kfp.example.com",
            ConfigError,
            "host: holds a user, which may be a token; give a token in KF_PIPELINES_TOKEN",
        ),
        ("http://kfp .example.com", ConfigError, "host: 'http://kfp .example.com' is not a URL; it holds white space"),
        ("http://kfp.example.com\n", ConfigError, "is not a URL; it holds white space"),
        ("https://me:a secret@kfp.example.com", ConfigError, "host: holds a password"),
        ("", ConfigError, "there is no kubeconfig; give --host or set KF_PIPELINES_ENDPOINT"),
        ("http://127.0.0.1:9", KubeflowError, r"http://127.0.0.1:9 cannot be reached: .*[Cc]onnection refused"),
        ("http://kfp.invalid", KubeflowError, "http://kfp.invalid cannot be reached"),
    ],
)
def test_hosts_that_are_wrong(host: str, error: type[Exception], text: str) -> None:
    """What is wrong with a host is said in one line, without the password or token that it may hold."""
    with pytest.raises(error, match=text) as raised:
        connect(host)
    assert "secret" not in str(raised.value)


def test_a_token_that_is_wrong(server: KfpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said where the token came from."""
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "old")
    with pytest.raises(KubeflowError, match=r"\(401\).*KF_PIPELINES_TOKEN is set: renew it"):
        connect(server.url)
    monkeypatch.delenv("KF_PIPELINES_TOKEN")
    with pytest.raises(KubeflowError, match=r"\(401\).*set KF_PIPELINES_TOKEN, or"):
        connect(server.url)
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", "/nowhere/token")
    with pytest.raises(ConfigError, match="KF_PIPELINES_SA_TOKEN_PATH: /nowhere/token is not a file"):
        connect(server.url)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"model": "/models/flowers"}, "model: '/models/flowers' is a path of this machine"),
        ({"champion": "/old.tflite"}, "champion: '/old.tflite' is a path of this machine"),
        ({"examples.evaluation": ["/data/test.npz"]}, "examples.evaluation: '/data/test.npz' .* use gs:// or s3://"),
        ({"tracking.uri": "sqlite:////mlflow.db"}, "tracking.uri: '/mlflow.db' .* name an MLflow server"),
        ({"tracking.uri": "http://localhost:5000"}, "tracking.uri: 'http://localhost:5000' is this machine"),
    ],
)
def test_what_only_this_machine_has(
    server: KfpServer, connection: Connection, config: Config, change: dict[str, object], text: str
) -> None:
    """A path that no pod has is refused before anything is uploaded, with the key that holds it."""
    ((key, value),) = change.items()
    section, _, last = key.rpartition(".")
    inner = getattr(config, section).model_copy(update={last: value}) if section else value
    with pytest.raises(ConfigError, match=text):
        submit(connection, config.model_copy(update={section or key: inner}))
    assert server.requests("POST") == []


def test_paths_that_every_pod_has(connection: Connection, config: Config) -> None:
    """A folder that is said to be mounted may be named, and what only begins like it may not."""
    mounted = config.kubeflow.model_copy(update={"mounted": ["/data"]})
    fine = config.model_copy(update={"kubeflow": mounted, "model": "/data/flowers"})
    assert submit(connection, fine).state == "PENDING"
    with pytest.raises(ConfigError, match="'/database/flowers' is a path of this machine"):
        submit(connection, fine.model_copy(update={"model": "/database/flowers"}))


def test_arguments_that_the_pipeline_has_not(server: KfpServer, connection: Connection, config: Config) -> None:
    """The real client's run with a parameter that is unknown, missing or of another type is refused in KFP's words."""
    import kfp_server_api as api

    submit(connection, config)
    (run,) = server.all("run")
    good = run["runtime_config"]["parameters"]
    cases = {
        "not required by pipeline: colour": {**good, "colour": "red"},
        "parameter name is not optional": {key: value for key, value in good.items() if key != "name"},
        "input parameter seed requires type double or integer": {**good, "seed": "17"},
        "input parameter gate requires type struct": {**good, "gate": []},
    }
    for text, arguments in cases.items():
        body = api.V2beta1Run(
            experiment_id=run["experiment_id"],
            display_name="x",
            pipeline_version_reference=run["pipeline_version_reference"],
            runtime_config=api.V2beta1RuntimeConfig(parameters=arguments),
        )
        with pytest.raises(api.ApiException) as raised:
            connection.client.runs.run_service_create_run(run=body)
        assert raised.value.status == 400
        assert text in raised.value.body


def test_the_client_is_not_tried_again_by_itself(server: KfpServer, connection: Connection) -> None:
    """KFP's client sends a creation once: what is retried is ours to decide."""
    server.fail(Fault(method="POST", path="/experiments$", status=500, times=1))
    import kfp_server_api as api

    with pytest.raises(api.ApiException):
        connection.client.create_experiment("x")
    assert server.requests("POST") == ["POST /apis/v2beta1/experiments"]


def test_the_home_directory_stays_as_it_is(server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KFP's client would keep the namespace there, where a container has nothing to write to."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    server.rules.namespaces = ("team-a", "team-b")
    connect(server.url, "team-a").client.set_user_namespace("team-b")
    assert list(home.iterdir()) == []
