"""Reads YAML files safely, as mappings, with a one-sentence message for each mistake."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from edgequant.errors import ConfigError, did_you_mean

_DEEPEST = 50
# NUL ends a path, and a lone surrogate cannot be encoded.
_NO_CHARACTER = re.compile("[\\0\\ud800-\\udfff]")
_BOOLEAN, _NULL = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"


class _Loader(yaml.SafeLoader):
    """YAML's safe loader with further errors.

    PyYAML silently uses the last value of a duplicate key, and reads the keys `on` and `no` as booleans. Recursive or very deeply
    nested values would exceed the recursion limit of the code that walks through them.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._within: list[str | None] = []

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._within:
            raise ConfigError(f"line {line}: *{event.anchor} stands for what it is part of; it may be anywhere else")
        if len(self._within) >= _DEEPEST:
            raise ConfigError(f"line {line}: is nested more than {_DEEPEST} deep; no key is")
        self._within.append(None if isinstance(event, yaml.AliasEvent) else event.anchor)
        node = super().compose_node(parent, index)
        self._within.pop()
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        match = _NO_CHARACTER.search(node.value)
        if match:
            line = node.start_mark.line + 1
            raise ConfigError(
                f"line {line}: a text holds the character {match[0]!a}, which no name, path or address does"
            )
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Checked here, since keys merged by `<<` are added later, when mappings are constructed.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in lines:
                first = lines[key.tag, key.value]
                raise ConfigError(f"line {line}: the key {key.value!r} already exists, on line {first}; keep one")
            if key.tag in (_BOOLEAN, _NULL):
                read_as = "null" if key.tag == _NULL else str(self.construct_yaml_bool(key)).lower()
                raise ConfigError(
                    f'line {line}: the key {key.value!r} is read as {read_as}, and keys are texts; write it in quotes: "{key.value}"'
                )
            lines[key.tag, key.value] = line
        return node


def read_yaml(text: str) -> Any:
    """Returns the value of a YAML text.

    Raises:
        ConfigError: It is not YAML, or has a duplicate key, a boolean or null key, a recursive or very deep value, a NUL or a
            lone surrogate.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"is not YAML ({' '.join(str(error).split())})") from error


# The type of an error about a value that may be a secret: the message does not show the value.
UNREPEATED = "unrepeated"
_DATE = "a date such as 2026-11-23 is needed"
# The expected value, by pydantic's error type.
_NEEDED = {
    "list_type": "a list is needed",
    "dict_type": "a mapping is needed",
    "model_type": "a mapping of {keys} is needed",
    "int_type": "a whole number is needed",
    "float_type": "a number is needed",
    "finite_number": "a finite number is needed",
    "bool_type": "true or false is needed",
    "date_type": _DATE,
    "literal_error": "{expected} is needed",
    "greater_than": "more than {gt} is needed",
    "greater_than_equal": "{ge} or more is needed",
    "less_than": "less than {lt} is needed",
    "less_than_equal": "{le} or less is needed",
    "too_short": "at least {min_length} is needed",
    "string_too_short": "a text of at least {min_length} is needed",
}


def read_mapping(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Returns the mapping in a YAML file.

    Args:
        path: The file.
        keys: The allowed keys, for the message if it is not a mapping.

    Raises:
        ConfigError: The file is missing, is not YAML that `read_yaml` accepts, or is not a mapping.
    """
    try:
        values = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not YAML ({error})") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if values is None:
        raise ConfigError(f"{path}: is empty; a mapping of {', '.join(keys)} is needed")
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds a {type(values).__name__}; a mapping of {', '.join(keys)} is needed")
    return values


def joined(folder: Path, text: str) -> Path:
    """Returns the absolute path for a path in a file.

    Args:
        folder: The base of relative paths: the file's folder.
        text: The path, which may begin with ``~``.

    Raises:
        ConfigError: It begins with the home directory of an unknown user.
    """
    try:
        return folder / Path(text).expanduser()
    except RuntimeError as error:
        user = text.partition("/")[0]
        raise ConfigError(f"{text!r} begins with {user!r}, which has no home here; write the whole path") from error


def explain(error: ValidationError, root: type[BaseModel]) -> Iterator[str]:
    """Yields a message for each validation error.

    Args:
        error: The validation errors.
        root: The model of the whole file.
    """
    for item in error.errors():
        keys = item["loc"]
        where = ".".join(str(key) for key in keys)
        if item["type"] in ("extra_forbidden", "invalid_key"):
            allowed = list(_section(root, keys[:-1]).model_fields)
            yield f"unknown key {where!r}; allowed are {', '.join(allowed)}{did_you_mean(str(keys[-1]), allowed)}"
        elif item["type"] == "missing":
            yield f"{where!r} is missing"
        elif item["type"] == UNREPEATED:
            yield f"{where}: {item['msg']}"
        elif keys[-1] == "[key]":
            where = ".".join(str(key) for key in keys[:-2])
            yield f"{where}: the key {_shown(item['input'])} is wrong: {_needed(item, root)}"
        elif item["input"] is None:
            yield f"{where}: is empty; {_needed(item, root)}"
        else:
            yield f"{where}: {_shown(item['input'])} is wrong: {_needed(item, root)}"


def _shown(value: object) -> str:
    """Returns a value as it is written in YAML."""
    return value.isoformat() if isinstance(value, date) else repr(value)


def _needed(item: Mapping[str, Any], root: type[BaseModel]) -> str:
    """Returns the expected value, for the message."""
    kind, value = item["type"], item["input"]
    if kind == "string_type":
        if value is None or isinstance(value, list | dict):
            return "text is needed"
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f'text is needed; write it in quotes, such as "{text}"'
    if kind == "value_error" and _is_date(item["loc"], root):
        return _DATE
    if kind not in _NEEDED:
        message = str(item["msg"]).removeprefix("Value error, ")
        return message[0].lower() + message[1:]
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in item.get("ctx", {}).items()
    }
    return _NEEDED[kind].format(keys=", ".join(_section(root, item["loc"]).model_fields), **limits)


def _is_date(keys: Sequence[str | int], root: type[BaseModel]) -> bool:
    field = _section(root, keys[:-1]).model_fields.get(str(keys[-1]))
    return field is not None and date in (field.annotation, *get_args(field.annotation))


def _section(root: type[BaseModel], keys: Sequence[str | int]) -> type[BaseModel]:
    """Returns the section at a path of keys from the root; keys and indices of items are skipped."""
    section = root
    for key in keys:
        field = section.model_fields.get(str(key))
        if field is not None:
            section = _section_of(field.annotation) or section
    return section


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """Returns the section that an annotation is or contains."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((section for item in get_args(annotation) if (section := _section_of(item))), None)
