"""Fetches the champion: a registered version, or any ``.tflite`` file."""

import shutil
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from edgequant.artifacts.champion_set import ChampionFacts, write_champion
from edgequant.errors import ModelError
from edgequant.mlflow_access.lookup import Waiting
from edgequant.model_uri import downloaded, is_path, model_errors_as, pin_champion
from edgequant.steps import say
from edgequant.tracking_uri import tracking_uri as tracking_uri_to_use

_MODEL = "model.tflite"
_WAITING = Waiting(tell=partial(say, "champion"))


def fetch_champion(uri: str, tracking_uri: str, target: Path, waiting: Waiting = _WAITING) -> None:
    """Writes the directory of the champion; without a champion, the directory holds the reason.

    Args:
        uri: A path of a ``.tflite`` file, a model URI, or "" for none.
        tracking_uri: The MLflow server for MLflow's URIs; "" for the environment's.
        target: The directory to create.
        waiting: How long to retry while the server does not answer.

    Raises:
        ModelError: It exists but cannot be fetched, or does not hold exactly one ``.tflite`` file.
        TrackingError: No server is set on a cluster, where the track step would fail after hours of work.
        ConfigError: The server's URI holds a password.
    """
    # Checked even without a champion: a nested `quantize` has no earlier step that needs a server.
    server = tracking_uri_to_use(tracking_uri)
    if not uri:
        write_champion(target, ChampionFacts(uri=""), None)
        return
    pinned = pin_champion(uri, server, waiting)
    if pinned.missing is not None:
        write_champion(target, ChampionFacts(uri=uri, missing=pinned.missing), None)
        say("champion", f"no champion yet: {pinned.missing}")
        return
    facts = ChampionFacts(uri=uri, version=pinned.uri)
    with (
        model_errors_as("champion"),
        nullcontext(Path(uri)) if is_path(uri) else downloaded(pinned.uri, server) as downloaded_path,
    ):
        write_champion(target, facts, partial(shutil.copyfile, find_tflite(downloaded_path, uri)))
    say("champion", f"{uri} is {pinned.uri}" if uri != pinned.uri else uri)


def find_tflite(path: Path, uri: str) -> Path:
    """Returns the ``.tflite`` file at a path, or the only one in a folder.

    Args:
        path: The file or the folder.
        uri: The URI of the model, for the message.

    Raises:
        ModelError: There is none, or more than one.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.tflite"))
    named = [file for file in files if file.name == _MODEL]
    if len(named) == 1:
        return named[0]
    if len(files) != 1 or files[0].suffix != ".tflite":
        names = ", ".join(file.name for file in files) or "none"
        raise ModelError(f"model: {uri} does not hold exactly one .tflite file; it holds: {names}")
    return files[0]
