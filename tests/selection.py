"""Which tests are heavy, and in which order the files of a run start."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

# Fixtures that need a model, which takes TensorFlow to build, a server, the command line in processes of its own, or draw with Beam.
_HEAVY_FIXTURES = frozenset(
    {
        "browser",
        "built",
        "digits",
        "docker",
        "draw_sets",
        "edgequant",
        "invoke",
        "made_by",
        "result",
        "server",
        "training",
        "zoo",
    }
)
# Files that compute for long.
HEAVY_FILES = frozenset(
    {
        "test_bootstrap.py",
        "test_interval_coverage.py",
        "test_ratio.py",
        "test_unseen_changes.py",
        "test_worst_case.py",
    }
)


def is_heavy(file: str, fixtures: Sequence[str]) -> bool:
    """Tells whether a test is slow: by its file's name, or by one of its fixtures, direct or indirect."""
    return file in HEAVY_FILES or not _HEAVY_FIXTURES.isdisjoint(fixtures)


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
