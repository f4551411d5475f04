"""Records which of several models a process runs, so that its parent can read the last one after a crash."""

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_NO_MODEL = 0xFF


class Turns:
    """A byte of shared memory that identifies the running model. Writing it needs no system call and so no measurable time.

    Args:
        names: The models, 255 at most.
        memory: The byte.
    """

    def __init__(self, names: Sequence[str], memory: mmap.mmap) -> None:
        self._numbers = {name: number for number, name in enumerate(names)}
        self._memory = memory

    def begin(self, name: str) -> None:
        """Records that a model runs from here on."""
        self._memory[0] = self._numbers[name]


@contextmanager
def record_turns(names: Sequence[str], path: Path | None) -> Iterator[Turns]:
    """Yields the turns that a process records in a file of `start_turns`; without a file they are discarded."""
    if path is None:
        with mmap.mmap(-1, 1) as memory:
            yield Turns(names, memory)
        return
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 1) as memory:
        yield Turns(names, memory)


def start_turns(path: Path) -> None:
    """Writes a file that records no model."""
    path.write_bytes(bytes([_NO_MODEL]))


def whose_turn(names: Sequence[str], path: Path) -> str | None:
    """Returns the model that ran last; None if none did."""
    number = path.read_bytes()[0]
    return None if number == _NO_MODEL else names[number]
