"""What `test_time.py` measured so far, and the figures that it makes."""

import json
import statistics
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from mutation_check import CAUGHT

SIDES = ("old", "new")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The wall time of one command at one commit.

    Attributes:
        part: ``tests`` or ``ci``.
        round: The number of the round, from 1.
        side: ``old`` or ``new``.
        seconds: The wall time.
    """

    part: str
    round: int
    side: str
    seconds: float


@dataclass(slots=True, kw_only=True)
class Results:
    """What was measured so far.

    Attributes:
        old: The old commit.
        new: The new commit.
        timings: The commands' wall times.
        mutations: By mutation, the outcome on each side.
    """

    old: str
    new: str
    timings: list[Timing] = field(default_factory=list)
    mutations: dict[str, dict[str, str]] = field(default_factory=dict)

    def seconds(self, part: str, number: int) -> dict[str, float]:
        """Returns the wall times of a round by side."""
        return {one.side: one.seconds for one in self.timings if (one.part, one.round) == (part, number)}

    def ratio(self, part: str) -> float | None:
        """Returns the median of the rounds' ratios, new over old; None before the first complete round."""
        rounds = [self.seconds(part, number) for number in {one.round for one in self.timings if one.part == part}]
        ratios = [seconds["new"] / seconds["old"] for seconds in rounds if len(seconds) == len(SIDES)]
        return statistics.median(ratios) if ratios else None

    def caught(self, side: str) -> int | None:
        """Returns how many mutations a side's tests notice; None before the first."""
        outcomes = [sides[side] for sides in self.mutations.values() if side in sides]
        return outcomes.count(CAUGHT) if outcomes else None

    def figures(self) -> dict[str, float | None]:
        """Returns the figures by name; None for what was not measured."""
        return {
            "test_ratio": self.ratio("tests"),
            "ci_ratio": self.ratio("ci"),
            **{f"mutations_caught_{side}": self.caught(side) for side in SIDES},
        }

    def write(self, path: Path | None) -> None:
        """Writes the figures and what they are made of, whole or not at all."""
        if path is not None:
            draft = path.with_name(f"{path.name}.part")
            draft.write_text(json.dumps({**self.figures(), **asdict(self)}, indent=1) + "\n", encoding="utf-8")
            draft.replace(path)


def read_results(path: Path | None, old: str, new: str) -> Results:
    """Returns the results that a file holds, to go on with; new ones where there is none.

    Raises:
        SystemExit: The file's results are of other commits.
    """
    if path is None or not path.is_file():
        return Results(old=old, new=new)
    values = json.loads(path.read_text(encoding="utf-8"))
    results = TypeAdapter(Results).validate_python({name: values[name] for name in Results.__dataclass_fields__})
    if (results.old, results.new) != (old, new):
        sys.exit(f"--json: {path} holds results of {results.old} and {results.new}; give another file")
    return results
