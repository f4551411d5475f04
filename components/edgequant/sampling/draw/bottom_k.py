"""A bottom-k sample: the k records with the lowest ranks, the same for any split of the data.

A record's rank is a seeded hash of its content, so the draw is random, depends on nothing but the records and the seed,
and counts equal records once. Bottom-k sketches: Cohen and Kaplan 2007, "Summarizing data using bottom-k sketches".
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from edgequant.sampling.draw.spool import Stored


@dataclass(slots=True)
class Candidate:
    """A record that may be in the sample.

    Attributes:
        rank: Its place in the draw.
        identity: The digest of its bytes, which equal records share.
        checksum: The CRC-32C of its bytes.
        stored: Where its bytes are (see `edgequant.sampling.draw.spool`).
        origin: The file and position that it was read from, for messages.
        label: Its class; "" when the draw knows none.
        copies: The number of equal records.
    """

    rank: float
    identity: bytes
    checksum: int
    stored: Stored
    origin: str
    label: str = ""
    copies: int = 1


_rank = attrgetter("rank")
# How many candidates beyond a small k are held before they are sorted.
_SLACK = 16


class BottomK:
    """The k candidates of lowest rank among those added, equal ones merged.

    Candidates below a threshold are appended; when a quarter more than k are held, they are sorted and the threshold is
    lowered. Sorting in batches costs less than inserting each in order.

    Attributes:
        k: How many it keeps.
        threshold: A candidate of a higher rank would not be kept.
    """

    __slots__ = ("_in_order", "_rows", "k", "threshold")

    def __init__(self, k: int) -> None:
        self.k = k
        self.threshold = math.inf if k else -math.inf
        self._rows: list[Candidate] = []
        self._in_order = True

    def add(self, candidate: Candidate) -> None:
        """Adds one candidate, unless its rank is above the threshold."""
        if candidate.rank > self.threshold:
            return
        self._rows.append(candidate)
        self._in_order = False
        if len(self._rows) > self.k + max(self.k // 4, _SLACK):
            self._settle()

    def shrink(self, k: int) -> None:
        """Lowers the number to keep to k."""
        if k < self.k:
            self.k = k
            self._in_order = False
            self._settle()

    def merge(self, others: Iterable["BottomK"]) -> "BottomK":
        """Merges others into this one, and returns it."""
        for other in others:
            self.shrink(other.k)
            for candidate in other:
                self.add(candidate)
        return self

    def is_full(self) -> bool:
        """Returns whether it holds as many as it keeps."""
        return len(self) == self.k

    def _settle(self) -> None:
        """Merges equal candidates, drops all but the lowest k, and lowers the threshold to the highest of these."""
        if self._in_order:
            return
        self._rows.sort(key=_rank)
        merged: list[Candidate] = []
        for candidate in self._rows:
            if merged and merged[-1].rank == candidate.rank:
                _merge_equal(merged, candidate)
            else:
                if len(merged) >= self.k:
                    break
                merged.append(candidate)
        # More than k when different records share the highest rank.
        self._rows = merged[: self.k]
        if len(self._rows) == self.k:
            self.threshold = min(self.threshold, self._rows[-1].rank if self._rows else -math.inf)
        self._in_order = True

    def __iter__(self) -> Iterator[Candidate]:
        self._settle()
        return iter(self._rows)

    def __len__(self) -> int:
        self._settle()
        return len(self._rows)


def _merge_equal(merged: list[Candidate], candidate: Candidate) -> None:
    """Merges a candidate into those of equal rank at the end of a list: as a copy of one of them, or in order of identity."""
    first = len(merged)
    while first and merged[first - 1].rank == candidate.rank:
        first -= 1
    for earlier in merged[first:]:
        if earlier.identity == candidate.identity:
            earlier.copies += candidate.copies
            earlier.origin = min(earlier.origin, candidate.origin)
            return
    merged.append(candidate)
    merged[first:] = sorted(merged[first:], key=lambda each: each.identity)
