"""A CONFIG.yaml with places that a model version fills in.

Values are put into the parsed YAML's texts, never into YAML's own text: what somebody writes into a tag stays one text.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgequant.errors import ConfigError, did_you_mean
from edgequant_pipelines.config import Config, make_config, parse_config
from edgequant_pipelines.mappings import read_mapping
from edgequant_pipelines.watching.model_version import ModelVersion

_PLACES = ("name", "version", "run_id")
_TAG = "tags."
_ALLOWED = "{name}, {version}, {run_id} and {tags.KEY} are"
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
# What these hold is run as code, given to a runner, or sent credentials: who may tag a version may not choose it.
_FIXED = ("task", "examples.preprocess", "beam", "tracking.uri")
# What keys with places become for a look at the others: nothing that a pod lacks.
_REMOTE = {"model": "models:/model/1", "baseline": "models:/model/1", "examples": "s3://bucket/file.npz"}
_SAMPLE = ModelVersion(name="model", version="1", run_id="0" * 32, created=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A configuration to fill in.

    Attributes:
        path: The file.
        values: What it holds.
        tags: The keys of the tags that it takes values from.
        digest: Identifies the values, 12 hexadecimal digits: comments and order do not change it.
    """

    path: Path
    values: Mapping[str, Any]
    tags: frozenset[str]
    digest: str

    def fill(self, version: ModelVersion) -> Config:
        """Returns the configuration for a version.

        Raises:
            ConfigError: A value that was filled in is not allowed where it stands.
        """
        try:
            return make_config(_filled(self.values, version), self.path.resolve().parent)
        except ConfigError as error:
            raise ConfigError(f"{self.path}, filled in from {version}: {error}") from error


def load_template(path: Path) -> Template:
    """Returns the template in a file.

    Raises:
        ConfigError: It cannot be read, names an unknown place, or is no configuration whatever is filled in.
    """
    values = read_mapping(path, list(Config.model_fields))
    tags = set()
    for where, text in _texts(values, ""):
        for place in _places(text, path, where):
            if any(where == fixed or where.startswith(f"{fixed}.") for fixed in _FIXED):
                raise ConfigError(
                    f"{path}: {where}: {{{place}}} is not allowed here: a version must not choose what is run or trusted"
                )
            if place.startswith(_TAG):
                tags.add(place.removeprefix(_TAG))
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:12]
    template = Template(path=path, values=values, tags=frozenset(tags), digest=digest)
    _try(template)
    return template


def _try(template: Template) -> None:
    """Fills a template in with a made-up version, so that what is wrong in any case is said before there is one."""
    sample = ModelVersion(
        name=_SAMPLE.name,
        version=_SAMPLE.version,
        run_id=_SAMPLE.run_id,
        created=0.0,
        tags=dict.fromkeys(template.tags, "value"),
    )
    values = _filled(template.values, sample)
    try:
        parse_config(values)
        # A tag's real value may be allowed where a made-up one is not.
        if not template.tags:
            make_config(values, template.path.resolve().parent)
    except ConfigError as error:
        raise ConfigError(f"{template.path}: {error}") from error


def check_for_cluster(template: Template, tracking_uri: str) -> None:
    """Checks that nothing that a template names without places is on this machine alone.

    Args:
        template: The template.
        tracking_uri: The MLflow server if it names none; "" when it is not known.

    Raises:
        ConfigError: A pod would not have it, whatever version fills the template in.
    """
    from edgequant_pipelines.kubeflow.arguments import cluster_arguments

    sample = replace(_SAMPLE, tags=dict.fromkeys(template.tags, "value"))
    values = {
        key: _filled(_elsewhere(value, _REMOTE[key]) if key in _REMOTE else value, sample)
        for key, value in template.values.items()
    }
    try:
        config = make_config(values, template.path.resolve().parent)
    except ConfigError:
        # What is wrong in any case was said; what the made-up values are refused for, real ones need not be.
        return
    if not config.tracking.uri:
        tracking = config.tracking.model_copy(update={"uri": tracking_uri})
        config = config.model_copy(update={"tracking": tracking})
    try:
        cluster_arguments(config)
    except ConfigError as error:
        raise ConfigError(f"{template.path}: {error}") from error


def _elsewhere(value: Any, remote: str) -> Any:
    """Returns values with every text that has places replaced by one that is not of this machine."""
    if isinstance(value, str):
        return remote if any(match.group(1) is not None for match in _TOKEN.finditer(value)) else value
    if isinstance(value, dict):
        return {key: _elsewhere(item, remote) for key, item in value.items()}
    if isinstance(value, list):
        return [_elsewhere(item, remote) for item in value]
    return value


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Yields every text among values, with the key that leads to it."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, where)


def _places(text: str, path: Path, where: str) -> Iterator[str]:
    """Yields the places in a text.

    Raises:
        ConfigError: One is unknown, or a brace stands alone.
    """
    for match in _TOKEN.finditer(text):
        token, place = match.group(0), match.group(1)
        if token in ("{{", "}}"):
            continue
        if place is None:
            raise ConfigError(f"{path}: {where}: {text!r} has a lone {token!r}; write {token * 2!r} for the character")
        if place not in _PLACES and not (place.startswith(_TAG) and place != _TAG):
            raise ConfigError(
                f"{path}: {where}: unknown place {{{place}}}; {_ALLOWED}, and '{{{{' for a brace{did_you_mean(place, _PLACES)}"
            )
        yield place


def _filled(value: Any, version: ModelVersion) -> Any:
    """Returns values with every place replaced by its text; keys stay as they are."""
    if isinstance(value, str):
        return _TOKEN.sub(lambda match: _text(match, version), value)
    if isinstance(value, dict):
        return {key: _filled(item, version) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, version) for item in value]
    return value


def _text(match: re.Match[str], version: ModelVersion) -> str:
    token, place = match.group(0), match.group(1)
    if place is None:
        return token[0]
    if place.startswith(_TAG):
        return version.tags[place.removeprefix(_TAG)]
    return str(getattr(version, place))
