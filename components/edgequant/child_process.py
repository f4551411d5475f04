"""Runs a function in a child process, so that a crash, a hang or excessive memory use affects nothing else."""

import fcntl
import multiprocessing
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

_POLL_SECONDS = 0.05
# The process table of `multiprocessing` is not thread-safe.
_BOOKKEEPING = threading.Lock()
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a child process.

    Attributes:
        seconds: Wall time; with `progress`, since the child last wrote that file.
        memory_bytes: Resident memory.
        progress: The file that the child rewrites as its work advances; None if the time limit is for all of its work.
    """

    seconds: float
    memory_bytes: int
    progress: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOutcome:
    """The outcome of a child process.

    Attributes:
        value: What the function returned, or None.
        failure: Why it returned no value, or None.
        seconds: How long it ran.
        peak_memory_bytes: Its peak resident memory, or None when it crashed or was killed.
        os_error: The OSError that the function raised, if any: a failure of the system and not of the function.
    """

    value: Any
    failure: str | None
    seconds: float
    peak_memory_bytes: int | None
    os_error: OSError | None = None


def machine_memory() -> int:
    """Returns the memory this process may use, in bytes: the machine's, or the container's limit."""
    total: int = psutil.virtual_memory().total
    if _CGROUP_LIMIT.is_file():
        limit = _CGROUP_LIMIT.read_text().strip()
        if limit.isdigit():
            total = min(total, int(limit))
    return total


def forkserver(*preload: str) -> Any:
    """Returns a context whose children start in milliseconds, with modules already imported.

    Importing TensorFlow takes seconds and LiteRT a third of a second; the fork server does it once.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def run(
    context: Any, function: Callable[..., Any], arguments: tuple[Any, ...], limits: Limits, log: Path
) -> ChildOutcome:
    """Runs a function in a child process and returns the outcome.

    Args:
        context: From `forkserver`.
        function: An importable function; an exception that it raises becomes a failure with the exception's message.
        arguments: Its arguments.
        limits: Its limits.
        log: The file that the child's output is appended to.
    """
    receiver, sender = context.Pipe(duplex=False)
    lifeline, guard = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, lifeline, function, arguments, log), daemon=True)
    start = time.monotonic()
    with receiver, guard:
        with _without_main():
            process.start()
        sender.close()
        lifeline.close()
        stopped = _wait(process, receiver, limits, start)
        value, failure, peak, os_error = None, stopped, None, None
        if stopped is None:
            try:
                value, failure, peak, os_error = receiver.recv()
            except (EOFError, OSError):  # It died before it had sent its result.
                failure = _ending(_join(process))
        _join(process)
    seconds = time.monotonic() - start
    return ChildOutcome(value=value, failure=failure, seconds=seconds, peak_memory_bytes=peak, os_error=os_error)


def _join(process: Any) -> int:
    """Waits for a process that is ending, and returns its exit code."""
    # Starting a process also polls all others, and the fork server reports an exit code only once.
    with _BOOKKEEPING:
        process.join()
        code: int = process.exitcode
    return code


@contextmanager
def _without_main() -> Iterator[None]:
    """Keeps `multiprocessing` from importing the parent's main module again in the child.

    The child does not need it, and it may be a user's script without a ``__main__`` guard, or KFP's executor.
    """
    with _BOOKKEEPING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _wait(process: Any, receiver: Connection, limits: Limits, start: float) -> str | None:
    """Waits until the child has sent a result or died; kills it when it exceeds a limit, and returns which."""
    advanced, version = start, _version(limits.progress)
    while not receiver.poll(_POLL_SECONDS):
        if (latest := _version(limits.progress)) != version:
            advanced, version = time.monotonic(), latest
        if time.monotonic() - advanced > limits.seconds:
            process.kill()
            return f"took longer than {limits.seconds:g} s{' without progress' if limits.progress else ''}"
        used = _resident(process.pid)
        if used > limits.memory_bytes:
            process.kill()
            return f"used {used / 2**30:.1f} GiB of memory; {limits.memory_bytes / 2**30:.1f} GiB are allowed"
    return None


def _version(file: Path | None) -> int:
    """Returns a number that changes when a file is rewritten; 0 without a file."""
    try:
        return file.stat().st_mtime_ns if file else 0
    except FileNotFoundError:
        return 0


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _ending(exit_code: int) -> str:
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the process was killed by {name}{hint}"
    return f"the process ended with exit code {exit_code}"


def _child(
    sender: Connection, lifeline: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], log: Path
) -> None:
    _end_with(lifeline)
    with log.open("ab") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
    value, failure, os_error = None, None, None
    try:
        value = function(*arguments)
    except Exception as error:  # The process boundary: the parent gets the message.
        failure = str(error) or type(error).__name__
        os_error = _plain(error) if isinstance(error, OSError) else None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sender.send((value, failure, peak, os_error))


def _plain(error: OSError) -> OSError:
    """Returns an OSError as Python's own: not every subclass can be pickled."""
    return OSError(str(error)) if error.errno is None else OSError(error.errno, error.strerror, error.filename)


def _end_with(lifeline: Connection) -> None:
    """Makes the kernel end this process, by SIGIO, when the other end of a pipe closes.

    The other end belongs to the parent, which never writes to it; it closes when the parent ends in any way, and with it the
    enforcement of this process's limits. A thread could not do this while the converter holds the GIL.
    """
    descriptor = lifeline.fileno()
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([descriptor], [], [], 0)[0]:
        os._exit(1)
