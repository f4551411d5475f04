"""Keeps the bytes of candidates in files, so that memory holds only their locations, however large records are."""

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from edgequant.errors import ExamplesError
from edgequant.sampling.formats.remote import prepare


class Stored(NamedTuple):
    """The location of bytes: a file of the spool, the offset, and the size."""

    file: str
    offset: int
    size: int


class SpoolWriter:
    """Writes bytes and returns their locations. The file is created on the first write.

    Args:
        folder: A directory of any of Beam's file systems, which other draws may use as well.
        draw: Identifies the draw; its files' names begin with it.
    """

    def __init__(self, folder: str, draw: str) -> None:
        self._name = f"{draw}-{uuid.uuid4().hex}"
        self._folder = folder
        self._stream: IO[bytes] | None = None
        self._offset = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, data: bytes) -> Stored:
        """Writes bytes, and returns where they are."""
        if self._stream is None:
            from apache_beam.io.filesystems import FileSystems

            prepare()
            path = FileSystems.join(self._folder, self._name)
            self._stream = FileSystems.create(path, mime_type="application/octet-stream")
        self._stream.write(data)
        stored = Stored(self._name, self._offset, len(data))
        self._offset += len(data)
        return stored


class Spool:
    """The files that workers wrote, on this machine.

    Args:
        folder: The directory that they are in, or are copied to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, source: str, names: Iterable[str]) -> None:
        """Copies files here from the directory that workers wrote them to.

        Raises:
            ExamplesError: One cannot be read.
        """
        from apache_beam.io.filesystem import BeamIOError
        from apache_beam.io.filesystems import FileSystems

        if source == str(self._folder):
            return
        prepare()
        try:
            for name in names:
                with (
                    FileSystems.open(FileSystems.join(source, name)) as stream,
                    (self._folder / name).open("wb") as target,
                ):
                    shutil.copyfileobj(stream, target)
        except (OSError, BeamIOError) as error:
            raise ExamplesError(f"what the workers drew cannot be read from {source} ({error})") from error

    def clear(self, source: str, draw: str) -> None:
        """Removes the files of a draw, and of no other, from the directory that workers wrote them to.

        Raises:
            ExamplesError: They cannot be removed.
        """
        from apache_beam.io.filesystem import BeamIOError
        from apache_beam.io.filesystems import FileSystems

        if source == str(self._folder):
            return
        prepare()
        try:
            matches = FileSystems.match([FileSystems.join(source, f"{draw}-*")])[0].metadata_list
            if matches:
                FileSystems.delete([item.path for item in matches])
        except (OSError, BeamIOError) as error:
            raise ExamplesError(f"what the workers left in {source} cannot be removed ({error})") from error

    def read(self, stored: Stored) -> bytes:
        """Returns the bytes that were stored.

        Raises:
            ExamplesError: They are missing.
        """
        try:
            with (self._folder / stored.file).open("rb") as stream:
                stream.seek(stored.offset)
                data = stream.read(stored.size)
        except OSError as error:
            raise ExamplesError(f"what the workers drew cannot be read ({error})") from error
        if len(data) < stored.size:
            raise ExamplesError(f"{self._folder / stored.file}: holds less than the workers wrote")
        return data
