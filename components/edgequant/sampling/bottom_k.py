"""A sample that any split of the data merges to: the k records with the lowest ranks.

A record's rank is a seeded hash of its content, so the draw is random, depends on nothing but the records and the seed,
and counts equal records once. Bottom-k sketches: Cohen and Kaplan 2007, "Summarizing data using bottom-k sketches".
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b

IDENTITY_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A record that may be in the sample.

    Attributes:
        rank: Its place in the draw.
        identity: The digest of its payload.
        payload: Its bytes.
        origin: Where it was read, for messages.
        copies: How many equal records were seen.
    """

    rank: int
    identity: bytes
    payload: bytes
    origin: str
    copies: int = 1


def identify(payload: bytes) -> bytes:
    """Returns the digest that equal records share."""
    return blake2b(payload, digest_size=IDENTITY_BYTES).digest()


def seeded_hash(identity: bytes, seed: int, purpose: str) -> int:
    """Returns 64 bits that are uniform over identities and independent between seeds and purposes."""
    key = f"{purpose}:{seed}".encode()
    return int.from_bytes(blake2b(identity, key=key, digest_size=8).digest(), "big")


class BottomK:
    """The k candidates of lowest rank among those added, equal ones merged."""

    def __init__(self, k: int) -> None:
        self.k = k
        self._heap: list[tuple[int, bytes]] = []
        self._kept: dict[bytes, Candidate] = {}

    def add(self, candidate: Candidate) -> None:
        """Adds one candidate."""
        known = self._kept.get(candidate.identity)
        if known is not None:
            self._kept[candidate.identity] = replace(
                known, copies=known.copies + candidate.copies, origin=min(known.origin, candidate.origin)
            )
            return
        if not self.wants(candidate.rank):
            return
        self._kept[candidate.identity] = candidate
        heapq.heappush(self._heap, (-candidate.rank, candidate.identity))
        if len(self._heap) > self.k:
            _, evicted = heapq.heappop(self._heap)
            del self._kept[evicted]

    def wants(self, rank: int) -> bool:
        """Tells whether a candidate of this rank could be kept."""
        return self.k > 0 and (len(self._heap) < self.k or rank <= -self._heap[0][0])

    def merge(self, others: Iterable["BottomK"]) -> "BottomK":
        """Adds all candidates of others, and returns itself."""
        for other in others:
            for candidate in other:
                self.add(candidate)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        # Runners copy what is kept between workers; plain tuples cost them a fraction of what dataclasses do.
        return _restore, (self.k, [(c.rank, c.identity, c.payload, c.origin, c.copies) for c in self._kept.values()])

    def __iter__(self) -> Iterator[Candidate]:
        return iter(sorted(self._kept.values(), key=lambda candidate: (candidate.rank, candidate.identity)))

    def __len__(self) -> int:
        return len(self._kept)


def _restore(k: int, rows: list[tuple[int, bytes, bytes, str, int]]) -> BottomK:
    restored = BottomK(k)
    for rank, identity, payload, origin, copies in rows:
        restored.add(Candidate(rank=rank, identity=identity, payload=payload, origin=origin, copies=copies))
    return restored


def quotas(wanted: int, available: dict[str, int]) -> dict[str, int]:
    """Returns how many to take of each class: as equal as what is available allows, `wanted` in all if there are enough.

    Classes that hold less than an equal share give all they hold. The rest is divided among the others; the remainder
    of an uneven division goes to the first of them in order of their labels.
    """
    taken = {}
    left = wanted
    large = sorted(available)
    for label in sorted(available, key=lambda label: (available[label], label)):
        if available[label] * len(large) > left:
            break
        taken[label] = available[label]
        left -= available[label]
        large.remove(label)
    for position, label in enumerate(large):
        share, extra = divmod(left, len(large))
        taken[label] = share + (position < extra)
    return dict(sorted(taken.items()))
