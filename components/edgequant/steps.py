"""The boundary of a step: how it reports progress, how it fails, and how it ends with the run that started it.

The form of what it prints is in `edgequant.step_lines`. On a cluster the lines are the pod's log; on a laptop the
command line shows them as they come.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgequant.errors import ConfigError, EdgequantError
from edgequant.step_lines import ConfigErrorLine, ErrorLine, ProgressLine

RUNNER_PID = "EDGEQUANT_RUNNER_PID"
# Where a local run keeps converted variants; as an argument it would be part of the cache key.
CONVERSIONS = "EDGEQUANT_CONVERSIONS"


def say(step: str, text: str) -> None:
    """Prints a step's progress: the first line for the command line and the log, further ones for the log alone."""
    first, *rest = text.split("\n")
    print(ProgressLine(step, first).format(), *rest, sep="\n", flush=True)


@contextmanager
def step(name: str, *, quiet: bool = False) -> Iterator[None]:
    """Runs a step's body; a failure that the user can fix ends the process with one line and exit code 1, or 2 for a wrong config.

    Any other exception is a defect of this package and keeps its stack trace.

    Args:
        name: The step's name.
        quiet: Whether to omit the lines on start and end, for a step that has nothing to do.
    """
    end_with_runner()
    if not quiet:
        say(name, "started")
    start = time.monotonic()
    try:
        yield
    except (EdgequantError, OSError) as error:
        config = isinstance(error, ConfigError)
        line = (ConfigErrorLine if config else ErrorLine)(name, describe(error))
        print(line.format(), flush=True)
        raise SystemExit(2 if config else 1) from None
    if not quiet:
        say(name, f"done in {time.monotonic() - start:.1f} s")


def describe(error: EdgequantError | OSError) -> str:
    """Returns the one-line message of an error that the user can fix."""
    if isinstance(error, OSError) and error.strerror:
        # When copying, the second file is the one that could not be written.
        path = error.filename2 or error.filename
        where = f": {path}" if path else ""
        return " ".join(f"{error.strerror}{where}".splitlines())
    return " ".join(str(error).split())


def end_with_runner() -> None:
    """Ends this process soon after the run that started it, so that a killed run leaves no step behind.

    Only a local run sets its process id in the environment; on a cluster the pod ends its processes.
    """
    pid = os.environ.get(RUNNER_PID)
    if pid:
        threading.Thread(target=_watch, args=(int(pid),), daemon=True).start()


def _watch(pid: int) -> None:
    while True:
        if not _alive(pid):
            os._exit(1)
        time.sleep(0.3)


def _alive(pid: int) -> bool:
    """Returns whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:  # A system without /proc.
        return True
