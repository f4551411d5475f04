"""The files of examples: found by pattern, in three formats, each a stream of records."""

import gzip
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

from edgequant.artifacts.example_set import SourceFile
from edgequant.errors import ConfigError, ExamplesError
from edgequant.sampling.formats import features as rows
from edgequant.sampling.formats.features import Batch, Features
from edgequant.sampling.formats.listing import hidden_hint, list_files
from edgequant.sampling.formats.remote import check, prepare, wrong_place
from edgequant.sampling.formats.tabular import first_npz_row, first_parquet_row, read_npz, read_parquet, row_groups
from edgequant.sampling.formats.tfrecord import parse_example, read_batches

_WILDCARD = re.compile(r"[*?\]]")
_BUFFER_BYTES = 1 << 20
# Larger Parquet files are read in pieces of about this size.
_PIECE_BYTES = 64 << 20
# The size of a worker's portion: large enough to outweigh its overhead, in enough portions to occupy many workers.
_PORTION_BYTES = (16 << 20, 256 << 20)
_PORTIONS = 64
_SEVERAL = "several formats; draw from one format"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format.

    Attributes:
        suffixes: The file name endings.
        parse: A payload → its features.
        examples: Whether payloads are serialized ``tf.train.Example``.
    """

    suffixes: tuple[str, ...]
    parse: Callable[[bytes], Features]
    examples: bool = False


TFRECORD = Format(
    suffixes=(".tfrecord", ".tfrecord.gz", ".tfrecords", ".tfrecords.gz"), parse=parse_example, examples=True
)
PARQUET = Format(suffixes=(".parquet",), parse=rows.decode)
NPZ = Format(suffixes=(".npz",), parse=rows.decode)
FORMATS = (TFRECORD, PARQUET, NPZ)


@dataclass(frozen=True, slots=True)
class Piece:
    """A unit of reading: a file, or some row groups of a Parquet file.

    Attributes:
        path: The file.
        size_bytes: How much there is to read.
        groups: The first row group and the one after the last; None: the whole file.
    """

    path: str
    size_bytes: int
    groups: tuple[int, int] | None = None


def find_files(patterns: Sequence[str], purpose: str) -> list[SourceFile]:
    """Returns the files that match any of the patterns, sorted by path, each once.

    Raises:
        ExamplesError: A pattern matches nothing, cannot be listed, or matches a file of no known format.
    """
    files: dict[str, SourceFile] = {}
    for pattern in patterns:
        matched = list_files(pattern)
        if not matched:
            raise ExamplesError(f"examples.{purpose}: no file matches {pattern!r}{hidden_hint(pattern)}")
        for item in matched:
            file_format(item.path)
            files[item.path] = SourceFile(path=item.path, size_bytes=item.size_bytes)
    if len({file_format(path).suffixes for path in files}) > 1:
        raise ExamplesError(f"examples.{purpose}: {patterns} match files of {_SEVERAL}")
    return [files[path] for path in sorted(files)]


def file_format(path: str) -> Format:
    """Returns the format of a file, by its name.

    Raises:
        ExamplesError: The name ends in no known suffix.
    """
    for candidate in FORMATS:
        if path.endswith(candidate.suffixes):
            return candidate
    raise ExamplesError(f"examples: {path} has an unknown format; allowed are {', '.join(_suffixes())}")


def _suffixes() -> list[str]:
    return [suffix for candidate in FORMATS for suffix in candidate.suffixes]


def check_patterns(key: str, patterns: Sequence[str]) -> None:
    """Checks that patterns may match files of one supported format, without listing files.

    Args:
        key: The name of the setting, for the message.
        patterns: The patterns.

    Raises:
        ConfigError: A file system or format is not supported, or the patterns match files of several formats.
    """
    possible = [_formats(key, pattern) for pattern in patterns]
    if patterns and not set.intersection(*possible):
        raise ConfigError(f"{key}: {', '.join(patterns)} match files of {_SEVERAL}")


def _formats(key: str, pattern: str) -> set[tuple[str, ...]]:
    """Returns the suffixes of each format that files which match a pattern may have.

    Raises:
        ConfigError: Its file system or format is not supported.
    """
    wrong = wrong_place(pattern)
    if wrong:
        raise ConfigError(f"{key}: {wrong}")
    # Every matching name ends with the text behind the last wildcard.
    end = _WILDCARD.split(pattern)[-1]
    suffixes = {
        item.suffixes
        for item in FORMATS
        if any(end.endswith(suffix) or suffix.endswith(end) for suffix in item.suffixes)
    }
    if not suffixes:
        raise ConfigError(f"{key}: {pattern!r} has an unknown format; allowed are {', '.join(_suffixes())}")
    return suffixes


def portions(files: Sequence[SourceFile]) -> list[tuple[Piece, ...]]:
    """Returns the files in portions for workers to read, in order: large Parquet files in pieces, small files together.

    Raises:
        ExamplesError: The row groups of a large Parquet file cannot be read.
    """
    pieces = [piece for file in files for piece in _pieces(file)]
    least, most = _PORTION_BYTES
    size = min(max(sum(piece.size_bytes for piece in pieces) // _PORTIONS, least), most)
    result: list[tuple[Piece, ...]] = []
    portion: list[Piece] = []
    filled = 0
    for piece in pieces:
        portion.append(piece)
        filled += piece.size_bytes
        if filled >= size:
            result.append(tuple(portion))
            portion, filled = [], 0
    return [*result, tuple(portion)] if portion else result


def _pieces(file: SourceFile) -> Iterator[Piece]:
    if file_format(file.path) is not PARQUET or file.size_bytes <= _PIECE_BYTES:
        yield Piece(file.path, file.size_bytes)
        return
    with _open(file.path) as stream:
        sizes = row_groups(stream, file.path)
    first, size = 0, 0
    for group, group_bytes in enumerate(sizes):
        size += group_bytes
        if size >= _PIECE_BYTES or group == len(sizes) - 1:
            yield Piece(file.path, size, (first, group + 1))
            first, size = group + 1, 0


def read_piece(piece: Piece, columns: Sequence[str] | None = None) -> Iterator[Batch]:
    """Yields the records of a piece, some at a time.

    Args:
        piece: What to read.
        columns: The columns to read of a format that has columns; None: all.

    Raises:
        ExamplesError: The file cannot be opened, or is damaged.
    """
    from apache_beam.io.filesystem import BeamIOError

    kind = file_format(piece.path)
    try:
        with _open(piece.path) as stream:
            if kind is PARQUET:
                groups = range(*piece.groups) if piece.groups else None
                yield from read_parquet(stream, piece.path, columns, groups)
            elif kind is NPZ:
                yield from read_npz(stream, piece.path, columns)
            elif piece.path.endswith(".gz"):
                # Beam's decompression does not detect a truncated file.
                with gzip.GzipFile(fileobj=stream) as unzipped:
                    yield from read_batches(
                        io.BufferedReader(cast("io.RawIOBase", unzipped), _BUFFER_BYTES), piece.path
                    )
            else:
                yield from read_batches(stream, piece.path)
    except (OSError, BeamIOError) as error:
        raise ExamplesError(f"{piece.path}: cannot be read ({error})") from error


def first_record(path: str, columns: Sequence[str] | None) -> tuple[bytes, str] | None:
    """Returns the payload of a file's first record and its place; None if the file has none.

    Args:
        path: The file.
        columns: The columns to read of a format that has columns; None: all. Those that the file lacks are left out.

    Raises:
        ExamplesError: The file cannot be opened, or is damaged.
    """
    from apache_beam.io.filesystem import BeamIOError

    kind = file_format(path)
    if kind is TFRECORD:
        batch = next(read_piece(Piece(path, 0)), None)
        return None if batch is None else (batch.payloads[0], batch.where(0))
    try:
        with _open(path) as stream:
            read = first_npz_row if kind is NPZ else first_parquet_row
            features = read(stream, path, columns)
    except (OSError, BeamIOError) as error:
        raise ExamplesError(f"{path}: cannot be read ({error})") from error
    return None if features is None else (rows.encode(features), f"{path}: row 0")


def read_text(path: str, key: str) -> str:
    """Returns the text of a file, local or remote.

    Args:
        path: The file.
        key: The name of the setting, for the message.

    Raises:
        ConfigError: It is not a text file in UTF-8.
        ExamplesError: It cannot be read.
    """
    from apache_beam.io.filesystem import BeamIOError

    check(path)
    try:
        with _open(path) as stream:
            # A byte order mark is no part of the text.
            return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: {path} is not a text file in UTF-8 ({error})") from error
    except (OSError, BeamIOError) as error:
        raise ExamplesError(f"{key}: {path} cannot be read ({error})") from error


def _open(path: str) -> IO[bytes]:
    """Returns a file of any of Beam's file systems, opened for buffered reading."""
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    prepare()
    try:
        stream: Any = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except Exception as error:  # Google's file system raises its own kinds.
        raise ExamplesError(f"{path}: cannot be read ({error})") from error
    return cast(
        "IO[bytes]",
        io.BufferedReader(stream.detach() if isinstance(stream, io.BufferedReader) else stream, _BUFFER_BYTES),
    )
