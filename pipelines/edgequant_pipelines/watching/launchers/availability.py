"""Which launchers can be asked: each is tried at every look, and said once when it is silent and once when it answers again."""

from collections.abc import Callable, Iterable
from functools import partial

from edgequant_pipelines.watching.change_notices import ChangeNotices
from edgequant_pipelines.watching.launchers.base import Launcher, LauncherError
from edgequant_pipelines.watching.prometheus import Measures


class Availability:
    """The launchers, as far as they can be asked.

    Args:
        launchers: Returns the launcher of a name.
        measures: What is counted.
        show: Takes a line for people.
        once: Whether nobody looks again after what is silent now.

    Attributes:
        silent: The names of those found silent in this look.
        answered: The names of those that answered in this look.
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
        """Why launchers could not be asked when they were last, or ""."""
        # The endpoint's thread asks too, while a look may change what it goes through.
        return "; ".join(f"{name}: {reason}" for name, reason in list(self._reasons.items()))

    def begin(self, names: Iterable[str]) -> None:
        """Begins a look: asks the launchers of these names whether they would take anything."""
        self.silent.clear()
        self.answered.clear()
        self._unknown.clear()
        for name in sorted(names):
            self.guarded(name, partial(self._check, name))

    def _check(self, name: str) -> None:
        self[name].check()

    def guarded(self, name: str, step: Callable[[], None]) -> None:
        """Takes a step unless its launcher was found silent in this look."""
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
        """Ends a look: what was silent before and answered in it is said; what nobody asks any more is forgotten."""
        for name in set(self._reasons) - self.silent:
            self._notices.end(name, f"{name}: answers again" if name in self.answered else "")
            del self._reasons[name]

    def has(self, name: str, place: str) -> bool:
        """Tells whether a launcher's runs are in a place; one that cannot be asked in this look is not known to."""
        if name in self.silent | self._unknown:
            return False
        try:
            return self[name].place == place
        except LauncherError:
            # There may be thousands of others' claims, and asking may take a minute.
            self._unknown.add(name)
            return False

    def __getitem__(self, name: str) -> Launcher:
        """Returns a launcher.

        Raises:
            LauncherError: It cannot be asked now, or there is none of that name.
        """
        return self._launchers(name)
