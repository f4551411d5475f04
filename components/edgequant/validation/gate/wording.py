"""The words of checks: what moved, by how much, how sure that is, and what would settle it; never with a minus sign."""

import math

from edgequant.metric_table import BY_NAME, LABELS, is_lower_better

_FEWEST_PLACES, _MOST_PLACES = 2, 6
FEWEST_INFLUENTIAL = 5


def one_sided(confidence: float) -> str:
    """Returns how sure an end of a one-sided interval is."""
    return f"at {100 * confidence:g}%, one-sided"


def two_sided(confidence: float) -> str:
    """Returns how sure the ends of a two-sided interval are together."""
    return f"at {100 * confidence:g}%, two-sided"


def places(limit: float, *ends: float) -> int:
    """Returns how many places tell ends from the limit that they are not at: two where they do."""
    return next(
        (
            count
            for count in range(_FEWEST_PLACES, _MOST_PLACES)
            if all(end == limit or f"{end:.{count}f}" != f"{limit:.{count}f}" for end in ends)
        ),
        _MOST_PLACES,
    )


def moved(metric: str, points: float) -> str:
    """Returns how far a metric moved: a drop of points, where errors rise instead of dropping."""
    what = (
        f"{metric}, in hundredths of the labels' standard deviation,"
        if metric in BY_NAME and BY_NAME[metric].unit == LABELS
        else metric
    )
    if round(abs(points), _FEWEST_PLACES) == 0:
        return f"{what} is unchanged"
    worse, better = ("rises", "falls") if is_lower_better(metric) else ("drops", "gains")
    return f"{what} {worse if points > 0 else better} {abs(points):.2f} points"


def change(metric: str, points: float, count: int = _FEWEST_PLACES) -> str:
    """Returns an end of a drop, such as ``0.64 lost``."""
    worse, better = ("up", "down") if is_lower_better(metric) else ("lost", "gained")
    return f"{abs(points):.{count}f} {worse if points >= 0 else better}"


def between(metric: str, low: float, high: float, count: int = _FEWEST_PLACES) -> str:
    """Returns both ends of a drop, such as ``between 0.10 gained and 0.64 lost``."""
    first, last = change(metric, low, count), change(metric, high, count)
    if first.split()[1] == last.split()[1]:
        first = first.split()[0]
    return f"between {first} and {last}"


def at_worst(metric: str, points: float, count: int = _FEWEST_PLACES) -> str:
    """Returns the upper end of a drop."""
    return f"at {'most' if points >= 0 else 'least'} {change(metric, points, count)}"


def settle(needed: int | None, count: int, what: str = "evaluation examples") -> str:
    """Returns how many examples would settle a question, and how many more that is."""
    if needed is None:
        return f"no number of {what} would settle it"
    if needed <= count:
        return f"about {needed:,} {what} settle such a question four times out of five; these {count:,} did not"
    return f"about {needed:,} {what} would settle it, {needed - count:,} more than these"


def enough(influential: float | None, count: int) -> str:
    """Returns how many examples would do for an interval, where some few make the difference; "" where that is not known."""
    if not influential:
        return ""
    needed = math.ceil(count * FEWEST_INFLUENTIAL / influential)
    return f"; {settle(needed, count).replace('would settle it', 'would do for one')}"


def no_bound() -> str:
    """Returns why no number of examples settles it where nothing changes."""
    return (
        "how far it would move with one that does is not known, so that no number of evaluation examples would settle it;"
        " a metric with a value per example, or one of decisions, can be judged"
    )


def listed(names: list[str], most: int = 5) -> str:
    """Returns names, of many the first few and how many more there are."""
    more = len(names) - most
    return f"{', '.join(names[:most])} and {more:,} more" if more > 0 else ", ".join(names)


def scaled(needed: int, part: int, total: int) -> int:
    """Returns how many examples in all hold so many of a class, under the mix that there is."""
    return math.ceil(needed * total / part)
