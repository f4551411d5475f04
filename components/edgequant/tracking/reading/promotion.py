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

# MLflow's search compares version numbers as text, so only its own spelling matches: neither "٣" nor "03".
_VERSION = re.compile("[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A request to move an alias.

    Attributes:
        name: The registered model.
        version: Its version.
        alias: The alias to move.
        force: Whether to move it even if the version was not blessed.
    """

    name: str
    version: str
    alias: str
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """The outcome of a promotion.

    Attributes:
        verdict: The verdict of the version; "" if it has none.
        before: The version that had the alias; "" for none.
        forced: Whether the verdict was overridden.
    """

    verdict: str
    before: str
    forced: bool


def promote(request: Promotion, uri: str = "") -> Promoted:
    """Moves an alias, and tags the version if its verdict was overridden.

    Args:
        request: The alias and the version.
        uri: The MLflow tracking URI; "" for the environment's.

    Raises:
        ConfigError: The version is not a number, MLflow refuses the alias, or no tracking URI is set.
        TrackingError: The model or version does not exist, was not blessed, or MLflow does not answer.
    """
    check_alias("--alias", request.alias)
    if not _VERSION.fullmatch(request.version):
        raise ConfigError(f"VERSION: {request.version!r} is not a version; a number, such as 3, is")
    with connected_client(existing(uri)) as client:
        model, version = _find(client, request)
        known = _tags_of(client, version)
        verdict = known.get(tags.VERDICT, "")
        blessed = verdict == BLESSED
        if not blessed and not request.force:
            reason = f"its verdict is {verdict!r}" if verdict else f"it has no tag {tags.VERDICT}"
            if why := known.get(tags.INVALID_REFERENCE):
                reason += f" ({why})"
            raise TrackingError(
                f"version {request.version} of {request.name!r} was not blessed: {reason}; --force promotes it all the same"
            )
        if not blessed:
            # Set before the alias, so that the alias is never on a version without this tag.
            description = f"promoted with --force; the verdict was {verdict or 'none'}"
            client.set_model_version_tag(request.name, request.version, f"{tags.FORCED}{request.alias}", description)
        client.set_registered_model_alias(request.name, request.alias, request.version)
        return Promoted(verdict=verdict, before=str(model.aliases.get(request.alias, "")), forced=not blessed)


def _tags_of(client: "MlflowClient", version: Any) -> dict[str, str]:
    """Returns the tags of a version; if it was registered by hand, with the verdict of the variant's run, unless that is blessed.

    What is blessed was registered with its verdict: without it, somebody removed it, or registered another file of the run.
    """
    from mlflow.exceptions import MlflowException

    own = dict(version.tags)
    if tags.VERDICT in own or not version.run_id:
        return own
    try:
        of_run = client.get_run(version.run_id).data.tags
    except MlflowException:  # The run was deleted, or may not be read: then nothing is known of its verdict.
        return own
    return own if of_run.get(tags.VERDICT, BLESSED) == BLESSED else {**of_run, **own}


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
