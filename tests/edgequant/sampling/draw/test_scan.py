"""What is kept of records, whatever the shards and bundles that they come in."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import google_crc32c
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgequant.sampling.draw.packing import pack, unpack
from edgequant.sampling.draw.rule import CALIBRATION, EVALUATION, DrawRule, Keep
from edgequant.sampling.draw.scan import Drawn, Scan
from edgequant.sampling.draw.selection import EQUAL, FALSE, PROPORTIONAL, DrawPlan, candidates, choose, class_counts
from edgequant.sampling.draw.spool import Stored
from edgequant.sampling.formats.features import Batch
from edgequant.sampling.formats.files import TFRECORD

MakeExample = Callable[[Any], bytes]
# The label and the number of a record; equal ones are equal records.
RECORDS = st.lists(st.tuples(st.sampled_from(["ant", "bee", "cat"]), st.integers(0, 400)), max_size=120)


def batch(payloads: list[bytes]) -> Batch:
    """Returns payloads as a reader gives them."""
    checksums = np.array([google_crc32c.value(payload) for payload in payloads], np.uint32)
    return Batch(payloads, checksums, lambda position: f"record {position}", sum(map(len, payloads)))


def cut(items: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    """Returns a list in parts, some of them empty."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(items)), max_size=4)))
    return [items[start:end] for start, end in zip([0, *cuts], [*cuts, len(items)], strict=True)]


def scanned(shards: list[list[list[bytes]]], rule: DrawRule) -> dict[str, Drawn]:
    """Returns what a rule keeps of shards, each of which is a list of batches."""
    merged = {purpose: Drawn(keep, rule.seed) for purpose, keep in rule.keep.items()}
    for shard in shards:
        scan = Scan(rule, TFRECORD, lambda payload: Stored("", 0, len(payload)))
        for payloads in shard:
            scan.add(batch(payloads))
        for purpose, drawn in scan.drawn.items():
            merged[purpose].merge([unpack(pack(drawn))])
    return merged


@settings(deadline=None, max_examples=60)
@given(
    records=RECORDS,
    wanted=st.integers(1, 12),
    stratify=st.sampled_from([EQUAL, PROPORTIONAL, FALSE]),
    seed=st.integers(0, 3),
    data=st.data(),
)
def test_any_split_gives_the_same_sample(
    example: MakeExample, records: list[tuple[str, int]], wanted: int, stratify: str, seed: int, data: st.DataObject
) -> None:
    """Any order, shards and bundles give the same examples, counts and quotas, none twice and none for both purposes."""
    payloads = [example({"label": [label.encode()], "x": [number]}) for label, number in records]
    plan = DrawPlan(wanted=wanted, stratify=stratify, minimum=2, seed=seed)
    keep = {CALIBRATION: plan.keep(), EVALUATION: Keep(lowest=15)}
    rule = DrawRule(keep=keep, seed=seed, classes="" if stratify == FALSE else "label")
    shuffled = data.draw(st.permutations(payloads))
    whole = scanned([[payloads]], rule)
    split = scanned([cut(shard, data) for shard in cut(shuffled, data)], rule)
    chosen = {}
    for drawn in (whole, split):
        pool = candidates(drawn[CALIBRATION], stratify)
        result = choose(pool, plan)
        chosen[id(drawn)] = (
            [(c.identity, c.label, c.copies) for c in result],
            class_counts(pool, plan, result),
            [(c.identity, c.copies) for c in drawn[EVALUATION].lowest],
        )
    assert chosen[id(whole)] == chosen[id(split)]
    calibration, classes, evaluation = chosen[id(split)]
    distinct = len({(c.identity) for c in whole[CALIBRATION].lowest})
    assert len(calibration) == len({identity for identity, _, _ in calibration}) == min(wanted, distinct)
    assert not {identity for identity, _, _ in calibration} & {identity for identity, _ in evaluation}
    assert Counter(label for _, label, _ in calibration if label) == +Counter(
        {label: count.taken for label, count in classes.items()}
    )
    if stratify == EQUAL:
        short = [count.taken for label, count in classes.items() if count.taken < _different(whole, label)]
        assert all(max(count.taken for count in classes.values()) - taken <= 1 for taken in short)


def _different(drawn: dict[str, Drawn], label: str) -> int:
    """Returns how many different records of a class there are for calibration."""
    return len({c.identity for c in drawn[CALIBRATION].lowest if c.label == label})
