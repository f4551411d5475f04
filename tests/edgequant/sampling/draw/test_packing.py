"""What was drawn, as bytes, and what a process remembers of it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edgequant.sampling.draw.bottom_k import Candidate
from edgequant.sampling.draw.packing import pack, unpack
from edgequant.sampling.draw.quotas import equal_quotas
from edgequant.sampling.draw.rule import Keep
from edgequant.sampling.draw.scan import Drawn
from edgequant.sampling.draw.spool import Stored

RECORDS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), max_size=80)
SEED = 3


def drawn(records: list[tuple[str, int]], keep: Keep, known: Drawn | None = None) -> Drawn:
    """Returns what is kept of records, each of which is one piece of the input."""
    draw = Drawn(keep, SEED)
    if known is not None:
        draw.tighten(known)
    for label, rank in records:
        for pool in (draw.lowest, draw.shares):
            pool.add(Candidate(float(rank), f"{label}{rank}".encode(), rank, Stored("file", rank, 3), "here", label))
        draw.records[label] += 1
    draw.pieces = len(records)
    return draw


def taken(draw: Drawn) -> tuple[list[tuple[bytes, int]], dict[str, list[bytes]], dict[str, int]]:
    """Returns what would be taken: the lowest, an equal division among classes, and the counts."""
    held = {label: [c.identity for c in kept] for label, kept in draw.shares.classes.items() if kept}
    quotas = equal_quotas(draw.keep.shared, {label: len(rows) for label, rows in held.items()}, SEED)
    shares = {label: rows[: quotas[label]] for label, rows in held.items() if quotas[label]}
    return [(c.identity, c.copies) for c in draw.lowest], shares, dict(draw.records)


@settings(deadline=None)
@given(records=RECORDS, lowest=st.integers(0, 9), shared=st.integers(1, 9))
def test_unpacked_is_as_packed(records: list[tuple[str, int]], lowest: int, shared: int) -> None:
    """Bytes give back what was drawn: candidates, copies, counts, the classes that are closed, and words of failure."""
    draw = drawn(records, Keep(lowest=lowest, shared=shared, most_of_a_class=shared))
    draw.shares.prune()
    draw.watched.add(b"\x00\xff")
    draw.left_out["weight of 0"] += 2
    draw.error = "no\nsuch"
    again = unpack(pack(draw))
    assert [c.stored for c in again.lowest] == [c.stored for c in draw.lowest]
    assert [c.checksum for c in again.shares] == [c.checksum for c in draw.shares]
    assert taken(again) == taken(draw)
    assert (again.watched, again.left_out, again.error) == (draw.watched, draw.left_out, draw.error)
    assert (again.pieces, again.keep, again.seed) == (draw.pieces, draw.keep, draw.seed)
    assert sorted(again.shares.closed) == sorted(draw.shares.closed)
    assert again.shares.cap == draw.shares.cap
    assert pack(again) == pack(draw)


@settings(deadline=None)
@given(records=RECORDS, lowest=st.integers(1, 9), shared=st.integers(1, 9), data=st.data())
def test_what_is_known_changes_nothing(
    records: list[tuple[str, int]], lowest: int, shared: int, data: st.DataObject
) -> None:
    """Portions read with what is known of those before, merged in any order, give what all records give."""
    keep = Keep(lowest=lowest, shared=shared, most_of_a_class=shared)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=4)))
    known = Drawn(keep, SEED)
    parts = []
    for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        part = drawn(records[start:end], keep, known)
        parts.append(pack(part))
        for pool, kept in ((known.lowest, part.lowest), (known.shares, part.shares)):
            for candidate in kept:
                pool.add(Candidate(candidate.rank, b"", 0, Stored("", 0, 0), "", candidate.label))
    merged = Drawn(keep, SEED)
    merged.merge([unpack(part) for part in data.draw(st.permutations(parts))])
    whole = drawn(records, keep)
    whole.shares.prune()
    merged.shares.prune()
    assert taken(merged) == taken(whole)
