"""Runs one model a few times, to know that it can be run and what memory it takes. In a child process of its own."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgequant.artifacts.example_set import load_example_set
from edgequant.litert_interpreter import InterpreterError, Model

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


def read_examples(evaluation_set: Path, count: int) -> list[dict[str, NDArray[Any]]]:
    """Returns the first examples of a set, at most so many."""
    # The evaluate step has read every byte of this set; here only a few rows are used.
    inputs = load_example_set(evaluation_set, verify=False).inputs
    rows = min(count, len(next(iter(inputs.values()))))
    return [{name: values[row].copy() for name, values in inputs.items()} for row in range(rows)]


def try_model(path: Path, evaluation_set: Path, count: int, resolver: str) -> int | str | None:
    """Loads a model and runs it on a few examples, twice, and returns what memory the second takes.

    The first makes the system load what code of the runtime the model needs, and stays.

    Args:
        path: The ``.tflite`` file.
        evaluation_set: The directory of the evaluation set.
        count: How many of its examples to run.
        resolver: Which kernels run it.

    Returns:
        The peak of this process's resident memory above what it was before the second, in bytes, or None where the system
        does not tell; where the runtime refuses the model or fails on an example, the reason.
    """
    examples = read_examples(evaluation_set, count)
    try:
        first = _run(path, examples, resolver)
        before = _resident()
        second = _run(path, examples, resolver)
    except InterpreterError as error:
        return str(error)
    peak = _status("VmHWM")
    del first, second
    return None if before is None or peak is None else max(peak - before, 0)


def _run(path: Path, examples: Sequence[Mapping[str, NDArray[Any]]], resolver: str) -> Model:
    model = Model(path, resolver=resolver)
    for example in examples:
        model.invoke(model.prepare(example))
        model.results()
    return model


def _resident() -> int | None:
    """Returns this process's resident memory in bytes, and has the system forget the peak it had until now."""
    try:
        _CLEAR.write_text(_FORGET_PEAK)
    except OSError:
        return None
    return _status("VmRSS")


def _status(field: str) -> int | None:
    found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None
