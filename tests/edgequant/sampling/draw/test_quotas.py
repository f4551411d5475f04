"""How a sample is divided among classes."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgequant.errors import ExamplesError
from edgequant.sampling.draw.bottom_k import Candidate
from edgequant.sampling.draw.quotas import MAX_CLASSES, Shares, check_classes, equal_quotas, level, proportional_quotas
from edgequant.sampling.draw.ranks import class_rank
from edgequant.sampling.draw.spool import Stored

COUNTS = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 30), min_size=1)
# Class and rank; equal ones are equal records.
NOWHERE = Stored("", 0, 0)
RECORDS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), max_size=80)


@pytest.mark.parametrize(
    ("wanted", "available", "share"),
    [
        (10, [5, 5], 10),
        (10, [50, 50], 5),
        (10, [1, 50, 50], 4),
        (10, [2, 3], 10),
        (3, [9, 9, 9, 9], 0),
        (11, [1, 50, 50], 5),
    ],
)
def test_level(wanted: int, available: list[int], share: int) -> None:
    """Worked by hand: what each class gives at most, when classes with less give all they have; all of it when there is no more."""
    assert level(wanted, available) == share


@pytest.mark.parametrize(
    ("wanted", "available", "quotas"),
    [
        (6, {"a": 9, "b": 9, "c": 9}, {"a": 2, "b": 2, "c": 2}),
        (7, {"a": 1, "b": 9, "c": 9}, {"a": 1, "b": 3, "c": 3}),
        (99, {"a": 1, "b": 9}, {"a": 1, "b": 9}),
        (0, {"a": 1}, {"a": 0}),
    ],
)
def test_equal_quotas(wanted: int, available: dict[str, int], quotas: dict[str, int]) -> None:
    """Worked by hand: equal shares; small classes give all they have and the others fill up."""
    assert equal_quotas(wanted, available, seed=1) == quotas


def test_the_remainder_is_seeded() -> None:
    """With more classes than examples, which classes get one changes with the seed, and is not those first by name."""
    available = {f"{number:02d}": 5 for number in range(50)}
    chosen = [frozenset(k for k, n in equal_quotas(10, available, seed).items() if n) for seed in range(5)]
    assert all(len(labels) == 10 for labels in chosen)
    assert len(set(chosen)) == 5
    assert sorted(available)[:10] not in [sorted(labels) for labels in chosen]


@settings(deadline=None)
@given(wanted=st.integers(0, 120), available=COUNTS, seed=st.integers(0, 5))
def test_equal_quotas_hold(wanted: int, available: dict[str, int], seed: int) -> None:
    """As many as wanted or as there are; none more than it has; two classes that have more differ by one at most."""
    quotas = equal_quotas(wanted, available, seed)
    assert sum(quotas.values()) == min(wanted, sum(available.values()))
    assert all(quotas[label] <= available[label] for label in available)
    capped = [quotas[label] for label in available if quotas[label] < available[label]]
    most = max(quotas.values())
    assert all(most - count <= 1 for count in capped)


def test_proportional_quotas() -> None:
    """Worked by hand: 10 of 70, 20 and 10; with a minimum of 3, the rare class gets it and the others share 7 as 5.5 to 0."""
    records = {"a": 70, "b": 20, "c": 10}
    assert proportional_quotas(10, records, records, 1, seed=1) == {"a": 7, "b": 2, "c": 1}
    assert proportional_quotas(10, records, records, 3, seed=1) == {"a": 4, "b": 3, "c": 3}
    assert proportional_quotas(10, records, {"a": 5, "b": 20, "c": 10}, 0, seed=1) == {"a": 5, "b": 3, "c": 2}


@settings(deadline=None)
@given(wanted=st.integers(0, 120), available=COUNTS, minimum=st.integers(0, 5), data=st.data())
def test_proportional_quotas_hold(wanted: int, available: dict[str, int], minimum: int, data: st.DataObject) -> None:
    """As many as wanted or as there are; none more than it has; none less than the minimum where that is possible."""
    records = {label: count + data.draw(st.integers(0, 9)) for label, count in available.items()}
    quotas = proportional_quotas(wanted, records, available, minimum, seed=1)
    assert sum(quotas.values()) == min(wanted, sum(available.values()))
    assert all(0 <= quotas[label] <= available[label] for label in available)
    if sum(min(count, minimum) for count in available.values()) <= wanted:
        assert all(quotas[label] >= min(available[label], minimum) for label in available)


@settings(deadline=None)
@given(wanted=st.integers(1, 60), scale=st.integers(1, 9), shares=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_exact_proportions_are_kept(wanted: int, scale: int, shares: list[int]) -> None:
    """Where the sample divides evenly, every class gets its exact proportion."""
    records = {str(number): share * scale * wanted for number, share in enumerate(shares)}
    quotas = proportional_quotas(sum(shares) * wanted, records, records, 0, seed=1)
    assert quotas == {str(number): share * wanted for number, share in enumerate(shares)}


def taken(shares: Shares, k: int, cap: int) -> dict[str, list[bytes]]:
    """Returns what an equal division of k takes of what is held, no more than `cap` of a class."""
    held = {label: [candidate.identity for candidate in kept] for label, kept in shares.classes.items() if kept}
    quotas = equal_quotas(k, {label: min(len(rows), cap) for label, rows in held.items()}, seed=3)
    return {label: rows[: quotas[label]] for label, rows in held.items() if quotas[label]}


def of(records: list[tuple[str, int]], k: int, cap: int) -> Shares:
    """Returns what is held of records."""
    shares = Shares(k, cap, seed=3)
    for label, rank in records:
        shares.add(Candidate(float(rank), f"{label}{rank}".encode(), 0, NOWHERE, "", label))
    return shares


@settings(deadline=None)
@given(records=RECORDS, k=st.integers(1, 12), cap=st.integers(1, 12), data=st.data())
def test_any_split_divides_to_the_same_sample(
    records: list[tuple[str, int]], k: int, cap: int, data: st.DataObject
) -> None:
    """Pruned early and often, split and merged: what is taken is what a division of all records takes."""
    classes: dict[str, list[int]] = {}
    for label, rank in sorted(set(records)):
        classes.setdefault(label, []).append(rank)
    quotas = equal_quotas(k, {label: min(len(ranks), cap) for label, ranks in classes.items()}, seed=3)
    expected = {
        label: [f"{label}{rank}".encode() for rank in ranks[: quotas[label]]]
        for label, ranks in classes.items()
        if quotas[label]
    }
    shuffled = data.draw(st.permutations(records))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    merged = Shares(k, cap, seed=3)
    for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True):
        part = of(shuffled[start:end], k, cap)
        if data.draw(st.booleans()):
            part.prune()
        merged.merge([part])
    assert taken(merged, k, cap) == expected


def test_ten_thousand_classes_are_bounded() -> None:
    """Of 10,000 classes, no more candidates are held than about three times the sample, and the right ones are taken."""
    shares = Shares(500, 500, seed=3)
    labels = [f"class {number}" for number in range(10_000)]
    most = 0
    for turn in range(3):
        for number, label in enumerate(labels):
            rank = (number * 7919 + turn * 31) % 100_003 / 1e5
            shares.add(Candidate(rank, f"{label}{turn}".encode(), 0, NOWHERE, "", label))
        most = max(most, sum(map(len, shares.classes.values())))
    assert most <= 3 * 500 + 101
    expected = sorted(labels, key=lambda label: class_rank(label, 3))[:500]
    assert sorted(taken(shares, 500, 500)) == sorted(expected)


def test_too_many_classes() -> None:
    """A feature with a value of its own in each record is no class."""
    check_classes(Counter(range(MAX_CLASSES)), "id")  # type: ignore[arg-type]
    with pytest.raises(
        ExamplesError, match=r"^feature 'id' has more than 10,000 values; a class to stratify by has fewer"
    ):
        check_classes(Counter(range(MAX_CLASSES + 1)), "id")  # type: ignore[arg-type]
