"""Identifies the contents of the examples' files by what can be known without reading them."""

import glob
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from edgequant.errors import ExamplesError
from edgequant.sampling.formats.remote import check, prepare
from edgequant.sampling.referenced_files import remote_file


def fingerprint(patterns: list[str], code: str = "") -> str:
    """Returns a digest that changes when a file is added, removed, or replaced under the same name.

    Args:
        patterns: Patterns of local or remote files.
        code: ``package.module:function`` that the inputs are made with, whose source counts too; "" for none.

    Raises:
        ExamplesError: A pattern's file system is unknown, or cannot be reached.
    """
    total = hashlib.sha256()
    for pattern in patterns:
        for facts in _remote(pattern) if "://" in pattern else _local(pattern):
            total.update(f"{facts}\n".encode())
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
        ExamplesError: A pattern's file system is unknown, or cannot be reached.
    """
    file, _, _ = preprocess.rpartition(":")
    code = "" if file.endswith(".py") else preprocess
    return fingerprint([*calibration, *evaluation, *filter(None, (classes_file, remote_file(preprocess)))], code)


def code_digest(name: str) -> str:
    """Returns the digest of the module that ``package.module:function`` names; "" when there is none to read."""
    module = name.rpartition(":")[0]
    if module.endswith(".py"):  # Its text is among the arguments.
        return ""
    try:
        spec = importlib.util.find_spec(module) if ":" in name else None
    except (
        Exception
    ):  # Finding the module imports the user's package, which may raise anything; the step that uses it reports that.
        return ""
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        return ""
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def _local(pattern: str) -> Iterator[str]:
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - the pattern is absolute
        facts = Path(name).stat()
        # A copy can keep its time of modification (cp -p, rsync -t); its inode and time of change are its own.
        yield f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ino}\0{facts.st_ctime_ns}"


def _remote(pattern: str) -> Iterator[str]:
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems

    prepare()
    check(pattern)
    try:
        matches = FileSystems.match([pattern])[0].metadata_list
    except (BeamIOError, ValueError) as error:
        raise ExamplesError(f"examples: {pattern!r} cannot be listed ({error})") from error
    for item in sorted(matches, key=lambda item: str(item.path)):
        yield f"{item.path}\0{item.size_in_bytes}\0{item.last_updated_in_seconds}"
