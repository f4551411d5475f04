"""The watcher as a service: polls until it is stopped."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from edgequant.errors import ConfigError, EdgequantError
from edgequant.tracking_uri import TRACKING_URI, check_tracking_uri
from edgequant_pipelines.watching.change_notices import ChangeNotices
from edgequant_pipelines.watching.context import WatchContext
from edgequant_pipelines.watching.endpoint import serving
from edgequant_pipelines.watching.launchers.pool import LauncherPool
from edgequant_pipelines.watching.model_registry import ModelRegistry, RegistryError
from edgequant_pipelines.watching.prometheus import Measures
from edgequant_pipelines.watching.rules.rules import RulesFile
from edgequant_pipelines.watching.watcher import Watcher

_TRACKING_URI = "--tracking-uri"
_LONGEST_PAUSE_SECONDS = 300.0
_ONCE_PAUSE_SECONDS = 2.0
# A poll that takes longer than this is considered hung: MLflow's client times out much earlier.
_HUNG_SECONDS = 900.0
# By default, MLflow's client waits two minutes for each answer, tries eight times, and obeys any Retry-After of the server.
_CLIENT_LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}


class WatchError(EdgequantError):
    """The watcher cannot start, or a single poll failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a watcher.

    Attributes:
        rules: RULES.yaml.
        tracking_uri: MLflow's tracking URI; "" for the environment's.
        work: The directory of local runs and of the lock against a second watcher.
        interval: Seconds between polls.
        metrics_host: The address of the health and metrics endpoint.
        metrics_port: Its port; None for no endpoint.
    """

    rules: Path
    tracking_uri: str
    work: Path
    interval: float
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None


class Service:
    """A watcher with signal handling, a lock and an endpoint.

    Args:
        settings: The settings.
        show: Prints a line.
    """

    def __init__(self, settings: Settings, show: Callable[[str], None]) -> None:
        self._settings = settings
        self._show = show
        self._stop = threading.Event()
        self._measures = Measures()
        self._looked = time.monotonic()
        self._succeeded: float | None = None
        self._problem = ""
        self._notices = ChangeNotices(show)

    def run(self, *, once: bool) -> None:
        """Watches until it is stopped, or polls once.

        Raises:
            ConfigError: The rules or the settings are invalid.
            WatchError: Another watcher uses the work directory, or, with `once`, MLflow or a launcher is unavailable.
        """
        uri = tracking_uri(self._settings.tracking_uri)
        rules = RulesFile(self._settings.rules, uri)
        with self._exclusive(), _signals(self._stop), _client_limits():
            pool = LauncherPool(rules, self._settings.work / "runs", uri)
            try:
                watcher = Watcher(
                    rules,
                    WatchContext(
                        registry=ModelRegistry(uri),
                        launchers=pool.launcher,
                        measures=self._measures,
                        show=self._show,
                        stopping=self._stop.is_set,
                        once=once,
                    ),
                )
                with self._endpoint(watcher):
                    # Within the endpoint: the check may take minutes, during which probes are answered.
                    pool.check()
                    count = len(rules.rules.rules)
                    self._show(f"watching {uri} by {count} rule{'s' * (count > 1)} of {self._settings.rules}")
                    (self._once if once else self._forever)(watcher)
            finally:
                pool.close()
        if self._stop.is_set():
            self._show("stopped by a signal; the next watcher continues from here")

    def _forever(self, watcher: Watcher) -> None:
        failures = 0
        while not self._stop.is_set():
            failures = 0 if self._look(watcher) else failures + 1
            pause = self._settings.interval * 2.0 ** min(failures, 20)
            self._stop.wait(min(pause, max(_LONGEST_PAUSE_SECONDS, self._settings.interval)))

    def _once(self, watcher: Watcher) -> None:
        while not self._stop.is_set():
            if not self._look(watcher, once=True):
                raise WatchError(self._problem)
            if watcher.more:
                continue
            if not watcher.attached:
                if undone := _undone(watcher):
                    raise WatchError(f"not all that is due was started or followed: {undone}")
                if watcher.later:
                    self._show(watcher.later)
                return
            self._stop.wait(min(_ONCE_PAUSE_SECONDS, self._settings.interval))

    def _look(self, watcher: Watcher, *, once: bool = False) -> bool:
        """Polls once, and returns whether MLflow answered; reports a failure once, if polls continue."""
        self._looked = time.monotonic()
        try:
            watcher.poll()
        except RegistryError as error:
            self._measures.registry_errors.inc()
            if ModelRegistry not in self._notices and not once:
                self._notices.tell(ModelRegistry, f"{error}; retried with exponential backoff")
            self._problem = str(error)
            return False
        self._notices.end(ModelRegistry, "MLflow answers again")
        self._problem = ""
        self._succeeded = time.monotonic()
        self._measures.last_poll.set_to_current_time()
        return True

    def _alive(self) -> str:
        age = time.monotonic() - self._looked
        limit = _HUNG_SECONDS + max(_LONGEST_PAUSE_SECONDS, self._settings.interval)
        return "" if age < limit else f"the last look began {age:.0f} s ago"

    def _ready(self, watcher: Watcher) -> str:
        if self._succeeded is None or self._problem:
            return self._problem or "MLflow was not looked at yet"
        if watcher.problem:
            return f"the rules are wrong, so the earlier ones stay in force: {watcher.problem}"
        return _undone(watcher)

    def _endpoint(self, watcher: Watcher) -> AbstractContextManager[int]:
        settings = self._settings
        if settings.metrics_port is None:
            return nullcontext(0)
        probes = {"/healthz": self._alive, "/readyz": lambda: self._ready(watcher)}
        return serving(settings.metrics_host, settings.metrics_port, self._measures.registry, probes)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Locks the work directory against other watchers.

        Raises:
            ConfigError: The directory is not writable.
            WatchError: Another watcher uses it.
        """
        work = self._settings.work
        try:
            work.mkdir(parents=True, exist_ok=True)
            lock = FileLock(work / "watch.lock").acquire(timeout=0)
        except Timeout:
            raise WatchError(f"{work}: another watcher uses this work directory; only one may") from None
        except OSError as error:
            raise ConfigError(f"--work-directory: {work} cannot be written to ({error.strerror})") from error
        with lock:
            yield


def tracking_uri(configured: str) -> str:
    """Returns MLflow's tracking URI: the configured one, or the environment's.

    Raises:
        ConfigError: It is not set, is invalid, or holds a password.
    """
    uri = configured or os.environ.get(TRACKING_URI, "")
    if not uri:
        raise ConfigError(f"{_TRACKING_URI}: none is given, and {TRACKING_URI} is not set")
    check_tracking_uri(_TRACKING_URI, uri)
    # MLflow considers a word without a scheme a folder, and creates it.
    if not urlsplit(uri).scheme and uri != "databricks" and not Path(uri).is_dir():
        raise ConfigError(
            f"{_TRACKING_URI}: {uri!r} is no tracking URI; https://HOST, http://HOST:PORT, sqlite:///FILE, another database's and databricks are allowed"
        )
    if uri.startswith("sqlite:///"):
        # Resolved, since runs have other working directories.
        return f"sqlite:///{Path(uri.removeprefix('sqlite:///')).resolve()}"
    return uri


def _undone(watcher: Watcher) -> str:
    """Returns why the last poll did not start or follow everything that was due, or ""."""
    return "; ".join(filter(None, [watcher.silence, watcher.held_up]))


@contextmanager
def _client_limits() -> Iterator[None]:
    """Sets the timeouts and retries of MLflow's client, unless the environment does."""
    ours = {name: value for name, value in _CLIENT_LIMITS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Makes SIGTERM and SIGINT stop the watcher after the current claim."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
