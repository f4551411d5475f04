"""Rows of ``.npy`` files, read and written a few at a time by several threads, so that no file must fit in memory."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.directory import load_array

# Pages read from a mapped file count as the process's memory until they are released: each thread does so after this many bytes.
_MAPPED_BYTES = 2**20


class RowReader:
    """Reads rows of memory-mapped arrays that belong together; one for each thread.

    Args:
        paths: The ``.npy`` files by name; the first axis, of one length in all, is the example.

    Raises:
        ArtifactError: One is missing, or not a plain ``.npy`` file.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        arrays = {name: load_array(path) for name, path in paths.items()}
        bases: list[object] = [array.base for array in arrays.values()]
        self._maps = [base for base in bases if isinstance(base, mmap)]
        # Plain arrays over the maps: slices of a `memmap` cost a microsecond more.
        self._arrays = {name: array.view(np.ndarray) for name, array in arrays.items()}
        self._read_bytes = 0
        self._count = len(next(iter(self._arrays.values())))
        self.row_bytes = sum(array.nbytes for array in self._arrays.values()) // max(self._count, 1)

    def __len__(self) -> int:
        return self._count

    def read(self, rows: range) -> dict[str, NDArray[Any]]:
        """Returns consecutive rows by name, the example first."""
        self._read_bytes += len(rows) * self.row_bytes
        if self._read_bytes > _MAPPED_BYTES:
            self._read_bytes = 0
            for mapped in self._maps:
                # Arrays that still refer to released pages read them from the file again.
                mapped.madvise(MADV_DONTNEED)
        return {name: array[rows.start : rows.stop] for name, array in self._arrays.items()}


class RowWriter:
    """Writes arrays of known rows, in any order and from any thread.

    It uses positioned writes instead of a memory map, so that a full disk raises an OSError and not a SIGBUS.
    """

    def __init__(self, descriptors: Mapping[str, int], first: Mapping[str, NDArray[Any]]) -> None:
        self._descriptors = descriptors
        self._first = first
        self._starts = {name: self._write_header(name, 0) for name in descriptors}

    def write(self, start: int, rows: Mapping[str, NDArray[Any]]) -> None:
        """Writes rows by name, the first of them at row `start`.

        Raises:
            OSError: They cannot be written.
        """
        for name, values in rows.items():
            start_byte = self._starts[name] + start * self._first[name].nbytes
            _write_all(self._descriptors[name], values.tobytes(), start_byte)

    def finish(self, count: int) -> None:
        """Truncates every file after a number of rows."""
        for name, descriptor in self._descriptors.items():
            self._write_header(name, count)
            os.ftruncate(descriptor, self._starts[name] + count * self._first[name].nbytes)

    def _write_header(self, name: str, rows: int) -> int:
        """Writes a header and returns where the rows start: NumPy reserves space in it for a first axis that grows."""
        first = self._first[name]
        shape = (rows, *first.shape)
        header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
        with os.fdopen(os.dup(self._descriptors[name]), "r+b") as stream:
            stream.seek(0)
            np.lib.format.write_array_header_1_0(stream, header)
            return stream.tell()


@contextmanager
def open_writer(paths: Mapping[str, Path], first: Mapping[str, NDArray[Any]]) -> Iterator[RowWriter]:
    """Yields a writer of new ``.npy`` files.

    Args:
        paths: The files to write, by name.
        first: One row of each, whose dtype and shape all others have.
    """
    descriptors: dict[str, int] = {}
    try:
        for name, path in paths.items():
            descriptors[name] = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o666)
        yield RowWriter(descriptors, first)
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Writes data completely at an offset: a single call may write less, such as when the disk is nearly full."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
