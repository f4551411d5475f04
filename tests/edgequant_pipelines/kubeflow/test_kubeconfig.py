"""Kubeconfigs that are there and cannot be used: what is wrong is said, and with which file."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

CA = "certificate-authority"
GOOD = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:9", CA: "ca.crt"}}],
    "users": [{"name": "me", "user": {"token": "sesame"}}],
}
SHAPELESS = {**GOOD, "clusters": 3}
NO_CLUSTER = {**GOOD, "clusters": []}
NO_USER = {**GOOD, "users": [{"name": "me", "token": "sesame"}]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clusters: [\ntoken: sesame", "PATH is not YAML (line 2)"),
        ("", "PATH is empty"),
        ("- here", "PATH is not a mapping"),
        (
            yaml.safe_dump({**GOOD, "current-context": "hree"}),
            "PATH: current-context: 'hree' is none of its contexts; there are here; did you mean 'here'?",
        ),
        (
            yaml.safe_dump({**GOOD, "current-context": ""}),
            "PATH: current-context: '' is none of its contexts; there are here",
        ),
        (
            yaml.safe_dump({**GOOD, "contexts": []}),
            "PATH: current-context: 'here' is none of its contexts; there are none",
        ),
        (yaml.safe_dump(GOOD), "PATH names FOLDER/ca.crt, which does not exist"),
        (yaml.safe_dump(NO_CLUSTER), "PATH names 'here', which is not among its clusters"),
        (yaml.safe_dump(NO_USER), "PATH has no 'user' where one is needed"),
        (yaml.safe_dump(SHAPELESS), "PATH is not a valid kubeconfig (TypeError)"),
    ],
)
def test_what_is_wrong_is_said(
    config_file: Path, command: Callable[..., Result], tmp_path: Path, text: str, said: str
) -> None:
    """One line, without what the file holds: a token may be in it."""
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    done = command("submit", config_file)
    assert (done.exit_code, done.stdout) == (2, "")
    wrong = said.replace("PATH", str(path)).replace("FOLDER", str(tmp_path))
    assert done.stderr == (
        f"edgequant: host: none is given, this is no pod, and the kubeconfig cannot be used: {wrong}; "
        "fix it, give --host or set KF_PIPELINES_ENDPOINT\n"
    )


def test_one_of_several(
    config_file: Path, command: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the files that KUBECONFIG lists, the one that is wrong is named; one that is not there is none."""
    good, wrong = tmp_path / "good", tmp_path / "wrong"
    good.write_text(yaml.safe_dump(GOOD))
    wrong.write_text("a: b: c")
    (tmp_path / "folder").mkdir()
    location = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(location, f"{good}:{tmp_path / 'none'}:{wrong}")
    assert f"the kubeconfig cannot be used: {wrong} is not YAML (line 1); " in command("submit", config_file).stderr
    monkeypatch.setattr(location, f"{good}:{tmp_path / 'folder'}")
    assert f"{tmp_path / 'folder'} cannot be read (Is a directory); " in command("submit", config_file).stderr


def test_a_home_that_is_not_there(
    config_file: Path, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kubeconfig of somebody whom this machine does not know is one that is not there."""
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "~nobody-at-all/config")
    done = command("submit", config_file)
    assert done.exit_code == 2
    assert "this is no pod, and there is no kubeconfig; give --host" in done.stderr
