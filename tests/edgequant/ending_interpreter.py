"""An interpreter that ends or blocks its process for models that are marked: a file may do that to the real one.

No file that does is kept here. A marked model is an ordinary one, whose description says what its process does; the
interpreter below reads it, and raises the signal or sleeps itself.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ai_edge_litert import interpreter as litert

from edgequant import model_process
from edgequant.child_process import ChildOutcome

CRASH = "ends its process with SIGSEGV"
HANG = "does not come back"
_HANG_SECONDS = 600.0


def marked(model: bytes, mark: str) -> bytes:
    """Returns a ``.tflite`` file with a mark as its description."""
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    content.description = mark
    builder = flatbuffers.Builder(1024)
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class EndingInterpreter(litert.Interpreter):  # type: ignore[misc]
    """LiteRT's interpreter, but for models that are marked."""

    def __init__(self, model_path: str, **options: Any) -> None:
        super().__init__(model_path=model_path, **options)
        content = Path(model_path).read_bytes()
        self._crashes, self._hangs = CRASH.encode() in content, HANG.encode() in content

    def invoke(self) -> None:
        """Runs the model, or does what its mark says."""
        if self._crashes:
            signal.raise_signal(signal.SIGSEGV)
        if self._hangs:
            time.sleep(_HANG_SECONDS)
        super().invoke()


def start() -> None:
    """Starts the fork server that holds this module, which takes longer than what the tests wait for."""
    assert run_in_child(int, seconds=60).value == 0


def run_in_child(
    function: Callable[..., Any], *arguments: Any, seconds: float, progress: Path | None = None
) -> ChildOutcome:
    """Runs a function as the product does, in a child process that has this interpreter."""
    return model_process.run_in_child(call, function, *arguments, seconds=seconds, progress=progress)


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function with this interpreter in the place of LiteRT's, for the rest of this process."""
    litert.Interpreter = EndingInterpreter
    return function(*arguments)
