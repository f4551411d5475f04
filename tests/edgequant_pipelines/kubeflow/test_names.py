"""Names are compared exactly here, as the server's database does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.kfp_server import KfpServer

from edgequant.errors import ConfigError
from edgequant_pipelines.compilation import CompiledPipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow import Connection, find_run, names, submit
from edgequant_pipelines.kubeflow.names import SameNameError, check_name
from edgequant_pipelines.kubeflow.schedule import Options, SchedulePlan, delete, reconcile, schedules

NIGHTLY = SchedulePlan(cron="0 0 2 * * *")


def renamed(config: Config, name: str) -> Config:
    """Returns a configuration of another name."""
    return config.model_copy(update={"name": name})


@pytest.mark.parametrize("name", ["FLOWERS-1", "flówers-1"])
def test_a_run_of_another_name(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline, name: str
) -> None:
    """It is not the one that was named: that there is such a one is said, and nothing is changed."""
    submit(connection, config, run_name="flowers-1", compiled=compiled)
    posted = server.requests("POST")
    assert find_run(connection, name) is None
    with pytest.raises(
        SameNameError, match=rf"run: there is no '{name}' at .*, and there is 'flowers-1', which Kubeflow's"
    ):
        submit(connection, config, run_name=name, compiled=compiled)
    assert server.requests("POST") == posted


@pytest.mark.parametrize("kind", ["experiment", "pipeline", "version"])
def test_what_a_run_needs_of_another_name(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline, kind: str
) -> None:
    """The server would refuse to make it as well; nothing of the rest is made either."""
    name = {"experiment": "Flowers", "pipeline": "Quantize-Model", "version": compiled.version.upper()}[kind]
    if kind == "version":
        pipeline = server.add("pipeline", "pipeline_id", {"display_name": compiled.name, "namespace": ""})
        server.add(kind, "pipeline_version_id", {"display_name": name, "pipeline_id": pipeline["pipeline_id"]})
    else:
        server.add(kind, f"{kind}_id", {"display_name": name, "namespace": ""})
    with pytest.raises(SameNameError, match=f"there is '{name}', which Kubeflow's database takes for the same name"):
        submit(connection, config, compiled=compiled)
    assert server.requests("POST") == []


def test_the_exact_ones_are_on_later_pages(
    server: KfpServer,
    connection: Connection,
    config: Config,
    compiled: CompiledPipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All pages of what the database takes for a name are read: of experiments, pipelines and versions."""
    monkeypatch.setattr(names, "PAGE", 2)
    exact: dict[str, Any] = {}
    for kind, key, name in (
        ("experiment", "experiment_id", "flowers"),
        ("pipeline", "pipeline_id", compiled.name),
        ("version", "pipeline_version_id", compiled.version),
    ):
        body = {"namespace": "", "pipeline_id": exact.get("pipeline_id"), "pipeline_spec": compiled.documents[0]}
        for blanks in range(5, -1, -1):
            exact[key] = server.add(kind, key, {**body, "display_name": name + " " * blanks})[key]
    submit(connection, config, run_name="flowers-1", compiled=compiled)
    (made,) = server.all("run")
    assert made["experiment_id"] == exact.pop("experiment_id")
    assert made["pipeline_version_reference"] == exact


def test_the_exact_run_is_on_a_later_page(
    server: KfpServer,
    connection: Connection,
    config: Config,
    compiled: CompiledPipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first of exactly that name is the run."""
    monkeypatch.setattr(names, "PAGE", 2)
    submit(connection, config, run_name="flowers-1", compiled=compiled)
    (body,) = server.all("run")
    server.delete(body["run_id"])
    for blanks in (3, 2, 1):
        server.add("run", "run_id", {**body, "display_name": "flowers-1" + " " * blanks})
    first, _ = (server.add("run", "run_id", body) for _ in range(2))
    run = submit(connection, config, run_name="flowers-1", compiled=compiled)
    assert (run.run_id, run.already_existed) == (first["run_id"], True)


def test_a_schedule_of_another_name(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """It is neither replaced nor deleted."""
    reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    before, posted = server.all("recurring run"), server.requests("POST")
    options = Options(compiled=compiled, experiment="other")
    with pytest.raises(SameNameError, match=r"schedule: there is no 'Flowers' at .*, and there is 'flowers'"):
        reconcile(connection, renamed(config, "Flowers"), SchedulePlan(cron="0 0 3 * * *"), options)
    with pytest.raises(SameNameError, match="schedule: there is no 'FLOWERS'"):
        delete(connection, "FLOWERS")
    assert server.all("recurring run") == before
    assert (server.requests("POST"), server.requests("DELETE")) == (posted, [])


def test_schedules_of_names_that_differ_by_case(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """Where there are both, as of an earlier release, each is changed alone."""
    reconcile(connection, config, NIGHTLY, Options(compiled=compiled))
    (ours,) = server.all("recurring run")
    server.add("recurring run", "recurring_run_id", {**ours, "display_name": "Flowers"})
    later = SchedulePlan(cron="0 0 3 * * *")
    assert reconcile(connection, config, later, Options(compiled=compiled)).deleted == 1
    assert {(item.name, item.plan) for item in schedules(connection)} == {("flowers", later), ("Flowers", NIGHTLY)}
    assert delete(connection, "Flowers") == 1
    assert [item.name for item in schedules(connection)] == ["flowers"]


def test_another_name_at_the_command_line(server: KfpServer, config_file: Path, command: Callable[..., Result]) -> None:
    """One line, and exit code 1."""
    assert command("submit", config_file, "--host", server.url, "--run-name", "digits-first").exit_code == 0
    done = command("submit", config_file, "--host", server.url, "--run-name", "DIGITS-first")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "there is no 'DIGITS-first'" in done.stderr
    assert "already exists" not in done.output


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("run", "x" * 256, "has 256 characters; 255 are allowed"),
        ("experiment", "x" * 129, "has 129 characters; 128 are allowed"),
        ("pipeline", "x" * 128, "has 128 characters; 127 are allowed"),
        ("pipeline version", "x" * 128, "has 128 characters; 127 are allowed"),
        ("run", "night 🌙", "has the character '🌙', which Kubeflow's database cannot hold"),
        ("run", "a\x00b", r"has the character '\\x00'"),
        ("run", "a\nb", r"has the character '\\n'"),
        ("run", "\udc80", "has the character"),
        ("experiment", " nightly", "begins or ends with white space"),
        ("experiment", " ", "' ' is no name"),
    ],
)
def test_names_that_the_server_cannot_hold(kind: str, name: str, text: str) -> None:
    """They are refused here: the server's answer to them is 500."""
    with pytest.raises(ConfigError, match=text):
        check_name(kind, name)


@pytest.mark.parametrize(
    ("kind", "name"), [("run", "x" * 255), ("experiment", "x" * 128), ("run", "nächtlich №7 漢字"), ("run", "A b")]
)
def test_names_that_the_server_holds(kind: str, name: str) -> None:
    """The longest, and letters of any script."""
    check_name(kind, name)


def test_nothing_is_sent_of_a_name_that_the_server_cannot_hold(
    server: KfpServer, connection: Connection, config: Config, compiled: CompiledPipeline
) -> None:
    """Neither of a run nor of a schedule."""
    sent: list[Any] = server.requests()
    with pytest.raises(ConfigError, match="experiment name: "):
        submit(connection, config, experiment="x" * 129, compiled=compiled)
    with pytest.raises(ConfigError, match="experiment name: "):
        reconcile(connection, config, NIGHTLY, Options(compiled=compiled, experiment="🌷"))
    assert server.requests() == sent
