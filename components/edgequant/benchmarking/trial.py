"""Runs one model a few times in a child process, to check that it can be run and to measure its memory."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgequant.artifacts.example_set import load_example_set
from edgequant.litert_interpreter import InterpreterError, Model

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
# A model that takes this long for an example is run on further ones only for the first share of the budget, and its second
# pass is skipped when the first one took the second share.
_SLOW_SECONDS = 0.1
_EXAMPLES_SHARE = 0.1
_AGAIN_SHARE = 0.5


def read_examples(evaluation_set: Path, count: int) -> list[dict[str, NDArray[Any]]]:
    """Returns the first examples of a set, at most `count`."""
    # The evaluate step has read every byte of this set; here only a few rows are used.
    inputs = load_example_set(evaluation_set, verify=False).inputs
    rows = min(count, len(next(iter(inputs.values()))))
    return [{name: values[row].copy() for name, values in inputs.items()} for row in range(rows)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The result of running a model on a few examples.

    Attributes:
        seconds: The longest time of one example.
        peak_memory_bytes: The memory it needs; None where the system does not report it, or where the model is too slow to
            be run twice.
    """

    seconds: float
    peak_memory_bytes: int | None


def try_model(path: Path, evaluation_set: Path, count: int, resolver: str, budget_seconds: float) -> Trial | str:
    """Loads a model and runs it on a few examples, twice; the memory of the second pass is the memory that it needs.

    The first makes the system load what code of the runtime the model needs, and stays. A slow model is run on fewer
    examples, one at least, and a very slow one once.

    Args:
        path: The ``.tflite`` file.
        evaluation_set: The directory of the evaluation set.
        count: How many of its examples to run.
        resolver: Which kernels run it.
        budget_seconds: How long measuring may take, which a slow model's examples are kept within.

    Returns:
        How it ran; where the runtime refuses the model or fails on an example, the reason.
    """
    examples = read_examples(evaluation_set, count)
    share = _EXAMPLES_SHARE * budget_seconds
    begin = time.monotonic()
    try:
        first, seconds = _run(Model(path, resolver=resolver), examples, share)
        if time.monotonic() - begin > _AGAIN_SHARE * budget_seconds and seconds > _SLOW_SECONDS:
            return Trial(seconds=seconds, peak_memory_bytes=None)
        before = _resident()
        second, again = _run(Model(path, resolver=resolver), examples, share)
    except InterpreterError as error:
        return str(error)
    peak = _status("VmHWM")
    del first, second
    memory = None if before is None or peak is None else max(peak - before, 0)
    return Trial(seconds=max(seconds, again), peak_memory_bytes=memory)


def _run(model: Model, examples: Sequence[Mapping[str, NDArray[Any]]], seconds: float) -> tuple[Model, float]:
    """Runs a model on as many examples as the time allows, and returns it with the longest time of one."""
    longest = 0.0
    end = time.monotonic() + seconds
    for example in examples:
        start = time.monotonic()
        if longest > _SLOW_SECONDS and start > end:
            break
        model.invoke(model.prepare(example))
        model.results()
        longest = max(longest, time.monotonic() - start)
    return model, longest


def _resident() -> int | None:
    """Returns this process's resident memory in bytes, and resets its peak in the system."""
    try:
        _CLEAR.write_text(_FORGET_PEAK)
    except OSError:
        return None
    return _status("VmRSS")


def _status(field: str) -> int | None:
    match = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else None
