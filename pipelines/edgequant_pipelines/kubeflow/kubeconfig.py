"""What is wrong with a kubeconfig that Kubernetes' client does not load: KFP's client says only that there is none."""

import os
import re
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, kube_config

from edgequant.errors import did_you_mean

_SEPARATOR = kube_config.ENV_KUBECONFIG_PATH_SEPARATOR
# What Kubernetes' client says, as far as it is sure to hold no secret: where a key is missing it quotes what is around.
_SAYINGS = {
    re.compile("File does not exist: (.*)"): "names {}, which is not there",
    re.compile(r".*Expected object with name (.*) in .*/(\w+) list"): "names {!r}, which is not among its {}",
    re.compile(r".*Expected key (\S+) in "): "has no {!r} where one is needed",
}


def kubeconfigs() -> list[Path]:
    """Returns the kubeconfig files that are there, of those that KUBECONFIG lists or else in the home directory."""
    listed = str(kube_config.KUBE_CONFIG_DEFAULT_LOCATION).split(_SEPARATOR)
    # As Kubernetes' client does; Path's own would raise where there is no such user.
    return [path for path in (Path(os.path.expanduser(name)) for name in listed if name) if path.exists()]  # noqa: PTH111


def wrong_with(paths: list[Path]) -> str:
    """Returns what is wrong with which of some kubeconfig files that are not loaded; no value of theirs but names and paths.

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
    """Returns what a file holds, or what is wrong with it by itself."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        return f"{path} is not a text file in UTF-8"
    except yaml.YAMLError as error:
        # Its own text quotes the file, and so a token.
        mark = getattr(error, "problem_mark", None)
        return f"{path} is not YAML" + (f" (line {mark.line + 1})" if mark else "")
    if content is None:
        return f"{path} is empty"
    return content if isinstance(content, dict) else f"{path} is no mapping"


def _context(files: str, read: list[dict[str, Any]]) -> str:
    """Returns what is wrong with the context that the files name, or "" when it is there or they have another shape."""
    # As Kubernetes' client merges them: the contexts of all, and the last current one.
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
    """Returns why Kubernetes' client does not load some files."""
    try:
        kube_config.load_kube_config(_SEPARATOR.join(map(str, paths)), None, Configuration(), persist_config=False)
    except ConfigException as error:
        for pattern, saying in _SAYINGS.items():
            match = pattern.match(str(error))
            if match:
                return f"{files} {saying.format(*match.groups())}"
        return f"{files} has not the shape of one"
    except Exception as error:  # Whatever it trips over, KFP's client has passed over.
        return f"{files} has not the shape of one ({type(error).__name__})"
    return f"{files} was not loaded at first, and is now"
