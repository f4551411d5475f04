"""Copies the files of a model that a URI refers to."""

from functools import partial
from pathlib import Path

from edgequant.mlflow_access.lookup import Waiting
from edgequant.model_uri import fetch
from edgequant.steps import say
from edgequant.tracking_uri import tracking_uri as tracking_uri_to_use


def resolve(model_uri: str, tracking_uri: str, target: Path) -> None:
    """Copies the model's files to a new directory.

    Args:
        model_uri: The model's URI.
        tracking_uri: The MLflow server; "" for the environment's.
        target: The directory to make.

    Raises:
        ModelError: There is no such model, or it cannot be downloaded.
        TrackingError: No server is configured on a cluster, where the tracking step needs one.
        ConfigError: The server's URI holds a password.
    """
    fetch(model_uri, tracking_uri_to_use(tracking_uri), target, Waiting(tell=partial(say, "resolve")))
