"""Notices about versions that cannot proceed, shown once per change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgequant_pipelines.watching.change_notices import ChangeNotices
from edgequant_pipelines.watching.launchers.base import UnreadableRunError
from edgequant_pipelines.watching.model_registry import RefusedError
from edgequant_pipelines.watching.prometheus import Measures


class BlockedVersions:
    """The versions that failed in the last poll, and why.

    Args:
        measures: The Prometheus metrics.
        show: Prints a line.
        once: Whether the watcher polls only once, without retries.
    """

    def __init__(self, measures: Measures, show: Callable[[str], None], *, once: bool) -> None:
        self._measures = measures
        self._notices = ChangeNotices(show)
        self._once = once
        self._current: dict[str, str] = {}
        self._previous: dict[str, str] = {}

    def __contains__(self, what: object) -> bool:
        return str(what) in self._previous

    @property
    def reasons(self) -> str:
        """The failed versions with their reasons, or ""."""
        return "; ".join(f"{what}: {reason}" for what, reason in self._previous.items())

    def begin(self) -> None:
        """Begins a poll."""
        self._current = {}

    @contextmanager
    def isolated(self, what: object, launcher: str) -> Iterator[None]:
        """Isolates the errors of one version: if MLflow refuses it or its run cannot be read, the poll continues with others.

        Args:
            what: The version, for messages.
            launcher: The name of its launcher.
        """
        try:
            yield
        except RefusedError as error:
            self._measures.registry_errors.inc()
            self._current[str(what)] = str(error)
        except UnreadableRunError as error:
            self._measures.launcher_errors.labels(launcher).inc()
            self._current[str(what)] = str(error)

    def end(self) -> None:
        """Ends a poll."""
        self._notices.keep(self._current.__contains__)
        for what, reason in self._current.items():
            self._notices.tell(what, f"{what}: {reason}{'' if self._once else '; retried at every look'}")
        # Replaced, not changed: the endpoint's thread may be iterating over the previous one.
        self._previous = self._current


class ConcurrencyNotice:
    """Reports that versions wait because of the concurrency limit.

    Args:
        show: Prints a line.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._notices = ChangeNotices(show)

    def tell(self, *, waiting: int, under_way: int, allowed: int) -> None:
        """Reports the number of waiting versions, if there are any and it changed.

        Args:
            waiting: The number of versions that wait for a free slot.
            under_way: The number of runs under way.
            allowed: The concurrency limit.
        """
        if not waiting or under_way < allowed:
            self._notices.end(ConcurrencyNotice)
            return
        versions = "1 version waits" if waiting == 1 else f"{waiting} versions wait"
        runs = "1 run is" if under_way == 1 else f"{under_way} runs are"
        self._notices.tell(
            ConcurrencyNotice, f"{versions} for a free slot: {runs} under way, and concurrency is {allowed}"
        )
