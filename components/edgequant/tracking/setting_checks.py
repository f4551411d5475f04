"""Checks what a result is to be recorded as: where a pipeline nests, no configuration file has been checked before."""

from edgequant.artifacts.result import TrackingSettings
from edgequant.errors import ConfigError
from edgequant.model_uri import check_alias

# MLflow refuses the first two in the name of a registered model; its searches, by which everything is found, end at a quote.
_NOT_IN_MODELS = "/:'"
_NOT_IN_SEARCHES = "'"
_ESCAPES = "\\"
# So that with the name of the quantization it is a tag that no database cuts.
_LONGEST = 250
_LONGEST_EXPERIMENT = 500


def check_tracking_settings(settings: TrackingSettings, name: str) -> None:
    """Checks all that would end a recording after the work is done.

    Args:
        settings: Where to record it, and as what.
        name: The name of the quantization.

    Raises:
        ConfigError: MLflow could not take it, or not find it again.
    """
    check_registered_model("registered_model", settings.registered_model)
    check_experiment("experiment", settings.experiment)
    for key, text in (("pipeline_run", settings.pipeline_run), ("name", name)):
        _check_characters(key, text, _NOT_IN_SEARCHES)
        _check_length(key, text, _LONGEST)
    if settings.alias:
        check_alias("alias", settings.alias)


def check_registered_model(key: str, name: str) -> str:
    """Returns the name of a registered model that MLflow takes and finds.

    Args:
        key: What the user gave it as, for the message.
        name: The name; "" for none.

    Raises:
        ConfigError: It holds what it may not.
    """
    return _check_characters(key, name, _NOT_IN_MODELS)


def check_experiment(key: str, name: str) -> str:
    """Returns the name of an experiment that MLflow takes.

    Args:
        key: What the user gave it as, for the message.
        name: The name.

    Raises:
        ConfigError: It is too long.
    """
    return _check_length(key, name, _LONGEST_EXPERIMENT)


def _check_length(key: str, text: str, longest: int) -> str:
    if len(text) > longest:
        raise ConfigError(f"{key}: {text[:longest]!r}… has {len(text)} characters; {longest} are allowed at most")
    return text


def _check_characters(key: str, text: str, forbidden: str) -> str:
    for character in forbidden:
        if character in text:
            all_but = " ".join(forbidden)
            raise ConfigError(
                f"{key}: {text!r} holds {character!r}, which MLflow refuses; all characters but {all_but} are allowed"
            )
    if text.endswith(_ESCAPES):
        raise ConfigError(f"{key}: {text!r} ends in a backslash, at which MLflow's searches go on; take it away")
    return text
