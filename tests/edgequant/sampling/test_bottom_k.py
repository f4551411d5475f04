"""The sample that any split of the data merges to, and how it is divided among classes."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgequant.sampling.bottom_k import BottomK, Candidate, identify, quotas, seeded_hash

PAYLOADS = st.lists(st.binary(min_size=1, max_size=1), max_size=60)


def candidate(payload: bytes, origin: str = "") -> Candidate:
    """Returns a candidate whose rank is its first byte modulo 100: unequal payloads may share a rank."""
    return Candidate(rank=payload[0] % 100, identity=identify(payload), payload=payload, origin=origin)


def kept(sample: BottomK) -> list[tuple[bytes, int, str]]:
    """Returns what a sample holds, in order."""
    return [(item.payload, item.copies, item.origin) for item in sample]


def of(payloads: list[bytes], k: int) -> BottomK:
    """Returns the sample of payloads, each read at its place in the list."""
    sample = BottomK(k)
    for payload in payloads:
        sample.add(candidate(payload, origin=payload.hex()))
    return sample


def test_keeps_the_lowest_ranks() -> None:
    """The k candidates of lowest rank stay, lowest first."""
    assert [payload for payload, _, _ in kept(of([b"\x09", b"\x02", b"\x07", b"\x01", b"\x05"], 3))] == [
        b"\x01",
        b"\x02",
        b"\x05",
    ]


def test_equal_payloads_count_once() -> None:
    """Equal payloads are one candidate that counts its copies and keeps the first origin by name."""
    sample = BottomK(5)
    for origin in ("b", "a", "c"):
        sample.add(candidate(b"\x01", origin))
    sample.merge([of([b"\x01", b"\x02"], 5)])
    assert kept(sample) == [(b"\x01", 4, "01"), (b"\x02", 1, "02")]


def test_wants_only_what_it_could_keep() -> None:
    """A full sample wants no rank above its highest; a sample of none wants nothing."""
    sample = of([b"\x01", b"\x05"], 2)
    assert sample.wants(5)
    assert not sample.wants(6)
    assert not BottomK(0).wants(0)


@settings(deadline=None)
@given(payloads=PAYLOADS, k=st.integers(0, 12), data=st.data())
def test_any_split_merges_to_the_same_sample(payloads: list[bytes], k: int, data: st.DataObject) -> None:
    """However candidates are shuffled, split and merged, the sample, its order and its counts are the same."""
    whole = kept(of(payloads, k))
    shuffled = data.draw(st.permutations(payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    parts = [of(shuffled[start:end], k) for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    middle = len(parts) // 2
    left = BottomK(k).merge(parts[:middle])
    right = BottomK(k).merge(reversed(parts[middle:]))
    assert kept(right.merge([left])) == whole


@settings(deadline=None)
@given(payloads=PAYLOADS, k=st.integers(0, 12))
def test_holds_the_k_lowest_of_the_distinct(payloads: list[bytes], k: int) -> None:
    """The ranks kept are the k lowest among distinct payloads, and the copies are how often each occurs."""
    sample = of(payloads, k)
    distinct = Counter(payloads)
    assert [item.rank for item in sample] == sorted(payload[0] % 100 for payload in distinct)[:k]
    assert all(item.copies == distinct[item.payload] for item in sample)
    assert len(sample) == min(k, len(distinct))


def test_hash_depends_on_seed_and_purpose() -> None:
    """Another seed and another purpose hash alike records to other numbers; the same ones to the same number."""
    identity = identify(b"record")
    numbers = {seeded_hash(identity, seed, purpose) for seed in (1, 2) for purpose in ("rank", "split")}
    assert len(numbers) == 4
    assert seeded_hash(identity, 1, "rank") in numbers


def test_hash_is_uniform() -> None:
    """A fifth of all records hash below a fifth of the range (10,000 records, within five standard deviations)."""
    below = sum(seeded_hash(identify(str(number).encode()), 17, "split") < 0.2 * 2**64 for number in range(10_000))
    assert abs(below - 2000) < 5 * (10_000 * 0.2 * 0.8) ** 0.5


@pytest.mark.parametrize(
    ("wanted", "available", "taken"),
    [
        (6, {"a": 9, "b": 9, "c": 9}, {"a": 2, "b": 2, "c": 2}),
        (8, {"c": 9, "b": 9, "a": 9}, {"a": 3, "b": 3, "c": 2}),
        (10, {"a": 1, "b": 100, "c": 100}, {"a": 1, "b": 5, "c": 4}),
        (13, {"a": 100, "b": 1, "c": 100}, {"a": 6, "b": 1, "c": 6}),
        (9, {"a": 2, "b": 0, "c": 3}, {"a": 2, "b": 0, "c": 3}),
        (2, {"a": 9, "b": 9, "c": 9}, {"a": 1, "b": 1, "c": 0}),
        (0, {"a": 9}, {"a": 0}),
        (5, {}, {}),
    ],
    ids=["equal", "remainder", "short", "short-and-remainder", "too-few", "more-classes-than-wanted", "none", "empty"],
)
def test_quotas(wanted: int, available: dict[str, int], taken: dict[str, int]) -> None:
    """Classes give equal numbers; short ones give all; the remainder comes from the first of the others by label."""
    assert quotas(wanted, available) == taken


@settings(deadline=None)
@given(wanted=st.integers(0, 200), available=st.dictionaries(st.text(max_size=3), st.integers(0, 40), max_size=8))
def test_quotas_are_fair(wanted: int, available: dict[str, int]) -> None:
    """As many as wanted are taken if there are enough, and no class gives two more than one that has some left."""
    taken = quotas(wanted, available)
    assert sum(taken.values()) == min(wanted, sum(available.values()))
    assert all(0 <= taken[label] <= available[label] for label in available)
    unspent = [taken[label] for label in available if taken[label] < available[label]]
    assert not unspent or max(taken.values()) <= min(unspent) + 1
