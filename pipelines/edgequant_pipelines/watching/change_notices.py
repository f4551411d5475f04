"""Messages that are shown only when they change."""

from collections.abc import Callable, Hashable
from typing import Any


class ChangeNotices:
    """The last message about each subject.

    Args:
        show: Prints a line.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._lines: dict[Hashable, str] = {}

    def __contains__(self, subject: Hashable) -> bool:
        return subject in self._lines

    def tell(self, subject: Hashable, line: str) -> None:
        """Shows a line unless it is the last one shown about its subject."""
        if self._lines.get(subject) != line:
            self._lines[subject] = line
            self._show(line)

    def end(self, subject: Hashable, line: str = "") -> None:
        """Forgets a subject, so that its next message is shown; shows a closing line, if any, when the subject was known."""
        if self._lines.pop(subject, None) is not None and line:
            self._show(line)

    def keep(self, keep: Callable[[Any], bool]) -> None:
        """Forgets the subjects for which `keep` returns false."""
        self._lines = {subject: line for subject, line in self._lines.items() if keep(subject)}

    def forget(self) -> None:
        """Forgets every subject."""
        self._lines.clear()
