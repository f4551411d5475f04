"""Chooses the calibration examples from the candidates that were drawn."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from edgequant.artifacts.example_set import ClassCount
from edgequant.sampling.draw.bottom_k import Candidate
from edgequant.sampling.draw.quotas import equal_quotas, level, proportional_quotas
from edgequant.sampling.draw.ranks import sequence_of
from edgequant.sampling.draw.rule import Keep
from edgequant.sampling.draw.scan import Drawn

AUTO, EQUAL, PROPORTIONAL, FALSE = "auto", "equal", "proportional", "false"
# The size of the reservoir that a calibration set is compared with: a multiple of the set's, with a lower limit.
_RESERVOIR_TIMES = 2
_RESERVOIR_LEAST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawPlan:
    """How calibration examples are chosen.

    Attributes:
        wanted: How many.
        stratify: ``equal``, ``proportional`` or ``false``.
        minimum: With ``proportional``, the minimum of each class.
        seed: The seed.
    """

    wanted: int
    stratify: str
    minimum: int
    seed: int

    def keep(self, times: int = 1) -> Keep:
        """Returns how much to keep: enough for `times` the number of examples, and for the reservoir."""
        wanted = self.wanted * times
        lowest = max(_RESERVOIR_TIMES * wanted, _RESERVOIR_LEAST)
        if self.stratify == FALSE:
            return Keep(lowest=lowest)
        return Keep(
            lowest=lowest, shared=wanted, most_of_a_class=wanted if self.stratify == EQUAL else self.minimum * times
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The candidates to choose from.

    Attributes:
        lowest: The candidates of lowest rank, lowest first; the reservoir.
        classes: The candidates by class, lowest first; empty when the draw has no classes.
        records: Records by class, copies included.
    """

    lowest: list[Candidate]
    classes: dict[str, list[Candidate]]
    records: dict[str, int]


def candidates(drawn: Drawn, stratify: str, without: frozenset[bytes] = frozenset()) -> Candidates:
    """Returns the candidates to choose from, without some identities."""
    lowest = [c for c in drawn.lowest if not without or c.identity not in without]
    classes: dict[str, list[Candidate]] = {}
    if stratify != FALSE:
        pools: list[Iterable[Candidate]] = [drawn.shares]
        if stratify == PROPORTIONAL:
            pools.append(drawn.lowest)
        unique = {c.identity: c for pool in pools for c in pool if not without or c.identity not in without}
        for candidate in in_order(unique.values()):
            classes.setdefault(candidate.label, []).append(candidate)
    return Candidates(lowest=lowest, classes=dict(sorted(classes.items())), records=dict(drawn.records))


def choose(pool: Candidates, plan: DrawPlan, taken: Iterable[Candidate] = ()) -> list[Candidate]:
    """Returns the examples to take, lowest rank first.

    Args:
        pool: The candidates.
        plan: How to choose.
        taken: Candidates that are taken already, which count.
    """
    chosen = {c.identity: c for c in taken}
    wanted = plan.wanted - len(chosen)
    left = {label: [c for c in rows if c.identity not in chosen] for label, rows in pool.classes.items()}
    for label, count in _quotas(pool, plan, wanted, {label: len(rows) for label, rows in left.items()}).items():
        chosen.update({c.identity: c for c in left[label][:count]})
    if plan.stratify != EQUAL:
        # All examples, if there are no classes; otherwise those that replace the missing ones of classes with too few candidates.
        for candidate in pool.lowest:
            if len(chosen) == plan.wanted:
                break
            chosen.setdefault(candidate.identity, candidate)
    return in_order(chosen.values())


def whole_sequences(rows: list[Candidate], most: int) -> list[Candidate]:
    """Returns the candidates of the first sequences that fit into a number of examples.

    Args:
        rows: Candidates in ascending order of rank, one more than `most` if there are more.
        most: The number.
    """
    if len(rows) <= most:
        return rows
    cut = sequence_of(rows[most].rank)
    return [candidate for candidate in rows[:most] if sequence_of(candidate.rank) != cut]


def class_counts(pool: Candidates, plan: DrawPlan, chosen: Iterable[Candidate]) -> dict[str, ClassCount]:
    """Returns the counts of each class; none when the draw has no classes."""
    if plan.stratify == FALSE:
        return {}
    taken = dict.fromkeys(pool.records, 0)
    for candidate in chosen:
        taken[candidate.label] += 1
    wanted = _quotas(pool, plan, plan.wanted, dict.fromkeys(pool.records, plan.wanted))
    return {
        label: ClassCount(wanted=wanted[label], available=pool.records[label], taken=taken[label])
        for label in sorted(pool.records)
    }


def is_settled(drawn: Drawn, pool: Candidates, plan: DrawPlan) -> bool:
    """Returns whether the remaining candidates give the same choice as all records without the excluded ones would."""
    if plan.stratify != EQUAL and len(pool.lowest) < plan.wanted and drawn.lowest.is_full():
        return False
    left = {label: len(rows) for label, rows in pool.classes.items()}
    enough = level(plan.wanted, left.values()) if plan.stratify == EQUAL else plan.minimum - 1
    for label, kept in drawn.shares.classes.items():
        if kept.k == 0:  # A class that came too late in the seeded order to get a quota.
            if len(left) < plan.wanted:
                return False
        elif kept.is_full() and left.get(label, 0) <= enough:
            return False
    return True


def in_order(rows: Iterable[Candidate]) -> list[Candidate]:
    """Returns candidates in ascending order of rank."""
    ordered = sorted(rows, key=lambda candidate: candidate.rank)
    if any(first.rank == second.rank for first, second in pairwise(ordered)):
        ordered.sort(key=lambda candidate: (candidate.rank, candidate.identity))
    return ordered


def _quotas(pool: Candidates, plan: DrawPlan, wanted: int, available: dict[str, int]) -> dict[str, int]:
    if plan.stratify == EQUAL:
        return equal_quotas(wanted, available, plan.seed)
    if plan.stratify == PROPORTIONAL:
        return proportional_quotas(wanted, pool.records, available, plan.minimum, plan.seed)
    return {}
