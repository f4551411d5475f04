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
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

from filelock import FileLock, Timeout

from edgequant.artifacts.directory import link_tree, read_json
from edgequant.errors import ConfigError, EdgequantError
from edgequant.step_lines import ConfigErrorLine, ErrorLine, ProgressLine, parse
from edgequant.steps import CONVERSIONS, RUNNER_PID
from edgequant.tracking_uri import LOCAL_TRACKING_URI
from edgequant_pipelines.arguments import local_tracking_uri, pipeline_arguments
from edgequant_pipelines.config import Config
from edgequant_pipelines.preflight import check_before_start
from edgequant_pipelines.run_result import RESULTS, Result, load_run

_STATE = ".edgequant"
_CONVERSIONS = "conversions"
# What a run writes beside its state and its log.
_PUBLISHED = ("result.json", "report.html")
# Where the result of the run before is while a run has none yet.
_PREVIOUS = "previous"
# The stage of each step; steps of the same stage run in any order.
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
    with suppress(ConfigError):
        # In a pod without a server nothing is left behind. A wrong value is told with all else.
        local_tracking_uri(config, work)
    with _claimed(work):
        earlier = _set_aside(work)
        before = time.time()
        try:
            tracking_uri = check_before_start(config, work)
            _run_pipeline(config, tracking_uri, work, cache=cache, show=show)
        except StepError as error:
            if _publish(work, before):
                raise StepError(f"{error}; the results are kept: finish with `edgequant track {work}`") from error
            raise
        finally:
            if earlier and not (work / _PUBLISHED[0]).exists():
                show("run", f"the result of an earlier run is kept in {earlier}; this run has none")
        _publish(work, before)
        result: dict[str, Any] = read_json(work / "result.json")
        return result


def _set_aside(work: Path) -> Path | None:
    """Moves the result of an earlier run into a folder of its own, and returns that folder; None if there never was a result.

    Should this run fail, nobody takes that result for this run's, and it is not lost.
    """
    names = [name for name in (*_PUBLISHED, RESULTS) if (work / name).exists()]
    previous = work / _PREVIOUS
    if not names:
        return previous if previous.is_dir() else None
    shutil.rmtree(previous, ignore_errors=True)
    previous.mkdir()
    for name in names:
        (work / name).rename(previous / name)
    return previous


def forget_steps(work: Path) -> None:
    """Deletes the cache and intermediate outputs of a work directory; its results stay."""
    with _claimed(work):
        for name in ("cache", "runs", _CONVERSIONS):
            shutil.rmtree(work / _STATE / name, ignore_errors=True)


@contextmanager
def _claimed(work: Path) -> Iterator[None]:
    """Creates the work directory and locks it against other runs."""
    state = work / _STATE
    others = [name for name in _PUBLISHED if (work / name).exists()]
    # The state may be deleted to run every step again.
    if others and not state.is_dir() and not (work / RESULTS).is_dir():
        raise StepError(
            f"{work}: is no work directory and holds {', '.join(others)}, which a run would overwrite;"
            " give another --work-directory"
        )
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
        # Deleted rather than disabled, so that the next run can use the outputs of this one.
        shutil.rmtree(state / "cache", ignore_errors=True)
        shutil.rmtree(state / _CONVERSIONS, ignore_errors=True)
    with (work / "run.log").open("w", encoding="utf-8") as stream, _step_environment(tracking_uri, state):
        # The tracking URI does not affect outputs and must not be part of the cache keys: steps read it from the environment.
        arguments = pipeline_arguments(config, tracking_uri, show) | {"tracking_uri": ""}
        # Without a champion, that step does nothing and prints nothing.
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
def _step_environment(tracking_uri: str, state: Path) -> Iterator[None]:
    """Sets the environment and the temporary folder of the steps' processes, and cleans up afterwards."""
    from kfp.local import logging_utils

    with (
        tempfile.TemporaryDirectory(prefix="edgequant-") as scratch,
        warnings.catch_warnings(),
        # KFP indents output by patching the built-in print; two concurrent tasks leave it patched.
        patch.object(logging_utils, "indented_print", nullcontext),
    ):
        # The warning is about images, which this runner does not use.
        warnings.filterwarnings("ignore", message="You may be attemping to run a task", category=RuntimeWarning)
        changed = {
            # A step's process ends with this one, so that a killed run leaves no processes behind.
            RUNNER_PID: str(os.getpid()),
            LOCAL_TRACKING_URI: tracking_uri,
            CONVERSIONS: str(state / _CONVERSIONS),
            # KFP does not delete the temporary folder of a task.
            "TMPDIR": scratch,
            # Hides MLflow's informational messages.
            "MLFLOW_LOGGING_LEVEL": os.environ.get("MLFLOW_LOGGING_LEVEL", "WARNING"),
        }
        before = {name: os.environ.get(name) for name in changed}
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        os.environ.update(changed)
        try:
            yield
        finally:
            # KFP's tasks replace the root logger's handlers; two concurrent ones may leave a handler with a closed stream.
            root.handlers[:] = handlers
            root.setLevel(level)
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _publish(work: Path, since: float) -> bool:
    """Links the newest result, tracked or not, into the work directory, and returns whether there is one."""
    results = [path for path in (work / _STATE / "runs").glob("*/track*/result") if path.stat().st_mtime >= since]
    if not results:
        return False
    newest = max(results, key=lambda path: path.stat().st_mtime)
    link_tree(newest, work / RESULTS)
    for name in _PUBLISHED:
        shutil.copyfile(newest / name, work / name)
    return True


class _Log:
    """Replaces stdout and stderr: writes everything to a log, passes the steps' lines to a callback, and prints its output."""

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
        """Reports the remaining steps that were served from the cache."""
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
