"""Finds the error in a kubeconfig that cannot be loaded: KFP's client only reports that there is none."""

import os
import re
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, kube_config

from edgequant.errors import did_you_mean

_SEPARATOR = kube_config.ENV_KUBECONFIG_PATH_SEPARATOR
# Error messages of Kubernetes' client, and the parts of them that hold no secrets: it quotes values around a missing key.
_SAYINGS = {
    re.compile("File does not exist: (.*)"): "names {}, which does not exist",
    re.compile(r".*Expected object with name (.*) in .*/(\w+) list"): "names {!r}, which is not among its {}",
    re.compile(r".*Expected key (\S+) in "): "has no {!r} where one is needed",
}


def kubeconfigs() -> list[Path]:
    """Returns the existing kubeconfig files that KUBECONFIG lists, or the one in the home directory."""
    listed = str(kube_config.KUBE_CONFIG_DEFAULT_LOCATION).split(_SEPARATOR)
    # Like Kubernetes' client; Path.expanduser raises for an unknown user.
    return [path for path in (Path(os.path.expanduser(name)) for name in listed if name) if path.exists()]  # noqa: PTH111


def wrong_with(paths: list[Path]) -> str:
    """Returns the error in kubeconfig files that cannot be loaded; the message holds only names and paths of theirs.

    Args:
        paths: The files, at least one.
    """
    read = [_read(path) for path in paths]
    for content in read:
        if isinstance(content, str):
            return content
    files = ", ".join(map(str, paths))
    return _context(files, [content for content in read if isinstance(content, dict)]) or _loading(files, paths)


def _read(path: Path) -> dict[str, Any] | str:
    """Returns the content of a file, or its error as text."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        return f"{path} is not a text file in UTF-8"
    except yaml.YAMLError as error:
        # The parser's message quotes the file, which may hold a token.
        mark = getattr(error, "problem_mark", None)
        return f"{path} is not YAML" + (f" (line {mark.line + 1})" if mark else "")
    if content is None:
        return f"{path} is empty"
    return content if isinstance(content, dict) else f"{path} is not a mapping"


def _context(files: str, read: list[dict[str, Any]]) -> str:
    """Returns the error if the files' current context does not exist; "" if it exists, or the structure is wrong."""
    # Merged like in Kubernetes' client: all contexts, and the last current-context.
    current = next((content["current-context"] for content in reversed(read) if "current-context" in content), "")
    try:
        names = [str(context["name"]) for content in read for context in content.get("contexts") or []]
    except (TypeError, KeyError):
        return ""
    if current in names:
        return ""
    available = f"there are {', '.join(names)}" if names else "there are none"
    return (
        f"{files}: current-context: {current!r} is none of its contexts; {available}{did_you_mean(str(current), names)}"
    )


def _loading(files: str, paths: list[Path]) -> str:
    """Returns the reason why Kubernetes' client cannot load files."""
    try:
        kube_config.load_kube_config(_SEPARATOR.join(map(str, paths)), None, Configuration(), persist_config=False)
    except ConfigException as error:
        for pattern, saying in _SAYINGS.items():
            match = pattern.match(str(error))
            if match:
                return f"{files} {saying.format(*match.groups())}"
        return f"{files} is not a valid kubeconfig"
    except Exception as error:  # KFP's client ignores any exception here.
        return f"{files} is not a valid kubeconfig ({type(error).__name__})"
    return f"{files} was not loaded at first, and is now"
