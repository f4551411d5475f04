"""Says when versions wait because as many runs are under way as may be: otherwise nobody would see why nothing starts."""

from collections.abc import Callable


class Room:
    """What was last said of it.

    Args:
        show: Takes a line for people.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._said: tuple[int, int, int] | None = None

    def tell(self, *, waiting: int, under_way: int, allowed: int) -> None:
        """Says how many versions wait, unless none does or it was just said.

        Args:
            waiting: How many versions could begin now if there were room.
            under_way: How many runs there are.
            allowed: How many there may be.
        """
        now = (waiting, under_way, allowed) if waiting and under_way >= allowed else None
        if now is not None and now != self._said:
            versions = "1 version waits" if waiting == 1 else f"{waiting} versions wait"
            runs = "1 run is" if under_way == 1 else f"{under_way} runs are"
            self._show(f"{versions} for room: {runs} under way, and concurrency is {allowed}")
        self._said = now
