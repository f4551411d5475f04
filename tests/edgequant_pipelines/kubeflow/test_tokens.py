"""Tokens that are none: said in one line, without them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from tests.kfp_server import KfpServer

from edgequant.errors import ConfigError
from edgequant_pipelines.kubeflow import KubeflowError, connect, find_run
from edgequant_pipelines.kubeflow.kfp_client import QuietClient
from edgequant_pipelines.watching.launchers.base import LauncherError
from edgequant_pipelines.watching.launchers.kubeflow import KubeflowLauncher
from edgequant_pipelines.watching.rules.rules import KubeflowServer

BROKEN = ["sesame\nopen", "sesame open", "sesame\x00open", "sesameéopen", "sesame\r\n\topen"]


@pytest.mark.parametrize("token", [token for token in BROKEN if "\x00" not in token], ids=ascii)
def test_a_token_that_is_none(server: KfpServer, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """With a host, and as the client asks for it in a pod; a line break at the end is none of its own."""
    client = connect(server.url).client
    monkeypatch.setenv("KF_PIPELINES_TOKEN", token)
    with pytest.raises(ConfigError, match=r"^KF_PIPELINES_TOKEN: holds white space or characters that no") as raised:
        connect(server.url)
    assert "sesame" not in str(raised.value)
    with pytest.raises(ConfigError, match=r"^KF_PIPELINES_TOKEN: holds white space"):
        QuietClient._get_config_with_default_credentials(client, client._existing_config)
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "the-token\r\n")
    assert find_run(connect(server.url), "any") is None


@pytest.mark.parametrize("token", BROKEN, ids=ascii)
def test_a_file_that_holds_no_token(
    server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """At the start, and when it is replaced by such a one, or removed, while it is in use."""
    monkeypatch.delenv("KF_PIPELINES_TOKEN")
    path = tmp_path / "token"
    path.write_text(token, encoding="utf-8")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(path))
    with pytest.raises(ConfigError, match=r"^KF_PIPELINES_SA_TOKEN_PATH: .*token holds white space") as raised:
        connect(server.url)
    assert "sesame" not in str(raised.value)
    path.write_text("the-token\n")
    connection = connect(server.url)
    assert find_run(connection, "any") is None
    path.write_text(token, encoding="utf-8")
    with pytest.raises(KubeflowError, match=r"the run 'any' cannot be looked up: .*token holds white space") as later:
        find_run(connection, "any")
    assert (later.value.status, "sesame" in str(later.value)) == (401, False)
    path.unlink()
    with pytest.raises(KubeflowError, match=r"token cannot be read \(No such file or directory\)"):
        find_run(connection, "any")


@pytest.mark.parametrize("nothing", ["", "\n", " \t\r\n"], ids=ascii)
def test_an_empty_file(
    server: KfpServer,
    config_file: Path,
    command: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nothing: str,
) -> None:
    """At the start it is one line; a watcher whose file is cut off while it runs takes the server for one to ask later."""
    monkeypatch.delenv("KF_PIPELINES_TOKEN")
    path = tmp_path / "token"
    path.write_text(nothing)
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(path))
    done = command("submit", config_file, "--host", server.url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"edgequant: KF_PIPELINES_SA_TOKEN_PATH: {path} is empty; one token, on one line, is needed\n"
    path.write_text("the-token\n")
    launcher = KubeflowLauncher(KubeflowServer(host=server.url), "https://mlflow.example.com")
    launcher.check()
    path.write_text(nothing)
    with pytest.raises(LauncherError, match=r"the runs cannot be listed: .*token is empty; one token, on one line, is"):
        launcher.check()
    path.write_text("the-token\n")
    launcher.check()


def test_a_kubeconfig_whose_token_is_none(kubeconfig: Callable[[str], None]) -> None:
    """What the HTTP client refuses to send is not in the message."""
    kubeconfig("sesame\nopen")
    with pytest.raises(
        KubeflowError, match=r"cannot send what it is given or take what it gets \(ValueError\)"
    ) as raised:
        connect()
    assert "sesame" not in str(raised.value)
