"""A CONFIG.yaml with placeholders that a model version fills in.

Values are inserted into the strings of the parsed YAML, never into the YAML text itself, so that a tag cannot inject YAML.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgequant.errors import ConfigError, did_you_mean
from edgequant_pipelines.config import Config, make_config
from edgequant_pipelines.watching.model_version import ModelVersion
from edgequant_pipelines.yaml_files import read_mapping

_PLACES = ("name", "version", "run_id")
TAG = "tags."
_ALLOWED = "{name}, {version}, {run_id} and {tags.KEY} are"
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_TRACKING_URI = "tracking.uri"
_SECRETS = "kubeflow.secrets"
# These are executed as code, passed to a runner, or receive credentials: whoever may tag a version must not control them.
_FIXED = (
    "task",
    "examples.preprocess",
    "beam",
    _TRACKING_URI,
    "kubeflow.image_prefix",
    "kubeflow.image_tag",
    _SECRETS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A configuration with placeholders.

    Attributes:
        path: The file.
        values: Its content.
        tags: The keys of the tags that it uses.
        digest: The digest of the values, 12 hexadecimal digits, independent of comments and order.
    """

    path: Path
    values: Mapping[str, Any]
    tags: frozenset[str]
    digest: str

    def fill(self, version: ModelVersion) -> Config:
        """Returns the configuration for a version.

        Raises:
            ConfigError: A filled-in value is not allowed.
        """
        try:
            return make_config(filled(self.values, version), self.path.resolve().parent)
        except ConfigError as error:
            raise ConfigError(f"{self.path}, filled in from {version}: {error}") from error

    def tags_of(self, version: ModelVersion) -> str:
        """Returns the digest of the version's tags that the template uses, or "" if it uses none."""
        if not self.tags:
            return ""
        text = json.dumps([[key, version.tags.get(key)] for key in sorted(self.tags)])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_template(path: Path) -> Template:
    """Returns the template in a file.

    Raises:
        ConfigError: It cannot be read, has a key that is not a string, or a placeholder that is unknown or not allowed there.
    """
    values = read_mapping(path, list(Config.model_fields))
    for where in _other_keys(values, ""):
        raise ConfigError(f"{path}: {where}")
    tags = set()
    for key, text in _texts(values, ""):
        # The keys below may be misplaced passwords, so messages do not show them.
        where = _SECRETS if key.startswith(f"{_SECRETS}.") else key
        for place in _places(text, path, where):
            if any(where == fixed or where.startswith(f"{fixed}.") for fixed in _FIXED):
                raise ConfigError(
                    f"{path}: {where}: {{{place}}} is not allowed here: a version must not choose what is run or trusted"
                )
            if place.startswith(TAG):
                tags.add(place.removeprefix(TAG))
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return Template(path=path, values=values, tags=frozenset(tags), digest=digest)


def filled(value: Any, version: ModelVersion) -> Any:
    """Returns values with every placeholder replaced; keys are unchanged."""
    if isinstance(value, str):
        return _TOKEN.sub(lambda match: _text(match, version), value)
    if isinstance(value, dict):
        return {key: filled(item, version) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, version) for item in value]
    return value


def keys_with_places(values: Mapping[str, Any], beginning: str = "") -> set[str]:
    """Returns the keys whose strings have placeholders with names that begin with a prefix."""
    return {where for where, text in _texts(values, "") if has_place(text, beginning)}


def has_place(text: str, beginning: str = "") -> bool:
    """Returns whether a string has a placeholder whose name begins with a prefix."""
    return any(match[1] is not None and match[1].startswith(beginning) for match in _TOKEN.finditer(text))


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Yields the key and the text of every string among values."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, where)


def _other_keys(value: Any, where: str) -> Iterator[str]:
    """Yields a message for each key that is not a string; possible secrets are not shown."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                secret = where.startswith(_SECRETS)
                shown, quoted = ("a key", "") if secret else (f"the key {key}", f', such as "{key}"')
                yield f"{where or 'at the top'}: {shown} is wrong: text is needed; write it in quotes{quoted}"
            yield from _other_keys(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _other_keys(item, where)


def _places(text: str, path: Path, where: str) -> Iterator[str]:
    """Yields the placeholders in a text.

    Raises:
        ConfigError: A placeholder is unknown, or a brace is unbalanced.
    """
    # The text may hold a misplaced password: then messages do not show it.
    secret = where == _TRACKING_URI or where.startswith(_SECRETS)
    for match in _TOKEN.finditer(text):
        token, place = match.group(0), match.group(1)
        if token in ("{{", "}}"):
            continue
        if place is None:
            whose = "" if secret else f"{text!r} "
            raise ConfigError(f"{path}: {where}: {whose}has a lone {token!r}; write {token * 2!r} for the character")
        if place not in _PLACES and not (place.startswith(TAG) and place != TAG):
            which, near = ("", "") if secret else (f" {{{place}}}", did_you_mean(place, _PLACES))
            raise ConfigError(f"{path}: {where}: unknown place{which}; {_ALLOWED}, and '{{{{' for a brace{near}")
        yield place


def _text(match: re.Match[str], version: ModelVersion) -> str:
    token, place = match.group(0), match.group(1)
    if place is None:
        return token[0]
    if place.startswith(TAG):
        return version.tags[place.removeprefix(TAG)]
    return str(getattr(version, place))
