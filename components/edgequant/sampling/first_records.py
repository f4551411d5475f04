"""Checks the settings on the first record of each source, before any file is read to its end."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

from numpy.typing import NDArray

from edgequant.errors import EdgequantError, ExamplesError, collected
from edgequant.sampling.decode.preprocessing import NotFiniteError
from edgequant.sampling.decode.rows import LABEL, feature_checks
from edgequant.sampling.draw.rule import CALIBRATION, EVALUATION
from edgequant.sampling.formats.features import Features
from edgequant.sampling.formats.files import file_format, find_files, first_record
from edgequant.sampling.referenced_files import read_referenced_files
from edgequant.sampling.settings import ExampleSources
from edgequant.task import check_outputs

_DEFAULT_OPTIONS = ["--runner=FnApiRunner"]


@dataclass(frozen=True, slots=True)
class FirstRecord:
    """The first record of a source.

    Attributes:
        features: The features that are needed, as far as it has them.
        where: Its place, for messages.
    """

    features: Features
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRecords:
    """What the first records show.

    Attributes:
        mistakes: All that is wrong with the settings, the files that they name, and the records.
        label: The label of the last source's record, in the form of `task.check_label`; None without one.
    """

    mistakes: list[EdgequantError]
    label: NDArray[Any] | None


def check_first_records(examples: ExampleSources) -> FirstRecords:
    """Returns what is wrong with the settings, the files that they name, and the first record of each source.

    No more of a file is read than its first record needs. Values that are not finite are no mistake here, as the draw allows for
    some of them.

    Args:
        examples: What to sample, and how.
    """
    wrong = collected(partial(check_outputs, examples.task, examples.signature))
    try:
        examples = read_referenced_files(examples)
        checks, unusable = feature_checks(examples)
    except EdgequantError as error:
        # Without the names of the classes or the function, a record says nothing.
        checks, unusable = {}, [error]
    if wrong:
        # Of a task that does not fit the model, no label does.
        checks.pop(LABEL, None)
    wrong += [*unusable, *collected(examples.plan, partial(_check_beam_options, examples.beam_options))]
    label, places = None, dict[str, list[str]]()
    for purpose, patterns in {CALIBRATION: examples.calibration, EVALUATION: examples.evaluation}.items():
        try:
            record = _first(patterns, purpose, examples) if patterns else None
        except EdgequantError as error:
            wrong.append(error)
            continue
        if record is not None:
            values, errors = _check(record, checks)
            for text in errors:
                places.setdefault(text, []).append(record.where)
            label = values.get(LABEL, label)
    wrong += [ExamplesError(f"{'; and '.join(where)}: {text}") for text, where in places.items()]
    return FirstRecords(mistakes=wrong, label=label)


def _check_beam_options(options: list[str]) -> None:
    """Checks Beam's options. Beam leaves a temporary directory behind for each pipeline that it checks them with."""
    if options == _DEFAULT_OPTIONS:
        return
    # Beam's import takes more than a second, and these are checked at the start of each run.
    from edgequant.sampling.beam_options import parse_options

    with tempfile.TemporaryDirectory(prefix="edgequant-") as scratch, patch.object(tempfile, "tempdir", scratch):
        parse_options(options)


def _first(patterns: Sequence[str], purpose: str, examples: ExampleSources) -> FirstRecord | None:
    """Returns the first record of the files that match patterns; None if the first file has none."""
    files = find_files(patterns, purpose)
    try:
        columns = examples.columns()
    except EdgequantError:
        # The inputs are declared wrongly, which is an error of its own.
        columns = None
    first = first_record(files[0].path, columns)
    if first is None:
        return None
    payload, where = first
    try:
        return FirstRecord(file_format(files[0].path).parse(payload), where)
    except ExamplesError as error:
        raise ExamplesError(f"{where}: {error}") from error


def _check(record: FirstRecord, checks: Mapping[str, Callable[[Features], Any]]) -> tuple[dict[str, Any], list[str]]:
    """Returns the result of each check of a record that passes, and the messages of the others."""
    values, errors = {}, []
    for name, check in checks.items():
        try:
            # A copy, since a user's function may change it.
            values[name] = check(dict(record.features))
        except NotFiniteError:
            continue
        except ExamplesError as error:
            errors.append(str(error))
    return values, errors
