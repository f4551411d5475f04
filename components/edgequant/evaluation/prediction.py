"""Runs one model over many examples, with an interpreter per thread."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import EvaluationError
from edgequant.litert_interpreter import InterpreterError, Model

# What a thread takes at a time: enough examples to keep out of the others' way, and for a slow model no more than one, so
# that it ends near its time budget.
_CHUNK = 16
_CHUNK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """A model's outputs.

    Attributes:
        outputs: Arrays by output name, the example first; one row per example that was run.
        examples: How many examples were run: the first ones.
        seconds: How long that took.
    """

    outputs: dict[str, NDArray[Any]]
    examples: int
    seconds: float


def predict(path: Path, inputs: Mapping[str, NDArray[Any]], *, threads: int, budget_seconds: float) -> Predictions:
    """Returns a model's outputs on examples, in order, as far as the time budget reaches.

    Args:
        path: The ``.tflite`` file.
        inputs: Arrays by input name, the example first.
        threads: How many interpreters to run at once.
        budget_seconds: After this time no further examples are begun, but for the few that a thread has taken; at least the
            first one is run.

    Raises:
        EvaluationError: The runtime refuses the model or fails on an example, or outputs differ in shape.
    """
    count = len(next(iter(inputs.values())))
    try:
        model = Model(path)
        prepared = model.prepare(_example(inputs, 0))
        begin = time.monotonic()
        model.invoke(prepared)
        chunk = int(max(1, min(_CHUNK, _CHUNK_SECONDS // max(time.monotonic() - begin, 1e-9))))
        models = [model, *(Model(path) for _ in range(threads - 1))]
    except InterpreterError as error:
        raise EvaluationError(str(error)) from error
    outputs = {name: np.empty((count, *value.shape), value.dtype) for name, value in model.results().items()}
    start = time.monotonic()
    work = _Work(inputs=inputs, outputs=outputs, chunk=chunk, deadline=start + budget_seconds)
    workers = [threading.Thread(target=work.run, args=(model,)) for model in models]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if isinstance(work.error, InterpreterError):
        raise EvaluationError(str(work.error)) from work.error
    if work.error is not None:
        raise work.error
    return Predictions(
        outputs={name: values[: work.done] for name, values in outputs.items()},
        examples=work.done,
        seconds=time.monotonic() - start,
    )


def _example(inputs: Mapping[str, NDArray[Any]], row: int) -> dict[str, NDArray[Any]]:
    return {name: values[row] for name, values in inputs.items()}


class _Work:
    """The examples still to run, shared by threads: each takes the next few until none are left or time is up."""

    def __init__(
        self, *, inputs: Mapping[str, NDArray[Any]], outputs: dict[str, NDArray[Any]], chunk: int, deadline: float
    ) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._count = len(next(iter(inputs.values())))
        self._chunk = chunk
        self._deadline = deadline
        self._lock = threading.Lock()
        self.done = 0
        self.error: Exception | None = None

    def run(self, model: Model) -> None:
        """Runs examples until there is nothing left to take."""
        try:
            while chunk := self._take():
                for row in chunk:
                    self._run_one(model, row)
        except Exception as error:  # The boundary of a thread: `predict` raises it again.
            self.error = error

    def _take(self) -> range:
        """Returns the rows to run next: what was taken is always run, so rows that are done are the first ones."""
        with self._lock:
            late = self.done > 0 and time.monotonic() > self._deadline
            if late or self.error is not None:
                return range(0)
            chunk = range(self.done, min(self.done + self._chunk, self._count))
            self.done = chunk.stop
            return chunk

    def _run_one(self, model: Model, row: int) -> None:
        model.invoke(model.prepare(_example(self._inputs, row)))
        for name, value in model.results().items():
            target = self._outputs[name]
            if value.shape != target.shape[1:]:
                raise EvaluationError(
                    f"output {name!r} has the shape {list(value.shape)} for example {row} and {list(target.shape[1:])}"
                    " for the first; outputs of one shape are needed"
                )
            target[row] = value
