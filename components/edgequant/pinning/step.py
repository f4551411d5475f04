"""Resolves the model URIs of a run to fixed versions."""

from functools import partial
from typing import NamedTuple

from edgequant.mlflow_access.lookup import Waiting
from edgequant.mlflow_access.reachability import check_reachable
from edgequant.model_uri import PinnedModel, pin_champion, training_metrics
from edgequant.model_uri import pin as pin_model
from edgequant.steps import say
from edgequant.tracking_uri import tracking_uri as tracking_uri_to_use


class Pinned(NamedTuple):
    """The models of a run: their URIs without aliases, what identifies their contents, and what the training run logged."""

    model: str
    model_digest: str
    training_metrics: dict[str, float]
    champion: str
    champion_digest: str


def pin(model_uri: str, champion_uri: str, tracking_uri: str) -> Pinned:
    """Returns the models that two URIs currently refer to.

    Args:
        model_uri: The model's URI.
        champion_uri: The URI of the champion; "" for none.
        tracking_uri: The MLflow server; "" for the environment's.

    Raises:
        ModelError: There is no such model, or MLflow cannot be reached.
        TrackingError: No server is configured on a cluster, where the tracking step needs one.
        ConfigError: The server's URI holds a password.
    """
    server = tracking_uri_to_use(tracking_uri)
    # Results are recorded at the end: a server that does not answer is told now.
    check_reachable(server)
    waiting = Waiting(tell=partial(say, "pin"))
    model = pin_model(model_uri, server, waiting)
    champion = pin_champion(champion_uri, server, waiting) if champion_uri else PinnedModel(uri="", digest="")
    say("pin", f"{model_uri} is {model.uri}" if model.uri != model_uri else model.uri)
    metrics = training_metrics(model.uri, server, waiting)
    return Pinned(model.uri, model.digest, metrics, champion.uri, champion.digest)
