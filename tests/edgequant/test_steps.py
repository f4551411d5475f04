"""The boundary of a step, in real processes."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from edgequant.errors import ConfigError, EdgequantError, EvaluationError
from edgequant.steps import RUNNER_PID, describe


def _run(body: str) -> subprocess.CompletedProcess[str]:
    script = "import errno, os\nfrom edgequant.errors import *\nfrom edgequant.steps import say, step\n"
    script += "with step('evaluate'):\n" + textwrap.indent(body, "    ")
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_a_step_says_when_it_starts_and_ends() -> None:
    """A step that succeeds prints its name at both ends, its own lines between them, and exits 0."""
    done = _run("say('evaluate', 'half way')")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[:2] == ["edgequant: evaluate: started", "edgequant: evaluate: half way"]
    assert lines[2].startswith("edgequant: evaluate: done in ")


def test_progress_of_several_lines_keeps_its_further_lines_for_the_log() -> None:
    """Only the first line is the step's progress: a reason of hundreds of lines does not flood the command line."""
    done = _run("say('evaluate', 'failed: one\\ntwo')")
    assert done.stdout.splitlines()[1:3] == ["edgequant: evaluate: failed: one", "two"]


@pytest.mark.parametrize(
    ("body", "line", "code"),
    [
        ("raise ModelError('no model\\n  here')", "error: no model here", 1),
        ("raise ConfigError('task: unknown')", "wrong config: task: unknown", 2),
        ("raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), '/out')", "error: No space left on device: /out", 1),
        ("open('/nowhere/file')", "error: No such file or directory: /nowhere/file", 1),
    ],
)
def test_a_failure_the_user_can_mend_is_one_line(body: str, line: str, code: int) -> None:
    """A domain error ends the process with one line and its exit code, and no stack trace."""
    done = _run(body)
    assert done.stdout.splitlines() == ["edgequant: evaluate: started", f"edgequant: evaluate: {line}"]
    assert (done.returncode, done.stderr) == (code, "")


def test_a_step_with_nothing_to_do_is_silent() -> None:
    """A quiet step says neither that it started nor that it is done; its failure is told all the same."""
    script = (
        "from edgequant.errors import *\nfrom edgequant.steps import step\nwith step('champion', quiet=True):\n    {}"
    )
    for body, lines in (("pass", []), ("raise ModelError('gone')", ["edgequant: champion: error: gone"])):
        done = subprocess.run([sys.executable, "-c", script.format(body)], capture_output=True, text=True, check=False)
        assert done.stdout.splitlines() == lines


def test_a_defect_keeps_its_stack_trace() -> None:
    """Any other exception is not dressed up: its trace says where to look."""
    done = _run("1 / 0")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "error:" not in done.stdout


def test_a_step_ends_soon_after_the_run_that_started_it() -> None:
    """When the process named in the environment is killed, the step is gone within seconds."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as runner:
        script = (
            "import time\nfrom edgequant.steps import step\nwith step('x'): print('in', flush=True); time.sleep(60)"
        )
        environment = {**os.environ, RUNNER_PID: str(runner.pid)}
        with subprocess.Popen(
            [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
        ) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "edgequant: x: started\n"
            assert worker.stdout.readline() == "in\n"
            time.sleep(0.5)
            assert worker.poll() is None
            runner.send_signal(signal.SIGKILL)
            runner.wait()
            # Ended by itself, it would be after its minute of sleep, and with 0.
            assert worker.wait(timeout=50) == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (EvaluationError("a\n b"), "a b"),
        (ConfigError("x"), "x"),
        (PermissionError(13, "Permission denied", "/data"), "Permission denied: /data"),
        (FileNotFoundError(2, "No such file or directory", "/data/a\nb"), "No such file or directory: /data/a b"),
        (OSError("plain"), "plain"),
    ],
)
def test_an_error_is_described_in_one_line(error: EdgequantError | OSError, text: str) -> None:
    """A message of several lines, or an operating system's error, becomes one line."""
    assert describe(error) == text
