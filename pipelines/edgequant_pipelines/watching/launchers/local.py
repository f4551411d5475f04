"""Runs on this machine, each in its own process and work directory."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import yaml

from edgequant.artifacts.directory import read_json
from edgequant.steps import RUNNER_PID
from edgequant_pipelines.config import Config
from edgequant_pipelines.watching.launchers.base import LaunchedRun, Progress
from edgequant_pipelines.watching.launchers.local_run import CONFIG, END

_GRACE_SECONDS = 10.0
_LOG = "output.log"


class LocalLauncher:
    """Runs pipelines in subdirectories of a directory; a run has ended once its directory holds `end.json`.

    Args:
        directory: The parent of the runs' directories.
        tracking_uri: The MLflow server of configurations without one.
    """

    def __init__(self, directory: Path, tracking_uri: str) -> None:
        self._directory = directory
        self._environment = {
            **os.environ,
            # A run ends with the watcher, and the next watcher continues it.
            RUNNER_PID: str(os.getpid()),
            "MLFLOW_TRACKING_URI": tracking_uri,
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def place(self) -> str:
        """This machine, and the directory."""
        return f"{socket.gethostname()}:{self._directory.resolve()}"

    def check(self) -> None:
        """Does nothing: this machine is always available."""

    def find(self, run_name: str) -> LaunchedRun | None:
        """Returns the run of a name; None if it does not exist or was interrupted."""
        run = self.state(run_name)
        return None if run.progress is Progress.INTERRUPTED else run

    def submit(self, config: Config, run_name: str) -> LaunchedRun:
        """Starts a run, or continues an interrupted one; a run that has ended is returned unchanged."""
        existing = self.find(run_name)
        if existing is not None:
            return existing
        work = self._directory / run_name
        work.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)
        draft = work / f".{CONFIG}"
        draft.write_text(text, encoding="utf-8")
        draft.replace(work / CONFIG)
        command = [sys.executable, "-m", "edgequant_pipelines.watching.launchers.local_run", str(work.resolve())]
        with (work / _LOG).open("ab") as log:
            # In a new session, so that Ctrl-C reaches only the watcher, which then ends its runs.
            self._processes[run_name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )
        return LaunchedRun(run_id=run_name, progress=Progress.RUNNING, shown=str(work))

    def state(self, run_id: str) -> LaunchedRun:
        """Returns the state of a run."""
        work = self._directory / run_id
        process = self._processes.get(run_id)
        code = process.poll() if process else None
        if process and code is None:
            return LaunchedRun(run_id=run_id, progress=Progress.RUNNING, shown=str(work))
        self._processes.pop(run_id, None)
        if (work / END).is_file():
            end = read_json(work / END)
            progress = Progress.SUCCEEDED if end["outcome"] else Progress.FAILED
            return LaunchedRun(
                run_id=run_id,
                progress=progress,
                reason=end["reason"],
                final=end["wrong_config"],
                outcome=end["outcome"],
                shown=str(work),
            )
        if process:
            how = f"was ended by {_signal(-code)}" if code and code < 0 else f"ended with exit code {code}"
            return LaunchedRun(
                run_id=run_id,
                progress=Progress.FAILED,
                reason=f"the run's process {how}; its output is {work / _LOG}",
                shown=str(work),
            )
        return LaunchedRun(run_id=run_id, progress=Progress.INTERRUPTED, shown=str(work))

    def close(self) -> None:
        """Ends the runs; the next watcher continues them."""
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes.clear()


def _signal(number: int) -> str:
    """Returns the name of a signal; real-time signals have only a number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
