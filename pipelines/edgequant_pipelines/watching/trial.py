"""Fills a template in with a made-up version, so that what no version can make right is said before there is one.

What is wrong with a key that a tag fills in, or with one beside it, is left to the versions: theirs may be right.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from edgequant.errors import ConfigError
from edgequant_pipelines.arguments import declared_arguments
from edgequant_pipelines.config import Config, make_config, parse_config
from edgequant_pipelines.watching.model_version import ModelVersion
from edgequant_pipelines.watching.template import TAG, Template, filled, has_place, keys_with_places

_VERSION = ModelVersion(name="model", version="1", run_id="0" * 32, created=0.0)
_VALUE = "value"
_MODEL, _FILES = "models:/model/1", "s3://bucket/file.npz"
# What keys with places become for a look at the others: nothing that a pod lacks.
_REMOTE = {"model": _MODEL, "baseline": _MODEL, "examples": _FILES}
# What takes the place of keys that are left to the versions, where there must be something, or other keys ask for it.
_RIGHT: Mapping[str, Any] = {
    "name": "model",
    "model": _MODEL,
    "baseline": _MODEL,
    "examples.calibration": _FILES,
    "examples.label": _VALUE,
}


def check(template: Template) -> None:
    """Checks that some version may make a configuration of a template.

    Raises:
        ConfigError: None can.
    """
    try:
        parse_config(_filled(template, template.values))
        declared_arguments(_config(template, template.values))
    except ConfigError as error:
        raise ConfigError(_told(template, str(error))) from error


def check_for_cluster(template: Template, tracking_uri: str) -> None:
    """Checks that nothing that a template names without places is on this machine alone.

    Args:
        template: The template.
        tracking_uri: The MLflow server if it names none; "" when it is not known.

    Raises:
        ConfigError: A pod would not have it, whatever version fills the template in.
    """
    from edgequant_pipelines.kubeflow.arguments import cluster_arguments

    values = {
        key: _elsewhere(value, _REMOTE[key]) if key in _REMOTE else value for key, value in template.values.items()
    }
    try:
        config = _config(template, values)
        if not config.tracking.uri:
            tracking = config.tracking.model_copy(update={"uri": tracking_uri})
            config = config.model_copy(update={"tracking": tracking})
        cluster_arguments(config)
    except ConfigError as error:
        raise ConfigError(_told(template, str(error))) from error


def _config(template: Template, values: Mapping[str, Any]) -> Config:
    """Returns the configuration that a made-up version makes, without the keys that only a real one can make right.

    Raises:
        ConfigError: Another key is wrong.
    """
    made = _filled(template, values)
    left = keys_with_places(template.values, TAG)
    while True:
        try:
            return make_config(made, template.path.resolve().parent)
        except ConfigError as error:
            key = str(error).partition(":")[0]
            beside = set(_beside(key, left))
            if not beside:
                raise
            left -= beside
            # What is beside such a key may be right or wrong by what the tag says: all of it goes.
            made = _without(made, beside, "")


def _told(template: Template, text: str) -> str:
    """Returns a message with the file, and with the version that it tells of if it tells of one."""
    made_up = text.partition(":")[0] in keys_with_places(template.values)
    return f"{template.path}: {text}{f' (as filled in from a made-up {_VERSION})' * made_up}"


def _filled(template: Template, values: Mapping[str, Any]) -> Any:
    return filled(values, replace(_VERSION, tags=dict.fromkeys(template.tags, _VALUE)))


def _beside(key: str, left: set[str]) -> Iterator[str]:
    """Yields the keys that tags fill in of the section that a key is, or is in; at the top each key is for itself."""
    section = key.rpartition(".")[0]
    for other in left:
        if other == key or other.startswith(f"{key}.") or (section and other.rpartition(".")[0] == section):
            yield other


def _without(value: Any, keys: set[str], where: str) -> Any:
    """Returns values without these keys and, but for the top, what is in one section with them."""
    if isinstance(value, list):
        return [_without(item, keys, where) for item in value]
    if not isinstance(value, dict):
        return value
    sections = {key.rpartition(".")[0] for key in keys} - {""}
    kept = {}
    for name, item in value.items():
        inner = f"{where}.{name}" if where else str(name)
        if inner not in keys and (where not in sections or isinstance(item, dict)):
            kept[name] = _without(item, keys, inner)
        elif inner in _RIGHT:
            kept[name] = _RIGHT[inner]
    return kept


def _elsewhere(value: Any, remote: str) -> Any:
    """Returns values with every text that has places replaced by one that is not of this machine."""
    if isinstance(value, str):
        return remote if has_place(value) else value
    if isinstance(value, dict):
        return {key: _elsewhere(item, remote) for key, item in value.items()}
    if isinstance(value, list):
        return [_elsewhere(item, remote) for item in value]
    return value
