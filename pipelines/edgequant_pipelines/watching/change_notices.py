"""Lines that are shown when they change, and not at every look."""

from collections.abc import Callable, Hashable
from typing import Any


class ChangeNotices:
    """What was last shown of each subject.

    Args:
        show: Takes a line for people.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._lines: dict[Hashable, str] = {}

    def __contains__(self, subject: Hashable) -> bool:
        return subject in self._lines

    def tell(self, subject: Hashable, line: str) -> None:
        """Shows a line unless it is the one last shown of its subject."""
        if self._lines.get(subject) != line:
            self._lines[subject] = line
            self._show(line)

    def end(self, subject: Hashable, line: str = "") -> None:
        """Forgets a subject, so that it is told anew when it comes back; shows a line if it was told and there is one."""
        if self._lines.pop(subject, None) is not None and line:
            self._show(line)

    def keep(self, keep: Callable[[Any], bool]) -> None:
        """Forgets every other subject."""
        self._lines = {subject: line for subject, line in self._lines.items() if keep(subject)}

    def forget(self) -> None:
        """Forgets every subject."""
        self._lines.clear()
