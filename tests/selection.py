"""Which tests are heavy, and in which order the files of a run start."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

# Fixtures that need a model, which takes TensorFlow to build, a server, or the command line in processes of its own.
_HEAVY = frozenset(
    {"digits", "zoo", "made_by", "training", "server", "edgequant", "built", "browser", "docker", "result"}
)


def is_heavy(fixtures: Sequence[str]) -> bool:
    """Tells whether one of a test's fixtures, direct or indirect, is slow to make."""
    return not _HEAVY.isdisjoint(fixtures)


def read_seconds(path: Path) -> dict[str, float]:
    """Returns how long each test file took in the last run that had it, by its name; nothing before the first run."""
    try:
        seconds: dict[str, float] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return seconds


def write_seconds(path: Path, seconds: Mapping[str, float]) -> None:
    """Writes how long files took, and keeps what is known of others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(read_seconds(path) | {name: round(value, 2) for name, value in seconds.items()}))
    part.replace(path)
