"""Keeps what is slow to build for the tests, such as converted models, from one run to the next.

An entry is a directory whose name holds a digest of everything that it depends on: the source that builds it, the versions of
the packages that the source uses, and the processor. A change of any of these is another entry, so a stale one is never used.
Workers of one run wait for each other, so that each entry is built once. Entries lie in ``EDGEQUANT_TEST_CACHE``, else in
``~/.cache/edgequant/tests`` (``XDG_CACHE_HOME``); an empty directory there makes a run build everything.
"""

import hashlib
import os
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

_PACKAGES = (
    "ai-edge-litert",
    "apache-beam",
    "keras",
    "matplotlib",
    "mlflow",
    "numpy",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "tensorflow",
    "tf-keras",
)
_COMPLETE = ".complete"
_UNUSED_SECONDS = 7 * 24 * 3600.0


def cached(name: str, sources: Sequence[Path], build: Callable[[Path], object], *arguments: str) -> Path:
    """Returns the directory that `build` fills, from an earlier run where there is one.

    Args:
        name: The entry's name.
        sources: The files, and the directories of Python files, that decide what is built.
        build: Fills a directory, which exists and is empty. Its path does not change later.
        arguments: What else decides what is built.
    """
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    entry = root / f"{name}-{_key(sources, arguments)}"
    complete = entry / _COMPLETE
    with FileLock(f"{entry}.lock"):
        if not complete.is_file() or complete.read_text() != _content_digest(entry):
            shutil.rmtree(entry, ignore_errors=True)
            _remove_unused(root)
            entry.mkdir()
            build(entry)
            # Written last: an entry whose build was cut short, or that a test has written to, is built again.
            complete.write_text(_content_digest(entry))
        os.utime(complete)
    return entry


def cache_folder() -> Path:
    """Returns the directory that keeps what later runs use."""
    if "EDGEQUANT_TEST_CACHE" in os.environ:
        return Path(os.environ["EDGEQUANT_TEST_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgequant" / "tests"


def _key(sources: Sequence[Path], arguments: Sequence[str]) -> str:
    digest = hashlib.sha256(_environment().encode())
    for text in arguments:
        digest.update(f"{text}\0".encode())
    for source in sources:
        digest.update(_source_digest(source))
    return digest.hexdigest()[:16]


@cache
def _environment() -> str:
    """Returns the versions and the processor that results depend on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    versions = [f"{package} {version(package)}" for package in _PACKAGES]
    return "\n".join([platform.python_version(), platform.machine(), features, *versions])


@cache
def _source_digest(source: Path) -> bytes:
    paths = sorted(source.rglob("*.py")) if source.is_dir() else [source]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(source.parent)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def _content_digest(entry: Path) -> str:
    """Returns the digest of every file of an entry: its name and its content."""
    digest = hashlib.sha256()
    for path in sorted(entry.rglob("*")):
        if path.is_file() and path.name != _COMPLETE:
            digest.update(f"{path.relative_to(entry)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _remove_unused(root: Path) -> None:
    """Removes the entries that no run has used for a week."""
    for complete in root.glob(f"*/{_COMPLETE}"):
        if time.time() - complete.stat().st_mtime > _UNUSED_SECONDS:
            shutil.rmtree(complete.parent, ignore_errors=True)
