"""Draws a calibration set and a disjoint evaluation set from the examples."""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.example_set import ClassCount, ExampleSetWriter, Provenance, SourceFile
from edgequant.errors import ExamplesError
from edgequant.sampling.bottom_k import Candidate, quotas
from edgequant.sampling.drawing import CALIBRATION, CALIBRATION_SHARE, EVALUATION, Drawn, Rule, draw, parse_options
from edgequant.sampling.features import Features
from edgequant.sampling.preprocessing import (
    NotFiniteError,
    Preprocess,
    fit,
    from_sources,
    input_sources,
    labelled_with,
    load_preprocess,
)
from edgequant.sampling.sources import file_format, find_files
from edgequant.signature import ModelSignature
from edgequant.steps import say
from edgequant.task import BINARY, CLASSIFICATION, NONE, check_label, check_outputs, class_count, is_custom

# The largest share of sampled records that may be left out because they hold NaN or infinity.
MAX_NOT_FINITE = 0.01
# The tasks whose label is one class, which calibration examples can be drawn equally from.
_WITH_CLASSES = (CLASSIFICATION, BINARY)
_DECODERS = 4
_CHUNK = 64
# Smaller records take less time to decode than threads take to hand each other the interpreter: on CIFAR-10's images of
# 2 KB, four threads took twice as long as none.
_WORTH_A_THREAD = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """What to sample, and how.

    Attributes:
        signature: The model's signature.
        calibration: Patterns of the files to draw calibration examples from.
        evaluation: Patterns of the files to draw evaluation examples from; none: a disjoint split of the former.
        inputs: How model inputs are made (see `edgequant.sampling.preprocessing.input_sources`).
        label: The feature that holds the label, or "".
        preprocess: The user's function, which gets a record's features and the declared inputs, or "".
        preprocess_source: The text of the file it is in, or "".
        task: The task, which says what a label must be.
        calibration_count: How many calibration examples to draw.
        evaluation_count: How many evaluation examples to draw.
        stratify: Whether to draw calibration examples from all classes in equal numbers, where the task has classes.
        seed: The seed.
        beam_options: Options for Beam.
    """

    signature: ModelSignature
    calibration: list[str]
    evaluation: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    preprocess: str = ""
    preprocess_source: str = ""
    task: str
    calibration_count: int
    evaluation_count: int
    stratify: bool
    seed: int
    beam_options: list[str]

    def counts(self) -> dict[str, int]:
        """Returns how many examples to draw, by purpose."""
        return {CALIBRATION: self.calibration_count, EVALUATION: self.evaluation_count}


@dataclass(frozen=True, slots=True)
class _Row:
    identity: str
    inputs: dict[str, NDArray[Any]]
    label: NDArray[Any] | None


def sample(examples: Examples, calibration_set: Path, evaluation_set: Path) -> None:
    """Draws both example sets and writes them.

    Args:
        examples: What to sample, and how.
        calibration_set: The directory to write the calibration set to.
        evaluation_set: The directory to write the evaluation set to.

    Raises:
        ConfigError: The inputs, the task or Beam's options are wrong.
        ExamplesError: The examples cannot be found, read or turned into model inputs.
    """
    check_outputs(examples.task, examples.signature)
    targets = {CALIBRATION: calibration_set, EVALUATION: evaluation_set}
    # Both directories take their places at the end, or neither does.
    with ExitStack() as stack:
        draws = _draw(examples)
        for purpose, (drawn, sources) in draws.items():
            chosen, classes = _choose(drawn, examples.counts()[purpose])
            if not chosen:
                raise ExamplesError(_nothing_left(purpose, drawn, sum(d.available.total() for d, _ in draws.values())))
            facts = _facts(examples, purpose, drawn, sources, classes)
            writer = stack.enter_context(ExampleSetWriter(targets[purpose], len(chosen)))
            _write(writer, chosen, _row_maker(examples, sources), facts)


def _draw(examples: Examples) -> dict[str, tuple[Drawn, list[SourceFile]]]:
    """Returns what was drawn for each purpose, and from which files."""
    options = parse_options(examples.beam_options)
    sources = find_files(examples.calibration, CALIBRATION)
    stratify_by = examples.label if examples.stratify and examples.label and examples.task in _WITH_CLASSES else None
    with tempfile.TemporaryDirectory(prefix="edgequant-") as scratch:
        if not examples.evaluation:
            rule = Rule(sizes=examples.counts(), seed=examples.seed, stratify_by=stratify_by)
            drawn = draw([file.path for file in sources], rule, options, Path(scratch))
            return {purpose: (drawn[purpose], sources) for purpose in (CALIBRATION, EVALUATION)}
        held_out = find_files(examples.evaluation, EVALUATION)
        rule = Rule(sizes={EVALUATION: examples.evaluation_count}, seed=examples.seed)
        evaluation = draw([file.path for file in held_out], rule, options, Path(scratch))[EVALUATION]
        rule = Rule(
            sizes={CALIBRATION: examples.calibration_count},
            seed=examples.seed,
            stratify_by=stratify_by,
            exclude=frozenset(c.identity for kept in evaluation.by_class.values() for c in kept),
        )
        calibration = draw([file.path for file in sources], rule, options, Path(scratch))[CALIBRATION]
    return {CALIBRATION: (calibration, sources), EVALUATION: (evaluation, held_out)}


def _choose(drawn: Drawn, wanted: int) -> tuple[list[Candidate], dict[str, ClassCount]]:
    """Returns the candidates to take, lowest rank first, and what each class gave."""
    candidates = {label: list(kept) for label, kept in drawn.by_class.items()}
    taken = quotas(wanted, {label: len(found) for label, found in candidates.items()})
    equal = quotas(wanted, dict.fromkeys(candidates, wanted))
    classes = {
        label: ClassCount(wanted=equal[label], available=drawn.available[label], taken=taken[label])
        for label in sorted(candidates)
    }
    chosen = [candidate for label, found in candidates.items() for candidate in found[: taken[label]]]
    chosen.sort(key=lambda candidate: (candidate.rank, candidate.identity))
    return chosen, {} if list(candidates) == [""] else classes


def _nothing_left(purpose: str, drawn: Drawn, total: int) -> str:
    if drawn.excluded:
        return (
            f"examples.{purpose}: all {drawn.excluded} records are also in the evaluation set;"
            " calibrate on other examples"
        )
    if total:
        return (
            f"examples.{purpose}: none of the {total} records falls into its share of the split;"
            " give more records, or examples.evaluation of its own"
        )
    return f"examples.{purpose}: the files hold no record; one or more are needed"


def _facts(
    examples: Examples, purpose: str, drawn: Drawn, sources: Sequence[SourceFile], classes: dict[str, ClassCount]
) -> Provenance:
    share = CALIBRATION_SHARE if purpose == CALIBRATION else 1 - CALIBRATION_SHARE
    parts = ["lowest seeded content hashes"]
    if not examples.evaluation:
        parts.append(f"of a {share:.0%} split by content")
    if classes:
        parts.append(f"equally from each {examples.label}")
    return Provenance(
        purpose=purpose,
        signature=examples.signature.key,
        seed=examples.seed,
        rule=", ".join(parts),
        asked=examples.counts()[purpose],
        records_read=drawn.available.total(),
        duplicates=sum(c.copies - 1 for kept in drawn.by_class.values() for c in kept),
        skipped={"also in the evaluation set": drawn.excluded} if drawn.excluded else {},
        classes=classes,
        sources=tuple(sources),
    )


def _write(
    writer: ExampleSetWriter,
    chosen: Sequence[Candidate],
    to_inputs: Callable[[Candidate], _Row],
    facts: Provenance,
) -> None:
    """Makes model inputs of the chosen records, in order, and writes those that are finite."""
    not_finite: list[str] = []
    with ThreadPoolExecutor(_DECODERS) as pool:
        for candidate, row in _in_order(pool, to_inputs, chosen):
            if isinstance(row, NotFiniteError):
                not_finite.append(f"{candidate.origin}: {row}")
                continue
            try:
                if isinstance(row, ExamplesError):
                    raise row
                writer.add(row.identity, row.inputs, row.label)
            except ExamplesError as error:
                raise ExamplesError(f"{candidate.origin}: {error}") from error
    if len(not_finite) > MAX_NOT_FINITE * len(chosen):
        raise ExamplesError(
            f"examples.{facts.purpose}: {len(not_finite)} of {len(chosen)} sampled records hold NaN or infinity;"
            f" {MAX_NOT_FINITE:.0%} are allowed. The first: {not_finite[0]}"
        )
    if not_finite:
        facts = replace(facts, skipped={**facts.skipped, "NaN or infinity": len(not_finite)})
    writer.finish(facts)
    _report(facts, found=len(chosen), used=len(chosen) - len(not_finite))


def _in_order(
    pool: ThreadPoolExecutor, to_inputs: Callable[[Candidate], _Row], chosen: Sequence[Candidate]
) -> Iterator[tuple[Candidate, _Row | ExamplesError]]:
    """Yields each candidate's row or its error, in order, a chunk at a time so that memory stays bounded."""

    def attempt(candidate: Candidate) -> _Row | ExamplesError:
        try:
            return to_inputs(candidate)
        except ExamplesError as error:
            return error

    for start in range(0, len(chosen), _CHUNK):
        chunk = chosen[start : start + _CHUNK]
        spread = max(len(candidate.payload) for candidate in chunk) >= _WORTH_A_THREAD
        yield from zip(chunk, (pool.map if spread else map)(attempt, chunk), strict=True)


def _row_maker(examples: Examples, sources: Sequence[SourceFile]) -> Callable[[Candidate], _Row]:
    """Returns the function that makes model inputs and a label of a record."""
    parse = file_format(sources[0].path).parse
    preprocess = _preprocess(examples)

    def make(candidate: Candidate) -> _Row:
        features = parse(candidate.payload)
        label = _label(examples, features) if examples.label else None
        inputs = fit(preprocess(features), examples.signature)
        return _Row(identity=candidate.identity.hex(), inputs=inputs, label=label)

    return make


def _label(examples: Examples, features: Features) -> NDArray[Any]:
    label = labelled_with(features, examples.label)
    scored = examples.task != NONE and not is_custom(examples.task)
    if scored and label.dtype.kind == "f" and not np.isfinite(label).all():
        raise NotFiniteError(f"label {examples.label!r} holds NaN or infinity")
    return check_label(examples.task, label, class_count(examples.signature))


def _preprocess(examples: Examples) -> Preprocess:
    """Returns the function that makes model inputs of features; a user's gets declared inputs beside the features."""
    sources = input_sources(examples.inputs, examples.signature)
    if not examples.preprocess:
        return from_sources(sources, examples.signature)
    declared = from_sources({name: sources[name] for name in examples.inputs}, examples.signature)
    users = load_preprocess(examples.preprocess, examples.preprocess_source)
    # A user's function need not be safe to call from several threads.
    lock = threading.Lock()

    def make(features: Features) -> dict[str, NDArray[Any]]:
        given = {**features, **declared(features)}
        with lock:
            return users(given)

    return make


def _report(facts: Provenance, found: int, used: int) -> None:
    skipped = "".join(f"; {count:,} left out: {reason}" for reason, count in facts.skipped.items())
    short = f" (asked for {facts.asked:,}, found {found:,}, used {used:,})" if used < facts.asked else ""
    duplicates = f"; {facts.duplicates:,} duplicates" if facts.duplicates else ""
    say("sample", f"{facts.purpose}: {used:,} of {facts.records_read:,} records{short}{duplicates}{skipped}")
    for label, count in facts.classes.items():
        if count.taken < count.wanted:
            say("sample", f"class {label}: wanted {count.wanted:,}, found {count.available:,}, took {count.taken:,}")
