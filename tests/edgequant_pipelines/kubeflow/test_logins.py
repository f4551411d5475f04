"""A login in front of Kubeflow answers in its place: Dex, oauth2-proxy and Istio do so when a session is missing or has expired."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.kfp_server import Fault, KfpServer

from edgequant_pipelines.kubeflow import Connection, KubeflowError, find_run

LOGINS: dict[str, dict[str, Any]] = {"a page": {"html": True}, "a redirect": {"status": 302}}
SUBMIT = ("submit", "CONFIG")
SCHEDULE = ("schedule", "CONFIG", "--cron", "0 0 2 * * *")


@pytest.fixture(params=LOGINS.values(), ids=list(LOGINS))
def login(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a login answers."""
    return dict(request.param)


@pytest.mark.parametrize("path", [".*", "v2beta1/(?!healthz)"], ids=["from the start", "after a first answer"])
@pytest.mark.parametrize(
    "arguments",
    [SUBMIT, (*SUBMIT, "--wait"), SCHEDULE, ("schedule", "--list"), ("schedule", "--delete", "flowers")],
    ids=" ".join,
)
def test_a_login_is_not_kubeflow(
    server: KfpServer,
    config_file: Path,
    command: Callable[..., Result],
    login: dict[str, Any],
    arguments: tuple[str, ...],
    path: str,
) -> None:
    """One line says what is in front and what to give; no run, no schedule and no page of a run is told of."""
    server.fail(Fault(method="*", path=path, times=1000, **login))
    given = [str(config_file) if argument == "CONFIG" else argument for argument in arguments]
    done = command(*given, "--host", server.url)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.output
    assert f"Kubeflow Pipelines at {server.url}: " in done.stderr
    assert "in front of KFP's API" in done.stderr
    assert "KF_PIPELINES_TOKEN" in done.stderr
    # A login's address says what it is to lead back to, and with what secret.
    assert "state=" not in done.stderr
    assert not [path for path in server.requests("POST") if not path.endswith(("/runs", "/recurringruns"))]


@pytest.mark.parametrize("path", ["/experiments$", "/pipelines$", "/upload_version$", "/runs$"])
def test_a_session_that_expires_while_something_is_made(
    server: KfpServer, config_file: Path, command: Callable[..., Result], login: dict[str, Any], path: str
) -> None:
    """What was not made has no page; nothing is taken for made, and it is not retried."""
    server.fail(Fault(method="POST", path=path, **login))
    done = command("submit", config_file, "--host", server.url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "in front of KFP's API" in done.stderr
    assert server.all("run") == []


def test_a_session_that_expires_while_a_run_is_followed(
    server: KfpServer, config_file: Path, command: Callable[..., Result], login: dict[str, Any]
) -> None:
    """The run goes on, and where it is stays said."""
    server.fail(Fault(method="GET", path="/runs/", **login))
    done = command("submit", config_file, "--host", server.url, "--wait", "--poll-seconds", "0.1")
    (run,) = server.all("run")
    assert done.exit_code == 1
    assert f"the run goes on: {server.url}/#/runs/details/{run['run_id']}" in done.stderr
    assert "in front of KFP's API" in done.stderr


def test_an_address_that_leads_elsewhere(server: KfpServer, connection: Connection) -> None:
    """As from http to https: the address that it leads to is named."""
    server.fail(
        Fault(method="GET", path="/runs$", status=308, location="https://kfp.example.com/apis/v2beta1/runs?a=b")
    )
    with pytest.raises(KubeflowError, match=r"leads to https://kfp.example.com/apis/v2beta1/runs instead") as raised:
        find_run(connection, "any")
    assert (raised.value.status, "a=b" in str(raised.value)) == (401, False)


@pytest.mark.parametrize("text", ["null", "[]", "ok", ""])
def test_an_answer_that_is_not_kubeflows(server: KfpServer, connection: Connection, text: str) -> None:
    """KFP answers with a JSON object, whatever it is asked."""
    server.fail(Fault(method="GET", path="/runs$", html=True, page=text))
    with pytest.raises(KubeflowError, match="in front of KFP's API"):
        find_run(connection, "any")
