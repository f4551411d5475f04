"""The wording of checks: changes, confidence levels and sample sizes, without minus signs."""

import math

from edgequant.metric_table import BY_NAME, LABELS, is_lower_better

_FEWEST_PLACES, _MOST_PLACES = 2, 6
FEWEST_INFLUENTIAL = 5


def one_sided(confidence: float) -> str:
    """Returns the confidence level of a one-sided end in words."""
    return f"at {100 * confidence:g}%, one-sided"


def two_sided(confidence: float) -> str:
    """Returns the confidence level of a two-sided interval in words."""
    return f"at {100 * confidence:g}%, two-sided"


def places(limit: float, *ends: float) -> int:
    """Returns the number of decimal places at which no end that differs from the limit looks equal to it; at least two."""
    return next(
        (
            count
            for count in range(_FEWEST_PLACES, _MOST_PLACES)
            if all(end == limit or f"{end:.{count}f}" != f"{limit:.{count}f}" for end in ends)
        ),
        _MOST_PLACES,
    )


def moved(metric: str, points: float) -> str:
    """Returns the change of a metric in words, from its drop in points; an error with a positive drop rises."""
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
    """Returns the number of examples that would settle a check in words, and how many more that is."""
    if needed is None:
        return f"no number of {what} would settle it"
    if needed <= count:
        return f"about {needed:,} {what} settle such a question four times out of five; these {count:,} did not"
    return f"about {needed:,} {what} would settle it, {needed - count:,} more than these"


def enough(influential: float | None, count: int) -> str:
    """Returns the number of examples that an interval needs in words, for few influential examples; "" if it is unknown."""
    if not influential:
        return ""
    needed = math.ceil(count * FEWEST_INFLUENTIAL / influential)
    return f"; {settle(needed, count).replace('would settle it', 'would do for one')}"


def no_bound() -> str:
    """Returns the reason why an unchanged metric without a worst-case bound cannot be settled."""
    return (
        "how far it would move with one that does is not known, so that no number of evaluation examples would settle it;"
        " a metric with a value per example, or one of decisions, can be judged"
    )


def listed(names: list[str], most: int = 5) -> str:
    """Returns a list of names in words: the first few, and the number of the others."""
    more = len(names) - most
    return f"{', '.join(names[:most])} and {more:,} more" if more > 0 else ", ".join(names)


def scaled(needed: int, part: int, total: int) -> int:
    """Returns the number of all examples that contains a number of examples of a class, under the same mix."""
    return math.ceil(needed * total / part)
