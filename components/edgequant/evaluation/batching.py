"""How many examples to run at once: as many as pay, with outputs that are the same bit for bit."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.evaluation.example_rows import RowReader
from edgequant.litert_interpreter import InterpreterError, Model

BATCHES = (4, 16, 64, 256, 1024)
# A larger batch must be faster by this much, for each example. The first need only be as fast, and where several threads
# take turns at Python's lock, most of which it spares them, not slower by more than this: a thread's own time does not
# tell how long it waits for the lock, and what is given away here is at most this much.
_GAIN = 0.02
# Where one invocation takes this long, what Python adds to it is not worth saving; nor is a run this short worth a trial.
_SLOW_SECONDS = 0.002
_SHORT_SECONDS = 0.1
_MOST_BYTES = 16 * 2**20
_TRIALS = 5
_TRIAL_SECONDS = 0.001

Outputs = dict[str, NDArray[Any]]


def find_batch(path: Path, reader: RowReader, resolver: str, threads: int) -> int:
    """Returns the batch that runs examples fastest, of those whose outputs are the ones of a batch of 1, bit for bit.

    Batches of 4, 16, 64, 256 and 1024 are tried in turn, until one is not faster by 2%, or gives other outputs for a sample
    of the examples, or the model does not take it. The first need only be as fast, with several threads nearly so. A model
    that takes long for one example is left at 1: there Python's share is small, and the memory of a large batch is not.

    Args:
        path: The ``.tflite`` file.
        reader: The examples.
        resolver: Which kernels run it.
        threads: How many threads will run it at once.

    Raises:
        InterpreterError: The runtime refuses the model, or fails on a sampled example at batch 1.
    """
    single = Model(path, resolver=resolver)
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
    """Returns the time of an example, as a share of that at the best batch so far, up to which a larger batch is taken."""
    if best > 1:
        return 1 - _GAIN
    return 1 + _GAIN if threads > 1 else 1.0


def _sample(count: int, batch: int) -> list[range]:
    """Returns the rows that batches are compared on: the first, those in the middle, and the last."""
    return [range(start, start + batch) for start in (0, (count - batch) // 2, count - batch)]


def _seconds(reader: RowReader, *tried: tuple[Model, int]) -> list[float]:
    """Returns the least time that one example took with each model at its batch, over a few trials in turn.

    Of this thread alone: what else the machine does must not choose the batch.
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
