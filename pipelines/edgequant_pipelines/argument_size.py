"""Limits the size of a run's arguments: on a cluster they are part of every step's command line, and stored with the run."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from edgequant.errors import ConfigError

# A step's command line holds at most 20 kB; the rest is for its resources and the URIs of its artifacts.
MOST_BYTES = 16_000
# The configuration as text: its size follows from that of the other arguments.
_RECORD = "configuration"
# Smaller arguments are not worth changing.
_LEAST_BYTES = 500
_PATTERNS = "name the files by fewer patterns, with wildcards"
# By argument: its key in the configuration, and how to make it smaller.
_REMEDIES = {
    "classes": (
        "examples.classes",
        "put the names into a text file, one on each line, that pods can read, and name it: examples.classes_file: s3://BUCKET/FILE.txt",
    ),
    "preprocess_source": (
        "examples.preprocess",
        "put the file where pods can read it, and name it there: s3://BUCKET/FILE.py:function",
    ),
    "task_source": ("task", "put the function into a module of the image: package.module:function"),
    "calibration_examples": ("examples.calibration", _PATTERNS),
    "evaluation_examples": ("examples.evaluation", _PATTERNS),
}


def check_argument_size(arguments: Mapping[str, Any]) -> None:
    """Checks that the arguments of a run on a cluster are not too large.

    Raises:
        ConfigError: They are too large; the message names the largest ones and how to make them smaller.
    """
    total = _size(arguments)
    if total > MOST_BYTES:
        raise ConfigError(
            f"the run's arguments take {total:,} bytes; {MOST_BYTES:,} are allowed on a cluster, where every step gets them on its"
            f" command line: {'; '.join(_largest(arguments))}"
        )


def _largest(arguments: Mapping[str, Any]) -> Iterator[str]:
    sizes = {name: _size(value) for name, value in arguments.items() if name != _RECORD}
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if size >= _LEAST_BYTES:
            key, remedy = _REMEDIES.get(name, (name, "shorten it"))
            yield f"{key} takes {size:,}: {remedy}"


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
