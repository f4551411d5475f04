"""`edgequant submit` and `edgequant schedule` at the command line."""

import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pytest
from click.testing import CliRunner, Result
from tests.kfp_server import Fault, KfpServer
from tests.kfp_server.spec import pipeline_of

from edgequant_pipelines import kubeflow
from edgequant_pipelines.cli import main
from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.kubeflow import connect, pipeline_versions

Edgequant = Callable[..., Any]


@contextmanager
def ending(
    server: KfpServer, *, state: str, tasks: dict[str, str], error: str = "", cached: tuple[str, ...] = ()
) -> Iterator[list[str]]:
    """Lets the next run end some time after it was started, and yields its identifier once there is one."""
    found: list[str] = []

    def end() -> None:
        while not server.all("run"):
            time.sleep(0.05)
        found.append(server.all("run")[0]["run_id"])
        server.set_run(found[0], "RUNNING", {"pin": "SUCCEEDED", "sample": "RUNNING"})
        time.sleep(0.5)
        server.set_run(found[0], state, {"pin": "SUCCEEDED", **tasks}, error=error, cached=cached)

    thread = threading.Thread(target=end)
    thread.start()
    yield found
    thread.join()


@pytest.fixture(scope="module")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory, new_mlflow: Callable[[Path], str]) -> str:
    """An MLflow with the experiment of the configuration."""
    folder = tmp_path_factory.mktemp("mlflow")
    uri = new_mlflow(folder / "mlflow.db")
    mlflow.MlflowClient(tracking_uri=uri).create_experiment("flowers", artifact_location=(folder / "files").as_uri())
    return uri


@contextmanager
def tracked(server: KfpServer, uri: str, outcome: str) -> Iterator[None]:
    """Records an outcome as track does once there is a run."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("flowers").experiment_id

    def record() -> None:
        while not server.all("run"):
            time.sleep(0.05)
        note = {"mlflow.note.content": f"**{outcome}**: Ship nothing: 3 fail.\n\nmore"} if outcome == "rejected" else {}
        tags = {"edgequant.pipeline_run": server.all("run")[0]["run_id"], "edgequant.outcome": outcome, **note}
        best = {"edgequant.best": "weights_only" if outcome == "blessed" else ""}
        client.create_run(experiment, tags={**tags, **best, "edgequant.role": "summary"})
        client.create_run(experiment, tags={**tags, "edgequant.outcome": "other", "edgequant.role": "variant"})

    thread = threading.Thread(target=record)
    thread.start()
    yield
    thread.join()


def test_submit_in_a_process_of_its_own(server: KfpServer, config_file: Path, edgequant: Edgequant) -> None:
    """The run's name and page are printed, and nothing else; called again under that name, it is the same run."""
    first = edgequant("submit", config_file, "--host", server.url, "--image-prefix", "registry.example.com/team")
    assert first.returncode == 0, first.stderr
    (run,) = server.all("run")
    name = run["display_name"]
    assert first.stdout.splitlines() == [f"{name}: pending", f"run:     {server.url}/#/runs/details/{run['run_id']}"]
    assert first.stderr == ""
    (version,) = server.all("version")
    executors = pipeline_of(version["pipeline_spec"])["deploymentSpec"]["executors"].values()
    assert all(item["container"]["image"].startswith("registry.example.com/team/") for item in executors)


def test_a_run_by_a_name(server: KfpServer, config_file: Path, command: Callable[..., Result]) -> None:
    """With --run-name, a second call finds the run of the first."""
    call = ("submit", config_file, "--host", server.url, "--run-name", "nightly-7", "--experiment", "nightly")
    first, second = command(*call), command(*call)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.output.startswith("nightly-7: pending\n")
    assert second.output == first.output.replace("nightly-7: ", "nightly-7: already exists, ")
    other = command(*call, "--set", "gate.max_drop_points=2")
    assert (other.exit_code, other.stdout) == (1, "")
    assert other.stderr.startswith("edgequant: run name: there is a run 'nightly-7', of something else: gate (")
    assert [body["display_name"] for body in server.all("run")] == ["nightly-7"]
    assert [body["display_name"] for body in server.all("experiment")] == ["nightly"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ([], "there may be a run all the same, and the same command starts another: look first"),
        (["--run-name", "night"], "the same command continues where it stopped"),
    ],
)
def test_an_interruption_while_a_run_is_started(
    server: KfpServer,
    config_file: Path,
    command: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    name: list[str],
    said: str,
) -> None:
    """What is said of the same command is true: with a name it finds the run, without it starts another."""
    submit = kubeflow.submit

    def interrupted(*arguments: Any, **options: Any) -> None:
        submit(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(kubeflow, "submit", interrupted)
        done = command("submit", config_file, "--host", server.url, *name)
    assert (done.exit_code, done.stderr) == (130, f"edgequant: interrupted; {said}\n")
    assert command("submit", config_file, "--host", server.url, *name).exit_code == 0
    assert len(server.all("run")) == 2 - len(name) // 2


@pytest.mark.parametrize(
    ("outcome", "code"), [("blessed", 0), ("rejected", 3), ("inconclusive", 3), ("invalid reference", 4)]
)
def test_waiting_for_a_run(
    server: KfpServer,
    config_file: Path,
    command: Callable[..., Result],
    mlflow_uri: str,
    outcome: str,
    code: int,
) -> None:
    """Steps are shown as they end, each once and without what KFP puts around them; the code is that of `run`."""
    call = ("submit", config_file, "--host", server.url, "--wait", "--poll-seconds", "0.1", "--tracking-uri")
    with tracked(server, mlflow_uri, outcome), ending(server, state="SUCCEEDED", tasks={"track": "SUCCEEDED"}):
        done = command(*call, mlflow_uri)
    assert done.exit_code == code, done.output
    lines = [line.split() for line in done.output.splitlines()[2:]]
    said = {"blessed": "blessed: weights_only", "rejected": "rejected: Ship nothing: 3 fail."}.get(outcome, outcome)
    assert lines == [
        ["pin", *["succeeded", "after", "59", "s"]],
        ["track", *["succeeded", "after", "59", "s"]],
        said.split(),
    ]


def test_pages_whose_address_is_not_known(
    server: KfpServer,
    config_file: Path,
    command: Callable[..., Result],
    kubeconfig: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through a kubeconfig the API is reached and the pages are not known: the path is printed, and how to get a link."""
    kubeconfig("the-token")
    hint = "         of KFP's pages; set KF_PIPELINES_UI_ENDPOINT to their address for a whole link"
    first = command("submit", config_file).output.splitlines()
    (run,) = server.all("run")
    assert first[1:] == [f"run:     /#/runs/details/{run['run_id']}", hint]
    schedule = ("schedule", config_file, "--cron", "0 0 2 * * *")
    assert hint not in command(*schedule).output
    connect().client.disable_recurring_run(server.all("recurring run")[0]["recurring_run_id"])
    assert hint in command(*schedule).output.splitlines()
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example.com/pipeline")
    second = command("submit", config_file).output.splitlines()
    assert second[1:] == [
        f"run:     https://kubeflow.example.com/pipeline/#/runs/details/{server.all('run')[1]['run_id']}"
    ]


def test_waiting_without_a_gate(server: KfpServer, config_file: Path, command: Callable[..., Result]) -> None:
    """Nothing is judged; that MLflow cannot say whether the reference is valid is reported, and no failure."""
    with ending(server, state="SUCCEEDED", tasks={}):
        done = command("submit", config_file, "--host", server.url, "--wait", "--poll-seconds", 0.1, "--set", "gate={}")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "not gated: no gate is set")
    assert "whether float32 is a valid reference is not known here" in done.stderr


def test_waiting_for_a_run_that_fails(server: KfpServer, config_file: Path, command: Callable[..., Result]) -> None:
    """The error names the step, the reason and the page."""
    with ending(server, state="FAILED", tasks={"sample": "FAILED", "convert": "SKIPPED"}, error="OOM") as found:
        done = command("submit", config_file, "--host", server.url, "--wait", "--poll-seconds", "0.1")
    page = f"{server.url}/#/runs/details/{found[0]}"
    assert done.exit_code == 1
    assert done.stderr == f"edgequant: the run failed in sample (OOM): {page}\n"


def test_waiting_for_what_cannot_be_known(
    server: KfpServer, config_file: Path, command: Callable[..., Result], mlflow_uri: str
) -> None:
    """A run that succeeded without a word in MLflow is no success: what it found is not known."""
    with ending(server, state="SUCCEEDED", tasks={}):
        done = command(
            "submit", config_file, "--host", server.url, "--wait", "--poll-seconds", "0.1",
            "--tracking-uri", mlflow_uri,
        )  # fmt: skip
    assert done.exit_code == 1
    assert "the run succeeded, but its verdict is not known here: MLflow at sqlite" in done.stderr
    assert "has no summary of pipeline run" in done.stderr
    assert "--tracking-uri" not in done.stderr


def test_waiting_without_a_way_to_mlflow(
    server: KfpServer, config_file: Path, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow is not where this machine looks: the option that says where is named, and the reason is a short one."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with ending(server, state="SUCCEEDED", tasks={}):
        done = command(
            "submit", config_file, "--host", server.url, "--wait", "--poll-seconds", "0.1",
            "--tracking-uri", "http://127.0.0.1:9",
        )  # fmt: skip
    assert done.exit_code == 1
    assert (
        "not known here: MLflow at http://127.0.0.1:9 cannot be asked (127.0.0.1:9 does not answer: Failed to"
        in done.stderr
    )
    assert done.stderr.endswith("give --tracking-uri as this machine reaches MLflow\n")
    assert "Max retries" not in done.stderr


def test_a_namespace_where_there_is_none(server: KfpServer, config_file: Path, command: Callable[..., Result]) -> None:
    """A single-user installation would take any namespace without a word; one with users needs it."""
    done = command("submit", config_file, "--host", server.url, "--namespace", "foo")
    assert done.exit_code == 2
    assert done.stderr.startswith(
        f"edgequant: namespace: 'foo' is given, and {server.url} is a single-user installation"
    )
    assert server.requests("POST") == []
    server.rules.namespaces = ("foo",)
    assert command("submit", config_file, "--host", server.url, "--namespace", "foo").exit_code == 0


def test_attempts_are_not_told_of(command: Callable[..., Result], caplog: pytest.LogCaptureFixture) -> None:
    """A server that does not answer is asked again; the log has nothing of that, as it ends in one sentence."""
    done = command("schedule", "--list", "--host", "http://127.0.0.1:9")
    assert done.exit_code == 1
    assert [record.getMessage() for record in caplog.records] == []


def test_waiting_through_a_restart(server: KfpServer, config_file: Path, command: Callable[..., Result]) -> None:
    """A server that does not answer for a while is asked again; one that refuses the token is not."""
    server.fail(Fault(method="GET", path="/runs/", status=503, times=9))
    call = ("submit", config_file, "--host", server.url, "--wait", "--poll-seconds", "0.1", "--set", "gate={}")
    with ending(server, state="SUCCEEDED", tasks={}):
        assert command(*call).exit_code == 0
    server.fail(Fault(method="GET", path="/runs/", status=401, times=1))
    done = command(*call)
    assert done.exit_code == 1
    assert "refuses the credentials (401)" in done.stderr
    assert "the run goes on: " in done.stderr


def test_scheduling(server: KfpServer, config_file: Path, command: Callable[..., Result]) -> None:
    """Made, unchanged, replaced, listed, deleted: each is said, with the next times and their zone."""
    call = ("schedule", config_file, "--host", server.url, "--cron")
    first, *_, times = command(*call, "0 0 2 * * *").output.splitlines()
    assert first == "flowers: made, 0 0 2 * * *"
    assert times.count(" 02:00:00") == 3
    assert times.endswith("(UTC, unless the installation sets another time zone)")
    assert command(*call, "0 0 2 * * *").output.startswith("flowers: unchanged, 0 0 2 * * *")
    # The same times in five fields are the same schedule.
    assert command(*call, "0 2 * * *").output.splitlines()[:2] == [
        "flowers: unchanged, 0 0 2 * * *",
        "         0 2 * * * has five fields: minutes first, at second 0",
    ]
    assert command(*call, "0 0 3 * * *", "--no-catch-up").output.startswith("flowers: replaced, 0 0 3 * * *")
    (made,) = server.all("recurring run")
    assert made["no_catchup"] is True
    listed = command("schedule", "--list", "--host", server.url).output
    assert listed.startswith("flowers: 0 0 3 * * *, at most 1 at once, next ")
    assert listed.endswith(" 03:00:00 (UTC, unless the installation sets another time zone)\n")
    assert command("schedule", "--delete", "flowers", "--host", server.url).output == "flowers: deleted\n"
    assert command("schedule", "--list", "--host", server.url).output == "no schedules\n"


def test_scheduling_what_is_paused(server: KfpServer, config_file: Path, command: Callable[..., Result]) -> None:
    """It is said that it is paused, also when it is replaced, and where it is resumed."""
    call = ("schedule", config_file, "--host", server.url, "--cron")
    command(*call, "0 0 2 * * *")
    connect(server.url).client.disable_recurring_run(server.all("recurring run")[0]["recurring_run_id"])
    for hour, how in ((2, "unchanged"), (3, "replaced")):
        first, resume, times = command(*call, f"0 0 {hour} * * *").output.splitlines()
        (made,) = server.all("recurring run")
        page = f"{server.url}/#/recurringrun/details/{made['recurring_run_id']}"
        assert first == f"flowers: {how}, 0 0 {hour} * * *, paused as it was"
        assert resume == f"         Enable on its page resumes it: {page}"
        assert times.startswith("next:    once it is resumed, ")
        assert times.count(f" 0{hour}:00:00") == 3
    assert command("schedule", "--list", "--host", server.url).output.endswith(", paused\n")


def test_the_same_from_another_folder(
    server: KfpServer, config_file: Path, command: Callable[..., Result], tmp_path: Path
) -> None:
    """Where a configuration and the code that it names are kept is no change, as in two checkouts of a repository; another code is."""
    for folder in ("laptop", "ci"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "prep.py").write_text("def make(record):\n    return record\n")
        (tmp_path / folder / "flowers.yaml").write_text(
            config_file.read_text().replace("  label: label\n", "  label: label\n  preprocess: prep.py:make\n")
        )
    laptop, ci = tmp_path / "laptop" / "flowers.yaml", tmp_path / "ci" / "flowers.yaml"
    schedule = ("--host", server.url, "--cron", "0 0 2 * * *")
    submit = ("--host", server.url, "--run-name", "nightly-7")
    assert command("schedule", laptop, *schedule).output.startswith("flowers: made, ")
    assert command("submit", laptop, *submit).output.startswith("nightly-7: pending\n")
    (made,) = server.all("recurring run")
    assert made["runtime_config"]["parameters"]["preprocess"] == "prep.py:make"
    assert command("schedule", ci, *schedule).output.startswith("flowers: unchanged, ")
    assert command("submit", ci, *submit).output.startswith("nightly-7: already exists, ")
    assert server.all("recurring run") == [made]
    (tmp_path / "ci" / "prep.py").write_text("def make(record):\n    return dict(record)\n")
    assert command("schedule", ci, *schedule).output.startswith("flowers: replaced, ")
    assert "of something else: preprocess_source (" in command("submit", ci, *submit).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["schedule", "CONFIG", "--cron", "at two"], 2, "cron: 'at two' has 2 fields; six are needed"),
        (["schedule", "CONFIG", "--cron", "0 0 25 * * *"], 2, "cron: '0 0 25 * * *': the hour '25' is not allowed"),
        (["schedule", "CONFIG"], 2, "--cron: is missing"),
        (["schedule"], 2, "one of CONFIG, --list and --delete NAME is needed"),
        (["schedule", "--list", "--cron", "0 0 2 * * *"], 2, "--cron: goes with CONFIG, not with --list or --delete"),
        (["schedule", "--delete", "a", "--no-catch-up"], 2, "--no-catch-up: goes with CONFIG"),
        (["schedule", "--list", "--max-concurrency", "2"], 2, "--max-concurrency: goes with CONFIG"),
        (["schedule", "CONFIG", "--list"], 2, "one of CONFIG, --list and --delete NAME is needed"),
        (["schedule", "CONFIG", "--cron", "0 0 2 * * *", "--max-concurrency", "0"], 2, "0 is not allowed; 1 to 10 are"),
        (["schedule", "--delete", "flowrs"], 2, "there is no 'flowrs'; there is none at all"),
        (["submit", "CONFIG", "--image-prefix", "Registry/team"], 2, "has upper case, which registries refuse"),
        (["submit", "CONFIG", "--image-prefix", "registry/team:1"], 2, "has a tag; give it as --tag 1"),
        (["submit", "CONFIG", "--set", "model=flowers.keras"], 2, "flowers.keras' is a path of this machine"),
        (["submit", "CONFIG", "--set", "modl=flowers"], 2, "unknown key 'modl'"),
        (["submit", "CONFIG", "--host", "http://127.0.0.1:9"], 1, "http://127.0.0.1:9 cannot be reached"),
        (["submit", "CONFIG", "--run-name", "x" * 256], 2, "has 256 characters; 255 are allowed"),
        (
            ["submit", "CONFIG", "--run-name", "night 🌙"],
            2,
            "has the character '🌙', which Kubeflow's database cannot hold",
        ),
        (["submit", "CONFIG", "--run-name", "night "], 2, "'night ' begins or ends with white space"),
        (["submit", "CONFIG", "--experiment", "x" * 129], 2, "experiment name: 'xxx"),
        (["schedule", "CONFIG", "--cron", "@daily", "--experiment", "x" * 129], 2, "has 129 characters; 128 are"),
        (
            ["schedule", "CONFIG", "--cron", "@fortnightly"],
            2,
            "cron: '@fortnightly' is not what Kubeflow Pipelines reads; @yearly",
        ),
        (
            ["schedule", "CONFIG", "--cron", "@daily", "--wait-running", "--end-running"],
            2,
            "--wait-running: is given, and",
        ),
        (["submit", "CONFIG", "--run-name", ""], 2, "--run-name: '' is no name; leave it out for a new one"),
        (
            ["submit", "CONFIG", "--tracking-uri", "https://me:x@h"],
            2,
            "--tracking-uri: holds a password; give credentials",
        ),
    ],
)
def test_bad_input(
    server: KfpServer,
    config_file: Path,
    compiled: CompiledPipeline,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    text: str,
) -> None:
    """One line that says what is wrong and what is allowed, and nothing made at the server."""
    if "--image-prefix" not in arguments:
        monkeypatch.setattr(pipeline_versions, "compile_for", lambda *_, **__: compiled)
    given = [str(config_file) if argument == "CONFIG" else argument for argument in arguments]
    # The last of two counts.
    done = CliRunner().invoke(main, [given[0], "--host", server.url, *given[1:]])
    assert done.exit_code == code, done.output
    assert done.stderr.startswith("edgequant: ")
    assert done.stderr.count("\n") == 1
    assert text in done.stderr
    assert server.requests("POST") == []


def test_an_expired_token(
    server: KfpServer, config_file: Path, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the token came from is said, and the token is not."""
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "yesterdays")
    done = command("submit", config_file, "--host", server.url)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "refuses the credentials (401)" in done.stderr
    assert "yesterdays" not in done.output


@pytest.mark.parametrize("token", ["", "any"])
def test_neither_a_host_nor_a_kubeconfig(config_file: Path, tmp_path: Path, edgequant: Edgequant, token: str) -> None:
    """With a home directory that holds nothing, the error says what to give; a token alone does not mean this machine."""
    nothing = dict.fromkeys(("KF_PIPELINES_ENDPOINT", "KUBERNETES_SERVICE_HOST"), "")
    done = edgequant(
        "submit",
        config_file,
        HOME=str(tmp_path),
        KUBECONFIG=str(tmp_path / "none"),
        KF_PIPELINES_TOKEN=token,
        **nothing,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "edgequant: host: none is given, this is no pod, and there is no kubeconfig; "
        "give --host or set KF_PIPELINES_ENDPOINT\n"
    )


def test_the_documented_commands(
    server: KfpServer, config_file: Path, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command of the README and docs/kubeflow.md on these two works as it is written."""
    monkeypatch.chdir(config_file.parent)
    Path("digits.yaml").write_text(config_file.read_text())
    root = Path(__file__).parents[3]
    text = "\n".join((root / name).read_text(encoding="utf-8") for name in ("README.md", "docs/kubeflow.md"))
    lines = [line for line in text.splitlines() if line.startswith(("edgequant submit ", "edgequant schedule "))]
    assert len(lines) >= 8
    for line in lines:
        # The last of two hosts counts.
        # With profiles, as the walk has it, and without.
        server.rules.namespaces = ("team",) if "--namespace" in line else ()
        arguments = [*shlex.split(line.replace("$PROFILE", "team"), comments=True)[1:], "--host", server.url]
        done = command(*[argument for argument in arguments if argument != "--wait"])
        assert done.exit_code == 0, (line, done.output)
