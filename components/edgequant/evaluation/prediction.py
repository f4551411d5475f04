"""Runs one model over many examples, with an interpreter per thread; in a child process, since a model may crash it."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.artifacts.directory import file_name, load_array
from edgequant.errors import EvaluationError
from edgequant.evaluation.batching import BATCHES, find_batch
from edgequant.evaluation.example_rows import RowReader, RowWriter, open_writer
from edgequant.litert_interpreter import BUILTIN, XNNPACK, InterpreterError, Model, Origin
from edgequant.model_process import MARGIN_SECONDS

# How long a chunk of examples takes: long enough that threads rarely contend for the lock, and for a slow model no more than
# one example, so that the run ends near its time budget.
_CHUNK_SECONDS = 0.001
_CHUNK = 4096
_FIRST_RUNS = 3
_PROGRESS_SECONDS = 1.0
# A model whose first run takes this much CPU time is slow: its runs are neither repeated nor batched.
_SLOW_SECONDS = 0.1
# By how much concurrent threads may be slower than one alone, and one example than another.
_SLOWER = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRequest:
    """What to run.

    Attributes:
        model: The ``.tflite`` file.
        inputs: The ``.npy`` file of each input by name, the example first.
        outputs: The directory, which exists, to write the ``.npy`` file of each output to.
        threads: How many interpreters to run at once.
        budget_seconds: No further chunks of examples are started after this time, which is infinite to run all of them; at least
            the first example is run. Loading does not count.
        grace_seconds: How long the parent waits beyond the budget, from the start of this process: no further example is
            started that would not end by then, estimated from those before.
        resolver: Which kernels run it.
        batch: How many examples to run at once; 0 for the fastest batch that does not change any bit of the outputs.
        starts: The ``.npy`` file of whether each example starts a sequence; others continue the one before. None: all do.
        batch_file: The file to record the batch size in, for the parent process in case this one crashes; or None.
        progress_file: The file to rewrite as examples are run, for the parent process to tell a long run from a hang; or None.
    """

    model: Path
    inputs: dict[str, Path]
    outputs: Path
    threads: int
    budget_seconds: float
    grace_seconds: float = MARGIN_SECONDS
    resolver: str = XNNPACK
    batch: int = 0
    starts: Path | None = None
    batch_file: Path | None = None
    progress_file: Path | None = None

    def record_batch(self, batch: int) -> None:
        """Records how many examples the next runs take at once."""
        if self.batch_file is not None:
            self.batch_file.write_text(str(batch))

    def record_progress(self, examples: int) -> None:
        """Records how many examples were started."""
        if self.progress_file is not None:
            self.progress_file.write_text(str(examples))


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The result of a run.

    Attributes:
        outputs: The names of the outputs, whose files hold one row per example that was run.
        examples: How many examples were run: the first ones.
        seconds: How long that took, from the first to the last.
        batch: How many examples were run at once.
        not_finite: By output name, how many examples produced NaN or infinity; only outputs that have such examples.
        first_not_finite: The first such example's row, or None.
    """

    outputs: tuple[str, ...]
    examples: int
    seconds: float
    batch: int
    not_finite: dict[str, int]
    first_not_finite: int | None


def predict(request: PredictionRequest) -> Predictions | str:
    """Runs a model on examples, in order, within the time budget, and writes its outputs.

    Returns:
        The result; or the reason, where the runtime refuses the model or fails on an example, or outputs differ in shape.

    Raises:
        ArtifactError: An input is missing.
        OSError: The inputs cannot be read, or the outputs cannot be written.
    """
    try:
        return _predict(request)
    except (InterpreterError, EvaluationError) as error:
        return str(error)


def trace(request: PredictionRequest, row: int) -> Origin | None:
    """Returns where the values that are not finite of one example come from; None where it is not known.

    Inspects the output of every operator, which XNNPACK does not support: the runtime's own kernels replace it.
    """
    resolver = request.resolver if request.resolver != XNNPACK else BUILTIN
    model = Model(request.model, resolver=resolver, keep_tensors=True)
    model.invoke(model.prepare_batch(RowReader(request.inputs).read(range(row, row + 1))))
    return model.first_not_finite()


def _predict(request: PredictionRequest) -> Predictions:
    limit = time.monotonic() + request.budget_seconds + request.grace_seconds
    reader = RowReader(request.inputs)
    models, first = _load(request, reader)
    request.record_progress(0)
    row = {name: values[0] for name, values in first.outputs.items()}
    with open_writer({name: request.outputs / file_name(name) for name in row}, row) as writer:
        start = time.monotonic() - (first.seconds * first.batch if first.slow else 0.0)
        work = _Work(
            writer=writer,
            first=row,
            count=len(reader),
            starts=None if request.starts is None else load_array(request.starts),
            batch=first.batch,
            chunk=max(1, min(_CHUNK, int(_CHUNK_SECONDS / first.seconds)) // first.batch) * first.batch,
            clock=_Clock(deadline=start + request.budget_seconds, limit=limit, longest=first.seconds * first.batch),
            progress=_Progress(record=request.record_progress),
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
    """The first batch: its outputs, the time per example, and whether the model is slow, so that the outputs are kept."""

    outputs: dict[str, NDArray[Any]]
    batch: int
    seconds: float
    slow: bool


def _load(request: PredictionRequest, reader: RowReader) -> tuple[list[Model], _First]:
    """Returns an interpreter for each thread, and the first batch, which has the size of all others."""
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
    """Runs the first batch a few times, or once if the model is slow."""
    examples = reader.read(range(batch))
    least = float("inf")
    # CPU time of this thread: other load on the machine does not make a model slow.
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
    """Decides when to start no more examples: after the deadline, or when they might end beyond the limit.

    Attributes:
        deadline: The end of the budget.
        limit: Until when the parent waits for this process.
        longest: The longest time of a chunk so far.
    """

    deadline: float
    limit: float
    longest: float

    @property
    def is_late(self) -> bool:
        moment = time.monotonic()
        return moment > self.deadline or moment + _SLOWER * self.longest > self.limit


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Records the number of examples, at most once a second.

    Attributes:
        record: Called with the number.
        last: When it was called last.
    """

    record: Callable[[int], None]
    last: float = 0.0

    def advance(self, examples: int) -> None:
        """Records a number of examples, unless one was recorded a moment ago."""
        moment = time.monotonic()
        if moment - self.last >= _PROGRESS_SECONDS:
            self.last = moment
            self.record(examples)


@dataclass(slots=True, kw_only=True)
class _Work:
    """The examples still to run, shared by threads: each takes the next chunk until none is left or time is up."""

    writer: RowWriter
    first: Mapping[str, NDArray[Any]]
    count: int
    starts: NDArray[np.bool_] | None
    batch: int
    chunk: int
    clock: _Clock
    progress: _Progress
    done: int = 0
    error: Exception | None = None
    not_finite: dict[str, int] = field(default_factory=dict)
    first_not_finite: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Stores the outputs of the first examples, before any thread runs."""
        self.done = len(next(iter(outputs.values())))
        self._write(0, outputs)

    def run(self, model: Model, reader: RowReader) -> None:
        """Runs chunks of examples until none is left."""
        try:
            while chunk := self._take():
                start = time.monotonic()
                outputs = self._run(model, reader, chunk)
                self._write(chunk.start, outputs)
                self._took(time.monotonic() - start)
        except Exception as error:  # The boundary of a thread: `predict` raises it again.
            self.error = error

    def _take(self) -> range:
        """Returns the rows to run next. A chunk that was taken is always run, so that the finished rows are the first ones."""
        with self._lock:
            if (self.done > 0 and self.clock.is_late) or self.error is not None:
                return range(0)
            chunk = range(self.done, min(self.done + self.chunk, self.count))
            self.done = chunk.stop
            return chunk

    def _took(self, seconds: float) -> None:
        with self._lock:
            self.clock.longest = max(self.clock.longest, seconds)
            self.progress.advance(self.done)

    def _write(self, start: int, outputs: Mapping[str, NDArray[Any]]) -> None:
        self.writer.write(start, outputs)
        self._check_finite(start, outputs)

    def _run(self, model: Model, reader: RowReader, rows: range) -> dict[str, NDArray[Any]]:
        """Returns the outputs of some rows; the remainder that fills no batch is run one by one."""
        parts = []
        row = rows.start
        while row < rows.stop:
            size = self.batch if row + self.batch <= rows.stop else 1
            keep_state = self.starts is not None and not self.starts[row]
            model.invoke(model.prepare_batch(reader.read(range(row, row + size))), keep_state=keep_state)
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
