"""Cron expressions of Kubeflow Pipelines: six fields, seconds first, in UTC, or a descriptor such as @daily."""

import re
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import islice

from croniter import CroniterBadDateError, croniter

from edgequant.errors import ConfigError

_FIELDS = ("second", "minute", "hour", "day of the month", "month", "day of the week")
# The syntax of KFP's parser (robfig/cron): without L, W and #, which other programs support.
_FIELD = re.compile(r"[0-9A-Za-z*?/,-]+")
_DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_WORD = re.compile(rf"[0-9*?/,-]|{_DAYS}|{_MONTHS}", re.IGNORECASE)
_ALLOWED = ("0 to 59", "0 to 59", "0 to 23", "1 to 31", "1 to 12, or JAN to DEC", "0 (Sunday) to 6, or SUN to SAT")
_BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES = {4: _MONTHS.split("|"), 5: _DAYS.split("|")}
_DAY_OF_MONTH, _DAY_OF_WEEK = 3, 5
# The length of those names.
_LETTERS = 3
_PART = re.compile(r"([*?]|[0-9]+|[A-Za-z]+)(?:-([0-9]+|[A-Za-z]+))?(?:/([0-9]+))?")
_ZONE = re.compile(r"(?:CRON_)?TZ=")
# The meaning of the parser's descriptors.
_DESCRIPTORS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
EVERY = "@every"
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)


def six_fields(expression: str) -> str:
    """Returns a cron expression with six fields: one with five, minutes first, gets second 0. A descriptor is unchanged.

    KFP itself reads five fields as seconds first: "0 2 * * *" would fire at two minutes past every hour.

    Raises:
        ConfigError: It has another number of fields, KFP cannot parse it, or a value is out of range.
    """
    fields = expression.split()
    if fields and fields[0].startswith("@"):
        return _descriptor(expression, fields)
    if _ZONE.match(expression.lstrip()):
        raise ConfigError(
            f"cron: {expression!r} names a time zone, and none can be given; Kubeflow reads the expression in the installation's zone, UTC unless set"
        )
    if len(fields) == len(_FIELDS) - 1:
        fields = ["0", *fields]
    if len(fields) != len(_FIELDS):
        raise ConfigError(
            f"cron: {expression!r} has {len(fields)} field{'s' * (len(fields) != 1)}; six are needed ({', '.join(_FIELDS)}), or five without the second"
        )
    for position, field in enumerate(fields):
        wrong = _wrong(field, position)
        if wrong:
            raise ConfigError(f"cron: {expression!r}: {wrong}")
    return " ".join(fields)


def _descriptor(expression: str, words: list[str]) -> str:
    every = words[0] == EVERY and bool(words[1:]) and _seconds(words[1]) > 0
    if (words[0] not in _DESCRIPTORS and not every) or len(words) != 1 + every:
        raise ConfigError(
            f"cron: {expression!r} is not what Kubeflow Pipelines reads; {', '.join(_DESCRIPTORS)} are, and @every with hours, minutes "
            "and seconds, such as @every 1h30m"
        )
    return " ".join(words)


def _seconds(duration: str) -> int:
    """Returns the seconds of a duration such as 1h30m; 0 for an invalid one."""
    match = _DURATION.fullmatch(duration)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    return 3600 * hours + 60 * minutes + seconds


def _wrong(field: str, position: int) -> str:
    """Returns the error in a field, independent of the others, or ""."""
    name, allowed = _FIELDS[position], _ALLOWED[position]
    if not _FIELD.fullmatch(field) or _WORD.sub("", field):
        return f"the {name} {field!r} is not what Kubeflow Pipelines reads; numbers, names such as MON, '*', '?', ',', '-' and '/' are{_hint(field, position)}"
    least, most = _BOUNDS[position]
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if not match or match[3] == "0" or (_any(part) and match[2]):
            return f"the {name} {field!r} is not allowed; {allowed} are"
        start, end = _ends(match, position)
        if start is None or end is None or not (least <= start <= most and least <= end <= most):
            return f"the {name} {field!r} is not allowed; {allowed} are{_hint(field, position)}"
        if start > end:
            return f"in the {name} {field!r} the range {match[1]}-{match[2]} begins after its end, which Kubeflow Pipelines does not read; write two ranges, with a comma"
    return ""


def _hint(field: str, position: int) -> str:
    """Returns the name that a longer or misspelled one of a field stands for, as a question: SUN for sunday; "" without one."""
    names = _NAMES.get(position, [])
    for word in re.findall("[A-Z]+", field.upper()):
        if word not in names:
            short = word[:_LETTERS]
            nearest = [short] if short in names else get_close_matches(word, names, n=1)
            return f"; did you mean {nearest[0]}?" if nearest else ""
    return ""


def _any(field: str) -> bool:
    """Returns whether a part of a field begins with '*' or '?'."""
    return any(part[:1] in ("*", "?") for part in field.split(","))


def _ends(part: re.Match[str], position: int) -> tuple[int | None, int | None]:
    """Returns the first and the last number of a part; None for a word that its field does not have."""
    first, last, step = part.groups()
    if first in ("*", "?"):
        return _BOUNDS[position]
    start = _number(first, position)
    # N/STEP goes on to the end.
    return start, _number(last, position) if last else _BOUNDS[position][1] if step else start


def _number(word: str, position: int) -> int | None:
    """Returns the number of a word in a field, or None."""
    if word.isdigit():
        return int(word)
    names = _NAMES.get(position, [])
    return _BOUNDS[position][0] + names.index(word.upper()) if word.upper() in names else None


def _every(position: int) -> set[int]:
    least, most = _BOUNDS[position]
    return set(range(least, most + 1))


def _numbers(field: str, position: int) -> set[int]:
    """Returns the numbers that a field matches."""
    numbers: set[int] = set()
    for match in filter(None, map(_PART.fullmatch, field.split(","))):
        start, end = _ends(match, position)
        if start is not None and end is not None:
            numbers.update(range(start, end + 1, int(match[3] or 1)))
    return numbers


def next_times(expression: str, after: datetime, count: int = 3) -> list[datetime]:
    """Returns the next firing times of an expression, by the rules of KFP's parser (robfig/cron 1.2).

    If the day of the month or of the week has '*' or '?', even with a step, both fields must match; otherwise one suffices.

    Args:
        expression: The expression, as for `six_fields`.
        after: The time to start from, in UTC.
        count: The number of times.

    Raises:
        ConfigError: KFP cannot parse the expression, or it never fires.
    """
    fields = six_fields(expression).split()
    if fields[0] == EVERY:
        # Counted from the creation or the last firing of the schedule.
        return [after + timedelta(seconds=_seconds(fields[1]) * number) for number in range(1, count + 1)]
    fields = _DESCRIPTORS.get(fields[0], " ".join(fields)).split()
    numbers = [_numbers(field, position) for position, field in enumerate(fields)]
    both = _any(fields[_DAY_OF_MONTH]) or _any(fields[_DAY_OF_WEEK])
    if not both and any(len(numbers[day]) == len(_every(day)) for day in (_DAY_OF_MONTH, _DAY_OF_WEEK)):
        numbers[_DAY_OF_MONTH], numbers[_DAY_OF_WEEK] = _every(_DAY_OF_MONTH), _every(_DAY_OF_WEEK)
    try:
        # Plain numbers leave no room for differences between croniter and KFP's parser.
        text = " ".join(",".join(map(str, sorted(allowed))) for allowed in numbers)
        times = croniter(text, after, second_at_beginning=True, ret_type=datetime, day_or=not both)
        return list(islice(times, count))
    except CroniterBadDateError as error:
        raise ConfigError(f"cron: {expression!r} never fires: its months have no such day") from error
