"""The watcher as a service: look after look, until it is told to end."""

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
# A look that takes longer than this hangs: MLflow's client gives up well before.
_HUNG_SECONDS = 900.0
# MLflow's client would wait two minutes for each answer, ask eight times, which a silent server does not need, and sleep as long as
# a server's Retry-After says.
_CLIENT_LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}


class WatchError(EdgequantError):
    """The watcher cannot work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to watch.

    Attributes:
        rules: RULES.yaml.
        tracking_uri: MLflow's tracking URI; "" for the environment's.
        work: Where runs on this machine go, and the lock that keeps a second watcher away.
        interval: Seconds between looks.
        metrics_host: The address that health and metrics are served on.
        metrics_port: Its port; None for no such service.
    """

    rules: Path
    tracking_uri: str
    work: Path
    interval: float
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None


class Service:
    """A watcher with its signals, its lock and its endpoint.

    Args:
        settings: How to watch.
        show: Takes a line for people.
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
        """Watches until it is told to end, or once through.

        Raises:
            ConfigError: The rules or the settings are wrong.
            WatchError: Another watcher is at work, or, with `once`, MLflow or what runs are started with cannot be asked.
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
                    # A server that takes connections and does not answer takes minutes of it, in which the probes are answered.
                    pool.check()
                    count = len(rules.rules.rules)
                    self._show(f"watching {uri} by {count} rule{'s' * (count > 1)} of {self._settings.rules}")
                    (self._once if once else self._forever)(watcher)
            finally:
                pool.close()
        if self._stop.is_set():
            self._show("ended as told; the next watcher goes on from here")

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
        """Looks once, and tells whether MLflow could be asked; says once that it could not, unless nobody looks again."""
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
        """Keeps other watchers out of the work directory.

        Raises:
            ConfigError: It cannot be written to.
            WatchError: Another watcher is there.
        """
        work = self._settings.work
        try:
            work.mkdir(parents=True, exist_ok=True)
            lock = FileLock(work / "watch.lock").acquire(timeout=0)
        except Timeout:
            raise WatchError(f"{work}: another watcher is at work here; there may be one") from None
        except OSError as error:
            raise ConfigError(f"--work-directory: {work} cannot be written to ({error.strerror})") from error
        with lock:
            yield


def tracking_uri(configured: str) -> str:
    """Returns MLflow's tracking URI: the one given, or the environment's.

    Raises:
        ConfigError: There is none, it is none, or it holds a password.
    """
    uri = configured or os.environ.get(TRACKING_URI, "")
    if not uri:
        raise ConfigError(f"{_TRACKING_URI}: none is given, and {TRACKING_URI} is not set")
    check_tracking_uri(_TRACKING_URI, uri)
    # MLflow takes a word without a scheme for a folder, which it would make.
    if not urlsplit(uri).scheme and uri != "databricks" and not Path(uri).is_dir():
        raise ConfigError(
            f"{_TRACKING_URI}: {uri!r} is no tracking URI; https://HOST, http://HOST:PORT, sqlite:///FILE, another database's and databricks are allowed"
        )
    if uri.startswith("sqlite:///"):
        # Runs have working directories of their own.
        return f"sqlite:///{Path(uri.removeprefix('sqlite:///')).resolve()}"
    return uri


def _undone(watcher: Watcher) -> str:
    """Returns why the last look did not start or follow all that was due, or ""."""
    return "; ".join(filter(None, [watcher.silence, watcher.held_up]))


@contextmanager
def _client_limits() -> Iterator[None]:
    """Sets how long MLflow's client waits for an answer, where the environment does not."""
    ours = {name: value for name, value in _CLIENT_LIMITS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Lets SIGTERM and Ctrl-C end the watcher after the claim in hand."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
