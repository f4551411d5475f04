"""Functions that end badly, in real child processes."""

import operator
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from edgequant.child_process import Limits, forkserver, machine_memory, run

_AMPLE = Limits(seconds=60, memory_bytes=4 * 2**30)
_SWELL = "import time; swollen = b'x' * (900 * 2**20); time.sleep(60)"


@pytest.fixture(scope="module")
def context() -> Any:
    """The fork server that the convert step uses."""
    return forkserver("edgequant.conversion.converter")


def _running() -> set[int]:
    """Returns the processes below this one, but for those that have ended and wait to be noticed."""
    below = psutil.Process().children(recursive=True)
    return {process.pid for process in below if process.is_running() and process.status() != psutil.STATUS_ZOMBIE}


def test_a_result_comes_back(context: Any, tmp_path: Path) -> None:
    """What the function returns is the outcome's value, with its time and its peak memory."""
    outcome = run(context, operator.add, (2, 3), _AMPLE, tmp_path / "log")
    assert outcome.value == 5
    assert outcome.failure is None
    assert 0 < outcome.seconds < 60
    assert outcome.peak_memory_bytes is not None
    assert 2**20 < outcome.peak_memory_bytes < 4 * 2**30


def test_a_large_result_comes_back_whole(context: Any, tmp_path: Path) -> None:
    """A result larger than a pipe's buffer arrives as it was."""
    outcome = run(context, operator.mul, (b"abc", 1_000_000), _AMPLE, tmp_path / "log")
    assert outcome.value == b"abc" * 1_000_000


@pytest.mark.parametrize(
    ("function", "arguments", "limits", "failure"),
    [
        (int, ("x",), _AMPLE, "invalid literal for int() with base 10: 'x'"),
        (operator.truediv, (1, 0), _AMPLE, "division by zero"),
        (iter([]).__next__, (), _AMPLE, "StopIteration"),
        (signal.raise_signal, (signal.SIGSEGV,), _AMPLE, "the process was killed by SIGSEGV"),
        (signal.raise_signal, (signal.SIGKILL,), _AMPLE, "the process was killed by SIGKILL (out of memory?)"),
        (os.abort, (), _AMPLE, "the process was killed by SIGABRT"),
        (os._exit, (3,), _AMPLE, "the process ended with exit code 3"),
        (sys.exit, (4,), _AMPLE, "the process ended with exit code 4"),
        (threading.Lock, (), _AMPLE, "the process ended with exit code 1"),  # A lock cannot be sent.
        (time.sleep, (60,), Limits(seconds=0.3, memory_bytes=4 * 2**30), "took longer than 0.3 s"),
    ],
)
def test_an_end_is_told(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    limits: Limits,
    failure: str,
    context: Any,
    tmp_path: Path,
) -> None:
    """An exception, a signal, an exit and a time limit are each told as what they are, and no process stays behind."""
    before = run(context, operator.add, (2, 3), _AMPLE, tmp_path / "log")
    assert before.failure is None
    running = _running()
    outcome = run(context, function, arguments, limits, tmp_path / "log")
    assert outcome.failure == failure
    assert outcome.value is None
    assert _running() == running


def test_an_error_of_the_system_comes_back_as_itself(context: Any, tmp_path: Path) -> None:
    """What the system refused can be raised again by the parent, with its number and its file; another error cannot."""
    missing = tmp_path / "missing"
    outcome = run(context, os.listdir, (str(missing),), _AMPLE, tmp_path / "log")
    assert isinstance(outcome.os_error, FileNotFoundError)
    assert (outcome.os_error.errno, outcome.os_error.filename) == (2, str(missing))
    assert outcome.failure == str(outcome.os_error)
    plain = run(context, exec, ("raise OSError('no number')",), _AMPLE, tmp_path / "log")
    assert str(plain.os_error) == "no number"
    assert run(context, operator.truediv, (1, 0), _AMPLE, tmp_path / "log").os_error is None


def test_memory_is_bounded(context: Any, tmp_path: Path) -> None:
    """A process that swells past its limit is killed, and the message has both figures."""
    outcome = run(context, exec, (_SWELL,), Limits(seconds=60, memory_bytes=700 * 2**20), tmp_path / "log")
    assert outcome.failure is not None
    assert outcome.failure.endswith("GiB of memory; 0.7 GiB are allowed")
    assert outcome.peak_memory_bytes is None


def test_the_output_goes_to_the_log(context: Any, tmp_path: Path) -> None:
    """What the child prints, in Python or below it, is in its log and nowhere else."""
    code = "import os; print('from Python', flush=True); os.write(2, b'from below')"
    assert run(context, exec, (code,), _AMPLE, tmp_path / "log").failure is None
    text = (tmp_path / "log").read_text()
    assert "from Python" in text
    assert "from below" in text


def test_two_at_once_do_not_disturb_each_other(context: Any, tmp_path: Path) -> None:
    """One child dies while another works on in its own time."""
    outcomes = {}

    def work() -> None:
        outcomes["work"] = run(context, exec, ("import time; time.sleep(1)",), _AMPLE, tmp_path / "work")

    thread = threading.Thread(target=work)
    thread.start()
    killed = run(context, signal.raise_signal, (signal.SIGKILL,), _AMPLE, tmp_path / "killed")
    thread.join()
    assert killed.failure == "the process was killed by SIGKILL (out of memory?)"
    assert outcomes["work"].failure is None
    assert outcomes["work"].seconds >= 1


def test_a_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """When the parent is killed, nobody is left to hold the child to its limits: it ends at once, and its fork server too."""
    script = tmp_path / "script.py"
    code = "import os, time; print(os.getpid(), os.getppid(), flush=True); time.sleep(600)"
    script.write_text(
        textwrap.dedent(f"""
        from pathlib import Path
        from edgequant.child_process import Limits, forkserver, run
        run(forkserver("json"), exec, ({code!r},), Limits(seconds=600, memory_bytes=2**33), Path("log"))
        """),
        encoding="utf-8",
    )
    parent = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path)
    log = tmp_path / "log"
    _wait_until(lambda: log.is_file() and len(log.read_text().split()) == 2)
    pids = [int(word) for word in log.read_text().split()]
    parent.kill()
    parent.wait()
    _wait_until(lambda: not any(_alive(pid) for pid in pids))


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_machines_memory_is_known() -> None:
    """The memory to share out is no more than the machine has."""
    assert 2**28 < machine_memory() <= psutil.virtual_memory().total


def test_progress_restarts_the_time_limit(tmp_path: Path) -> None:
    """A child that goes on rewriting its file may run for longer than the limit; once it stops doing so, it is ended."""
    file = tmp_path / "progress"
    work = f"import time, pathlib\nfor step in range(8):\n    pathlib.Path({str(file)!r}).write_text(str(step))\n    time.sleep(0.5)"
    limits = Limits(seconds=2.5, memory_bytes=4 * 2**30, progress=file)
    done = run(forkserver("json"), exec, (work,), limits, tmp_path / "log")
    assert done.failure is None
    assert done.seconds > limits.seconds
    stopped = run(forkserver("json"), exec, (f"{work}\ntime.sleep(60)",), limits, tmp_path / "log")
    assert stopped.failure == "took longer than 2.5 s without progress"
