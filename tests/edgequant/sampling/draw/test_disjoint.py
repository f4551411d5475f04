"""Calibration candidates and evaluation examples that have no example in common."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgequant.sampling.beam_options import parse_options
from edgequant.sampling.draw import disjoint, selection
from edgequant.sampling.draw.beam_pipeline import Engine
from edgequant.sampling.draw.bottom_k import Candidate
from edgequant.sampling.draw.ranks import identify
from edgequant.sampling.draw.rule import CALIBRATION, EVALUATION, DrawRule, Keep
from edgequant.sampling.draw.scan import Drawn
from edgequant.sampling.draw.selection import EQUAL, FALSE, PROPORTIONAL, DrawPlan, candidates, choose, is_settled
from edgequant.sampling.draw.spool import Stored
from edgequant.sampling.formats.files import find_files

Points = Callable[[int], list[bytes]]
WriteTfrecord = Callable[..., Path]
STRATIFY = st.sampled_from([EQUAL, PROPORTIONAL, FALSE])


def numbers(rows: list[Candidate]) -> list[bytes]:
    """Returns the identities of candidates, sorted."""
    return sorted(candidate.identity for candidate in rows)


@pytest.mark.parametrize("stratify", [EQUAL, PROPORTIONAL, FALSE])
@pytest.mark.parametrize("shared", [0, 30, 50])
def test_sources_that_share_examples(
    tmp_path: Path,
    points: Points,
    write_tfrecord: WriteTfrecord,
    monkeypatch: pytest.MonkeyPatch,
    stratify: str,
    shared: int,
) -> None:
    """What is chosen is what a draw from the calibration files without the shared examples gives, in any number of rounds."""
    monkeypatch.setattr(selection, "_RESERVOIR_LEAST", 1)
    records = points(60)
    train = find_files([str(write_tfrecord(tmp_path / "train.tfrecord", records))], CALIBRATION)
    test = find_files(
        [str(write_tfrecord(tmp_path / "test.tfrecord", records[:shared] or points(61)[60:]))], EVALUATION
    )
    apart = find_files([str(write_tfrecord(tmp_path / "apart.tfrecord", records[shared:]))], CALIBRATION)
    plan = DrawPlan(wanted=4, stratify=stratify, minimum=1, seed=1)
    rule = DrawRule(keep={}, seed=1, classes="" if stratify == FALSE else "label")
    engine = Engine(parse_options([]), tmp_path)
    drawn = disjoint.draw_apart(train, test, rule, plan, 20, engine)
    alone = disjoint.draw_apart(apart, test, rule, plan, 20, engine)
    chosen = choose(drawn[CALIBRATION].pool, plan)
    assert len(chosen) == 4
    assert not {c.identity for c in chosen} & set(map(identify, records[:shared]))
    if stratify != PROPORTIONAL:  # Whose quotas follow the records found, shared ones included.
        assert numbers(chosen) == numbers(choose(alone[CALIBRATION].pool, plan))
    assert drawn[CALIBRATION].in_both <= shared
    assert len(drawn[EVALUATION].pool.lowest) == (min(shared, 20) or 1)


def test_sources_that_are_one(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """The same files for both purposes leave nothing to calibrate on, and the evaluation set as it is."""
    files = find_files([str(write_tfrecord(tmp_path / "a.tfrecord", points(30)))], CALIBRATION)
    plan = DrawPlan(wanted=4, stratify=FALSE, minimum=1, seed=1)
    draws = disjoint.draw_apart(files, files, DrawRule(keep={}, seed=1), plan, 5, Engine(parse_options([]), tmp_path))
    assert (draws[CALIBRATION].pool.lowest, draws[CALIBRATION].in_both) == ([], 30)
    assert len(draws[EVALUATION].pool.lowest) == 5


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    records=st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 60)), max_size=60, unique=True),
    removed=st.sets(st.integers(0, 60)),
    wanted=st.integers(1, 10),
    stratify=STRATIFY,
    times=st.integers(1, 4),
)
def test_a_settled_draw_is_the_draw_without(
    records: list[tuple[str, int]], removed: set[int], wanted: int, stratify: str, times: int
) -> None:
    """Once a draw says that it is settled, the choice after examples were left out is the choice had they not been there."""
    plan = DrawPlan(wanted=wanted, stratify=stratify, minimum=1, seed=1)

    def drawn(rows: list[tuple[str, int]], keep: Keep) -> Drawn:
        draw = Drawn(keep, 1)
        for label, rank in rows:
            for pool in (draw.lowest, draw.shares):
                pool.add(Candidate(float(rank), f"{label}{rank}".encode(), 0, Stored("", 0, 0), "", label))
            draw.records[label] += 1
        return draw

    plenty = Keep(lowest=1000, shared=wanted if stratify != FALSE else 0, most_of_a_class=1000)
    keep = Keep(
        lowest=2 * wanted * times,
        shared=0 if stratify == FALSE else wanted * times,
        most_of_a_class=wanted * times if stratify == EQUAL else times,
    )
    left = [(label, rank) for label, rank in records if rank not in removed]
    without = frozenset(f"{label}{rank}".encode() for label, rank in records if rank in removed)
    draw = drawn(records, keep)
    pool = candidates(draw, stratify, without=without)
    if stratify == PROPORTIONAL or not is_settled(draw, pool, plan):
        return
    expected = choose(candidates(drawn(left, plenty), stratify), plan)
    assert numbers(choose(pool, plan)) == numbers(expected)
