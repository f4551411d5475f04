"""Decodes records to rows of an example set: model inputs, a label, and the values to slice by."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.example_set import Kept
from edgequant.errors import EdgequantError, ExamplesError, did_you_mean
from edgequant.sampling.decode.preprocessing import (
    NotFiniteError,
    Preprocess,
    fit,
    from_sources,
    input_sources,
    load_preprocess,
)
from edgequant.sampling.draw.bottom_k import Candidate
from edgequant.sampling.draw.ranks import sequence_of
from edgequant.sampling.draw.scan import A_GROUP, A_KEY
from edgequant.sampling.draw.spool import Spool
from edgequant.sampling.formats.class_reader import class_name
from edgequant.sampling.formats.features import Feature, Features, take
from edgequant.sampling.formats.files import Format
from edgequant.sampling.settings import ExampleSources
from edgequant.task import NONE, check_label, class_count, is_custom

# The name of the check of the label.
LABEL = "label"
_DECODERS = 4
_CHUNK = 64
_LONGEST_SLICE = 100
# Decoding smaller records takes less time than switching threads at the interpreter lock: on CIFAR-10's images of 2 KB, four
# threads took twice as long as none.
_WORTH_A_THREAD = 16 << 10


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """One decoded example."""

    inputs: dict[str, NDArray[Any]]
    label: NDArray[Any] | None
    slices: dict[str, str]
    kept: Kept = Kept()  # noqa: RUF009 (it is frozen)


RowMaker = Callable[[Candidate], DecodedRow]


def row_maker(examples: ExampleSources, kind: Format, spool: Spool) -> RowMaker:
    """Returns the function that decodes a record to a row.

    Args:
        examples: The settings of the sample step.
        kind: The format of the files the records are from.
        spool: The storage of their bytes.

    Raises:
        ConfigError: The inputs or the user's function are wrong.
    """
    preprocess = _preprocess(examples)
    key = examples.sequence.get("key", "")
    # The examples of a sequence depend on each other.
    group = examples.group or key

    def make(candidate: Candidate) -> DecodedRow:
        features = kind.parse(spool.read(candidate.stored))
        label = _label(examples, features) if examples.label else None
        slices = {name: _slice(features, name) for name in examples.slices}
        kept = Kept(
            group=class_name(features, group, A_GROUP) if group else None,
            sequence=class_name(features, key, A_KEY) if key else None,
            features={name: _kept(take(features, name)) for name in examples.keep},
        )
        return DecodedRow(fit(preprocess(features), examples.signature), label, slices, kept)

    return make


def feature_checks(examples: ExampleSources) -> tuple[dict[str, Callable[[Features], object]], list[EdgequantError]]:
    """Returns a check of a record's features for each setting that uses them, and the errors of those that cannot be used.

    A check raises ExamplesError; each of them is independent of the others, so that one record shows all mistakes.
    """
    checks: dict[str, Callable[[Features], object]] = {}
    try:
        checks |= _input_checks(examples)
        wrong: list[EdgequantError] = []
    except EdgequantError as error:
        wrong = [error]
    if examples.label:
        checks[LABEL] = partial(_label, examples)
    checks |= {f"slice {name}": partial(_slice, name=name) for name in examples.slices}
    if examples.weight:
        checks["weight"] = partial(take, name=examples.weight)
    key = examples.sequence.get("key", "")
    if examples.group or key:
        checks["group"] = partial(class_name, feature=examples.group or key, use=A_GROUP)
    if key:
        checks["key"] = partial(class_name, feature=key, use=A_KEY)
        checks["order"] = partial(_place_in_sequence, name=examples.sequence.get("order", ""))
    checks |= {f"keep {name}": partial(take, name=name) for name in examples.keep}
    return checks, wrong


def _input_checks(examples: ExampleSources) -> dict[str, Callable[[Features], object]]:
    """Returns a check of each declared input; of a user's function, one of all inputs.

    Raises:
        ConfigError: The inputs or the user's function are wrong.
    """
    if examples.preprocess:
        preprocess = _preprocess(examples)
        return {"preprocess": lambda features: fit(preprocess(features), examples.signature)}

    def check(name: str) -> Callable[[Features], object]:
        one = replace(examples.signature, inputs=tuple(s for s in examples.signature.inputs if s.name == name))
        make = from_sources({name: sources[name]}, one)
        return lambda features: fit(make(features), one)

    sources = input_sources(examples.inputs, examples.signature)
    return {f"input {name}": check(name) for name in sources}


def make_rows(make: RowMaker, chosen: Sequence[Candidate]) -> Iterator[tuple[Candidate, DecodedRow | ExamplesError]]:
    """Yields each candidate's row or its error, in order, a chunk at a time so that memory stays bounded."""

    def attempt(candidate: Candidate) -> DecodedRow | ExamplesError:
        try:
            return make(candidate)
        except ExamplesError as error:
            return error

    with ThreadPoolExecutor(_DECODERS) as pool:
        for start in range(0, len(chosen), _CHUNK):
            chunk = chosen[start : start + _CHUNK]
            spread = max(candidate.stored.size for candidate in chunk) >= _WORTH_A_THREAD
            yield from zip(chunk, (pool.map if spread else map)(attempt, chunk), strict=True)


def sequence_order(
    examples: ExampleSources, kind: Format, spool: Spool, chosen: Sequence[Candidate]
) -> list[Candidate]:
    """Returns candidates in the order of their sequences, those of one sequence by its order feature.

    Raises:
        ExamplesError: A record's order is not one number.
    """
    name = examples.sequence["order"]

    def place(candidate: Candidate) -> tuple[int, float, bytes]:
        try:
            order = _place_in_sequence(kind.parse(spool.read(candidate.stored)), name)
        except ExamplesError as error:
            raise ExamplesError(f"{candidate.origin}: {error}") from error
        return sequence_of(candidate.rank), order, candidate.identity

    return sorted(chosen, key=place)


def _place_in_sequence(features: Features, name: str) -> float:
    """Returns the number that an example's place in its sequence hangs on."""
    value = take(features, name)
    if isinstance(value, tuple) or value.size != 1 or not np.isfinite(value).all():
        raise ExamplesError(f"feature {name!r} is not one number (examples.sequence.order)")
    return float(value.reshape(()))


def _kept(feature: Feature) -> NDArray[Any]:
    """Returns a feature for a metric of one's own: numbers as they are, text as text, a single value without an axis."""
    if isinstance(feature, tuple):
        feature = np.array([text.decode("utf-8", "replace") for text in feature])
    return feature.reshape(()) if feature.size == 1 else feature


def _slice(features: Features, name: str) -> str:
    """Returns the text of a value to slice by."""
    text = class_name(features, name)
    if len(text) > _LONGEST_SLICE:
        raise ExamplesError(
            f"feature {name!r} has a value of {len(text):,} characters; a value to slice by has"
            f" {_LONGEST_SLICE} at most (examples.slice)"
        )
    return text


def _label(examples: ExampleSources, features: Features) -> NDArray[Any] | None:
    """Returns a record's label in the form its task needs; None for text that no metric of the task needs."""
    label = take(features, examples.label)
    if isinstance(label, tuple):
        if examples.task == NONE and not examples.classes:
            return None
        label = np.array(_class_number(label, examples))
    scored = examples.task != NONE and not is_custom(examples.task)
    if scored and label.dtype.kind == "f" and not np.isfinite(label).all():
        raise NotFiniteError(f"label {examples.label!r} holds NaN or infinity")
    # If the output's size is unknown, the names of the classes give it; later, an error could not name the file and the row.
    classes = class_count(examples.signature) or len(examples.classes) or None
    return check_label(examples.task, label, classes)


def _class_number(texts: tuple[bytes, ...], examples: ExampleSources) -> list[int] | int:
    """Returns the class number of a label in text."""
    if not examples.classes:
        raise ExamplesError(
            f"label {examples.label!r} is text; a class number is needed, or the names of the classes in the order of the"
            " model's outputs: examples.classes"
        )
    numbers = []
    for text in texts:
        name = text.decode("utf-8", "replace")
        if name not in examples.classes:
            raise ExamplesError(
                f"label {examples.label!r} is {name!r}, which is none of the {len(examples.classes)} names in"
                f" examples.classes{did_you_mean(name, examples.classes)}"
            )
        numbers.append(examples.classes.index(name))
    return numbers[0] if len(numbers) == 1 else numbers


def _preprocess(examples: ExampleSources) -> Preprocess:
    """Returns the function that makes model inputs of features; a user's gets declared inputs beside the features."""
    sources = input_sources(examples.inputs, examples.signature)
    if not examples.preprocess:
        return from_sources(sources, examples.signature)
    declared = from_sources({name: sources[name] for name in examples.inputs}, examples.signature)
    users = load_preprocess(examples.preprocess, examples.preprocess_source)
    # A user's function need not be safe to call from several threads.
    lock = threading.Lock()

    def make(features: Features) -> dict[str, NDArray[Any]]:
        combined = {**features, **declared(features)}
        with lock:
            return users(combined)

    return make
