"""Identifies the contents of everything that the sample step reads, for the cache key."""

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgequant.artifacts.directory import file_digest
from edgequant.errors import ExamplesError
from edgequant.sampling.formats.listing import ListedFile, list_files
from edgequant.sampling.referenced_files import remote_file

# Hashing releases the interpreter lock, so threads add up to the speed of the disk.
_READERS = 8


def fingerprint(patterns: Sequence[str], code: str = "") -> str:
    """Returns a digest that changes when a file is added or removed, or its content changes, and at nothing else.

    Local files are read for it: names, sizes and times do not tell a file from one that was overwritten with its time kept. For
    objects in buckets, the store tells what identifies their content.

    Args:
        patterns: Patterns of local or remote files.
        code: ``package.module:function`` that the inputs are made with, whose source counts too; "" for none.

    Raises:
        ExamplesError: A pattern's file system is unknown, or cannot be reached, or a file cannot be read.
    """
    total = hashlib.sha256()
    with ThreadPoolExecutor(_READERS) as pool:
        for pattern in patterns:
            files = list_files(pattern)
            for file, identity in zip(files, pool.map(_identity, files), strict=True):
                # A name need not be UTF-8.
                total.update(f"{file.path}\0{identity}\n".encode("utf-8", "surrogateescape"))
    total.update(code_digest(code).encode())
    return total.hexdigest()


def of_examples(calibration: list[str], evaluation: list[str], classes_file: str, preprocess: str) -> str:
    """Returns the digest of all that the sample step reads and is not in the run's arguments.

    Args:
        calibration: Patterns of the files to calibrate on.
        evaluation: Patterns of the files to evaluate on.
        classes_file: The file with the names of the classes; "" for none.
        preprocess: The function that makes model inputs, of a module or of a file in a bucket; the text of a local file is
            among the arguments. "" for none.

    Raises:
        ExamplesError: A pattern's file system is unknown, or cannot be reached, or a file cannot be read.
    """
    file, _, _ = preprocess.rpartition(":")
    code = "" if file.endswith(".py") else preprocess
    return fingerprint([*calibration, *evaluation, *filter(None, (classes_file, remote_file(preprocess)))], code)


def code_digest(name: str) -> str:
    """Returns the digest of the source that ``package.module:function`` names; "" when there is none to read.

    The source is that of the whole package, since its modules import each other, or of the one file of a module without a package.
    """
    module = name.rpartition(":")[0]
    if module.endswith(".py"):  # Its text is among the arguments.
        return ""
    try:
        spec = importlib.util.find_spec(module) if ":" in name else None
        package = importlib.util.find_spec(module.partition(".")[0]) if spec else None
    except (
        Exception
    ):  # Finding the module imports the user's package, which may raise anything; the step that uses it reports that.
        return ""
    if spec is None or package is None:
        return ""
    total = hashlib.sha256()
    files = list(_sources(package.submodule_search_locations or (), spec.origin))
    for name, path in files:
        total.update(f"{name}\0{file_digest(path)}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest() if files else ""


def _sources(package: Iterable[str], module: str | None) -> Iterator[tuple[str, Path]]:
    """Yields the name and the path of each source file of a package, or of a module that is in none."""
    folders = list(map(Path, package))
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*.py") if path.is_file())
        yield from ((path.relative_to(folder).as_posix(), path) for path in paths)
    if not folders and module and Path(module).is_file():
        yield Path(module).name, Path(module)


def _identity(file: ListedFile) -> str:
    """Returns what identifies the content of a file."""
    if file.version:
        return f"{file.version}\0{file.size_bytes}"
    try:
        return file_digest(Path(file.path))
    except OSError as error:
        raise ExamplesError(f"examples: {file.path} cannot be read ({error.strerror})") from error
