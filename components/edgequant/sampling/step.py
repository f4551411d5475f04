"""Draws a calibration set and a disjoint evaluation set from the examples."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from edgequant.artifacts.comparison import class_order
from edgequant.artifacts.example_set import ExampleSetWriter, Provenance, Representativeness
from edgequant.errors import ExamplesError, together
from edgequant.sampling.beam_options import parse_options
from edgequant.sampling.decode.preprocessing import NotFiniteError
from edgequant.sampling.decode.rows import DecodedRow, RowMaker, make_rows, row_maker, sequence_order
from edgequant.sampling.draw.beam_pipeline import Engine
from edgequant.sampling.draw.bottom_k import Candidate
from edgequant.sampling.draw.disjoint import Draw, draw_apart, split
from edgequant.sampling.draw.rule import CALIBRATION, CALIBRATION_SHARE, EVALUATION, DrawRule
from edgequant.sampling.draw.scan import OF_EVALUATED_GROUP
from edgequant.sampling.draw.selection import (
    EQUAL,
    FALSE,
    PROPORTIONAL,
    DrawPlan,
    choose,
    class_counts,
    whole_sequences,
)
from edgequant.sampling.first_records import check_first_records
from edgequant.sampling.formats.files import file_format, find_files
from edgequant.sampling.referenced_files import read_referenced_files
from edgequant.sampling.representativeness import compare, extremes, range_of
from edgequant.sampling.settings import ExampleSources
from edgequant.steps import say

# The largest share of sampled records that may be excluded because they hold NaN or infinity.
MAX_NOT_FINITE = 0.01
IN_BOTH = "also in the evaluation files"
NOT_FINITE = "NaN or infinity"


def sample(examples: ExampleSources, calibration_set: Path, evaluation_set: Path) -> None:
    """Draws both example sets and writes them.

    Args:
        examples: What to sample, and how.
        calibration_set: The directory to write the calibration set to.
        evaluation_set: The directory to write the evaluation set to.

    Raises:
        ConfigError: The inputs, the task, the rule or Beam's options are wrong.
        ExamplesError: The examples cannot be found, read or turned into model inputs.
    """
    wrong = check_first_records(examples).mistakes
    if wrong:
        raise together(wrong)
    examples = read_referenced_files(examples)
    plan = examples.plan()
    messages: dict[str, list[str]] = {}
    # Both directories are moved into place at the end, or neither.
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgequant-"))
        # Beam leaves a temporary directory behind for each pipeline.
        stack.enter_context(patch.object(tempfile, "tempdir", scratch))
        engine = Engine(parse_options(examples.beam_options), Path(scratch))
        draws = _draw(examples, plan, engine)
        _check_records(draws)
        # The evaluation set first: if no record fits the model, that is the error, and not that both sources hold the same records.
        for purpose, target in ((EVALUATION, evaluation_set), (CALIBRATION, calibration_set)):
            draw = draws[purpose]
            if not draw.pool.lowest:
                raise ExamplesError(
                    f"examples.{purpose}: all {draw.in_both:,} examples drawn are also in the evaluation files;"
                    " calibrate on others"
                )
            make = row_maker(examples, file_format(draw.sources[0].path), engine.spool)
            if examples.sequence:
                draws[purpose] = draw = replace(draw, sequences=_sequences(examples, purpose, draw, engine))
            writer = stack.enter_context(ExampleSetWriter(target, examples.counts()[purpose]))
            if purpose == CALIBRATION:
                messages[purpose] = _write_calibration(writer, examples, plan, draw, make)
            else:
                rows = draw.pool.lowest if draw.sequences is None else draw.sequences
                left_out = _write(writer, purpose, rows, make)
                messages[purpose] = _finish(writer, _facts(examples, plan, purpose, draw, rows), left_out)
    for line in (*messages[CALIBRATION], *messages[EVALUATION]):
        say("sample", line)


def _draw(examples: ExampleSources, plan: DrawPlan, engine: Engine) -> dict[str, Draw]:
    """Returns the draw of each purpose."""
    sources = find_files(examples.calibration, CALIBRATION)
    classes = "" if plan.stratify == FALSE else examples.label
    rule = DrawRule(
        keep={},
        seed=examples.seed,
        classes=classes,
        weight=examples.weight,
        group=examples.group or examples.sequence.get("key", ""),
        sequence=examples.sequence.get("key", ""),
        columns=examples.columns(),
    )
    # One more tells whether the last sequence is complete.
    evaluation_count = examples.evaluation_count + bool(examples.sequence)
    if not examples.evaluation:
        return split(sources, rule, plan, evaluation_count, engine)
    held_out = find_files(examples.evaluation, EVALUATION)
    return draw_apart(sources, held_out, rule, plan, evaluation_count, engine)


def _sequences(examples: ExampleSources, purpose: str, draw: Draw, engine: Engine) -> list[Candidate]:
    """Returns the examples of whole sequences, in order.

    Raises:
        ExamplesError: The first sequence is longer than the number of examples.
    """
    most = examples.counts()[purpose]
    rows = whole_sequences(draw.pool.lowest, most)
    if not rows:
        raise ExamplesError(
            f"sampling.{purpose}: {most:,} examples are fewer than the first sequence has; sequences are drawn as a whole"
        )
    return sequence_order(examples, file_format(draw.sources[0].path), engine.spool, rows)


def _write_calibration(
    writer: ExampleSetWriter, examples: ExampleSources, plan: DrawPlan, draw: Draw, make: RowMaker
) -> list[str]:
    """Chooses the calibration examples, writes them, compares them with the reservoir, and returns the messages to print."""
    extreme = _extremes(draw.pool.lowest, make, int(examples.extremes * plan.wanted))
    chosen = choose(draw.pool, plan, taken=extreme) if draw.sequences is None else draw.sequences
    left_out = _write(writer, CALIBRATION, chosen, make)
    facts = _facts(examples, plan, CALIBRATION, draw, chosen, extreme=len(extreme))
    spread = _representativeness(writer, facts, draw.pool.lowest, make, labelled=bool(examples.label))
    messages = _finish(writer, replace(facts, representativeness=spread), left_out)
    return [*messages, *_unmet(examples, plan, facts), spread.sentence]


def _extremes(reservoir: Sequence[Candidate], make: RowMaker, most: int) -> list[Candidate]:
    """Returns the candidates that hold the minima and maxima of the inputs."""
    if not most:
        return []
    rows = [
        (candidate, range_of(row.inputs))
        for candidate, row in make_rows(make, reservoir)
        if isinstance(row, DecodedRow)
    ]
    return [rows[at][0] for at in extremes([ranges for _, ranges in rows], most)]


def _write(writer: ExampleSetWriter, purpose: str, chosen: Sequence[Candidate], make: RowMaker) -> int:
    """Makes model inputs of the chosen records, in order, writes those that are finite, and returns how many are not."""
    not_finite: list[str] = []
    for candidate, row in make_rows(make, chosen):
        if isinstance(row, NotFiniteError):
            not_finite.append(f"{candidate.origin}: {row}")
            continue
        try:
            if isinstance(row, ExamplesError):
                raise row
            writer.add(candidate.identity.hex(), row.inputs, row.label, row.slices, row.kept)
        except ExamplesError as error:
            raise ExamplesError(f"{candidate.origin}: {error}") from error
    if len(not_finite) > MAX_NOT_FINITE * len(chosen):
        raise ExamplesError(
            f"examples.{purpose}: {len(not_finite)} of {len(chosen)} sampled records hold NaN or infinity;"
            f" {MAX_NOT_FINITE:.0%} are allowed. The first: {not_finite[0]}"
        )
    return len(not_finite)


def _representativeness(
    writer: ExampleSetWriter, facts: Provenance, reservoir: Sequence[Candidate], make: RowMaker, *, labelled: bool
) -> Representativeness:
    """Returns how the examples written compare with the reservoir."""
    written = writer.close_inputs()
    labels: Counter[str] = Counter()

    def rows() -> Iterator[DecodedRow]:
        # A record that cannot be decoded is an error when it is drawn, and ignored here.
        for _, row in make_rows(make, reservoir):
            if isinstance(row, DecodedRow):
                if row.label is not None and row.label.ndim == 0 and row.label.dtype.kind == "i":
                    labels[str(row.label)] += 1
                yield row

    comparison = compare(written, (row.inputs for row in rows()))
    source = {label: count.available for label, count in facts.classes.items()}
    taken = {label: count.taken for label, count in facts.classes.items()}
    if labelled and not source:
        source, taken = dict(labels), writer.label_counts()
    return replace(comparison, balance=_balance(source, taken))


def _balance(source: dict[str, int], taken: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Returns each class's share of the source, and of the calibration set."""
    of_source, of_taken = max(sum(source.values()), 1), max(sum(taken.values()), 1)
    return {
        label: (source.get(label, 0) / of_source, taken.get(label, 0) / of_taken)
        for label in sorted(source.keys() | taken.keys(), key=class_order)
    }


def _check_records(draws: Mapping[str, Draw]) -> None:
    """Checks that there are records for each purpose.

    Raises:
        ExamplesError: There are none.
    """
    total = sum(draw.drawn.records.total() for draw in draws.values())
    for purpose, draw in draws.items():
        if draw.pool.lowest or draw.in_both:
            continue
        if draw.drawn.left_out[OF_EVALUATED_GROUP]:
            raise ExamplesError(
                f"examples.{purpose}: every group (examples.group) is also in the evaluation files; calibrate on others"
            )
        if total:
            raise ExamplesError(
                f"examples.{purpose}: none of the {total} records falls into its share of the split;"
                " give more records, or examples.evaluation of its own"
            )
        raise ExamplesError(f"examples.{purpose}: the files hold no record; one or more are needed")


def _facts(
    examples: ExampleSources, plan: DrawPlan, purpose: str, draw: Draw, chosen: Sequence[Candidate], extreme: int = 0
) -> Provenance:
    skipped = {reason: count for reason, count in sorted(draw.drawn.left_out.items()) if count}
    if draw.in_both:
        skipped[IN_BOTH] = draw.in_both
    return Provenance(
        purpose=purpose,
        signature=examples.signature.key,
        seed=examples.seed,
        rule=", ".join(_rule(examples, plan, purpose, extreme)),
        requested=examples.counts()[purpose],
        records_read=draw.drawn.records_read,
        duplicates=sum(candidate.copies - 1 for candidate in chosen),
        skipped=skipped,
        classes=class_counts(draw.pool, plan, chosen) if purpose == CALIBRATION else {},
        extremes=extreme,
        sources=draw.sources,
        recipe=examples.recipe(purpose),
        names_in_file=tuple(examples.classes) if examples.classes_file and purpose == CALIBRATION else (),
    )


def _rule(examples: ExampleSources, plan: DrawPlan, purpose: str, extreme: int) -> Iterator[str]:
    """Yields the parts of the rule of the draw, in words."""
    yield "lowest seeded content hashes"
    if not examples.evaluation:
        yield f"of a {CALIBRATION_SHARE if purpose == CALIBRATION else 1 - CALIBRATION_SHARE:.0%} split by {examples.group or 'content'}"
    if purpose == EVALUATION:
        return
    if plan.stratify == EQUAL:
        yield f"equally from each {examples.label}"
    if plan.stratify == PROPORTIONAL:
        yield f"in proportion from each {examples.label} and at least {plan.minimum}"
    if examples.weight:
        yield f"weighted by {examples.weight}"
    if extreme:
        yield f"{extreme} of them for their least and greatest values"


def _finish(writer: ExampleSetWriter, facts: Provenance, left_out: int) -> list[str]:
    """Writes the manifest, and returns the messages to print."""
    if left_out:
        facts = replace(facts, skipped={**facts.skipped, NOT_FINITE: left_out})
    used = writer.finish(facts)
    skipped = "".join(f"; {count:,} left out: {reason}" for reason, count in facts.skipped.items())
    short = (
        f" (requested {facts.requested:,}, found {used + left_out:,}, used {used:,})" if used < facts.requested else ""
    )
    copies = f"; further copies of these: {facts.duplicates:,}" if facts.duplicates else ""
    messages = [f"{facts.purpose}: {used:,} of {facts.records_read:,} records{short}{copies}{skipped}"]
    messages += [
        f"class {label}: wanted {count.wanted:,}, found {count.available:,} for {facts.purpose}, took {count.taken:,}"
        for label, count in facts.classes.items()
        if count.taken < count.wanted
    ]
    return messages


def _unmet(examples: ExampleSources, plan: DrawPlan, facts: Provenance) -> Iterator[str]:
    """Yields a message for each setting that the number of examples does not allow to satisfy."""
    classes = len(facts.classes)
    if plan.stratify == PROPORTIONAL and plan.minimum * classes > plan.wanted:
        yield (
            f"sampling.minimum_per_class: {plan.minimum:,} of each of {classes:,} classes are more than"
            f" {plan.wanted:,} examples; each gets as many as an equal division allows"
        )
    if classes > plan.wanted:
        yield f"sampling.calibration: {plan.wanted:,} examples leave {classes - plan.wanted:,} of {classes:,} classes without any"
    if examples.extremes and not int(examples.extremes * plan.wanted):
        yield f"sampling.extremes: {examples.extremes:g} of {plan.wanted:,} examples is less than one; none is taken"
