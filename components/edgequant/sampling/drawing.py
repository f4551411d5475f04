"""Draws records from files on Apache Beam, in the one shape that every runner runs.

Create(files) → Reshuffle → ParDo(file → its lowest ranks) → CombinePerKey(lowest ranks) → one leaf that writes them.
Counts and errors travel as data, because not every runner returns metrics or an exception's message.
"""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from edgequant.errors import ConfigError, ExamplesError
from edgequant.sampling.bottom_k import BottomK, Candidate, identify, seeded_hash
from edgequant.sampling.features import class_name
from edgequant.sampling.sources import file_format, read_records

CALIBRATION = "calibration"
EVALUATION = "evaluation"
# When one source serves both purposes, this share of it is for calibration. It does not depend on the numbers asked for,
# so that asking for another calibration set leaves the evaluation set, and every figure measured on it, as it was.
CALIBRATION_SHARE = 0.2
DEFAULT_RUNNER = "FnApiRunner"
_EVERY_CLASS = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How to draw.

    Attributes:
        sizes: How many records to draw, by purpose. With both purposes, the source is split between them.
        seed: The seed.
        stratify_by: The feature whose values are the classes that calibration records are drawn from, or None.
        exclude: Identities that must not be drawn.
    """

    sizes: dict[str, int]
    seed: int
    stratify_by: str | None = None
    exclude: frozenset[bytes] = frozenset()

    def purpose(self, identity: bytes) -> str:
        """Returns which purpose an example serves: equal examples always the same one."""
        if len(self.sizes) == 1:
            return next(iter(self.sizes))
        calibration = seeded_hash(identity, self.seed, "split") < CALIBRATION_SHARE * 2**64
        return CALIBRATION if calibration else EVALUATION


@dataclass(slots=True)
class Drawn:
    """What was drawn for one purpose, or was found of it in one file.

    Attributes:
        by_class: The lowest ranks of each class; a single class "" when the draw is not stratified.
        available: Records by class, duplicates included.
        excluded: Records left out because their identity is excluded.
        error: Why a file could not be read, or "".
    """

    by_class: dict[str, BottomK] = field(default_factory=dict)
    available: Counter[str] = field(default_factory=Counter)
    excluded: int = 0
    error: str = ""

    def merge(self, others: Iterable["Drawn"]) -> "Drawn":
        """Adds what others found, and returns itself."""
        for other in others:
            for label, kept in other.by_class.items():
                self.by_class.setdefault(label, BottomK(kept.k)).merge([kept])
            self.available.update(other.available)
            self.excluded += other.excluded
            self.error = min(filter(None, (self.error, other.error)), default="")
        return self


def draw(paths: list[str], rule: Rule, options: PipelineOptions, scratch: Path) -> dict[str, Drawn]:
    """Returns what a rule draws from files, by purpose.

    Args:
        paths: The files.
        rule: How to draw.
        options: Beam's options.
        scratch: A directory that the runner's workers can write and this process can read.

    Raises:
        ExamplesError: A file cannot be read (the first such by name), or the runner lost the result.
    """
    target = scratch / f"drawn-{'-'.join(rule.sizes)}"
    try:
        with beam.Pipeline(options=options) as pipeline:
            _ = (
                pipeline
                | "Files" >> beam.Create(paths)
                | "Spread" >> beam.Reshuffle()
                | "Read" >> beam.FlatMap(_read_file, rule)
                | "Merge" >> beam.CombinePerKey(_Merge())
                | "Write" >> beam.Map(_write, str(target))
            )
    except Exception as error:  # Runners raise many kinds, and name a worker's own error in the last line.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise ExamplesError(f"the Beam runner failed: {reason}") from error
    drawn = {}
    for purpose in rule.sizes:
        path = Path(f"{target}-{purpose}")
        if not path.is_file():
            raise ExamplesError("the Beam runner ended without giving back what it drew; try --runner=FnApiRunner")
        drawn[purpose] = _load(path)
        if drawn[purpose].error:
            raise ExamplesError(drawn[purpose].error)
    return drawn


def parse_options(texts: list[str]) -> PipelineOptions:
    """Returns Beam's options.

    Raises:
        ConfigError: An option is unknown, which Beam itself only warns about, or has a wrong value.
    """
    for text in texts:
        if not text.startswith("--") or text == "--help":
            raise _not_an_option(text)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options = PipelineOptions(texts)
            known = set(options.get_all_options())
            unknown = set(options.get_all_options(retain_unknown_options=True)) - known
    except SystemExit:
        reason = complaint.getvalue().strip().rpartition("error: ")[2]
        raise ConfigError(f"beam: {texts}: {reason}") from None
    for text in texts:
        if text.partition("=")[0].removeprefix("--").replace("-", "_") in unknown:
            raise _not_an_option(text)
    standard = options.view_as(StandardOptions)
    # Beam's own default first tries to download another runner.
    standard.runner = standard.runner or DEFAULT_RUNNER
    try:
        beam.Pipeline(options=options)
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigError(f"beam: {texts}: {error}") from error
    return options


def _not_an_option(text: str) -> ConfigError:
    return ConfigError(f"beam: {text!r} is not an option of Beam; options look like --runner=FnApiRunner")


def _read_file(path: str, rule: Rule) -> Iterator[tuple[str, Drawn]]:
    """Yields what one file holds for each purpose, or the error that stopped the reading."""
    found = {purpose: Drawn() for purpose in rule.sizes}
    try:
        parse = file_format(path).parse
        for origin, payload in read_records(path):
            identity = identify(payload)
            purpose = rule.purpose(identity)
            drawn = found[purpose]
            label = _EVERY_CLASS
            if rule.stratify_by and purpose == CALIBRATION:
                label = class_name(parse, payload, rule.stratify_by, origin)
            drawn.available[label] += 1
            if identity in rule.exclude:
                drawn.excluded += 1
                continue
            kept = drawn.by_class.setdefault(label, BottomK(rule.sizes[purpose]))
            rank = seeded_hash(identity, rule.seed, "rank")
            if kept.wants(rank):
                kept.add(Candidate(rank=rank, identity=identity, payload=payload, origin=origin))
    except ExamplesError as error:
        for drawn in found.values():
            drawn.error = str(error)
    yield from found.items()


class _Merge(beam.CombineFn):  # type: ignore[misc]
    """Merges what files hold: associative, commutative, without I/O."""

    def create_accumulator(self) -> Drawn:
        return Drawn()

    def add_input(self, accumulator: Drawn, found: Drawn) -> Drawn:
        return accumulator.merge([found])

    def merge_accumulators(self, accumulators: Iterable[Drawn]) -> Drawn:
        return Drawn().merge(accumulators)

    def extract_output(self, accumulator: Drawn) -> Drawn:
        return accumulator


def _write(found: tuple[str, Drawn], target: str) -> None:
    """Writes what was drawn for a purpose: a line of JSON, then all payloads."""
    purpose, drawn = found
    header = {
        "classes": {
            label: [[c.rank, c.identity.hex(), len(c.payload), c.origin, c.copies] for c in kept]
            for label, kept in drawn.by_class.items()
        },
        "sizes": {label: kept.k for label, kept in drawn.by_class.items()},
        "available": dict(drawn.available),
        "excluded": drawn.excluded,
        "error": drawn.error,
    }
    with Path(f"{target}-{purpose}").open("wb") as stream:
        stream.write(json.dumps(header).encode() + b"\n")
        for kept in drawn.by_class.values():
            stream.writelines(candidate.payload for candidate in kept)


def _load(path: Path) -> Drawn:
    """Returns what `_write` wrote."""
    with path.open("rb") as stream:
        header = json.loads(stream.readline())
        drawn = Drawn(available=Counter(header["available"]), excluded=header["excluded"], error=header["error"])
        for label, rows in header["classes"].items():
            kept = drawn.by_class.setdefault(label, BottomK(header["sizes"][label]))
            for rank, identity, size, origin, copies in rows:
                kept.add(
                    Candidate(
                        rank=rank,
                        identity=bytes.fromhex(identity),
                        payload=stream.read(size),
                        origin=origin,
                        copies=copies,
                    )
                )
    return drawn
