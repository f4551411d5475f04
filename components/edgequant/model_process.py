"""Runs models in child processes: one that crashes or hangs the interpreter affects nothing else."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgequant.child_process import ChildOutcome, Limits, forkserver, machine_memory, run

# How long to wait for a child beyond its time budget, so that it can load a model and finish its current invocation.
MARGIN_SECONDS = 30.0
_MEMORY_SHARE = 0.9
_RUNTIME = "ai_edge_litert.interpreter"
_LOG_LINES = 20


def run_in_child(
    function: Callable[..., Any], *arguments: Any, seconds: float, progress: Path | None = None
) -> ChildOutcome:
    """Runs a function that uses the interpreter in a child process and returns the outcome.

    The last lines of a child that crashed are printed. The fork server has imported the runtime and the function's module,
    so that a child starts in milliseconds.

    Args:
        function: An importable function.
        arguments: Its arguments.
        seconds: How long it may take; with `progress`, since it last wrote that file.
        progress: The file that it rewrites as its work advances, or None.

    Raises:
        OSError: The function raised it: a full or unreadable disk is not a failure of the model.
    """
    limits = Limits(seconds=seconds, memory_bytes=int(machine_memory() * _MEMORY_SHARE), progress=progress)
    with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
        log = Path(folder) / "log"
        outcome = run(forkserver(_RUNTIME, function.__module__), function, arguments, limits, log)
        if outcome.peak_memory_bytes is None and log.is_file():
            print(*log.read_text(errors="replace").splitlines()[-_LOG_LINES:], sep="\n", flush=True)
    if outcome.os_error is not None:
        raise outcome.os_error
    return outcome
