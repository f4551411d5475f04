"""Reads records once and keeps the candidates of a rule; merging them gives the same result in any order."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import ExamplesError
from edgequant.sampling.draw.bottom_k import BottomK, Candidate
from edgequant.sampling.draw.quotas import Shares, check_classes
from edgequant.sampling.draw.ranks import exponential, identify, in_sequences, uniform
from edgequant.sampling.draw.rule import CALIBRATION, CALIBRATION_SHARE, EVALUATION, DrawRule, Keep
from edgequant.sampling.draw.spool import Stored
from edgequant.sampling.formats.class_reader import class_reader
from edgequant.sampling.formats.features import Batch, take
from edgequant.sampling.formats.files import Format

ZERO_WEIGHT = "weight of 0"
OF_EVALUATED_GROUP = "of a group of the evaluation files"
A_KEY = "the key of a sequence is one value (examples.sequence)"
A_GROUP = "a group is one value (examples.group)"
# The most groups whose names are kept: tens of megabytes.
MAX_GROUPS = 1_000_000

T = TypeVar("T")


class Drawn:
    """What was drawn for one purpose, from all files or from some.

    Attributes:
        keep: How much to keep.
        seed: The seed.
        lowest: The candidates of lowest rank.
        shares: The candidates that an equal division among classes may take.
        records: Records by class, copies included; a single class "" when the draw has no classes. Without records of
            excluded groups.
        left_out: Records that cannot be drawn, by reason.
        watched: The identities of the watch list that were found.
        groups: The groups of all records, if the rule notes them.
        pieces: How many pieces of the input were read.
        error: Why a file could not be read, or "".
    """

    __slots__ = ("error", "groups", "keep", "left_out", "lowest", "pieces", "records", "seed", "shares", "watched")

    def __init__(self, keep: Keep, seed: int) -> None:
        self.keep = keep
        self.seed = seed
        self.lowest = BottomK(keep.lowest)
        self.shares = Shares(keep.shared, keep.most_of_a_class, seed)
        self.records: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.watched: set[bytes] = set()
        self.groups: set[str] = set()
        self.pieces = 0
        self.error = ""

    @property
    def records_read(self) -> int:
        """The number of records, those of excluded groups included."""
        return self.records.total() + self.left_out[OF_EVALUATED_GROUP]

    def empty(self) -> "Drawn":
        """Returns an empty draw with the same settings."""
        return Drawn(self.keep, self.seed)

    def tighten(self, other: "Drawn") -> None:
        """Excludes candidates that could not be drawn in addition to those of another draw."""
        self.lowest.threshold = min(self.lowest.threshold, other.lowest.threshold)
        self.shares.tighten(other.shares)

    def merge(self, others: Iterable["Drawn"]) -> "Drawn":
        """Merges others into this one, and returns it."""
        for other in others:
            self.lowest.merge([other.lowest])
            self.shares.merge([other.shares])
            self.records.update(other.records)
            self.left_out.update(other.left_out)
            self.watched |= other.watched
            self.groups |= other.groups
            self.pieces += other.pieces
            self.error = min(filter(None, (self.error, other.error)), default="")
        return self


class Scan:
    """The candidates in some files for each purpose of a rule.

    Args:
        rule: The rule.
        kind: The files' format.
        store: Stores the bytes of a candidate, and returns where they are.
    """

    def __init__(self, rule: DrawRule, kind: Format, store: Callable[[bytes], Stored]) -> None:
        self.drawn = {purpose: Drawn(keep, rule.seed) for purpose, keep in rule.keep.items()}
        self._rule = rule
        self._kind = kind
        self._store = store
        self._class_of = class_reader(kind.parse, rule.classes, examples=kind.examples)
        self._key_of = class_reader(kind.parse, rule.sequence, examples=kind.examples, use=A_KEY)
        self._group_of = class_reader(kind.parse, rule.group, examples=kind.examples, use=A_GROUP)

    def add(self, batch: Batch) -> None:
        """Adds records.

        Raises:
            ExamplesError: A class or a weight is missing or not valid.
        """
        ranks = uniform(batch.checksums, self._rule.seed, "rank")
        if self._rule.sequence:
            keys = self._each(batch, np.arange(len(ranks)), self._key_of)
            ranks = in_sequences(uniform(_checksums(keys), self._rule.seed, "rank"), ranks)
        # For every record, since a wrong weight is always an error.
        weights = self._each(batch, np.arange(len(ranks)), self._weight) if self._rule.weight else []
        groups = self._groups(batch)
        for purpose, share in self._split(batch.checksums if groups is None else _checksums(groups)).items():
            drawn = self.drawn[purpose]
            positions = share if groups is None else self._allowed(drawn, share, groups)
            if purpose == CALIBRATION and (self._rule.weight or self._rule.classes):
                self._add_weighted_or_labelled(drawn, batch, positions, ranks, np.array(weights, np.float64))
            else:
                drawn.records[""] += len(positions)
                self._add_lowest(drawn, batch, positions, ranks)
            if self._rule.watch:
                self._look_out(drawn, batch, positions)

    def _groups(self, batch: Batch) -> list[str] | None:
        """Returns the group of each record; None where groups make no difference to the draw."""
        rule = self._rule
        if not rule.group or (len(self.drawn) == 1 and not rule.exclude_groups and not rule.note_groups):
            return None
        return self._each(batch, np.arange(len(batch.checksums)), self._group_of)

    def _allowed(self, drawn: Drawn, positions: NDArray[np.intp], groups: list[str]) -> NDArray[np.intp]:
        """Returns the positions of the records whose groups are not excluded, and notes the groups."""
        rule = self._rule
        if rule.note_groups:
            drawn.groups.update(groups[at] for at in positions.tolist())
            if len(drawn.groups) > MAX_GROUPS:
                raise ExamplesError(
                    f"feature {rule.group!r} has more than {MAX_GROUPS:,} values; so many groups are not supported (examples.group)"
                )
        if not rule.exclude_groups:
            return positions
        allowed = np.array([groups[at] not in rule.exclude_groups for at in positions.tolist()], np.bool_)
        drawn.left_out[OF_EVALUATED_GROUP] += int((~allowed).sum())
        return positions[allowed]

    def _split(self, checksums: NDArray[np.uint32]) -> dict[str, NDArray[np.intp]]:
        """Returns the positions of the records of each purpose; equal checksums, of records or groups, have the same purpose."""
        if len(self.drawn) == 1:
            return {next(iter(self.drawn)): np.arange(len(checksums))}
        calibration = uniform(checksums, self._rule.seed, "split") < CALIBRATION_SHARE
        return {CALIBRATION: np.flatnonzero(calibration), EVALUATION: np.flatnonzero(~calibration)}

    def _add_weighted_or_labelled(
        self,
        drawn: Drawn,
        batch: Batch,
        positions: NDArray[np.intp],
        ranks: NDArray[np.float64],
        weights: NDArray[np.float64],
    ) -> None:
        """Adds records with their weights or classes."""
        labels = [""] * len(positions)
        if self._rule.classes:
            labels = self._each(batch, positions, self._class_of)
        drawn.records.update(labels)
        check_classes(drawn.records, self._rule.classes)
        if self._rule.weight:
            weights = weights[positions]
            drawn.left_out[ZERO_WEIGHT] += int((weights == 0).sum())
            some = np.flatnonzero(weights)
            positions, labels = positions[some], [labels[at] for at in some]
            ranks[positions] = exponential(ranks[positions], weights[some])
        if self._rule.classes and drawn.shares.k:
            thresholds = drawn.shares.thresholds
            for at, rank, label in zip(positions.tolist(), ranks[positions].tolist(), labels, strict=True):
                if rank <= thresholds.get(label, math.inf):
                    candidate = self._candidate(batch, at, rank, label)
                    if candidate is not None:
                        drawn.shares.add(candidate)
        self._add_lowest(drawn, batch, positions, ranks, labels)

    def _add_lowest(
        self,
        drawn: Drawn,
        batch: Batch,
        positions: NDArray[np.intp],
        ranks: NDArray[np.float64],
        labels: list[str] | None = None,
    ) -> None:
        """Adds the records of low rank, the lowest first, since each lowers the threshold for those after it."""
        own = ranks[positions]
        low = np.flatnonzero(own <= drawn.lowest.threshold)
        for place in low[np.argsort(own[low])].tolist():
            rank = float(own[place])
            if rank > drawn.lowest.threshold:
                break
            candidate = self._candidate(batch, int(positions[place]), rank, labels[place] if labels else "")
            if candidate is not None:
                drawn.lowest.add(candidate)

    def _candidate(self, batch: Batch, at: int, rank: float, label: str) -> Candidate | None:
        payload = batch.payloads[at]
        identity = identify(payload)
        if identity in self._rule.exclude:
            return None
        stored = self._store(payload)
        return Candidate(rank, identity, int(batch.checksums[at]), stored, batch.where(at), label)

    def _look_out(self, drawn: Drawn, batch: Batch, positions: NDArray[np.intp]) -> None:
        checksums = batch.checksums[positions].tolist()
        if self._rule.watch.keys().isdisjoint(checksums):
            return
        for at, checksum in zip(positions.tolist(), checksums, strict=True):
            identities = self._rule.watch.get(checksum, frozenset())
            if identities and (identity := identify(batch.payloads[at])) in identities:
                drawn.watched.add(identity)

    def _each(self, batch: Batch, positions: NDArray[np.intp], read: Callable[[bytes], T]) -> list[T]:
        """Returns what a function reads from each record; an error names the record."""
        payloads = [batch.payloads[at] for at in positions.tolist()]
        try:
            return list(map(read, payloads))
        except ExamplesError:
            for at, payload in zip(positions.tolist(), payloads, strict=True):
                try:
                    read(payload)
                except ExamplesError as error:
                    raise ExamplesError(f"{batch.where(at)}: {error}") from error
            raise

    def _weight(self, payload: bytes) -> float:
        feature = self._rule.weight
        value = take(self._kind.parse(payload), feature)
        values = value if isinstance(value, tuple) else value.reshape(-1)
        if len(values) != 1 or isinstance(values[0], bytes):
            raise ExamplesError(f"feature {feature!r} is not one number; a weight is")
        weight = float(values[0])
        if not 0 <= weight < math.inf:
            raise ExamplesError(f"feature {feature!r} is {weight:g}; a weight is a number of 0 or more")
        return weight


def _checksums(groups: list[str]) -> NDArray[np.uint32]:
    """Returns a checksum of each group's name."""
    known = {name: crc32(name.encode()) for name in set(groups)}
    return np.array([known[name] for name in groups], np.uint32)
