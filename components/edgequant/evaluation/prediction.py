"""Runs one model over many examples, with an interpreter per thread. In a child process, as a model may crash it."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.directory import file_name
from edgequant.errors import EvaluationError
from edgequant.evaluation.batching import BATCHES, find_batch
from edgequant.evaluation.example_rows import RowReader, RowWriter, open_writer
from edgequant.litert_interpreter import BUILTIN, XNNPACK, InterpreterError, Model, Origin
from edgequant.model_process import MARGIN_SECONDS

# What a thread takes at a time: enough examples to keep out of the others' way, and for a slow model no more than one, so
# that it ends near its time budget.
_CHUNK_SECONDS = 0.001
_CHUNK = 4096
_FIRST_RUNS = 3
# A model whose first run computes for this long is slow: its runs are neither repeated, nor tried several at once.
_SLOW_SECONDS = 0.1
# Threads beside each other may be slower than one alone, and one example than another, by this much.
_SLOWER = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRequest:
    """What to run.

    Attributes:
        model: The ``.tflite`` file.
        inputs: The ``.npy`` file of each input by name, the example first.
        outputs: The directory, which exists, to write the ``.npy`` file of each output to.
        threads: How many interpreters to run at once.
        budget_seconds: After this time no further examples are begun, but for the few that a thread has taken; at least
            the first one is run. It does not count the loading.
        grace_seconds: How long beyond the budget this process is waited for, from its start: no further example is begun
            that would not end by then, going by those before.
        resolver: Which kernels run it.
        batch: How many examples to run at once; 0: as many as pay without a change of any bit.
        batch_file: The file to record the batch size in, for the parent process in case this one crashes; or None.
    """

    model: Path
    inputs: dict[str, Path]
    outputs: Path
    threads: int
    budget_seconds: float
    grace_seconds: float = MARGIN_SECONDS
    resolver: str = XNNPACK
    batch: int = 0
    batch_file: Path | None = None

    def record_batch(self, batch: int) -> None:
        """Records how many examples are run at once from here on."""
        if self.batch_file is not None:
            self.batch_file.write_text(str(batch))


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What came of a run.

    Attributes:
        outputs: The names of the outputs, whose files hold one row per example that was run.
        examples: How many examples were run: the first ones.
        seconds: How long that took, from the first to the last.
        batch: How many examples were run at once.
        not_finite: By output name, how many examples gave NaN or infinity; without those that gave none.
        first_not_finite: The first such example's row, or None.
    """

    outputs: tuple[str, ...]
    examples: int
    seconds: float
    batch: int
    not_finite: dict[str, int]
    first_not_finite: int | None


def predict(request: PredictionRequest) -> Predictions | str:
    """Runs a model on examples, in order, as far as the time budget reaches, and writes its outputs.

    Returns:
        What came of it; or, where the runtime refuses the model or fails on an example, or outputs differ in shape, the
        reason.

    Raises:
        ArtifactError: An input is missing.
        OSError: The disk cannot be read, or does not take the outputs.
    """
    try:
        return _predict(request)
    except (InterpreterError, EvaluationError) as error:
        return str(error)


def trace(request: PredictionRequest, row: int) -> Origin | None:
    """Returns where the values that are not finite of one example come from; None where it cannot be told.

    Every operator's output is kept and looked at, which XNNPACK does not allow: the runtime's own kernels stand in.
    """
    resolver = request.resolver if request.resolver != XNNPACK else BUILTIN
    model = Model(request.model, resolver=resolver, keep_tensors=True)
    model.invoke(model.prepare_batch(RowReader(request.inputs).read(range(row, row + 1))))
    return model.first_not_finite()


def _predict(request: PredictionRequest) -> Predictions:
    limit = time.monotonic() + request.budget_seconds + request.grace_seconds
    reader = RowReader(request.inputs)
    models, first = _load(request, reader)
    row = {name: values[0] for name, values in first.outputs.items()}
    with open_writer({name: request.outputs / file_name(name) for name in row}, row) as writer:
        start = time.monotonic() - (first.seconds * first.batch if first.slow else 0.0)
        work = _Work(
            writer=writer,
            first=row,
            count=len(reader),
            batch=first.batch,
            chunk=max(1, min(_CHUNK, int(_CHUNK_SECONDS / first.seconds)) // first.batch) * first.batch,
            clock=_Clock(deadline=start + request.budget_seconds, limit=limit, longest=first.seconds * first.batch),
        )
        if first.slow:
            work.keep(first.outputs)
        workers = [threading.Thread(target=work.run, args=(model, RowReader(request.inputs))) for model in models]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if work.error is not None:
            raise work.error
        writer.finish(work.done)
        seconds = time.monotonic() - start
    return Predictions(
        outputs=tuple(row),
        examples=work.done,
        seconds=seconds,
        batch=first.batch,
        not_finite=work.not_finite,
        first_not_finite=work.first_not_finite,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _First:
    """The first batch: its outputs, how long an example took in it, and whether it is worth keeping."""

    outputs: dict[str, NDArray[Any]]
    batch: int
    seconds: float
    slow: bool


def _load(request: PredictionRequest, reader: RowReader) -> tuple[list[Model], _First]:
    """Returns an interpreter for each thread, and what came of the first batch, of the size that all will have."""
    request.record_batch(request.batch or 1)
    model = Model(request.model, resolver=request.resolver)
    first = _first(model, reader, request.batch or 1)
    if not request.batch and not first.slow:
        request.record_batch(max(BATCHES))
        batch = find_batch(request.model, reader, request.resolver, request.threads)
        request.record_batch(batch)
        first = first if batch == 1 else _first(model, reader, batch)
    return [model, *(Model(request.model, resolver=request.resolver) for _ in range(request.threads - 1))], first


def _first(model: Model, reader: RowReader, batch: int) -> _First:
    """Runs the first batch: a few times, unless the model takes long."""
    examples = reader.read(range(batch))
    least = float("inf")
    # What this thread computed: a machine that is busy with other work makes no model slow.
    begin = time.thread_time()
    for _ in range(_FIRST_RUNS):
        start = time.perf_counter()
        model.invoke(model.prepare_batch(examples))
        results = model.results_batch(batch)
        least = min(least, max(time.perf_counter() - start, 1e-9) / batch)
        if least > _CHUNK_SECONDS:
            break
    return _First(outputs=results, batch=batch, seconds=least, slow=time.thread_time() - begin > _SLOW_SECONDS)


@dataclass(slots=True, kw_only=True)
class _Clock:
    """When to begin no more examples: after the deadline, or where they might end beyond the limit.

    Attributes:
        deadline: The end of the budget.
        limit: Until when this process is waited for.
        longest: The longest that a thread took for what it takes at a time.
    """

    deadline: float
    limit: float
    longest: float

    @property
    def is_late(self) -> bool:
        moment = time.monotonic()
        return moment > self.deadline or moment + _SLOWER * self.longest > self.limit


@dataclass(slots=True, kw_only=True)
class _Work:
    """The examples still to run, shared by threads: each takes the next few until none are left or time is up."""

    writer: RowWriter
    first: Mapping[str, NDArray[Any]]
    count: int
    batch: int
    chunk: int
    clock: _Clock
    done: int = 0
    error: Exception | None = None
    not_finite: dict[str, int] = field(default_factory=dict)
    first_not_finite: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Takes the outputs of the first examples, before any thread runs."""
        self.done = len(next(iter(outputs.values())))
        self._write(0, outputs)

    def run(self, model: Model, reader: RowReader) -> None:
        """Runs examples until there is nothing left to take."""
        try:
            while chunk := self._take():
                start = time.monotonic()
                outputs = self._run(model, reader, chunk)
                self._write(chunk.start, outputs)
                self._took(time.monotonic() - start)
        except Exception as error:  # The boundary of a thread: `predict` raises it again.
            self.error = error

    def _take(self) -> range:
        """Returns the rows to run next: what was taken is always run, so rows that are done are the first ones."""
        with self._lock:
            if (self.done > 0 and self.clock.is_late) or self.error is not None:
                return range(0)
            chunk = range(self.done, min(self.done + self.chunk, self.count))
            self.done = chunk.stop
            return chunk

    def _took(self, seconds: float) -> None:
        with self._lock:
            self.clock.longest = max(self.clock.longest, seconds)

    def _write(self, start: int, outputs: Mapping[str, NDArray[Any]]) -> None:
        self.writer.write(start, outputs)
        self._check_finite(start, outputs)

    def _run(self, model: Model, reader: RowReader, rows: range) -> dict[str, NDArray[Any]]:
        """Returns the outputs of some rows; those that fill no batch are run one by one."""
        parts = []
        row = rows.start
        while row < rows.stop:
            size = self.batch if row + self.batch <= rows.stop else 1
            model.invoke(model.prepare_batch(reader.read(range(row, row + size))))
            parts.append(model.results_batch(size))
            self._check_shapes(row, parts[-1])
            row += size
        return (
            parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )

    def _check_shapes(self, row: int, outputs: Mapping[str, NDArray[Any]]) -> None:
        for name, values in outputs.items():
            shape = self.first[name].shape
            if values.shape[1:] != shape:
                raise EvaluationError(
                    f"output {name!r} has the shape {list(values.shape[1:])} for example {row} and {list(shape)}"
                    " for the first; outputs of one shape are needed"
                )

    def _check_finite(self, start: int, outputs: Mapping[str, NDArray[Any]]) -> None:
        for name, values in outputs.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
                with self._lock:
                    self.not_finite[name] = self.not_finite.get(name, 0) + len(bad)
                    first = start + int(bad[0])
                    self.first_not_finite = min(
                        first, first if self.first_not_finite is None else self.first_not_finite
                    )
