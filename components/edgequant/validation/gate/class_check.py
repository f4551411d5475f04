"""The check of drops by class, and the number of examples of each class that would settle it."""

from collections.abc import Sequence

from edgequant.artifacts.verdict import INCONCLUSIVE, Check, Need
from edgequant.validation.comparison.drop_intervals import POINTS
from edgequant.validation.comparison.slices import WITHOUT, Group, Sliced
from edgequant.validation.gate.checks import Limit
from edgequant.validation.gate.wording import at_worst, change, places, scaled
from edgequant.validation.statistics import POWER, examples_to_settle

_RECALL = "recall"
# The number of open classes that the sentence names.
_NAMED = 3


def check_worst_class(limit: Limit, classes: Sliced | None) -> Check:
    """Tests whether no class loses more than the limit, by the interval of the greatest drop of any class."""
    if classes is None:
        return limit.check(
            INCONCLUSIVE, "the drop by class is not known: no example of any class has a score of its own"
        )
    worst, ends = classes.slice.values[0], classes.slice.worst_interval_points
    if ends is None:
        few = next((group for group in classes.groups if group.clusters is not None and group.clusters.too_few), None)
        why = "" if few is None or few.clusters is None else f": of {few.value}, {few.clusters.too_few}"
        return limit.check(INCONCLUSIVE, f"the drop by class has no interval{why}", worst.drop_points)
    (low, high), message = ends, _worst(classes)
    one, many = _nouns(classes)
    digits = places(limit.value, low, high)
    most = (
        f"no {one} loses more than {high:.{digits}f}" if high >= 0 else f"every {one} {at_worst(_RECALL, high, digits)}"
    )
    open_, needs = classes.open_past(limit.value), []
    if low <= limit.value < high:
        needs = _needs(limit, classes, open_)
    check = limit.at_most(
        worst.drop_points,
        ends,
        (
            f"{message}; {most}, {limit.at}",
            f"{message}, the worst {one} at least {change(_RECALL, low, digits)} {limit.at}",
            f"{message}; {most}, {limit.at}: that leaves open for {len(open_):,} {many if len(open_) != 1 else one} whether"
            f" {'they are' if len(open_) > 1 else 'it is'} within the {limit.value:g} allowed; {_settled(classes, needs, rejecting=worst.drop_points > limit.value)}",
        ),
    )
    if check.verdict != INCONCLUSIVE or not needs:
        return check
    return Check(
        name=check.name,
        limit=check.limit,
        measured=check.measured,
        interval=check.interval,
        verdict=check.verdict,
        sentence=check.sentence,
        need=needs[0],
    )


def _nouns(classes: Sliced) -> tuple[str, str]:
    """Returns the singular and the plural of what the groups are called."""
    return ("group", "groups by class") if classes.shared else ("class", "classes")


def _worst(classes: Sliced) -> str:
    worst, total = classes.slice.values[0], classes.slice.total
    one, many = _nouns(classes)
    name = f"of {total:,} {many}, {worst.value}" if total > 1 else f"the only {one}, {worst.value},"
    points = worst.drop_points
    if round(abs(points), 2) == 0:
        return f"of {total:,} {many}, none loses any" if total > 1 else f"{name} is unchanged"
    if points < 0:
        return f"{name} gains{' least' if total > 1 else ''}: {-points:.2f} points"
    return f"{name} loses{' most' if total > 1 else ''}: {points:.2f} points"


def _needs(limit: Limit, classes: Sliced, open_: Sequence[Group]) -> list[Need]:
    """Returns the numbers of examples that settle the check, the greatest first, for every class that may exceed the limit.

    If the measured drop of a class exceeds the limit, a rejection of one such class settles the check: the class that needs the
    fewest examples. Otherwise all must be settled at once, so that each needs the power 0.8^(1 / classes). None if examples belong
    to clusters, whose number decides.
    """
    if any(group.clusters is not None for group in open_):
        return []
    past = [group for group in open_ if POINTS * float(group.differences.mean()) > limit.value]
    confidence, power = limit.confidence, POWER ** (1 / max(1, len(open_)))
    if past:
        confidence, power = limit.confidence ** (1 / classes.slice.total), POWER
    needs, known = [], dict[tuple[float, float, int], int | None]()
    for group in past or open_:
        differences, count = group.differences, len(group.reference)
        table = (float(differences.mean()), float(differences.std()), count)
        if table not in known:
            known[table] = examples_to_settle(differences, limit.value / POINTS, confidence, power)
        needed = known[table]
        if needed is None:
            if not past:
                return []
            continue
        needs.append(Need(examples=scaled(needed, count, classes.examples), group=group.value, of_group=needed))
    needs.sort(key=lambda need: -need.examples)
    return needs[-1:] if past else needs


def _settled(classes: Sliced, needs: Sequence[Need], *, rejecting: bool) -> str:
    """Returns a sentence on the number of examples of each class that settles the check, and the number in all."""
    if not needs and any(group.clusters is not None for group in classes.groups):
        return "more groups (examples.group) would settle it"
    if not needs:
        return "no number of examples would settle it"
    have = {group.value: len(group.reference) for group in classes.groups}
    parts = []
    for need in needs[:_NAMED]:
        of_group, available = need.of_group or 0, have[need.group]
        more = f"{of_group - available:,} more than these" if of_group > available else f"{available:,} are here"
        parts.append(f"{of_group:,} examples {_of(classes, need)}" + (f" ({more})" if len(needs) > 1 else ""))
    rest = len(needs) - _NAMED
    some = f" and fewer of {rest:,} more" if rest > 0 else ""
    first, only = needs[0], ""
    if len(needs) == 1:
        of_group, available = first.of_group or 0, have[first.group]
        only = (
            f", {of_group - available:,} more than these"
            if of_group > available
            else f", though these {available:,} did not"
        )
    how = " by rejecting it" if rejecting else ""
    return f"about {', '.join(parts)}{some} would settle it{how}{only}: {first.examples:,} in all under the same mix"


def _of(classes: Sliced, need: Need) -> str:
    """Returns the name of a group in a sentence: the examples of a class, or those without it."""
    return need.group if classes.shared and need.group.startswith(WITHOUT) else f"of class {need.group}"
