"""The sample that any split of the data merges to."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from edgequant.sampling.draw.bottom_k import BottomK, Candidate
from edgequant.sampling.draw.spool import Stored

PAYLOADS = st.lists(st.binary(min_size=1, max_size=1), max_size=60)


def candidate(payload: bytes, origin: str = "") -> Candidate:
    """Returns a candidate, its own identity, whose rank is its first byte modulo 100: unequal ones may share a rank."""
    return Candidate(float(payload[0] % 100), payload, 0, Stored("", 0, 0), origin)


def kept(sample: BottomK) -> list[tuple[bytes, int, str]]:
    """Returns what a sample holds, in order."""
    return [(item.identity, item.copies, item.origin) for item in sample]


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


def test_the_threshold_is_the_highest_rank_kept() -> None:
    """A full sample wants no rank above its highest; one that is not full wants all; a sample of none wants nothing."""
    full = of([b"\x01", b"\x05"], 2)
    assert len(full) == 2
    assert full.threshold == 5
    assert of([b"\x01", b"\x05"], 3).threshold == float("inf")
    assert BottomK(0).threshold == float("-inf")


@settings(deadline=None)
@given(payloads=PAYLOADS, k=st.integers(0, 12), data=st.data())
def test_any_split_merges_to_the_same_sample(payloads: list[bytes], k: int, data: st.DataObject) -> None:
    """However candidates are shuffled, split and merged, the sample is the same."""
    whole = kept(of(payloads, k))
    shuffled = data.draw(st.permutations(payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    parts = [of(shuffled[start:end], k) for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    middle = len(parts) // 2
    left = BottomK(k).merge(parts[:middle])
    right = BottomK(k).merge(reversed(parts[middle:]))
    assert kept(right.merge([left])) == whole


@settings(deadline=None)
@given(payloads=PAYLOADS, k=st.integers(0, 12), less=st.integers(0, 12))
def test_holds_the_k_lowest_of_the_distinct(payloads: list[bytes], k: int, less: int) -> None:
    """The ranks kept are the k lowest among distinct payloads, and the copies are how often each occurs."""
    sample = of(payloads, k)
    sample.shrink(less)
    distinct = Counter(payloads)
    lowest = min(k, less)
    assert [item.rank for item in sample] == sorted(payload[0] % 100 for payload in distinct)[:lowest]
    assert all(item.copies == distinct[item.identity] for item in sample)
    assert len(sample) == min(lowest, len(distinct))
