"""Draws disjoint sets of calibration candidates and evaluation examples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgequant.artifacts.example_set import SourceFile
from edgequant.sampling.draw.beam_pipeline import Engine, draw
from edgequant.sampling.draw.bottom_k import Candidate
from edgequant.sampling.draw.rule import CALIBRATION, EVALUATION, DrawRule, Keep
from edgequant.sampling.draw.scan import Drawn
from edgequant.sampling.draw.selection import Candidates, DrawPlan, candidates, is_settled
from edgequant.steps import say

# How many rounds of calibration candidates are drawn, each of twice as many, when too many are also in the evaluation files.
_ROUNDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What was drawn for one purpose.

    Attributes:
        drawn: The records that were kept.
        pool: The candidates to choose from.
        sources: The files.
        sequences: The examples of whole sequences, in order; None without sequences.
        in_both: How many calibration candidates were excluded because the evaluation files hold them as well.
    """

    drawn: Drawn
    pool: Candidates
    sources: tuple[SourceFile, ...]
    in_both: int = 0
    sequences: list[Candidate] | None = None


def split(
    files: Sequence[SourceFile], rule: DrawRule, plan: DrawPlan, evaluation_count: int, engine: Engine
) -> dict[str, Draw]:
    """Returns the draws of both purposes from one source, which is split between them by content."""
    keep = {CALIBRATION: plan.keep(), EVALUATION: Keep(lowest=evaluation_count)}
    drawn = draw(files, replace(rule, keep=keep), engine)
    return {
        purpose: Draw(drawn=part, pool=candidates(part, plan.stratify), sources=tuple(files))
        for purpose, part in drawn.items()
    }


def draw_apart(
    files: Sequence[SourceFile],
    held_out: Sequence[SourceFile],
    rule: DrawRule,
    plan: DrawPlan,
    evaluation_count: int,
    engine: Engine,
) -> dict[str, Draw]:
    """Returns the draws from two sources, without calibration candidates that the evaluation files hold anywhere.

    More calibration candidates than needed are drawn first, and searched for while the evaluation files are read. In the
    rare case that too few are left, the files are read again for more. With groups, no group of the evaluation files is drawn
    from: these are read first.
    """
    if rule.group:
        return _draw_other_groups(files, held_out, rule, plan, evaluation_count, engine)
    in_both: frozenset[bytes] = frozenset()
    evaluation: list[Drawn] = []
    for turn in range(1, _ROUNDS + 1):
        keep = {CALIBRATION: plan.keep(times=2**turn)}
        calibration = draw(files, replace(rule, keep=keep, exclude=in_both), engine)[CALIBRATION]
        rest = Keep(lowest=0 if evaluation else evaluation_count)
        watch = _by_checksum(calibration)
        drawn = draw(held_out, replace(rule, keep={EVALUATION: rest}, classes="", weight="", watch=watch), engine)
        evaluation.append(drawn[EVALUATION])
        in_both |= drawn[EVALUATION].watched
        pool = candidates(calibration, plan.stratify, without=in_both)
        if is_settled(calibration, pool, plan):
            break
        say("sample", f"calibration: {len(in_both):,} candidates are also in the evaluation files; drawing more")
    return {
        CALIBRATION: Draw(drawn=calibration, pool=pool, sources=tuple(files), in_both=len(in_both)),
        EVALUATION: Draw(drawn=evaluation[0], pool=candidates(evaluation[0], plan.stratify), sources=tuple(held_out)),
    }


def _draw_other_groups(
    files: Sequence[SourceFile],
    held_out: Sequence[SourceFile],
    rule: DrawRule,
    plan: DrawPlan,
    evaluation_count: int,
    engine: Engine,
) -> dict[str, Draw]:
    """Returns the draws from two sources, without calibration candidates of a group that the evaluation files hold.

    Equal records have equal groups, so that no record is in both either.
    """
    keep = {EVALUATION: Keep(lowest=evaluation_count)}
    evaluation = draw(held_out, replace(rule, keep=keep, classes="", weight="", note_groups=True), engine)[EVALUATION]
    others = replace(rule, keep={CALIBRATION: plan.keep()}, exclude_groups=frozenset(evaluation.groups))
    calibration = draw(files, others, engine)[CALIBRATION]
    return {
        CALIBRATION: Draw(drawn=calibration, pool=candidates(calibration, plan.stratify), sources=tuple(files)),
        EVALUATION: Draw(drawn=evaluation, pool=candidates(evaluation, plan.stratify), sources=tuple(held_out)),
    }


def _by_checksum(drawn: Drawn) -> dict[int, frozenset[bytes]]:
    """Returns the candidates' identities by the checksum of their records."""
    identities: dict[int, set[bytes]] = {}
    for candidate in (*drawn.lowest, *drawn.shares):
        identities.setdefault(candidate.checksum, set()).add(candidate.identity)
    return {checksum: frozenset(group) for checksum, group in identities.items()}
