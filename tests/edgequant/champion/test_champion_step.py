"""The champion is fetched from a real MLflow, or said not to be there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from edgequant.artifacts.champion_set import CHAMPION, load_champion
from edgequant.champion.step import fetch_champion, find_tflite
from edgequant.errors import ModelError
from edgequant.mlflow_access.lookup import Waiting
from edgequant.model_uri import pin_champion

_FILE = b"a tflite file"


@pytest.fixture
def uri(tmp_path: Path, new_mlflow: Callable[[Path], str]) -> str:
    """An MLflow store that holds nothing yet."""
    return new_mlflow(tmp_path / "mlflow.db")


@pytest.fixture
def register(uri: str, tmp_path: Path) -> Callable[..., MlflowClient]:
    """Registers a version of the model ``small`` that holds files as a tracked run leaves them."""

    def make(*files: str, alias: str = "champion") -> MlflowClient:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        if not client.search_registered_models("name = 'small'"):
            client.create_registered_model("small")
        count = len(client.search_model_versions("name = 'small'"))
        folder = tmp_path / f"files-{count}"
        for name in ("MLmodel", *files):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(_FILE if name.endswith(".tflite") else b"")
        version = client.create_model_version("small", source=folder.as_uri())
        client.set_registered_model_alias("small", alias, version.version)
        return client

    return make


def test_the_version_behind_an_alias_is_fetched(uri: str, register: Callable[..., Any], tmp_path: Path) -> None:
    """The file arrives as a variant set of one, with the version that the alias stands for."""
    register("artifacts/model.tflite", "code/other.txt")
    fetch_champion("models:/small@champion", uri, tmp_path / "champion")
    facts, variants = load_champion(tmp_path / "champion")
    assert (facts.uri, facts.version, facts.missing) == ("models:/small@champion", "models:/small/1", None)
    assert variants.model(CHAMPION).read_bytes() == _FILE
    assert variants[CHAMPION].size_bytes == len(_FILE)


def test_a_moved_alias_is_another_champion(uri: str, register: Callable[..., Any]) -> None:
    """The alias is pinned to its version, so that the cache notices when it moves."""
    client = register("artifacts/model.tflite")
    first = pin_champion("models:/small@champion", uri)
    register("artifacts/model.tflite", alias="other")
    assert pin_champion("models:/small@champion", uri) == first
    client.set_registered_model_alias("small", "champion", "2")
    second = pin_champion("models:/small@champion", uri)
    assert (first.uri, second.uri) == ("models:/small/1", "models:/small/2")
    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("registered", "champion", "reason"),
    [
        (False, "models:/small@champion", "there is no registered model 'small'"),
        (True, "models:/small@champion", "registered model 'small' has no alias 'champion'; it has candidate"),
        (
            True,
            "models:/small@candidat",
            "registered model 'small' has no alias 'candidat'; it has candidate; did you mean 'candidate'?",
        ),
    ],
)
def test_before_the_first_promotion_there_is_none(
    uri: str,
    register: Callable[..., Any],
    tmp_path: Path,
    registered: bool,
    champion: str,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A registered model or an alias that does not exist yet is said, and is no failure."""
    if registered:
        register("artifacts/model.tflite", alias="candidate")
    fetch_champion(champion, uri, tmp_path / "champion")
    facts, variants = load_champion(tmp_path / "champion")
    assert (facts.version, facts.missing) == (None, reason)
    assert variants.converted == ()
    assert f"champion: no champion yet: {reason}" in capsys.readouterr().out
    assert (pin_champion(champion, uri).uri, pin_champion(champion, uri).digest) == (champion, "")


def test_none_is_configured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a champion in the configuration nothing is looked for, and nothing is said."""
    fetch_champion("", "", tmp_path / "champion")
    facts, variants = load_champion(tmp_path / "champion")
    assert (facts.uri, variants.converted) == ("", ())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("champion", "message"),
    [
        ("models:/small/9", "champion: models:/small/9 cannot be looked up in MLflow at "),
        ("models:/small", "champion: 'models:/small' is not a model URI; allowed are"),
        ("/no/such/model.tflite", "champion: /no/such/model.tflite does not exist"),
        (
            "models:/small@champion",
            "champion: models:/small@champion does not hold exactly one .tflite file; it holds: none",
        ),
    ],
)
def test_any_other_failure_is_an_error(
    uri: str, register: Callable[..., Any], tmp_path: Path, champion: str, message: str
) -> None:
    """A version that is gone, what is no model URI, or a model that is no .tflite file ends the step."""
    register("data/model.keras")
    with pytest.raises(ModelError) as caught:
        fetch_champion(champion, uri, tmp_path / "champion")
    assert message in str(caught.value)
    assert not (tmp_path / "champion").exists()


def test_a_server_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    """That MLflow does not answer is no reason to compare with nothing."""
    with pytest.raises(ModelError, match=r"^champion: models:/small@champion cannot be looked up in MLflow at "):
        fetch_champion("models:/small@champion", "http://127.0.0.1:9", tmp_path / "champion", Waiting(seconds=0.0))


def test_a_file_is_a_champion(tmp_path: Path) -> None:
    """A path of a .tflite file is taken as it is, and pinned by its content."""
    path = tmp_path / "now.tflite"
    path.write_bytes(_FILE)
    fetch_champion(str(path), "", tmp_path / "champion")
    assert load_champion(tmp_path / "champion")[1].model(CHAMPION).read_bytes() == _FILE
    before = pin_champion(str(path), "").digest
    path.write_bytes(b"another")
    assert pin_champion(str(path), "").digest != before


def test_of_several_files_the_packaged_one_is_taken(tmp_path: Path) -> None:
    """What this project logs is model.tflite; of several others none is guessed."""
    (tmp_path / "a.tflite").touch()
    assert find_tflite(tmp_path, "models:/small/1") == tmp_path / "a.tflite"
    (tmp_path / "b.tflite").touch()
    with pytest.raises(ModelError, match=r"it holds: a\.tflite, b\.tflite"):
        find_tflite(tmp_path, "models:/small/1")
    (tmp_path / "model.tflite").touch()
    assert find_tflite(tmp_path, "models:/small/1") == tmp_path / "model.tflite"
