"""Model URIs: a path, or MLflow's ``models:/…`` and ``runs:/…``."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgequant.artifacts.directory import tree_digest
from edgequant.errors import ConfigError, ModelError, NoModelYetError
from edgequant.model_files import KERAS, find_model
from edgequant.unanswered import no_answer

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_ALIAS = re.compile(r"models:/([^/@]+)@([^/@]+)")
_VERSION = re.compile(r"models:/([^/@]+)/([0-9]+)")
_RUN = re.compile(r"runs:/([^/]+)/(.+)")
_ALIAS_NAME = re.compile(r"[A-Za-z0-9_-]+")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)
_CREDENTIALS = re.compile(r"//[^/]*@")
_ALLOWED = "a path, models:/NAME/VERSION, models:/NAME@ALIAS and runs:/ID/PATH"
_NOT_THERE = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedModel:
    """A model whose content cannot change under its name unseen.

    Attributes:
        uri: The URI, an alias replaced by the version it stood for.
        digest: Identifies the content: a retrained model at the same path or name has another.
        missing: Why there is no such model yet, or None.
    """

    uri: str
    digest: str
    missing: str | None = None


def is_path(uri: str) -> bool:
    """Tells whether a model URI is a path on this machine."""
    return not _SCHEME.match(uri)


def check_model_uri(key: str, uri: str) -> str:
    """Returns a model URI that can be looked up; whether there is such a model is not asked.

    Args:
        key: What the user gave it as, for the message.
        uri: The URI.

    Raises:
        ConfigError: It is empty, or a URI of another form.
    """
    if not uri:
        raise ConfigError(f"{key}: is empty; allowed are {_ALLOWED}")
    if not is_path(uri) and not any(form.fullmatch(uri) for form in (_ALIAS, _VERSION, _RUN)):
        raise ConfigError(f"{key}: {uri!r} is not a model URI; allowed are {_ALLOWED}")
    return uri


def check_alias(key: str, alias: str) -> str:
    """Returns an alias that MLflow takes.

    Args:
        key: What the user gave it as, for the message.
        alias: The alias.

    Raises:
        ConfigError: MLflow refuses it.
    """
    if not _ALIAS_NAME.fullmatch(alias) or _RESERVED_ALIAS.fullmatch(alias):
        raise ConfigError(
            f"{key}: {alias!r} is not allowed; letters, digits, '_' and '-' are, but not 'latest' or 'v1'"
        )
    return alias


def pin(uri: str, tracking_uri: str) -> PinnedModel:
    """Returns the model that a URI stands for now.

    Raises:
        ModelError: There is no such model, or MLflow cannot be asked.
        NoModelYetError: The registered model or its alias does not exist.
    """
    if is_path(uri):
        return PinnedModel(uri=uri, digest=tree_digest(find_model(Path(uri)).path))
    return _pin_registered(uri, tracking_uri)


def pin_champion(uri: str, tracking_uri: str) -> PinnedModel:
    """Returns the model in production that a URI stands for now; where there is none yet, with the reason and no digest.

    Args:
        uri: A path of a ``.tflite`` file, or a model URI.
        tracking_uri: The MLflow server.

    Raises:
        ModelError: The file is missing, or MLflow cannot be asked.
    """
    with told_of("baseline"):
        if is_path(uri):
            if not Path(uri).exists():
                raise ModelError(f"model: {uri} does not exist")
            return PinnedModel(uri=uri, digest=tree_digest(Path(uri)))
        try:
            return _pin_registered(uri, tracking_uri)
        except NoModelYetError as error:
            return PinnedModel(uri=uri, digest="", missing=error.reason)


@contextmanager
def told_of(key: str) -> Iterator[None]:
    """Lets errors of models begin with another key of the configuration than ``model``."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{key}: {str(error).removeprefix('model: ')}") from error


def _pin_registered(uri: str, tracking_uri: str) -> PinnedModel:
    facts = _ask(uri, tracking_uri)
    if facts.get("files") == []:
        raise ModelError(f"model: {uri} names nothing: the run has no files there")
    text = json.dumps([tracking_uri, facts], sort_keys=True, default=str)
    return PinnedModel(uri=facts["uri"], digest=hashlib.sha256(text.encode()).hexdigest())


def training_run(client: Any, uri: str) -> str:
    """Returns the run of MLflow that made the model of a URI; "" where none is known.

    Args:
        client: MLflow's client.
        uri: The model's URI.
    """
    if match := _RUN.fullmatch(uri):
        return match[1]
    if match := _ALIAS.fullmatch(uri):
        return str(client.get_model_version_by_alias(*match.groups()).run_id or "")
    if match := _VERSION.fullmatch(uri):
        return str(client.get_model_version(*match.groups()).run_id or "")
    return ""


def check_tracking_uri(key: str, uri: str) -> str:
    """Returns a tracking URI that holds no secret: it is written into what a run leaves.

    Args:
        key: What the user gave it as, for the message.
        uri: The URI.

    Raises:
        ConfigError: It is not a URI, or holds a password.
    """
    try:
        password = urlsplit(uri).password
    except ValueError as error:
        raise ConfigError(f"{key}: {uri!r} is not a URI ({error})") from error
    if password is not None:
        raise ConfigError(
            f"{key}: holds a password; give credentials in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    return uri


def fetch(uri: str, tracking_uri: str, target: Path) -> None:
    """Copies the model's files to a new directory.

    Args:
        uri: The model's URI.
        tracking_uri: The MLflow server for MLflow's URIs; "" for the environment's.
        target: The directory to make.

    Raises:
        ModelError: There is no such model, or it cannot be downloaded.
    """
    if is_path(uri):
        _copy(Path(uri), target)
        return
    with downloaded(uri, tracking_uri) as path:
        _copy(path, target)


@contextmanager
def downloaded(uri: str, tracking_uri: str) -> Iterator[Path]:
    """Yields a local copy of what MLflow has for a URI.

    Raises:
        ModelError: There is no such model, or it cannot be downloaded.
    """
    import mlflow

    _use(tracking_uri)
    with tempfile.TemporaryDirectory(prefix="edgequant-") as scratch:
        try:
            path = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch)
        except Exception as error:  # MLflow and its stores raise many kinds.
            raise ModelError(f"model: {uri} cannot be downloaded: {no_answer(error) or _first_line(error)}") from error
        yield Path(path)


def _copy(path: Path, target: Path) -> None:
    files = find_model(path)
    if files.format == KERAS:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files.path, target / "model.keras")
    else:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(files.path, target, copy_function=shutil.copyfile)


def _ask(uri: str, tracking_uri: str) -> dict[str, Any]:
    """Returns what MLflow says of a model: its pinned URI and what identifies its content."""
    from mlflow import MlflowClient

    _use(tracking_uri)
    try:
        client = MlflowClient(tracking_uri=tracking_uri or None, registry_uri=tracking_uri or None)
        if match := _ALIAS.fullmatch(uri):
            return _of_version(_by_alias(client, uri, *match.groups(), server=_server(tracking_uri)))
        if match := _VERSION.fullmatch(uri):
            return _of_version(client.get_model_version(*match.groups()))
        if match := _RUN.fullmatch(uri):
            run_id, path = match.groups()
            ended = client.get_run(run_id).info.end_time
            files = sorted((item.path, item.file_size) for item in client.list_artifacts(run_id, path))
            return {"uri": uri, "files": files, "ended": ended}
    except NoModelYetError:
        raise
    except Exception as error:  # MLflow and its stores raise many kinds.
        reason = no_answer(error) or _first_line(error)
        raise ModelError(f"model: {uri} cannot be looked up in MLflow at {_server(tracking_uri)}: {reason}") from error
    raise ModelError(f"model: {uri!r} is not a model URI; allowed are {_ALLOWED}")


def _server(tracking_uri: str) -> str:
    """Returns the MLflow that is asked, for people: the environment's may hold a password."""
    import mlflow

    return _CREDENTIALS.sub("//", tracking_uri or mlflow.get_tracking_uri())


def _by_alias(client: Any, uri: str, name: str, alias: str, *, server: str) -> Any:
    """Returns the version that an alias stands for.

    Raises:
        NoModelYetError: There is no such registered model, or no such alias of it.
    """
    from mlflow.exceptions import MlflowException

    try:
        aliases = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != _NOT_THERE:
            raise
        raise NoModelYetError(uri, server, f"there is no registered model {name!r}") from error
    if alias not in aliases:
        raise NoModelYetError(uri, server, f"registered model {name!r} has no alias {alias!r}")
    return client.get_model_version(name, aliases[alias])


def _use(tracking_uri: str) -> None:
    """Sets MLflow's server for this process: some of its calls ask the global one, whatever their client was given."""
    import mlflow

    if tracking_uri:
        mlflow.set_tracking_uri(tracking_uri)


def _of_version(version: Any) -> dict[str, Any]:
    return {
        "uri": f"models:/{version.name}/{version.version}",
        "source": version.source,
        "run": version.run_id,
        "created": version.creation_timestamp,
    }


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
