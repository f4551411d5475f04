"""Runs on this machine, as the watcher sees them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgequant_pipelines.watching.launchers.base import Progress
from edgequant_pipelines.watching.launchers.local import LocalLauncher


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGRTMIN + 1, f"signal {signal.SIGRTMIN + 1}")]
)
def test_a_process_that_a_signal_ended(tmp_path: Path, number: int, name: str) -> None:
    """The attempt failed, and the reason names the signal, or its number where it has no name."""
    launcher = LocalLauncher(tmp_path, "")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    launcher._processes["run"] = process
    process.send_signal(number)
    process.communicate()
    run = launcher.state("run")
    assert (run.progress, run.reason.partition(";")[0]) == (
        Progress.FAILED,
        f"the run's process was ended by {name}",
    )
