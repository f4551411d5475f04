"""A sample that any split of the data merges to: the k records with the lowest ranks.

A record's rank is a seeded hash of its content, so the draw is random, depends on nothing but the records and the seed,
and counts equal records once. Bottom-k sketches: Cohen and Kaplan 2007, "Summarizing data using bottom-k sketches".
"""

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgequant.sampling.ranks import identify


@dataclass(slots=True)
class Candidate:
    """A record that may be in the sample.

    Attributes:
        rank: Its place in the draw.
        payload: Its bytes.
        origin: Where it was read, for messages.
        label: Its class; "" when the draw knows none.
        copies: How many equal records were seen.
    """

    rank: float
    payload: bytes
    origin: str
    label: str = ""
    copies: int = 1

    @property
    def identity(self) -> bytes:
        """The digest of its payload, which equal records share."""
        return identify(self.payload)


Row = tuple[float, bytes, str, str, int]


def plain(candidate: Candidate) -> Row:
    """Returns a candidate's fields: runners copy plain tuples between workers at a fraction of what dataclasses cost."""
    return (candidate.rank, candidate.payload, candidate.origin, candidate.label, candidate.copies)


class BottomK:
    """The k candidates of lowest rank among those added, equal ones merged.

    Attributes:
        k: How many it keeps.
        threshold: A candidate of a higher rank would not be kept.
    """

    __slots__ = ("_heap", "_kept", "k", "threshold")

    def __init__(self, k: int) -> None:
        self.k = k
        self.threshold = math.inf if k else -math.inf
        self._heap: list[float] = []
        # Nearly always one for each rank: more are different records of one checksum.
        self._kept: dict[float, list[Candidate]] = {}

    def add(self, candidate: Candidate) -> None:
        """Adds one candidate, if it is to be kept."""
        rank = candidate.rank
        if rank > self.threshold:
            return
        same = self._kept.get(rank)
        if same is None:
            self._kept[rank] = [candidate]
        else:
            for known in same:
                if known.payload == candidate.payload:
                    known.copies += candidate.copies
                    known.origin = min(known.origin, candidate.origin)
                    return
            same.append(candidate)
        heapq.heappush(self._heap, -rank)
        self._trim()

    def shrink(self, k: int) -> None:
        """Keeps no more than k from now on."""
        self.k = min(self.k, k)
        self._trim()

    def merge(self, others: Iterable["BottomK"]) -> "BottomK":
        """Adds all candidates of others, which stay as they are, and returns itself."""
        for other in others:
            self.shrink(other.k)
            for candidate in other:
                self.add(Candidate(*plain(candidate)))
        return self

    def _trim(self) -> None:
        while len(self._heap) > self.k:
            highest = -heapq.heappop(self._heap)
            same = self._kept[highest]
            if len(same) == 1:
                del self._kept[highest]
            else:
                same.remove(max(same, key=lambda candidate: candidate.identity))
        if len(self._heap) == self.k:
            self.threshold = -self._heap[0] if self._heap else -math.inf

    def __iter__(self) -> Iterator[Candidate]:
        for _, same in sorted(self._kept.items()):
            yield from sorted(same, key=lambda candidate: candidate.identity) if len(same) > 1 else same

    def __len__(self) -> int:
        return len(self._heap)

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self.k, [plain(candidate) for candidate in self])


def _restore(k: int, rows: list[Row]) -> BottomK:
    restored = BottomK(k)
    for row in rows:
        restored.add(Candidate(*row))
    return restored
