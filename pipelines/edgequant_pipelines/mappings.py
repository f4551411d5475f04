"""YAML files that people write: read as mappings, and what is wrong with them in sentences."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from edgequant.errors import ConfigError, did_you_mean


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, but for a key that a mapping holds twice: of its values it would take the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # When mappings are made of nodes, what `<<` merges in is among their keys; now it is not.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in lines:
                first = lines[key.tag, key.value]
                raise ConfigError(f"line {line}: the key {key.value!r} is there already, on line {first}; keep one")
            lines[key.tag, key.value] = line
        return node


def read_yaml(text: str) -> Any:
    """Returns what YAML's text stands for.

    Raises:
        ConfigError: It is not YAML, or a mapping in it holds a key twice.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"is not YAML ({' '.join(str(error).split())})") from error


def read_mapping(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Returns what a YAML file holds.

    Args:
        path: The file.
        keys: The keys that it may hold, for the message when it holds no mapping.

    Raises:
        ConfigError: The file is missing, not YAML, or no mapping, or a mapping in it holds a key twice.
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


def explain(error: ValidationError, root: type[BaseModel]) -> Iterator[str]:
    """Yields a sentence for each thing that is wrong.

    Args:
        error: What is wrong.
        root: What the file as a whole was to be.
    """
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            allowed = list(_section(root, item["loc"][:-1]).model_fields)
            yield f"unknown key {where!r}; allowed are {', '.join(allowed)}{did_you_mean(str(item['loc'][-1]), allowed)}"
        elif item["type"] == "missing":
            yield f"{where!r} is missing"
        else:
            yield f"{where}: {item['input']!r} is wrong: {item['msg'][0].lower()}{item['msg'][1:]}"


def _section(root: type[BaseModel], keys: Sequence[str | int]) -> type[BaseModel]:
    """Returns the section that keys lead to from the top; names and numbers of items lead through."""
    section = root
    for key in keys:
        field = section.model_fields.get(str(key))
        if field is not None:
            section = _section_of(field.annotation) or section
    return section


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """Returns the section that an annotation is, or holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for item in get_args(annotation) if (found := _section_of(item))), None)
