"""The availability of launchers: checked at every poll, and reported once when it changes."""

from collections.abc import Callable, Iterable
from functools import partial

from edgequant_pipelines.watching.change_notices import ChangeNotices
from edgequant_pipelines.watching.launchers.base import Launcher, LauncherError
from edgequant_pipelines.watching.prometheus import Measures


class Availability:
    """The launchers and their availability.

    Args:
        launchers: Returns the launcher of a name.
        measures: The Prometheus metrics.
        show: Prints a line.
        once: Whether the watcher polls only once, without retries.

    Attributes:
        silent: The names of the launchers that did not answer in this poll.
        answered: The names of the launchers that answered in this poll.
    """

    def __init__(
        self, launchers: Callable[[str], Launcher], measures: Measures, show: Callable[[str], None], *, once: bool
    ) -> None:
        self._launchers = launchers
        self._measures = measures
        self._notices = ChangeNotices(show)
        self._once = once
        self._reasons: dict[str, str] = {}
        self._unknown: set[str] = set()
        self.silent: set[str] = set()
        self.answered: set[str] = set()

    @property
    def silence(self) -> str:
        """Why launchers are unavailable since their last check, or ""."""
        # The endpoint's thread reads this, too, while a poll may change the dictionary.
        return "; ".join(f"{name}: {reason}" for name, reason in list(self._reasons.items()))

    def begin(self, names: Iterable[str]) -> None:
        """Begins a poll: checks the launchers of these names."""
        self.silent.clear()
        self.answered.clear()
        self._unknown.clear()
        for name in sorted(names):
            self.guarded(name, partial(self._check, name))

    def _check(self, name: str) -> None:
        self[name].check()

    def guarded(self, name: str, step: Callable[[], None]) -> None:
        """Executes a step unless its launcher did not answer in this poll."""
        if name in self.silent:
            return
        try:
            step()
        except LauncherError as error:
            self.silent.add(name)
            self._measures.launcher_errors.labels(name).inc()
            self._reasons[name] = str(error)
            self._notices.tell(name, f"{name}: {error}{'' if self._once else '; retried at every look'}")
        else:
            self.answered.add(name)

    def end(self) -> None:
        """Ends a poll: reports the launchers that answer again, and forgets those that are no longer used."""
        for name in set(self._reasons) - self.silent:
            self._notices.end(name, f"{name}: answers again" if name in self.answered else "")
            del self._reasons[name]

    def has(self, name: str, place: str) -> bool:
        """Returns whether a launcher's runs are in a place; false if it is unavailable in this poll."""
        if name in self.silent | self._unknown:
            return False
        try:
            return self[name].place == place
        except LauncherError:
            # Remembered, since there may be thousands of claims, and an attempt to connect may take a minute.
            self._unknown.add(name)
            return False

    def __getitem__(self, name: str) -> Launcher:
        """Returns a launcher.

        Raises:
            LauncherError: It is unavailable, or does not exist.
        """
        return self._launchers(name)
