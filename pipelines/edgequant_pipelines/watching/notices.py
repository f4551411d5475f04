"""What holds versions up, said once for each change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgequant_pipelines.watching.change_notices import ChangeNotices
from edgequant_pipelines.watching.launchers.base import UnreadableRunError
from edgequant_pipelines.watching.model_registry import RefusedError
from edgequant_pipelines.watching.prometheus import Measures


class BlockedVersions:
    """What held versions up at the last look.

    Args:
        measures: What is counted.
        show: Takes a line for people.
        once: Whether nobody tries again.
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
        """What held which version up, or ""."""
        return "; ".join(f"{what}: {reason}" for what, reason in self._previous.items())

    def begin(self) -> None:
        """Begins a look."""
        self._current = {}

    @contextmanager
    def isolated(self, what: object, launcher: str) -> Iterator[None]:
        """Takes a step with a version, and lets the next have its turn when MLflow refuses it or its run cannot be read.

        Args:
            what: The version, for people.
            launcher: The name of what runs it.
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
        """Ends a look."""
        self._notices.keep(self._current.__contains__)
        for what, reason in self._current.items():
            self._notices.tell(what, f"{what}: {reason}{'' if self._once else '; retried at every look'}")
        # Another one: the endpoint's thread may be going through the earlier.
        self._previous = self._current


class ConcurrencyNotice:
    """Says when versions wait because as many runs are under way as may be: otherwise nobody would see why nothing starts.

    Args:
        show: Takes a line for people.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._notices = ChangeNotices(show)

    def tell(self, *, waiting: int, under_way: int, allowed: int) -> None:
        """Says how many versions wait, unless none does or it was just said.

        Args:
            waiting: How many versions could begin now if there were room.
            under_way: How many runs there are.
            allowed: How many there may be.
        """
        if not waiting or under_way < allowed:
            self._notices.end(ConcurrencyNotice)
            return
        versions = "1 version waits" if waiting == 1 else f"{waiting} versions wait"
        runs = "1 run is" if under_way == 1 else f"{under_way} runs are"
        self._notices.tell(ConcurrencyNotice, f"{versions} for room: {runs} under way, and concurrency is {allowed}")
