"""Draws records from files on Apache Beam, with a pipeline that every runner supports.

Create(portions of the input) → Reshuffle → ParDo(portion → its lowest ranks) → CombinePerKey(lowest ranks) → one leaf that
writes them. Counts and errors travel as data, because not every runner returns metrics or an exception's message; and
the number of pieces that come back is checked, because not every runner reports lost data.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from edgequant.artifacts.example_set import SourceFile
from edgequant.errors import ExamplesError
from edgequant.sampling.draw.packing import pack, unpack
from edgequant.sampling.draw.rule import DrawRule
from edgequant.sampling.draw.scan import Drawn, Scan
from edgequant.sampling.draw.spool import Spool, SpoolWriter
from edgequant.sampling.draw.thresholds import learn, likely, tighten
from edgequant.sampling.formats.files import Piece, file_format, portions, read_piece
from edgequant.sampling.formats.remote import prepare
from edgequant.steps import say

_TICK_SECONDS = 0.5
_REPORT_SECONDS = 3.0
_SUMMARY_SECONDS = 1.0
_MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Engine:
    """Where a draw runs.

    Attributes:
        options: Beam's options.
        scratch: A local directory for the drawn records. Workers write to it, unless the options name a ``--temp_location`` for
            workers on other machines; local workers also write their progress there.
    """

    options: PipelineOptions
    scratch: Path

    def shared(self) -> str:
        """Returns the directory that the workers write to and this process reads, of any of Beam's file systems."""
        return str(self.options.view_as(GoogleCloudOptions).temp_location or self.scratch)

    @property
    def spool(self) -> Spool:
        """The bytes of the drawn records."""
        return Spool(self.scratch)


def draw(files: Sequence[SourceFile], rule: DrawRule, engine: Engine) -> dict[str, Drawn]:
    """Returns the records that a rule draws from files, by purpose.

    Args:
        files: The files, all of one format.
        rule: How to draw.
        engine: Where the draw runs.

    Raises:
        ExamplesError: A file cannot be read (the first one by name), or the runner failed or lost a part of the input or
            the result.
    """
    expected = likely(files, rule)
    drawn = _draw(files, rule, engine, expected)
    # With many duplicates, or records of very different sizes, the thresholds may have excluded records that are needed.
    if not all(drawn[purpose].lowest.is_full() for purpose in expected):
        drawn = _draw(files, rule, engine, {})
    return drawn


def _draw(
    files: Sequence[SourceFile], rule: DrawRule, engine: Engine, expected: Mapping[str, float]
) -> dict[str, Drawn]:
    """Runs the pipeline once, and returns what it draws among records that rank no higher than expected."""
    parts = portions(files)
    name = f"drawn-{uuid.uuid4().hex}"
    shared = engine.shared()
    target = FileSystems.join(shared, name)
    try:
        _run(parts, rule, engine, expected, target)
        pieces = sum(map(len, parts))
        drawn = {purpose: _collect(f"{target}-{purpose}", purpose, pieces) for purpose in rule.keep}
        candidates = (candidate for part in drawn.values() for pool in (part.lowest, part.shares) for candidate in pool)
        engine.spool.fetch(shared, {candidate.stored.file for candidate in candidates})
    finally:
        engine.spool.clear(shared, name)
    return drawn


def _run(
    parts: list[tuple[Piece, ...]], rule: DrawRule, engine: Engine, expected: Mapping[str, float], target: str
) -> None:
    """Runs the pipeline, which writes the draw of each purpose to a file of its own beside the target."""
    size = sum(piece.size_bytes for portion in parts for piece in portion)
    with _progress(engine.scratch, size) as progress:
        places = _Places(progress=str(progress), draw=target, shared=engine.shared())
        try:
            with beam.Pipeline(options=engine.options) as pipeline:
                _ = (
                    pipeline
                    | "Portions" >> beam.Create(parts)
                    | "Spread" >> beam.Reshuffle()
                    | "Read" >> beam.FlatMap(_read, rule, expected, places)
                    | "Merge" >> beam.CombinePerKey(_Merge())
                    | "Write" >> beam.Map(_write, target)
                )
        except Exception as error:  # Runners raise many kinds, with a worker's error in the last line.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise ExamplesError(f"the Beam runner failed: {reason}") from error


def _collect(path: str, purpose: str, pieces: int) -> Drawn:
    """Returns what was drawn for a purpose, after checking that it is complete."""
    try:
        with FileSystems.open(path) as stream:
            drawn = unpack(stream.read())
    except (OSError, BeamIOError) as error:
        raise ExamplesError(
            f"the Beam runner ended without giving back what it drew for {purpose}; workers on other machines need"
            " --temp_location, a directory that they can write and this process can read"
        ) from error
    if drawn.error:
        raise ExamplesError(drawn.error)
    if drawn.pieces != pieces:
        raise ExamplesError(
            f"the Beam runner gave back {drawn.pieces} of {pieces} pieces of the input for {purpose}; the sample would not"
            " be one of all the examples. Try --runner=FnApiRunner"
        )
    return drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where a worker writes its results.

    Attributes:
        progress: A local folder for progress.
        draw: Identifies the draw: the path of its results without the purpose.
        shared: The directory for the bytes of candidates.
    """

    progress: str
    draw: str
    shared: str


def _read(
    portion: tuple[Piece, ...], rule: DrawRule, expected: Mapping[str, float], places: _Places
) -> Iterator[tuple[str, bytes]]:
    """Yields what a portion holds for each purpose, or the error that stopped the reading."""
    tick = _Tick(places.progress)
    with SpoolWriter(places.shared, FileSystems.split(places.draw)[1]) as spool:
        scan = Scan(rule, file_format(portion[0].path), spool.add)
        tighten(places.draw, scan, expected)
        try:
            for piece in portion:
                for batch in read_piece(piece, rule.columns):
                    scan.add(batch)
                    tick.add(len(batch.payloads), batch.size_bytes)
                for drawn in scan.drawn.values():
                    drawn.pieces += 1
        except ExamplesError as error:
            for drawn in scan.drawn.values():
                drawn.error = str(error)
    learn(places.draw, scan)
    tick.write()
    for purpose, drawn in scan.drawn.items():
        yield purpose, pack(drawn)


class _Merge(beam.CombineFn):  # type: ignore[misc]
    """Merges the draws of portions: associative, commutative, without I/O. A draw that needs no merging stays bytes."""

    def create_accumulator(self) -> Drawn | bytes:
        return b""

    def add_input(self, accumulator: Drawn | bytes, element: bytes) -> Drawn | bytes:
        return self.merge_accumulators([accumulator, element])

    def merge_accumulators(self, accumulators: Iterable[Drawn | bytes]) -> Drawn | bytes:
        nonempty = [accumulator for accumulator in accumulators if accumulator]
        if len(nonempty) < 2:
            return nonempty[0] if nonempty else b""
        first, *others = (unpack(each) if isinstance(each, bytes) else each for each in nonempty)
        return first.merge(others)

    def compact(self, accumulator: Drawn | bytes) -> bytes:
        return pack(accumulator) if isinstance(accumulator, Drawn) else accumulator

    def extract_output(self, accumulator: Drawn | bytes) -> bytes:
        return self.compact(accumulator)


def _write(element: tuple[str, bytes], target: str) -> None:
    """Writes what was drawn for a purpose."""
    purpose, data = element
    prepare()
    with FileSystems.create(f"{target}-{purpose}", mime_type="application/octet-stream") as stream:
        stream.write(data)


class _Tick:
    """Writes how much a worker has read to a file that the waiting process reads."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / uuid.uuid4().hex
        self._is_local = Path(folder).is_dir()
        self._records = self._bytes = 0
        self._next = time.monotonic() + _TICK_SECONDS

    def add(self, records: int, size: int) -> None:
        """Adds to the counts, and writes them now and then."""
        self._records += records
        self._bytes += size
        if time.monotonic() > self._next:
            self.write()

    def write(self) -> None:
        """Writes the counts, if the folder is on this machine."""
        self._next = time.monotonic() + _TICK_SECONDS
        if self._is_local:
            self._path.write_text(f"{self._records} {self._bytes}")


@contextlib.contextmanager
def _progress(scratch: Path, size: int) -> Iterator[Path]:
    """Yields the folder that local workers write their progress to, and prints it every few seconds."""
    folder = scratch / f"progress-{uuid.uuid4().hex}"
    folder.mkdir()
    over = threading.Event()
    begin = time.monotonic()

    def watch() -> None:
        while not over.wait(_REPORT_SECONDS):
            records, done = _counted(folder)
            if records:
                say("sample", f"{_rate(records, done, begin)}; {size / _MEGABYTE:,.0f} MB in all")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield folder
    finally:
        over.set()
        watcher.join()
    if time.monotonic() - begin > _SUMMARY_SECONDS:
        say("sample", _rate(*_counted(folder), begin))


def _rate(records: int, size: int, begin: float) -> str:
    seconds = time.monotonic() - begin
    return (
        f"read {records:,} records, {size / _MEGABYTE:,.0f} MB, in {seconds:.1f} s: {records / seconds:,.0f} a second"
    )


def _counted(folder: Path) -> tuple[int, int]:
    """Returns how many records and bytes were read, as far as workers have reported."""
    records = size = 0
    for path in folder.iterdir():
        words = path.read_text().split()
        if len(words) == 2:  # A file may be incomplete while it is written.
            records, size = records + int(words[0]), size + int(words[1])
    return records, size
