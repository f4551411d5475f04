"""Model URIs: a path, or MLflow's ``models:/…`` and ``runs:/…``."""

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edgequant.artifacts.directory import tree_digest
from edgequant.errors import ConfigError, ModelError, NoModelYetError, did_you_mean
from edgequant.metric_table import BY_NAME
from edgequant.mlflow_access.client_settings import client_settings
from edgequant.mlflow_access.lookup import Waiting, reason, retried
from edgequant.model_files import KERAS, find_model
from edgequant.tracking_uri import without_credentials

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_ALIAS = re.compile(r"models:/([^/@]+)@([^/@]+)")
_VERSION = re.compile(r"models:/([^/@]+)/([0-9]+)")
_RUN = re.compile(r"runs:/([^/]+)/(.+)")
_FORMS = (_ALIAS, _VERSION, _RUN)
_ALIAS_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)
_ALLOWED = "a path, models:/NAME/VERSION, models:/NAME@ALIAS and runs:/ID/PATH"
_DOES_NOT_EXIST = "RESOURCE_DOES_NOT_EXIST"
_WAITING = Waiting()
_OF_MACHINE = "system/"
_MOST_METRICS = 500
# MLflow exports these variables for child processes.
_SET_BY_MLFLOW = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
_MAX_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
# A failed download is not restarted, so MLflow's client retries its requests, with a backoff of a few seconds.
_DOWNLOAD_RETRIES = "3"


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedModel:
    """A model whose URI and digest identify its content.

    Attributes:
        uri: The URI, with an alias replaced by the version it pointed to.
        digest: Identifies the content: a retrained model at the same path or name has a different one.
        missing: Why there is no such model yet, or None.
    """

    uri: str
    digest: str
    missing: str | None = None


def is_path(uri: str) -> bool:
    """Returns whether a model URI is a path on this machine."""
    return not _SCHEME.match(uri)


def check_model_uri(key: str, uri: str) -> str:
    """Returns a model URI of a valid form, without looking the model up.

    Args:
        key: What the user gave it as, for the message.
        uri: The URI.

    Raises:
        ConfigError: It is empty, or a URI of another form.
    """
    if not uri:
        raise ConfigError(f"{key}: is empty; allowed are {_ALLOWED}")
    if not is_path(uri) and not any(form.fullmatch(uri) for form in _FORMS):
        raise ConfigError(f"{key}: {uri!r} is not a model URI; allowed are {_ALLOWED}")
    return uri


def check_alias(key: str, alias: str) -> str:
    """Returns an alias that MLflow accepts.

    Args:
        key: What the user gave it as, for the message.
        alias: The alias.

    Raises:
        ConfigError: MLflow does not allow it.
    """
    if not _ALIAS_NAME.fullmatch(alias) or _RESERVED_ALIAS.fullmatch(alias):
        raise ConfigError(
            f"{key}: {alias!r} is not allowed; letters, digits, '_' and '-' are, 255 at most, but not 'latest' or 'v1'"
        )
    return alias


def pin(uri: str, tracking_uri: str, waiting: Waiting = _WAITING) -> PinnedModel:
    """Returns the model that a URI currently refers to, after reading its files.

    MLflow's files are downloaded for it: artifacts can be overwritten, and MLflow tells only names and sizes.

    Args:
        uri: The model's URI.
        tracking_uri: The MLflow server for MLflow's URIs; "" for the environment's.
        waiting: How long to wait for it.

    Raises:
        ModelError: There is no such model, or MLflow cannot be reached.
        NoModelYetError: The registered model or its alias does not exist.
    """
    if is_path(uri):
        return PinnedModel(uri=uri, digest=_model_digest(Path(uri)))
    return _pin_in_mlflow(uri, tracking_uri, waiting, _model_digest)


def pin_champion(uri: str, tracking_uri: str, waiting: Waiting = _WAITING) -> PinnedModel:
    """Returns the champion that a URI currently refers to; if there is none yet, with the reason and without a digest.

    Args:
        uri: A path of a ``.tflite`` file, or a model URI.
        tracking_uri: The MLflow server.
        waiting: How long to wait for it.

    Raises:
        ModelError: The file is missing, or MLflow cannot be reached.
    """
    with model_errors_as("champion"):
        if is_path(uri):
            if not Path(uri).exists():
                raise ModelError(f"model: {uri} does not exist")
            return PinnedModel(uri=uri, digest=tree_digest(Path(uri)))
        try:
            return _pin_in_mlflow(uri, tracking_uri, waiting, tree_digest)
        except NoModelYetError as error:
            return PinnedModel(uri=uri, digest="", missing=error.reason)


@contextmanager
def model_errors_as(key: str) -> Iterator[None]:
    """Makes messages of `ModelError` begin with another key of the configuration than ``model``."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{key}: {str(error).removeprefix('model: ')}") from error


def _model_digest(path: Path) -> str:
    return tree_digest(find_model(path).path)


def _pin_in_mlflow(uri: str, tracking_uri: str, waiting: Waiting, digest_of: Callable[[Path], str]) -> PinnedModel:
    """Returns a model of MLflow with the digest of its content.

    Args:
        uri: The model's URI.
        tracking_uri: The MLflow server.
        waiting: How long to wait for it.
        digest_of: Returns the digest of the downloaded files.
    """
    facts = _look_up(uri, tracking_uri, waiting)
    with downloaded(facts["uri"], tracking_uri) as path:
        try:
            content = digest_of(path)
        except ModelError as error:
            raise ModelError(str(error).replace(str(path), uri)) from error
    # Without the server's address, since one server has many. Run and creation time distinguish models of different servers.
    text = json.dumps({**facts, "content": content}, sort_keys=True, default=str)
    return PinnedModel(uri=facts["uri"], digest=hashlib.sha256(text.encode()).hexdigest())


def training_run(client: Any, uri: str) -> str:
    """Returns the MLflow run that logged the model of a URI; "" where none is known.

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


def training_metrics(uri: str, tracking_uri: str, waiting: Waiting = _WAITING) -> dict[str, float]:
    """Returns the finite metrics that the training run of a model logged; empty for a path, and for a version without a run.

    A run that was deleted or may not be read is reported, and not an error.

    Args:
        uri: The model's URI.
        tracking_uri: The MLflow server for MLflow's URIs; "" for the environment's.
        waiting: How long to wait for it.
    """
    if is_path(uri):
        return {}
    try:
        logged = retried(partial(_logged, uri, tracking_uri), _server(tracking_uri), waiting)
    except Exception as error:  # MLflow and its stores raise many kinds.
        waiting.tell(f"the metrics of the training run of {uri} cannot be read ({reason(error)}): none is expected")
        return {}
    # Of a run that logs thousands, as for every layer, an argument holds those that may be compared.
    few = len(logged) <= _MOST_METRICS
    return {
        name: value for name, value in logged.items() if math.isfinite(value) and (few or name.endswith(tuple(BY_NAME)))
    }


def _logged(uri: str, tracking_uri: str) -> dict[str, float]:
    from edgequant.mlflow_access.client import new_client

    with _using(tracking_uri):
        client = new_client(tracking_uri)
        run_id = training_run(client, uri)
        metrics = client.get_run(run_id).data.metrics if run_id else {}
        # Those of the machine say nothing of the model.
        return {str(name): float(value) for name, value in metrics.items() if not name.startswith(_OF_MACHINE)}


def fetch(uri: str, tracking_uri: str, target: Path, waiting: Waiting = _WAITING) -> None:
    """Copies the model's files to a new directory.

    Args:
        uri: The model's URI.
        tracking_uri: The MLflow server for MLflow's URIs; "" for the environment's.
        target: The directory to make.
        waiting: How long to wait for the server.

    Raises:
        ModelError: There is no such model, or it cannot be downloaded.
    """
    if is_path(uri):
        _copy(Path(uri), target)
        return
    # Waits for a server that is down, since a download would fail.
    _look_up(uri, tracking_uri, waiting)
    with downloaded(uri, tracking_uri) as path:
        _copy(path, target)


@contextmanager
def downloaded(uri: str, tracking_uri: str) -> Iterator[Path]:
    """Yields a local copy of what MLflow has for a URI.

    Raises:
        ModelError: There is no such model, or it cannot be downloaded.
    """
    retries = os.environ.get(_MAX_RETRIES, _DOWNLOAD_RETRIES)
    with tempfile.TemporaryDirectory(prefix="edgequant-") as scratch:
        try:
            with client_settings(), _using(tracking_uri):
                os.environ[_MAX_RETRIES] = retries
                import mlflow

                path = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch)
        except Exception as error:  # MLflow and its stores raise many kinds.
            raise ModelError(f"model: {uri} cannot be downloaded: {reason(error)}") from error
        yield Path(path)


def _copy(path: Path, target: Path) -> None:
    files = find_model(path)
    if files.format == KERAS:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files.path, target / "model.keras")
    else:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(files.path, target, copy_function=shutil.copyfile)


def _look_up(uri: str, tracking_uri: str, waiting: Waiting) -> dict[str, Any]:
    """Returns MLflow's facts about a model: its pinned URI and what identifies its content."""
    if not any(form.fullmatch(uri) for form in _FORMS):
        raise ModelError(f"model: {uri!r} is not a model URI; allowed are {_ALLOWED}")
    server = _server(tracking_uri)
    try:
        return retried(partial(_facts, uri, tracking_uri), server, waiting)
    except ModelError:
        raise
    except Exception as error:  # MLflow and its stores raise many kinds.
        raise ModelError(f"model: {uri} cannot be looked up in MLflow at {server}: {reason(error)}") from error


def _facts(uri: str, tracking_uri: str) -> dict[str, Any]:
    from edgequant.mlflow_access.client import new_client

    with _using(tracking_uri):
        return _facts_of(new_client(tracking_uri), uri, _server(tracking_uri))


def _facts_of(client: Any, uri: str, server: str) -> dict[str, Any]:
    if match := _ALIAS.fullmatch(uri):
        return _of_version(_by_alias(client, uri, *match.groups(), server=server))
    if match := _VERSION.fullmatch(uri):
        return _of_version(client.get_model_version(*match.groups()))
    run_id, _, path = uri.removeprefix("runs:/").partition("/")
    client.get_run(run_id)
    if not _is_logged(client, run_id, path.rstrip("/")):
        raise ModelError(f"model: {uri} names nothing: the run has no files there")
    return {"uri": uri}


def _is_logged(client: Any, run_id: str, path: str) -> bool:
    """Returns whether a run has a file or a folder of a path."""
    if client.list_artifacts(run_id, path):
        return True
    # MLflow lists nothing below a file.
    return path in (item.path for item in client.list_artifacts(run_id, path.rpartition("/")[0] or None))


def _server(tracking_uri: str) -> str:
    """Returns the address of MLflow without credentials, for messages."""
    if not tracking_uri:
        import mlflow

        tracking_uri = mlflow.get_tracking_uri()
    return without_credentials(tracking_uri)


def _by_alias(client: Any, uri: str, name: str, alias: str, *, server: str) -> Any:
    """Returns the version that an alias points to.

    Raises:
        NoModelYetError: There is no such registered model, or no such alias of it.
    """
    from mlflow.exceptions import MlflowException

    try:
        aliases = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != _DOES_NOT_EXIST:
            raise
        raise NoModelYetError(uri, server, f"there is no registered model {name!r}") from error
    if alias not in aliases:
        has = f"; it has {', '.join(sorted(aliases))}{did_you_mean(alias, aliases)}" if aliases else ""
        raise NoModelYetError(uri, server, f"registered model {name!r} has no alias {alias!r}{has}")
    return client.get_model_version(name, aliases[alias])


@contextmanager
def _using(tracking_uri: str) -> Iterator[None]:
    """Sets MLflow's server and registry for this process: some calls use the global ones, whatever client they belong to.

    Restores them afterwards, with the environment variables that MLflow sets.
    """
    if not tracking_uri:
        yield
        return
    import mlflow
    from mlflow.tracking._model_registry import utils as registry
    from mlflow.tracking._tracking_service import utils as tracking

    before = tracking._tracking_uri, registry._registry_uri
    variables = {name: os.environ.get(name) for name in _SET_BY_MLFLOW}
    try:
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        yield
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _of_version(version: Any) -> dict[str, Any]:
    return {
        "uri": f"models:/{version.name}/{version.version}",
        "source": version.source,
        "run": version.run_id,
        "created": version.creation_timestamp,
    }
