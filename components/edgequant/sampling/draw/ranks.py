"""A record's place in the draw: a seeded mix of its checksum.

The checksum is the CRC-32C of a record's bytes, which a TFRecord already carries; so the draw depends on nothing but the
records and the seed, and costs almost nothing per record. Equal records have equal ranks. Different records that share a
checksum (one pair in 2³²) share a rank as well, and are distinguished and ordered by the digest of their bytes.
"""

from hashlib import blake2b, sha256

import numpy as np
from numpy.typing import NDArray

IDENTITY_BYTES = 16
_SEQUENCES = 2.0**32
_BITS = 52  # The number of bits that a float64 between 0 and 1 represents exactly, with a half added.


def identify(payload: bytes) -> bytes:
    """Returns the digest that equal records share."""
    return sha256(payload).digest()[:IDENTITY_BYTES]


def uniform(checksums: NDArray[np.uint32], seed: int, purpose: str) -> NDArray[np.float64]:
    """Returns numbers between 0 and 1 that are uniform over checksums and independent between seeds and purposes.

    Source of the mixing: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA, with
    Stafford's variant 13 of its constants; applied twice, with half of the key before each.

    Args:
        checksums: CRC-32C of each record, [records].
        seed: The seed.
        purpose: The purpose of the numbers, which makes them independent of others.
    """
    key = np.frombuffer(_digest(purpose, seed), "<u8")
    mixed = checksums.astype(np.uint64)
    for half in key:
        mixed ^= half
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return ((mixed >> np.uint64(64 - _BITS)).astype(np.float64) + 0.5) * 2.0**-_BITS


def exponential(ranks: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns ranks whose lowest are a weighted sample without replacement: -ln(rank) / weight.

    Source: Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir", Information Processing Letters 97.

    Args:
        ranks: Uniform ranks, [records].
        weights: Positive weights, [records].
    """
    return np.asarray(-np.log(ranks) / weights, np.float64)


def in_sequences(sequences: NDArray[np.float64], records: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns ranks by which all records of a sequence come together: the sequence's in the upper bits, then the record's.

    Args:
        sequences: Uniform ranks of the records' sequences, [records].
        records: Uniform ranks of the records, [records].
    """
    return np.asarray((np.floor(sequences * _SEQUENCES) + records) / _SEQUENCES, np.float64)


def sequence_of(rank: float) -> int:
    """Returns the number of the sequence that a rank of `in_sequences` belongs to."""
    return int(rank * _SEQUENCES)


def class_rank(label: str, seed: int) -> int:
    """Returns a class's position in the order in which classes get the remainder of an equal division."""
    return int.from_bytes(blake2b(label.encode(), key=_digest("class", seed), digest_size=8).digest(), "big")


def _digest(purpose: str, seed: int) -> bytes:
    return blake2b(f"{purpose}:{seed}".encode(), digest_size=16).digest()
