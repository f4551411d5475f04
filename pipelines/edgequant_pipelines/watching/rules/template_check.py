"""Validates a template with a made-up version, to report errors that are independent of versions before there is one.

Errors in keys that a tag fills in, and in other keys of their sections, are ignored: a real version's tags may be valid.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgequant.errors import ConfigError
from edgequant_pipelines.arguments import declared_arguments
from edgequant_pipelines.config import Config, make_config, parse_config
from edgequant_pipelines.watching.model_version import ModelVersion
from edgequant_pipelines.watching.rules.template import TAG, Template, filled, has_place, keys_with_places

_VERSION = ModelVersion(name="model", version="1", run_id="0" * 32, created=0.0)
_VALUE = "value"
_MODEL, _FILES = "models:/model/1", "s3://bucket/*"
# The values of keys with placeholders during the check for a cluster: valid for pods.
_REMOTE = {"model": _MODEL, "champion": _MODEL, "examples": _FILES}
# Valid values for keys that tags fill in, if they are required by themselves or by other keys.
_RIGHT: Mapping[str, Any] = {
    "name": "model",
    "model": _MODEL,
    "champion": _MODEL,
    "examples.calibration": _FILES,
    "examples.label": _VALUE,
}


def check(template: Template) -> None:
    """Checks that a template can become a valid configuration.

    Raises:
        ConfigError: It is invalid for any version.
    """
    try:
        parse_config(_filled(template, template.values))
        declared_arguments(_config(template, template.values))
    except ConfigError as error:
        raise ConfigError(_message(template, error)) from error


def check_for_cluster(template: Template, tracking_uri: str) -> None:
    """Checks that a template's keys without placeholders do not name paths or servers of this machine.

    Args:
        template: The template.
        tracking_uri: The MLflow server if the template names none; "" if unknown.

    Raises:
        ConfigError: A key names a path or a server that pods do not have.
    """
    from edgequant_pipelines.kubeflow.cluster_arguments import cluster_arguments

    values = {
        key: _elsewhere(value, _REMOTE[key]) if key in _REMOTE else value for key, value in template.values.items()
    }
    try:
        config = _config(template, values)
        cluster_arguments(config)
    except ConfigError as error:
        raise ConfigError(_message(template, error)) from error
    if config.tracking.uri:
        return
    tracking = config.tracking.model_copy(update={"uri": tracking_uri})
    try:
        cluster_arguments(config.model_copy(update={"tracking": tracking}))
    except ConfigError as error:
        raise ConfigError(f"{template.path}: it names no MLflow server, so that of watch counts: {error}") from error


def _config(template: Template, values: Mapping[str, Any]) -> Config:
    """Returns the configuration for a made-up version, without what a real version's tags may make valid.

    Raises:
        ConfigError: It is invalid whatever the tags are: the error is the same without the keys that tags fill in, or remains
            without their whole sections.
    """
    made, folder = _filled(template, values), template.path.resolve().parent
    tagged = keys_with_places(template.values, TAG)
    try:
        return make_config(made, folder)
    except ConfigError as error:
        if _error(_without(made, tagged), folder) == str(error):
            raise
    sections = {_section(key) for key in tagged} - {""}
    return make_config(_without(made, tagged | {key for key in _keys(made) if _section(key) in sections}), folder)


def _error(values: Any, folder: Path) -> str:
    """Returns the error in a configuration's values, or ""."""
    try:
        make_config(values, folder)
    except ConfigError as error:
        return str(error)
    return ""


def _message(template: Template, error: ConfigError) -> str:
    """Returns an error message with the file, and with the made-up version if the file has placeholders."""
    made_up = f" (placeholders are filled in from a made-up {_VERSION})" if keys_with_places(template.values) else ""
    return f"{template.path}: {error}{made_up}"


def _filled(template: Template, values: Mapping[str, Any]) -> Any:
    return filled(values, replace(_VERSION, tags=dict.fromkeys(template.tags, _VALUE)))


def _section(key: str) -> str:
    return key.rpartition(".")[0]


def _keys(value: Any, where: str = "") -> Iterator[str]:
    """Yields the keys whose values are not sections."""
    for item in value if isinstance(value, list) else ():
        yield from _keys(item, where)
    for name, item in value.items() if isinstance(value, dict) else ():
        inner = f"{where}.{name}" if where else str(name)
        yield from _keys(item, inner)
        if not isinstance(item, dict):
            yield inner


def _without(value: Any, keys: set[str], where: str = "") -> Any:
    """Returns values without these keys, or with valid values if they are required."""
    if isinstance(value, list):
        return [_without(item, keys, where) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        inner = f"{where}.{name}" if where else str(name)
        if inner not in keys:
            kept[name] = _without(item, keys, inner)
        elif inner in _RIGHT:
            kept[name] = _RIGHT[inner]
    return kept


def _elsewhere(value: Any, remote: str) -> Any:
    """Returns values with every string that has placeholders replaced by a remote URI."""
    if isinstance(value, str):
        return remote if has_place(value) else value
    if isinstance(value, dict):
        return {key: _elsewhere(item, remote) for key, item in value.items()}
    if isinstance(value, list):
        return [_elsewhere(item, remote) for item in value]
    return value
