"""Finds the fastest batch size whose outputs are the same as at batch 1, bit for bit."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.evaluation.example_rows import RowReader
from edgequant.litert_interpreter import InterpreterError, Model

BATCHES = (4, 16, 64, 256, 1024)
# A larger batch must be faster per example by this share. The first one need only be as fast; with several threads it may
# even be slower by this share, since batches reduce contention for Python's global interpreter lock, and a thread's CPU time
# does not include its waits for the lock.
_GAIN = 0.02
# Above this time per invocation Python's overhead is negligible; and a run shorter than the second is not worth a trial.
_SLOW_SECONDS = 0.002
_SHORT_SECONDS = 0.1
_MOST_BYTES = 16 * 2**20
_TRIALS = 5
_TRIAL_SECONDS = 0.001

Outputs = dict[str, NDArray[Any]]


def find_batch(path: Path, reader: RowReader, resolver: str, threads: int) -> int:
    """Returns the fastest batch size of those whose outputs equal the ones of batch 1, bit for bit.

    Batches of 4, 16, 64, 256 and 1024 are tried in turn, until one is not faster by 2%, gives different outputs for a sample
    of the examples, or is not supported by the model. The first need only be as fast, with several threads nearly so. A
    slow model stays at 1: there Python's overhead is small, and a large batch needs much memory; and so does a model with
    variables, which are reset before each example.

    Args:
        path: The ``.tflite`` file.
        reader: The examples.
        resolver: Which kernels run it.
        threads: How many threads will run it at once.

    Raises:
        InterpreterError: The runtime refuses the model, or fails on a sampled example at batch 1.
    """
    single = Model(path, resolver=resolver)
    if single.is_stateful:
        # The examples of a batch would share one state.
        return 1
    (alone,) = _seconds(reader, (single, 1))
    if alone > _SLOW_SECONDS or alone * len(reader) < _SHORT_SECONDS:
        return 1
    best, best_model = 1, single
    for batch in BATCHES:
        if batch > len(reader) or batch * reader.row_bytes > _MOST_BYTES:
            break
        try:
            model = Model(path, resolver=resolver)
            same = all(
                _equal(_run(model, reader, rows, batch), _run(single, reader, rows, 1))
                for rows in _sample(len(reader), batch)
            )
            before, seconds = _seconds(reader, (best_model, best), (model, batch))
        except InterpreterError:
            break
        if not same or seconds > before * _slowest(best, threads):
            break
        best, best_model = batch, model
    return best


def _slowest(best: int, threads: int) -> float:
    """Returns the most that a larger batch may take per example, relative to the best batch so far."""
    if best > 1:
        return 1 - _GAIN
    return 1 + _GAIN if threads > 1 else 1.0


def _sample(count: int, batch: int) -> list[range]:
    """Returns the rows that batches are compared on: the first, those in the middle, and the last."""
    return [range(start, start + batch) for start in (0, (count - batch) // 2, count - batch)]


def _seconds(reader: RowReader, *tried: tuple[Model, int]) -> list[float]:
    """Returns the least time that one example took with each model at its batch, over a few trials in turn.

    CPU time of this thread: other load on the machine must not affect the choice.
    """
    least = [float("inf")] * len(tried)
    for trial in range(1 + _TRIALS):
        for index, (model, batch) in enumerate(tried):
            rounds, start = 0, time.thread_time()
            while rounds == 0 or time.thread_time() - start < _TRIAL_SECONDS:
                _run(model, reader, range(batch), batch)
                rounds += 1
            if trial:  # The first warms up.
                least[index] = min(least[index], (time.thread_time() - start) / rounds / batch)
    return least


def _run(model: Model, reader: RowReader, rows: range, batch: int) -> Outputs:
    parts = []
    for start in range(rows.start, rows.stop, batch):
        examples = reader.read(range(start, min(start + batch, rows.stop)))
        model.invoke(model.prepare_batch(examples))
        parts.append(model.results_batch(batch))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _equal(outputs: Outputs, expected: Outputs) -> bool:
    """Returns whether outputs are the same bit for bit, NaN included."""
    return all(
        values.shape == expected[name].shape and values.tobytes() == expected[name].tobytes()
        for name, values in outputs.items()
    )
