"""What may change in examples that are not among those seen, and what that could do to a metric of all examples."""

from dataclasses import dataclass

from edgequant.artifacts.comparison import Ends
from edgequant.validation.reach import Reach
from edgequant.validation.statistics import exact_ends
from edgequant.validation.statistics.sample_size import least


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Changes of a kind that none of the examples shows.

    Where a share of all examples changes, none of n does with a probability of (1 - share)ⁿ. So seeing none leaves up to
    1 - (1 - confidence)^(1/n) of all, about 3 of n at 95%, and those may be the ones that weigh most.

    Attributes:
        examples: How many were seen.
        reach: How far a share of them could move the metric; None when that is not known.
        unit: How much of what is measured is 1 of the metric: 100 for points.
    """

    examples: int
    reach: Reach | None
    unit: float = 1.0

    def share(self, confidence: float) -> float:
        """Returns the greatest share of all examples that may change where none seen does."""
        return exact_ends(0, self.examples, confidence)[1]

    def moves(self, confidence: float) -> Ends | None:
        """Returns how far what is measured could fall and rise by them; None when that is not known."""
        return None if self.reach is None else self._moves(self.reach, self.examples, confidence)

    def examples_to_leave(self, room: float, confidence: float, *, falling: bool = True) -> int | None:
        """Returns the least number of examples that leaves them no more room than this; None when no number does.

        Args:
            room: How far they may move what is measured.
            confidence: How sure that is.
            falling: Whether it is about its falling, or its rising.
        """
        if self.reach is None or room <= 0:
            return None
        reach, side = self.reach, 0 if falling else 1
        return least(lambda count: self._moves(reach, count, confidence)[side] <= room, max(self.examples, 2))

    def _moves(self, reach: Reach, count: int, confidence: float) -> Ends:
        fall, rise = reach(exact_ends(0, count, confidence)[1])
        return self.unit * fall, self.unit * rise
