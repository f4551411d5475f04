"""A clock that only the interpreter moves: latencies and time limits are exact, however loaded the machine is."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert import interpreter as litert

from edgequant.child_process import ChildOutcome

# What the steps read the time in.
_MODULES = ("benchmarking.latency", "benchmarking.step", "benchmarking.trial", "evaluation.prediction")
_NS = 10**9


class Clock:
    """The time of a simulation, and how LiteRT's interpreter was made in it.

    Args:
        invocation_ms: How long one invocation takes, by the name of the model's file or of its folder.
        input_ms: How long it takes to set an input.
        first_ms: How much longer the first invocation of an interpreter takes.
    """

    def __init__(self, invocation_ms: Mapping[str, float], *, input_ms: float = 0.0, first_ms: float = 0.0) -> None:
        self._invocation_ms = invocation_ms
        self._input_ms = input_ms
        self._first_ms = first_ms
        self._ns = 0
        self.options: list[dict[str, Any]] = []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Has the steps run models in this process, with this clock."""
        for module in _MODULES:
            monkeypatch.setattr(f"edgequant.{module}.time", self)
        for step in ("benchmarking", "evaluation"):
            monkeypatch.setattr(f"edgequant.{step}.step.run_in_child", self.run_in_child)
        # This process goes on to other tests.
        monkeypatch.setattr("edgequant.benchmarking.latency.pin", lambda: None)
        monkeypatch.setattr(litert, "Interpreter", self._interpreter)

    def run_in_child(
        self, function: Callable[..., Any], *arguments: Any, seconds: float, progress: Path | None = None
    ) -> ChildOutcome:
        """Runs a function in this process; what takes longer than the limit fails, as in a child process."""
        del progress  # Nothing runs while this clock stands still.
        start = self.monotonic()
        value = function(*arguments)
        took = self.monotonic() - start
        failure = f"took longer than {seconds:g} s" if took > seconds else None
        return ChildOutcome(
            value=None if failure else value, failure=failure, seconds=took, peak_memory_bytes=None if failure else 0
        )

    def perf_counter_ns(self) -> int:
        """Returns the time in nanoseconds."""
        return self._ns

    def monotonic(self) -> float:
        """Returns the time in seconds."""
        return self._ns / _NS

    perf_counter = thread_time = monotonic

    def advance(self, milliseconds: float) -> None:
        """Moves the clock on."""
        self._ns += round(milliseconds * 1e6)

    def _interpreter(self, model_path: str, **options: Any) -> Any:
        self.options.append(options)
        names = (Path(model_path).stem, Path(model_path).parent.name)
        invocation_ms = next(ms for name, ms in self._invocation_ms.items() if name in names)
        interpreter = _ClockedInterpreter(model_path=model_path, **options)
        interpreter.takes(self, invocation_ms, self._input_ms, self._first_ms)
        return interpreter


class _ClockedInterpreter(litert.Interpreter):  # type: ignore[misc]
    """LiteRT's interpreter, which moves a clock."""

    def takes(self, clock: Clock, invocation_ms: float, input_ms: float, first_ms: float) -> None:
        """Sets how far it moves which clock."""
        self._clock, self._invocation_ms, self._input_ms, self._first_ms = clock, invocation_ms, input_ms, first_ms

    def set_tensor(self, tensor_index: int, value: Any) -> None:
        """Sets an input."""
        super().set_tensor(tensor_index, value)
        self._clock.advance(self._input_ms)

    def invoke(self) -> None:
        """Runs the model; the first time takes longer."""
        super().invoke()
        self._clock.advance(self._invocation_ms + self._first_ms)
        self._first_ms = 0.0
