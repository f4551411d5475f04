"""Whose turn it is in a process that runs several models: what is left to read when it does not live to tell."""

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 0xFF


class Turns:
    """A byte of shared memory that names the model at work. Telling costs no system call, so latencies keep theirs.

    Args:
        names: The models, 255 at most.
        memory: The byte.
    """

    def __init__(self, names: Sequence[str], memory: mmap.mmap) -> None:
        self._numbers = {name: number for number, name in enumerate(names)}
        self._memory = memory

    def begin(self, name: str) -> None:
        """Says that a model is at work from here on, until another is."""
        self._memory[0] = self._numbers[name]


@contextmanager
def record_turns(names: Sequence[str], path: Path | None) -> Iterator[Turns]:
    """Yields the turns that a process tells in a file of `start_turns`; without one, nobody reads them."""
    if path is None:
        with mmap.mmap(-1, 1) as memory:
            yield Turns(names, memory)
        return
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 1) as memory:
        yield Turns(names, memory)


def start_turns(path: Path) -> None:
    """Writes a file in which it is nobody's turn."""
    path.write_bytes(bytes([_NOBODY]))


def whose_turn(names: Sequence[str], path: Path) -> str | None:
    """Returns the model that was at work last; None where none had begun."""
    number = path.read_bytes()[0]
    return None if number == _NOBODY else names[number]
