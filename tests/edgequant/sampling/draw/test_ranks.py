"""A record's place in the draw."""

import hashlib

import numpy as np
from scipy import stats

from edgequant.sampling.draw.ranks import class_rank, exponential, identify, uniform

CHECKSUMS = np.arange(100_000, dtype=np.uint32)


def test_ranks_are_uniform() -> None:
    """Ranks of checksums that follow one another are uniform between 0 and 1, by a test of their distribution."""
    ranks = uniform(CHECKSUMS, 17, "rank")
    assert ((ranks > 0) & (ranks < 1)).all()
    assert stats.kstest(ranks, "uniform").pvalue > 0.001
    assert len(np.unique(ranks)) == len(CHECKSUMS)


def test_ranks_of_seeds_and_purposes_are_independent() -> None:
    """Ranks of another seed, or for another purpose, do not tell of these."""
    ranks = uniform(CHECKSUMS, 17, "rank")
    for other in (uniform(CHECKSUMS, 18, "rank"), uniform(CHECKSUMS, 17, "split")):
        assert abs(stats.spearmanr(ranks, other).statistic) < 0.015
        lowest = set(np.argsort(ranks)[:1000]) & set(np.argsort(other)[:1000])
        assert len(lowest) < 30


def test_ranks_depend_on_nothing_else() -> None:
    """A checksum's rank is the same among others, and the one that the published mixing gives in whole numbers."""
    assert uniform(CHECKSUMS[5:6], 17, "rank")[0] == uniform(CHECKSUMS, 17, "rank")[5]
    digest = hashlib.blake2b(b"rank:17", digest_size=16).digest()
    mixed = 0xDEADBEEF
    for half in (digest[:8], digest[8:]):
        mixed ^= int.from_bytes(half, "little")
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        mixed ^= mixed >> 31
    rank = uniform(np.array([0xDEADBEEF], np.uint32), 17, "rank")[0]
    assert rank == ((mixed >> 12) + 0.5) / 2**52


def test_exponential_ranks_make_a_weighted_sample() -> None:
    """The lowest rank of two records falls to each as often as its share of the weights: 3 of 4."""
    one = uniform(CHECKSUMS, 1, "rank")
    other = uniform(CHECKSUMS, 2, "rank")
    weights = np.ones(len(CHECKSUMS))
    wins = exponential(one, 3 * weights) < exponential(other, weights)
    assert abs(wins.mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / len(CHECKSUMS))


def test_identities_and_classes() -> None:
    """Equal bytes have one identity, of 16 bytes; a class has another place for another seed."""
    assert identify(b"a") == identify(b"a") != identify(b"b")
    assert len(identify(b"a")) == 16
    assert class_rank("cat", 1) != class_rank("cat", 2)
