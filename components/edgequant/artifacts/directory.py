"""Writes directories atomically, and verifies the digest of every file when they are read."""

import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from edgequant.errors import ArtifactError

MANIFEST = "manifest.json"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _File:
    bytes: int
    sha256: str


@contextmanager
def new_directory(path: Path, schema: str) -> Iterator[Path]:
    """Yields a temporary sibling of `path` to fill; it replaces `path` when the body ends without an error.

    A directory of an earlier attempt is replaced; anything else at `path`, such as another step's output, is left unchanged.

    Args:
        path: The directory to make.
        schema: The schema of what will be written to it.

    Raises:
        ArtifactError: `path` is a file, or a directory that is not empty and holds something else than an earlier attempt.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir()) and not _is_of(path, schema)):
        raise ArtifactError(
            f"{path}: already exists; an output directory must be new, empty or of an earlier attempt to write an {schema}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    try:
        yield draft
        if path.exists():
            shutil.rmtree(path)
        draft.replace(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_of(directory: Path, schema: str) -> bool:
    """Returns whether a directory is an artifact of a schema, of whichever version."""
    try:
        manifest = read_json(directory / MANIFEST)
    except ArtifactError:
        return False
    actual = manifest.get("schema") if isinstance(manifest, dict) else None
    return isinstance(actual, str) and actual.rpartition("/")[0] == schema.rpartition("/")[0]


def write_manifest(directory: Path, schema: str, content: object) -> None:
    """Writes the manifest: the schema, the content (a dataclass), and the size and digest of every file beside it."""
    names = sorted(item.relative_to(directory).as_posix() for item in directory.rglob("*") if item.is_file())
    files = {
        name: {"bytes": (directory / name).stat().st_size, "sha256": file_digest(directory / name)} for name in names
    }
    write_json(directory / MANIFEST, {"schema": schema, "content": _plain(content), "files": files})


def read_manifest(directory: Path, schema: str, kind: type[T], *, verify: bool = True) -> T:
    """Returns the content of a directory's manifest, after checking its schema and the digest of every file.

    Args:
        directory: The directory.
        schema: The schema it must have.
        kind: The dataclass of the content.
        verify: Whether to read every file and compare its digest; the files' names and sizes are always checked.

    Raises:
        ArtifactError: The directory is missing, of another kind, incomplete or damaged.
    """
    manifest = read_json(directory / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("schema") != schema:
        actual = manifest.get("schema") if isinstance(manifest, dict) else None
        raise ArtifactError(f"{directory}: its schema is {actual!r}; {schema!r} is needed")
    for name, facts in parse(manifest.get("files"), dict[str, _File], directory / MANIFEST).items():
        path = inside(directory, name)
        if not path.is_file():
            raise ArtifactError(f"{path}: is named in the manifest and missing")
        if path.stat().st_size != facts.bytes or (verify and file_digest(path) != facts.sha256):
            raise ArtifactError(f"{path}: is not the file that its manifest describes; it changed after it was written")
    return parse(manifest.get("content"), kind, directory / MANIFEST)


def parse(value: object, kind: type[T], path: Path) -> T:
    """Returns JSON values as the dataclass they describe.

    Args:
        value: What `read_json` returned.
        kind: The dataclass.
        path: The file, for messages.

    Raises:
        ArtifactError: The values do not match the dataclass.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}." for part in first["loc"]).removesuffix(".")
        raise ArtifactError(f"{path}: {f'{where}: ' if where else ''}{first['msg']}") from error


def manifest_digest(directory: Path) -> str:
    """Returns the SHA-256 of a directory's manifest: it identifies everything in the directory."""
    return file_digest(directory / MANIFEST)


def inside(directory: Path, name: str) -> Path:
    """Returns the path of a relative name within a directory.

    Raises:
        ArtifactError: The name points outside of the directory.
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise ArtifactError(f"{directory}: the name {name!r} points outside of the directory")
    return directory / pure


def file_name(tensor_name: str) -> str:
    """Returns the ``.npy`` file name for a tensor: its name, with characters that are not allowed in file names percent-encoded."""
    return quote(tensor_name, safe=" ()[],=") + ".npy"


def load_array(path: Path) -> NDArray[Any]:
    """Returns a ``.npy`` file, memory-mapped; pickled objects are rejected.

    Raises:
        ArtifactError: The file is missing, or not a plain ``.npy`` file.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not found; it is a part of {path.parent}") from None
    except (ValueError, EOFError) as error:
        raise ArtifactError(f"{path}: is not a plain .npy file ({error})") from error
    if not isinstance(array, np.ndarray):
        raise ArtifactError(f"{path}: is not a plain .npy file (it is an archive)")
    return array


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_digest(path: Path) -> str:
    """Returns the SHA-256 of a file, or of a directory's file names and contents, links followed, as hexadecimal text."""
    if path.is_file():
        return file_digest(path)
    total = hashlib.sha256()
    for item in sorted(_files_below(path)):
        name = item.relative_to(path).as_posix()
        total.update(f"{name}\0{file_digest(item)}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _files_below(path: Path) -> Iterator[Path]:
    """Yields the files below a directory, also those of linked directories, which `Path.rglob` leaves out."""
    visited = {path.resolve()}
    for folder, folders, names in os.walk(path, followlinks=True):
        # A link to a directory that was visited, such as one above, would not end.
        new = sorted(name for name in folders if (Path(folder) / name).resolve() not in visited)
        visited.update((Path(folder) / name).resolve() for name in new)
        folders[:] = new
        yield from (Path(folder) / name for name in names if (Path(folder) / name).is_file())


def write_json(path: Path, value: object) -> None:
    """Writes JSON text atomically; NaN and infinity are rejected, since JSON has neither."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        draft.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """Returns the value of a JSON file.

    Raises:
        ArtifactError: The file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"{path}: not found; is {path.parent} the output of a finished step?") from None
    except ValueError as error:
        raise ArtifactError(f"{path}: is not JSON ({error})") from error


def finite(value: float) -> float | None:
    """Returns the number, or None for NaN and infinity."""
    return value if math.isfinite(value) else None


def link_tree(source: Path, target: Path) -> None:
    """Makes `target` a copy of the directory `source`, by hard links where the file system allows them."""
    with new_directory(target, read_json(source / MANIFEST)["schema"]) as draft:
        shutil.copytree(source, draft, dirs_exist_ok=True, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _plain(content: object) -> object:
    return asdict(content) if hasattr(content, "__dataclass_fields__") else content  # type: ignore[call-overload]
