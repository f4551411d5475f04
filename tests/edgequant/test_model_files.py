"""Where a model is in a path, and what is said when it is not."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgequant.errors import ModelError
from edgequant.model_files import KERAS, SAVED_MODEL, ModelFiles, find_model

_ALLOWED = "a SavedModel directory, a .keras file, or a directory that MLflow logged one of them in is needed"


def _keras(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    return path


def _saved_model(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "saved_model.pb").write_bytes(b"")
    return path


def _mlflow(path: Path, flavors: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "MLmodel").write_text(f"flavors:\n{flavors}", encoding="utf-8")
    return path


def test_plain_models_are_found(tmp_path: Path) -> None:
    """A SavedModel directory, a .keras file, and a directory with one .keras file."""
    saved_model, keras = _saved_model(tmp_path / "saved"), _keras(tmp_path / "one" / "a.keras")
    assert find_model(saved_model) == ModelFiles(path=saved_model, format=SAVED_MODEL)
    assert find_model(keras) == ModelFiles(path=keras, format=KERAS)
    assert find_model(keras.parent) == ModelFiles(path=keras, format=KERAS)


@pytest.mark.parametrize(
    ("flavors", "make", "place", "kind"),
    [
        ("  tensorflow: {data: data, model_type: keras}", _keras, "data/model.keras", KERAS),
        ("  tensorflow: {saved_model_dir: tf2model, model_type: tf2-module}", _saved_model, "tf2model", SAVED_MODEL),
        ("  keras: {data: data}\n  python_function: {}", _keras, "data/model.keras", KERAS),
        ("  tensorflow: {data: data}", _saved_model, "data/model", SAVED_MODEL),
        ("  tensorflow: {}", _saved_model, "data", SAVED_MODEL),
    ],
)
def test_logged_models_are_found(
    flavors: str, make: Callable[[Path], Path], place: str, kind: str, tmp_path: Path
) -> None:
    """MLflow's MLmodel file says where the model is."""
    made = make(_mlflow(tmp_path / "logged", flavors) / place)
    assert find_model(tmp_path / "logged") == ModelFiles(path=made, format=kind)


def _nothing(path: Path) -> None:
    del path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_nothing, f"model: {{path}} does not exist; {_ALLOWED}"),
        (lambda path: path.mkdir(), f"model: {{path}} is empty; {_ALLOWED}"),
        (lambda path: path.write_text("hello"), f"model: {{path}} is a plain file; {_ALLOWED}"),
        (
            lambda path: _saved_model(path / "inner"),
            "model: {path} holds no saved_model.pb and not exactly one .keras file; it holds inner",
        ),
        (
            lambda path: (_keras(path / "a.keras"), _keras(path / "b.keras")),
            "model: {path} holds no saved_model.pb and not exactly one .keras file; it holds a.keras, b.keras",
        ),
        (
            lambda path: _mlflow(path, "  sklearn: {}\n  python_function: {}"),
            "model: {path} was logged by MLflow as sklearn, python_function; the tensorflow or keras flavor is needed",
        ),
        (
            lambda path: _mlflow(path, "  {}"),
            "model: {path} was logged by MLflow as nothing; the tensorflow or keras flavor is needed",
        ),
        (
            lambda path: _mlflow(path, "  tensorflow: {data: ../../elsewhere}"),
            "model: {path}/MLmodel names {path}/../../elsewhere, which is outside of the logged model",
        ),
        (
            lambda path: _mlflow(path, "  tensorflow: {data: /etc}"),
            "model: {path}/MLmodel names /etc, which is outside of the logged model",
        ),
        (
            lambda path: _mlflow(path, "  tensorflow: {data: data}"),
            "model: {path} was logged by MLflow without a SavedModel or a .keras file in data/",
        ),
    ],
)
def test_what_is_not_a_model_is_described(make: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    """The message has the path, what was found there, and what is needed."""
    path = tmp_path / "model"
    make(path)
    with pytest.raises(ModelError) as caught:
        find_model(path)
    assert str(caught.value) == message.format(path=path)


@pytest.mark.parametrize("text", ["flavors: [", "", "just text", "flavors: 3", "other: {}", "flavors: {tensorflow: 1}"])
def test_a_damaged_mlmodel_is_described(text: str, tmp_path: Path) -> None:
    """An MLmodel file that MLflow did not write ends in one line."""
    (tmp_path / "MLmodel").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="is not what MLflow writes") as caught:
        find_model(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_keras_file_that_is_no_archive_is_a_plain_file(tmp_path: Path) -> None:
    """A name that ends in .keras does not make a model."""
    (tmp_path / "model.keras").write_text("hello")
    with pytest.raises(ModelError, match="is a plain file"):
        find_model(tmp_path / "model.keras")
