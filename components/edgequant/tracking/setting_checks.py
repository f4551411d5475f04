"""Checks of the tracking settings: a nested pipeline has no configuration file that was checked before."""

from edgequant.artifacts.result import TrackingSettings
from edgequant.errors import ConfigError
from edgequant.model_uri import check_alias

# MLflow refuses the first two in the name of a registered model; a quote ends the text in its search filters.
_NOT_IN_MODELS = "/:'"
_NOT_IN_SEARCHES = "'"
_ESCAPES = "\\"
# With the name of the quantization, this fits into a tag of every database.
_LONGEST = 250
_LONGEST_EXPERIMENT = 500


def check_tracking_settings(settings: TrackingSettings, name: str) -> None:
    """Checks the settings that would otherwise fail the recording at the end of the pipeline.

    Args:
        settings: The tracking settings.
        name: The name of the quantization.

    Raises:
        ConfigError: MLflow does not allow a name, or cannot search for it.
    """
    check_registered_model("registered_model", settings.registered_model)
    check_experiment("experiment", settings.experiment)
    for key, text in (("pipeline_run", settings.pipeline_run), ("name", name)):
        _check_characters(key, text, _NOT_IN_SEARCHES)
        _check_length(key, text, _LONGEST)
    if settings.alias:
        check_alias("alias", settings.alias)


def check_registered_model(key: str, name: str) -> str:
    """Returns the name of a registered model that MLflow allows and can search for.

    Args:
        key: The name of the setting, for the message.
        name: The name; "" for none.

    Raises:
        ConfigError: It holds a character that is not allowed.
    """
    return _check_characters(key, name, _NOT_IN_MODELS)


def check_experiment(key: str, name: str) -> str:
    """Returns the name of an experiment that MLflow allows.

    Args:
        key: The name of the setting, for the message.
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
        raise ConfigError(
            f"{key}: {text!r} ends in a backslash, which escapes the closing quote in MLflow's searches; remove it"
        )
    return text
