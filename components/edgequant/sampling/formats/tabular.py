"""Reads the rows of ``.npz`` archives and of Parquet files as records: the columns that are needed, in canonical bytes."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import IO, Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from edgequant.errors import ExamplesError, did_you_mean
from edgequant.sampling.formats.features import Batch, Feature, Features, encode, row

_NPZ_ROWS = 256
_BATCH_BYTES = 1 << 20
_MOST_ROWS = 1024


def read_npz(stream: IO[bytes], path: str, columns: Sequence[str] | None) -> Iterator[Batch]:
    """Yields the rows of an archive's arrays, some at a time; the first axis is the example.

    Args:
        stream: The open file.
        path: Its name, for messages.
        columns: The arrays to read; None: all.

    Raises:
        ExamplesError: The file is damaged or pickled, an array is missing, or arrays differ in length.
    """
    try:
        archive: Any = np.load(stream, allow_pickle=False)
        names = archive.files if columns is None else _check_columns(columns, archive.files, path)
        arrays = {name: archive[name] for name in names}
    except ExamplesError:
        raise
    except Exception as error:  # NumPy raises many kinds on damaged archives.
        reason = "it is no archive, or holds pickled objects" if "pickle" in str(error) else error
        raise ExamplesError(f"{path}: is not an .npz file of plain arrays ({reason})") from error
    counts = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if not counts:
        raise ExamplesError(f"{path}: holds no array; an array per feature is needed")
    _check_lengths(counts, path)
    total = next(iter(counts.values()))
    for start in range(0, total, _NPZ_ROWS):
        rows = range(start, min(start + _NPZ_ROWS, total))
        yield _batch([{name: row(np.asarray(array[at])) for name, array in arrays.items()} for at in rows], path, start)


def read_parquet(
    stream: IO[bytes], path: str, columns: Sequence[str] | None, row_groups: range | None
) -> Iterator[Batch]:
    """Yields the rows of a Parquet file, some at a time.

    Args:
        stream: The open file.
        path: Its name, for messages.
        columns: The columns to read; None: all.
        row_groups: The row groups to read; None: all.

    Raises:
        ExamplesError: The file is damaged, or a column is missing or cannot be used as a feature.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(stream, buffer_size=_BATCH_BYTES)
        names = list(file.schema_arrow.names)
        _check_unique(names if columns is None else columns, names, path)
        names = names if columns is None else _check_columns(columns, names, path)
        groups = range(file.num_row_groups) if row_groups is None else row_groups
        start = sum(file.metadata.row_group(group).num_rows for group in range(groups.start))
        for batch in file.iter_batches(_rows_at_once(file.metadata), list(groups), columns=names):
            read = {
                name: _column(batch.column(batch.schema.get_field_index(name)), name, path, start) for name in names
            }
            yield _batch(
                [dict(zip(read, values, strict=True)) for values in zip(*read.values(), strict=True)], path, start
            )
            start += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise ExamplesError(f"{path}: is not a readable Parquet file ({error})") from error


def first_npz_row(stream: IO[bytes], path: str, columns: Sequence[str] | None) -> Features | None:
    """Returns the first row of an archive's arrays, without reading the others; None without a row.

    Args:
        stream: The open file.
        path: Its name, for messages.
        columns: The arrays that are needed; None: all. Others, whose names an error lists, need not be of use or length.

    Raises:
        ExamplesError: The file is damaged, or a needed array is pickled or of another length.
    """
    counts: dict[str, int] = {}
    features: Features = {}
    try:
        with zipfile.ZipFile(stream) as archive:
            for member in archive.namelist():
                name = member.removesuffix(".npy")
                needed = columns is None or name in columns
                try:
                    with archive.open(member) as content:
                        count, first = _first_of_array(content)
                except Exception:
                    if needed:
                        raise
                    continue
                if needed:
                    counts[name] = count
                if first is not None:
                    features[name] = row(first)
    except Exception as error:  # NumPy and zipfile raise many kinds on damaged archives.
        raise ExamplesError(f"{path}: is not an .npz file of plain arrays ({error})") from error
    _check_lengths(counts, path)
    return features if features and all(counts.values()) else None


def _first_of_array(content: IO[bytes]) -> tuple[int, NDArray[Any] | None]:
    """Returns the length of an array's first axis and its first item; None for an empty or scalar one."""
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(content)
    shape, fortran, dtype = read_header[version](content)
    if dtype.hasobject:
        raise ValueError("it is no archive, or holds pickled objects")
    if not shape or not shape[0]:
        return 0, None
    # In Fortran's order the first item is spread over the whole array.
    count = int(np.prod(shape if fortran else shape[1:], dtype=np.int64))
    values = np.frombuffer(content.read(count * dtype.itemsize), dtype)
    return shape[0], values.reshape(shape, order="F")[0] if fortran else values.reshape(shape[1:])


def first_parquet_row(stream: IO[bytes], path: str, columns: Sequence[str] | None) -> Features | None:
    """Returns the first row of a Parquet file; None without a row.

    Args:
        stream: The open file.
        path: Its name, for messages.
        columns: The columns that are needed; None: all. Others, whose names an error lists, need not be of use.

    Raises:
        ExamplesError: The file is damaged, or a needed column cannot be used as a feature.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(stream, buffer_size=_BATCH_BYTES)
        features: Features = {}
        for batch in file.iter_batches(1):
            for name in batch.schema.names:
                try:
                    features[name] = _column(batch.column(batch.schema.get_field_index(name)), name, path, 0)[0]
                except ExamplesError:
                    if columns is None or name in columns:
                        raise
            return features
    except (pa.ArrowException, OSError) as error:
        raise ExamplesError(f"{path}: is not a readable Parquet file ({error})") from error
    return None


def row_groups(stream: IO[bytes], path: str) -> list[int]:
    """Returns the size of each row group of a Parquet file, in bytes.

    Raises:
        ExamplesError: The file is damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        facts = parquet.ParquetFile(stream).metadata
    except (pa.ArrowException, OSError) as error:
        raise ExamplesError(f"{path}: is not a readable Parquet file ({error})") from error
    return [facts.row_group(group).total_byte_size for group in range(facts.num_row_groups)]


def _check_lengths(counts: Mapping[str, int], path: str) -> None:
    if len(set(counts.values())) > 1:
        raise ExamplesError(f"{path}: its arrays have different lengths {counts}; the first axis is the example")


def _batch(rows: list[Features], path: str, start: int) -> Batch:
    payloads = [encode(features) for features in rows]
    checksums = np.array([google_crc32c.value(payload) for payload in payloads], np.uint32)
    return Batch(payloads, checksums, lambda position: f"{path}: row {start + position}", sum(map(len, payloads)))


def _check_columns(columns: Sequence[str], available: Sequence[str], path: str) -> list[str]:
    for name in columns:
        if name not in available:
            raise ExamplesError(
                f"{path}: has no feature {name!r}; it has {', '.join(sorted(available)) or 'none'}{did_you_mean(name, available)}"
            )
    return sorted(columns)


def _check_unique(columns: Sequence[str], available: Sequence[str], path: str) -> None:
    for name in columns:
        count = available.count(name)
        if count > 1:
            raise ExamplesError(
                f"{path}: has {count} columns named {name!r}, and which of them is meant is unknown; rename all but one"
            )


def _rows_at_once(facts: Any) -> int:
    size = sum(facts.row_group(group).total_byte_size for group in range(facts.num_row_groups))
    return int(min(max(_BATCH_BYTES * facts.num_rows // max(size, 1), 1), _MOST_ROWS))


def _column(array: Any, name: str, path: str, start: int) -> list[Feature]:
    """Returns the feature of each row of an Arrow array."""
    from pyarrow import types

    kind = array.type
    if array.null_count:
        at = start + array.is_null().to_pylist().index(True)
        raise ExamplesError(f"{path}: row {at}: column {name!r} is null")
    if types.is_dictionary(kind):
        return _column(array.dictionary_decode(), name, path, start)
    if _is_number(kind):
        return list(map(np.asarray, array.to_numpy(zero_copy_only=False)))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        values = array.flatten()
        if _is_number(values.type) and not values.null_count:
            numbers = values.to_numpy(zero_copy_only=False)
            if types.is_fixed_size_list(kind):
                return list(numbers.reshape(len(array), kind.list_size))
            ends = array.offsets.to_numpy()
            return [numbers[a - ends[0] : b - ends[0]] for a, b in pairwise(ends)]
    return [_cell(value, name, f"{path}: row {start + at}") for at, value in enumerate(array.to_pylist())]


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _cell(value: Any, name: str, where: str) -> Feature:
    if isinstance(value, bytes | str):
        return (value.encode() if isinstance(value, str) else value,)
    if isinstance(value, list) and value and all(isinstance(item, bytes | str) for item in value):
        return tuple(item.encode() if isinstance(item, str) else item for item in value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ExamplesError(f"{where}: column {name!r} holds lists of different lengths") from error
    if array.dtype.kind not in "iufb":
        content = f"a list with {_strangest(value)}" if isinstance(value, list) else type(value).__name__
        raise ExamplesError(f"{where}: column {name!r} holds {content}; numbers, text or lists of them are needed")
    return array


def _strangest(values: list[Any]) -> str:
    """Returns the content of a list that an array of numbers cannot hold."""
    if None in values:
        return "null in it"
    return " and ".join(sorted({type(value).__name__ for value in values})) + " in it"
