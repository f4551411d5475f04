"""What runs scripts that end themselves on purpose, and what these run their work in."""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_SECONDS = 500


def run_script(script: str, *arguments: str) -> str:
    """Runs Python source in a process of its own, which must end well, and returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *arguments],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fork(work: Callable[[], object]) -> int:
    """Runs work in a process of its own, and returns how that ended: 0 when the work was done, 1 when it raised."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
