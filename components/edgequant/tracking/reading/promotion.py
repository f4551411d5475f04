"""Moves an alias to a registered version, if that version was blessed."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgequant.artifacts.verdict import BLESSED
from edgequant.errors import ConfigError, TrackingError, did_you_mean
from edgequant.model_uri import check_alias
from edgequant.tracking import tags
from edgequant.tracking.reading.mlflow_client import connected_client, existing, listed

if TYPE_CHECKING:
    from mlflow import MlflowClient

# As MLflow writes them: "٣" and "03" are others to its search.
_VERSION = re.compile("[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What is asked for.

    Attributes:
        name: The registered model.
        version: Its version.
        alias: The alias to move.
        force: Whether to move it to a version that was not blessed as well.
    """

    name: str
    version: str
    alias: str
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What was done.

    Attributes:
        verdict: The verdict of the version; "" where it has none.
        before: The version that the alias was on; "" for none.
        forced: Whether the verdict was overridden.
    """

    verdict: str
    before: str
    forced: bool


def promote(request: Promotion, uri: str = "") -> Promoted:
    """Moves an alias, and leaves a tag on the version when its verdict was overridden.

    Args:
        request: What is asked for.
        uri: The MLflow tracking URI; "" for the environment's.

    Raises:
        ConfigError: The version is none, MLflow refuses the alias, or there is no tracking URI.
        TrackingError: There is no such model or version, it was not blessed, or MLflow does not answer.
    """
    check_alias("--alias", request.alias)
    if not _VERSION.fullmatch(request.version):
        raise ConfigError(f"VERSION: {request.version!r} is not a version; a number, such as 3, is")
    with connected_client(existing(uri)) as client:
        model, version = _find(client, request)
        verdict = version.tags.get(tags.VERDICT, "")
        blessed = verdict == BLESSED
        if not blessed and not request.force:
            reason = f"its verdict is {verdict!r}" if verdict else f"it has no tag {tags.VERDICT}"
            raise TrackingError(
                f"version {request.version} of {request.name!r} was not blessed: {reason}; --force promotes it all the same"
            )
        if not blessed:
            # Before the alias: nobody sees it on a version that does not say why.
            description = f"promoted with --force; the verdict was {verdict or 'none'}"
            client.set_model_version_tag(request.name, request.version, f"{tags.FORCED}{request.alias}", description)
        client.set_registered_model_alias(request.name, request.alias, request.version)
        return Promoted(verdict=verdict, before=str(model.aliases.get(request.alias, "")), forced=not blessed)


def _find(client: "MlflowClient", request: Promotion) -> tuple[Any, Any]:
    """Returns the registered model and its version."""
    from mlflow.exceptions import MlflowException

    from edgequant.tracking.recording.previous_versions import NOT_THERE

    try:
        model = client.get_registered_model(request.name)
    except MlflowException as error:
        if error.error_code != NOT_THERE:
            raise
        names = sorted(registered.name for registered in client.search_registered_models(max_results=1000))
        raise TrackingError(
            f"there is no registered model {request.name!r}; there are {listed(names)}{did_you_mean(request.name, names)}"
        ) from error
    try:
        return model, client.get_model_version(request.name, request.version)
    except MlflowException as error:
        if error.error_code != NOT_THERE:
            raise
        versions = client.search_model_versions(f"name = '{request.name}'", max_results=1000)
        numbers = [str(number) for number in sorted(int(version.version) for version in versions)]
        raise TrackingError(f"{request.name!r} has no version {request.version}; it has {listed(numbers)}") from error
