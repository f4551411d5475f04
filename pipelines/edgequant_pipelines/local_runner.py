"""Runs the pipeline on this machine, through KFP's own local runner."""

import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

from filelock import FileLock, Timeout

from edgequant.artifacts.directory import link_tree, read_json
from edgequant.errors import ConfigError, EdgequantError
from edgequant.step_lines import ConfigErrorLine, ErrorLine, ProgressLine, parse
from edgequant.steps import RUNNER_PID
from edgequant.tracking_uri import LOCAL_TRACKING_URI
from edgequant_pipelines.arguments import local_tracking_uri, pipeline_arguments
from edgequant_pipelines.config import Config
from edgequant_pipelines.run_result import RESULTS, Result, load_run

_STATE = ".edgequant"
# Steps in order; those of one stage may run in any.
_STAGES = {
    "resolve": 0,
    "describe": 1,
    "champion": 1,
    "sample": 2,
    "convert": 3,
    "evaluate": 4,
    "benchmark": 4,
    "validate": 5,
    "track": 6,
}

Show = Callable[[str, str], None]


class StepError(EdgequantError):
    """A step of the run failed."""


def _show_nothing(step: str, line: str) -> None:
    pass


def run(config: Config, work: Path, *, cache: bool = True, show: Show = _show_nothing) -> Result:
    """Runs the pipeline on this machine and returns its result.

    Args:
        config: The configuration.
        work: The work directory; steps that finished there before are not run again for the same inputs.
        cache: Whether to use what earlier runs left; otherwise it is forgotten.
        show: Called with a step's name and a line of its progress.

    Raises:
        ConfigError: The configuration is wrong.
        EdgequantError: A step failed; what is finished stays in the work directory.
    """
    work = work.resolve()
    run_locally(config, work, cache=cache, show=show)
    return load_run(work)


def run_locally(config: Config, work: Path, *, cache: bool, show: Show) -> dict[str, Any]:
    """Runs the pipeline and returns what ``result.json`` holds.

    Args:
        config: The configuration.
        work: The work directory; steps that finished there before are not run again for the same inputs.
        cache: Whether to use what earlier runs left; otherwise it is forgotten.
        show: Called with a step's name and a line of its progress.

    Raises:
        ConfigError: The configuration is wrong.
        EdgequantError: A step failed; what is finished stays in the work directory.
    """
    tracking_uri = local_tracking_uri(config, work)
    with _claimed(work):
        # A result of an earlier run must not pass for this run's, should this one fail.
        for name in ("result.json", "report.html"):
            (work / name).unlink(missing_ok=True)
        before = time.time()
        try:
            _run_pipeline(config, tracking_uri, work, cache=cache, show=show)
        except StepError as error:
            if _publish(work, before):
                raise StepError(f"{error}; the results are kept: finish with `edgequant track {work}`") from error
            raise
        _publish(work, before)
        result: dict[str, Any] = read_json(work / "result.json")
        return result


def forget_steps(work: Path) -> None:
    """Removes what finished steps left in a work directory for the next run there; its results stay."""
    with _claimed(work):
        for name in ("cache", "runs"):
            shutil.rmtree(work / _STATE / name, ignore_errors=True)


@contextmanager
def _claimed(work: Path) -> Iterator[None]:
    """Makes the work directory and keeps other runs out of it."""
    state = work / _STATE
    state.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(state / "lock", timeout=0):
            yield
    except Timeout:
        raise StepError(
            f"{work}: another run is using this work directory; wait for it or give --work-directory"
        ) from None


def _run_pipeline(config: Config, tracking_uri: str, work: Path, *, cache: bool, show: Show) -> None:
    """Runs the pipeline; its steps' full output goes to the log, their progress to `show`."""
    from kfp import local

    from edgequant_pipelines.pipeline import quantize_model

    state = work / _STATE
    if not cache:
        # Forgotten rather than passed by, so that the next run finds what this one leaves.
        shutil.rmtree(state / "cache", ignore_errors=True)
    with (work / "run.log").open("w", encoding="utf-8") as stream, _step_environment(tracking_uri):
        # Where MLflow is changes nothing of what is made, and the cache's keys are of the arguments: steps find it around them.
        arguments = pipeline_arguments(config, tracking_uri, show) | {"tracking_uri": ""}
        # Without a champion that step has nothing to do, and says nothing.
        log = _Log(stream, show, silent=set() if config.champion else {"champion"})
        with redirect_stdout(log), redirect_stderr(log):
            local.init(
                local.SubprocessRunner(use_venv=False),
                pipeline_root=str(state / "runs"),
                workspace_root=str(state / "workspace"),
                enable_caching=True,
                cache_root=str(state / "cache"),
            )
            try:
                quantize_model(**arguments)
            except RuntimeError as error:
                raise log.failure(work) from error
        log.finish()


@contextmanager
def _step_environment(tracking_uri: str) -> Iterator[None]:
    """Sets what the steps' processes find around them, and clears up after them."""
    from kfp.local import logging_utils

    with (
        tempfile.TemporaryDirectory(prefix="edgequant-") as scratch,
        warnings.catch_warnings(),
        # KFP indents by replacing the built-in print, and two tasks at once leave it replaced for good.
        patch.object(logging_utils, "indented_print", nullcontext),
    ):
        # Which images the steps have on a cluster is not this runner's business.
        warnings.filterwarnings("ignore", message="You may be attemping to run a task", category=RuntimeWarning)
        changed = {
            # A step ends with this process, so that a run that is killed leaves nothing behind that still works.
            RUNNER_PID: str(os.getpid()),
            LOCAL_TRACKING_URI: tracking_uri,
            # KFP makes a temporary folder for each task and leaves it there.
            "TMPDIR": scratch,
            # What MLflow tells of its own doings is not the user's business; warnings and errors are.
            "MLFLOW_LOGGING_LEVEL": os.environ.get("MLFLOW_LOGGING_LEVEL", "WARNING"),
        }
        before = {name: os.environ.get(name) for name in changed}
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        os.environ.update(changed)
        try:
            yield
        finally:
            # KFP's tasks take turns at the root logger, and two at once may leave it writing to a log that is closed.
            root.handlers[:] = handlers
            root.setLevel(level)
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _publish(work: Path, since: float) -> bool:
    """Puts the newest result, tracked or not, where people look for it, and tells whether there is one."""
    results = [path for path in (work / _STATE / "runs").glob("*/track*/result") if path.stat().st_mtime >= since]
    if not results:
        return False
    newest = max(results, key=lambda path: path.stat().st_mtime)
    link_tree(newest, work / RESULTS)
    for name in ("report.html", "result.json"):
        shutil.copyfile(newest / name, work / name)
    return True


class _Log:
    """Takes what KFP prints: everything goes to a file, the steps' own lines to a callback, and what that prints to people."""

    def __init__(self, stream: IO[str], show: Show, *, silent: set[str]) -> None:
        self._stream = stream
        self._callback = show
        self._outside = sys.stdout
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._rest = ""
        self._seen = silent
        self._error: EdgequantError | None = None
        self._last = ""

    def write(self, text: str) -> int:
        if getattr(self._thread, "showing", False):
            return self._outside.write(text)
        with self._lock:
            self._stream.write(text)
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._take(line)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def _show(self, step: str, text: str) -> None:
        self._thread.showing = True
        try:
            self._callback(step, text)
        finally:
            self._thread.showing = False

    def finish(self) -> None:
        """Says which of the steps were not run because their results were there."""
        self._reused(len(_STAGES))

    def failure(self, work: Path) -> EdgequantError:
        """Returns the error of the step that failed."""
        if self._error is not None:
            return self._error
        return StepError(
            f"a step failed unexpectedly: {self._last or 'it said nothing'}; the whole log is {work / 'run.log'}"
        )

    def _take(self, line: str) -> None:
        record = parse(line)
        if record is None or record.step not in _STAGES:
            self._last = line.strip() or self._last
            return
        self._reused(_STAGES[record.step])
        self._seen.add(record.step)
        match record:
            case ConfigErrorLine(step, text):
                self._error = ConfigError(f"{step}: {text}")
            case ErrorLine(step, text):
                self._error = StepError(f"{step}: {text}")
            case ProgressLine(step, text):
                self._show(step, text)

    def _reused(self, before: int) -> None:
        for step, stage in _STAGES.items():
            if stage < before and step not in self._seen:
                self._seen.add(step)
                self._show(step, "done before: reused")
