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

# Examples a thread takes at a time: few enough that a slow model still ends near its time budget.
_CHUNK = 16


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
        budget_seconds: After this time no further examples are begun; at least the first one is run.

    Raises:
        EvaluationError: The runtime refuses the model or fails on an example, or outputs differ in shape.
    """
    count = len(next(iter(inputs.values())))
    try:
        model = Model(path)
        model.invoke(model.prepare(_example(inputs, 0)))
    except InterpreterError as error:
        raise EvaluationError(str(error)) from error
    first = model.results()
    outputs = {name: np.empty((count, *value.shape), value.dtype) for name, value in first.items()}
    work = _Work(inputs=inputs, outputs=outputs, count=count, deadline=time.monotonic() + budget_seconds)
    start = time.monotonic()
    workers = [
        threading.Thread(target=work.run, args=(model if index == 0 else Model(path),)) for index in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if work.error is not None:
        raise EvaluationError(str(work.error)) from work.error
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
        self, *, inputs: Mapping[str, NDArray[Any]], outputs: dict[str, NDArray[Any]], count: int, deadline: float
    ) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._count = count
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
        except (InterpreterError, EvaluationError) as error:
            self.error = error

    def _take(self) -> range:
        """Returns the rows to run next: what was taken is always run, so rows that are done are the first ones."""
        with self._lock:
            late = self.done > 0 and time.monotonic() > self._deadline
            if late or self.error is not None:
                return range(0)
            chunk = range(self.done, min(self.done + _CHUNK, self._count))
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
