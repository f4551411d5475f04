"""The lines that a step's process prints and the local run that started it parses.

These are the only printed lines that one process reads from another. All other output is for people; processes
otherwise communicate by files, exit codes and environment variables. A line has the form
``edgequant: STEP: TEXT``; a failure's text begins with ``error: `` or ``wrong config: ``. On a cluster the lines are the
pod's log, and nothing parses them.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

_PREFIX = "edgequant: "
_STEP = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class StepLine:
    """A line of a step; its class is its kind.

    Attributes:
        step: The step's name, of lower-case letters.
        text: One line.
    """

    # The prefix of the text that marks the kind.
    MARK: ClassVar[str] = ""

    step: str
    text: str

    def __post_init__(self) -> None:
        if not _STEP.fullmatch(self.step):
            raise ValueError(f"step: {self.step!r} is not a step's name; lower-case letters are allowed")
        if "\n" in self.text:
            raise ValueError(f"text: {self.text!r} has several lines; one is allowed")
        if not self.MARK and self.text.startswith((ErrorLine.MARK, ConfigErrorLine.MARK)):
            raise ValueError(f"text: {self.text!r} begins as a failure does; use ErrorLine or ConfigErrorLine")

    def format(self) -> str:
        """Returns the line, without a line break."""
        return f"{_PREFIX}{self.step}: {self.MARK}{self.text}"


@dataclass(frozen=True, slots=True)
class ProgressLine(StepLine):
    """The progress of a step; its text does not begin with the mark of a failure."""


@dataclass(frozen=True, slots=True)
class ErrorLine(StepLine):
    """Why a step failed, for reasons other than the configuration."""

    MARK: ClassVar[str] = "error: "


@dataclass(frozen=True, slots=True)
class ConfigErrorLine(StepLine):
    """Why a step failed, because of the configuration."""

    MARK: ClassVar[str] = "wrong config: "


def parse(line: str) -> StepLine | None:
    """Returns the step line in a line of output, or None for any other line.

    Args:
        line: A line without its line break. Text before the prefix is ignored, since output without a trailing line
            break runs into the next line.
    """
    _, prefix, content = line.partition(_PREFIX)
    step, separator, text = content.partition(": ")
    if not prefix or not separator or not _STEP.fullmatch(step) or "\n" in line:
        return None
    for kind in (ConfigErrorLine, ErrorLine):
        if text.startswith(kind.MARK):
            return kind(step, text.removeprefix(kind.MARK))
    return ProgressLine(step, text)
