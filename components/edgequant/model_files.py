"""Finds the model in a path: a SavedModel directory, a ``.keras`` file, or what MLflow logged of either."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgequant.errors import ModelError

SAVED_MODEL = "saved_model"
KERAS = "keras"
_KERAS_2_MARKS = (b"_tf_keras_", b"tf_keras")
_ALLOWED = "a SavedModel directory, a .keras file, or a directory that MLflow logged one of them in"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Where a model is, and in which format.

    Attributes:
        path: The SavedModel directory or the ``.keras`` file.
        format: ``saved_model`` or ``keras``.
    """

    path: Path
    format: str


def find_model(path: Path) -> ModelFiles:
    """Returns the model in a path.

    Raises:
        ModelError: There is none, or more than one.
    """
    if not path.exists():
        raise ModelError(f"model: {path} does not exist; {_ALLOWED} is needed")
    if path.is_file():
        if path.suffix == ".keras" and zipfile.is_zipfile(path):
            return ModelFiles(path=path, format=KERAS)
        raise ModelError(f"model: {path} is a plain file; {_ALLOWED} is needed")
    if (path / "saved_model.pb").is_file():
        return ModelFiles(path=path, format=SAVED_MODEL)
    if (path / "MLmodel").is_file():
        return find_model(_logged(path))
    keras = sorted(path.glob("*.keras"))
    if len(keras) == 1:
        return find_model(keras[0])
    if not any(path.iterdir()):
        raise ModelError(f"model: {path} is empty; {_ALLOWED} is needed")
    names = ", ".join(sorted(item.name for item in path.iterdir())[:8])
    raise ModelError(f"model: {path} holds no saved_model.pb and not exactly one .keras file; it holds {names}")


def _logged(path: Path) -> Path:
    """Returns the model's files inside a directory that MLflow logged, by its MLmodel file."""
    try:
        flavors: dict[str, Any] = dict(yaml.safe_load((path / "MLmodel").read_text(encoding="utf-8"))["flavors"])
        flavor = dict(flavors.get("keras", flavors.get("tensorflow", {})))
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"model: {path / 'MLmodel'} is not what MLflow writes ({reason})") from error
    data = path / str(flavor.get("saved_model_dir", flavor.get("data", "data")))
    if not flavors.keys() & {"keras", "tensorflow"}:
        raise ModelError(
            f"model: {path} was logged by MLflow as {', '.join(flavors) or 'nothing'}; the tensorflow or keras flavor is needed"
        )
    if path.resolve() not in data.resolve().parents:
        raise ModelError(f"model: {path / 'MLmodel'} names {data}, which is outside of the logged model")
    for candidate in (data, data / "model"):
        if candidate.is_dir() and ((candidate / "saved_model.pb").is_file() or list(candidate.glob("*.keras"))):
            return candidate
    raise ModelError(f"model: {path} was logged by MLflow without a SavedModel or a .keras file in {data.name}/")


def needs_tf_keras(saved_model: Path) -> bool:
    """Returns whether Keras 2 wrote a SavedModel, whose optimizer only `tf_keras` can restore."""
    if (saved_model / "keras_metadata.pb").is_file():
        return True
    data = (saved_model / "saved_model.pb").read_bytes()
    return any(mark in data for mark in _KERAS_2_MARKS)
