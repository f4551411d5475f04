"""Fills a template in with a made-up version, so that what no version can make right is said before there is one.

What is wrong with a key that a tag fills in, or with one beside it because of that, is left to the versions: theirs may be right.
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
# What keys with places become for a look at the others: nothing that a pod lacks.
_REMOTE = {"model": _MODEL, "champion": _MODEL, "examples": _FILES}
# What takes the place of keys that are left to the versions, where there must be something, or other keys ask for it.
_RIGHT: Mapping[str, Any] = {
    "name": "model",
    "model": _MODEL,
    "champion": _MODEL,
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
        raise ConfigError(_message(template, str(error))) from error


def check_for_cluster(template: Template, tracking_uri: str) -> None:
    """Checks that nothing that a template names without places is on this machine alone.

    Args:
        template: The template.
        tracking_uri: The MLflow server if it names none; "" when it is not known.

    Raises:
        ConfigError: A pod would not have it, whatever version fills the template in.
    """
    from edgequant_pipelines.kubeflow.cluster_arguments import cluster_arguments

    values = {
        key: _elsewhere(value, _REMOTE[key]) if key in _REMOTE else value for key, value in template.values.items()
    }
    try:
        config = _config(template, values)
        cluster_arguments(config)
    except ConfigError as error:
        raise ConfigError(_message(template, str(error))) from error
    if config.tracking.uri:
        return
    tracking = config.tracking.model_copy(update={"uri": tracking_uri})
    try:
        cluster_arguments(config.model_copy(update={"tracking": tracking}))
    except ConfigError as error:
        key, colon, wrong = str(error).partition(": ")
        raise ConfigError(f"{template.path}: {key}{colon}none is given, and watch's own, {wrong}") from error


def _config(template: Template, values: Mapping[str, Any]) -> Config:
    """Returns the configuration that a made-up version makes, without the keys that only a real one can make right.

    Raises:
        ConfigError: Another key is wrong.
    """
    made, folder = _filled(template, values), template.path.resolve().parent
    left = keys_with_places(template.values, TAG)
    while True:
        try:
            return make_config(made, folder)
        except ConfigError as error:
            key = str(error).partition(":")[0]
            beside = {other for other in left if _section(other) in {key, _section(key)} - {""}}
            own = {other for other in left if other == key or other.startswith(f"{key}.")}
            if not own and _refusal(_without(made, beside), folder) == str(error):
                raise
            # What is beside a key that a tag fills in may be right or wrong by what the tag says: all of it goes.
            sections = {_section(other) for other in own | beside} - {""}
            made = _without(made, own | {other for other in _keys(made) if _section(other) in sections})
            left -= own | beside


def _refusal(values: Any, folder: Path) -> str:
    """Returns why values make no configuration, or "" when they make one."""
    try:
        make_config(values, folder)
    except ConfigError as error:
        return str(error)
    return ""


def _message(template: Template, text: str) -> str:
    """Returns a message with the file, and with the version that it tells of if it tells of one."""
    made_up = text.partition(":")[0] in keys_with_places(template.values)
    return f"{template.path}: {text}{f' (as filled in from a made-up {_VERSION})' * made_up}"


def _filled(template: Template, values: Mapping[str, Any]) -> Any:
    return filled(values, replace(_VERSION, tags=dict.fromkeys(template.tags, _VALUE)))


def _section(key: str) -> str:
    return key.rpartition(".")[0]


def _keys(value: Any, where: str = "") -> Iterator[str]:
    """Yields the keys among values that lead to no section."""
    for item in value if isinstance(value, list) else ():
        yield from _keys(item, where)
    for name, item in value.items() if isinstance(value, dict) else ():
        inner = f"{where}.{name}" if where else str(name)
        yield from _keys(item, inner)
        if not isinstance(item, dict):
            yield inner


def _without(value: Any, keys: set[str], where: str = "") -> Any:
    """Returns values without these keys, or with what is right where there must be something."""
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
    """Returns values with every text that has places replaced by one that is not of this machine."""
    if isinstance(value, str):
        return remote if has_place(value) else value
    if isinstance(value, dict):
        return {key: _elsewhere(item, remote) for key, item in value.items()}
    if isinstance(value, list):
        return [_elsewhere(item, remote) for item in value]
    return value
