"""Where examples come from: files by pattern, in three formats, each a stream of records."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np

from edgequant.artifacts.example_set import SourceFile
from edgequant.errors import ExamplesError
from edgequant.sampling import features as rows
from edgequant.sampling.features import Features
from edgequant.sampling.tfrecord import parse_example, read_payloads

Records = Iterator[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format.

    Attributes:
        suffixes: The file name endings.
        read: (open stream, path) → where each record is, and its payload.
        parse: A payload → its features.
    """

    suffixes: tuple[str, ...]
    read: Callable[[IO[bytes], str], Records]
    parse: Callable[[bytes], Features]


def find_files(patterns: list[str], purpose: str) -> list[SourceFile]:
    """Returns the files that match any of the patterns, sorted by path, each once.

    Raises:
        ExamplesError: A pattern matches nothing, or a file of no known format.
    """
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems

    found: dict[str, SourceFile] = {}
    for pattern in patterns:
        try:
            matched = FileSystems.match([pattern])[0].metadata_list
        except (BeamIOError, ValueError) as error:
            raise ExamplesError(f"examples.{purpose}: {pattern!r} cannot be listed ({error})") from error
        if not matched:
            raise ExamplesError(f"examples.{purpose}: no file matches {pattern!r}")
        for item in matched:
            file_format(item.path)
            found[item.path] = SourceFile(path=item.path, size_bytes=item.size_in_bytes)
    if len({file_format(path).suffixes for path in found}) > 1:
        raise ExamplesError(f"examples.{purpose}: {patterns} match files of several formats; draw from one format")
    return [found[path] for path in sorted(found)]


def file_format(path: str) -> Format:
    """Returns the format of a file, by its name.

    Raises:
        ExamplesError: The name ends in no known suffix.
    """
    for candidate in FORMATS:
        if path.endswith(candidate.suffixes):
            return candidate
    allowed = ", ".join(suffix for candidate in FORMATS for suffix in candidate.suffixes)
    raise ExamplesError(f"examples: {path} has an unknown format; allowed are {allowed}")


def read_records(path: str) -> Records:
    """Yields where each record of a file is, for messages, and its payload.

    Raises:
        ExamplesError: The file cannot be opened, or is damaged.
    """
    from apache_beam.io.filesystem import BeamIOError, CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    try:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            if path.endswith(".gz"):
                # Beam's own decompression takes a truncated file for a whole one.
                with gzip.GzipFile(fileobj=stream) as unzipped:
                    yield from file_format(path).read(cast("IO[bytes]", unzipped), path)
            else:
                yield from file_format(path).read(stream, path)
    except (OSError, BeamIOError) as error:
        raise ExamplesError(f"{path}: cannot be read ({error})") from error


def _read_npz(stream: IO[bytes], path: str) -> Records:
    try:
        archive: Any = np.load(stream, allow_pickle=False)
        arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # NumPy raises many kinds on damaged archives.
        raise ExamplesError(f"{path}: is not an .npz file of plain arrays ({error})") from error
    counts = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if not counts:
        raise ExamplesError(f"{path}: holds no array; an array per feature is needed")
    if len(set(counts.values())) != 1:
        raise ExamplesError(f"{path}: its arrays have different lengths {counts}; the first axis is the example")
    for number in range(next(iter(counts.values()))):
        yield (
            f"{path}: row {number}",
            rows.encode({name: rows.row(np.asarray(array[number])) for name, array in arrays.items()}),
        )


def _read_parquet(stream: IO[bytes], path: str) -> Records:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(stream)
        number = 0
        for batch in file.iter_batches(batch_size=256):
            for values in batch.to_pylist():
                where = f"{path}: row {number}"
                yield where, rows.encode({name: _cell(value, name, where) for name, value in values.items()})
                number += 1
    except (pa.ArrowException, OSError) as error:
        raise ExamplesError(f"{path}: is not a readable Parquet file ({error})") from error


def _cell(value: Any, name: str, where: str) -> rows.Feature:
    if value is None:
        raise ExamplesError(f"{where}: column {name!r} is null")
    if isinstance(value, bytes | str):
        return (value.encode() if isinstance(value, str) else value,)
    if isinstance(value, list) and value and all(isinstance(item, bytes | str) for item in value):
        return tuple(item.encode() if isinstance(item, str) else item for item in value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ExamplesError(f"{where}: column {name!r} holds lists of different lengths") from error
    if array.dtype.kind not in "iufb":
        found = f"a list with {_strangest(value)}" if isinstance(value, list) else type(value).__name__
        raise ExamplesError(f"{where}: column {name!r} holds {found}; numbers, text or lists of them are needed")
    return array


def _strangest(values: list[Any]) -> str:
    """Returns what a list holds that an array of numbers cannot."""
    if None in values:
        return "null in it"
    return " and ".join(sorted({type(value).__name__ for value in values})) + " in it"


FORMATS = (
    Format(
        suffixes=(".tfrecord", ".tfrecord.gz", ".tfrecords", ".tfrecords.gz"), read=read_payloads, parse=parse_example
    ),
    Format(suffixes=(".parquet",), read=_read_parquet, parse=rows.decode),
    Format(suffixes=(".npz",), read=_read_npz, parse=rows.decode),
)
