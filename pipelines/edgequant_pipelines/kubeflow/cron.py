"""When a schedule fires, in the words of Kubeflow Pipelines: six fields, seconds first, in UTC."""

import re
from datetime import datetime
from itertools import islice

from croniter import CroniterBadDateError, CroniterError, croniter

from edgequant.errors import ConfigError

_FIELDS = ("second", "minute", "hour", "day of the month", "month", "day of the week")
# What KFP's parser reads (robfig/cron): no L, W or #, which other programs take.
_FIELD = re.compile(r"[0-9A-Za-z*?/,-]+")
_DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_WORD = re.compile(rf"[0-9*?/,-]|{_DAYS}|{_MONTHS}", re.IGNORECASE)
_ALLOWED = ("0 to 59", "0 to 59", "0 to 23", "1 to 31", "1 to 12, or JAN to DEC", "0 (Sunday) to 6, or SUN to SAT")
_RANGE = re.compile(r"(\w+)-(\w+)")
_NAMES = {4: (1, _MONTHS.split("|")), 5: (0, _DAYS.split("|"))}
_ZONE = re.compile(r"(?:CRON_)?TZ=")
# In KFP, Sunday is 0 only; elsewhere 7 is Sunday too.
_LAST_DAY = 6


def six_fields(expression: str) -> str:
    """Returns a cron expression with six fields: one with five, minutes first, gets a second of 0.

    KFP itself takes five fields for seconds first: "0 2 * * *" would fire at two minutes past every hour.

    Raises:
        ConfigError: It has another number of fields, or KFP does not read it, or a value is out of range.
    """
    fields = expression.split()
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


def _wrong(field: str, position: int) -> str:
    """Returns what is wrong with a field at its position, whatever the others are, or ""."""
    name, allowed = _FIELDS[position], _ALLOWED[position]
    if not _FIELD.fullmatch(field) or _WORD.sub("", field):
        return f"the {name} {field!r} is not what Kubeflow Pipelines reads; numbers, names such as MON, '*', '?', ',', '-' and '/' are"
    numbers = map(int, re.findall(r"\d+", field.partition("/")[0]))
    too_late = position == len(_FIELDS) - 1 and any(number > _LAST_DAY for number in numbers)
    if too_late or not _in_range(field, position):
        return f"the {name} {field!r} is not allowed; {allowed} are"
    for start, end in _RANGE.findall(field):
        if _number(start, position) > _number(end, position):
            return f"in the {name} {field!r} the range {start}-{end} begins after its end, which Kubeflow Pipelines does not read; write two ranges, with a comma"
    return ""


def _number(word: str, position: int) -> int:
    """Returns the number that a word of a field stands for."""
    if word.isdigit():
        return int(word)
    first, names = _NAMES.get(position, (0, []))
    return first + names.index(word.upper()) if word.upper() in names else 0


def _in_range(field: str, position: int) -> bool:
    """Whether a field is allowed at its position, whatever the others are."""
    others = ["*"] * len(_FIELDS)
    others[position] = field
    try:
        croniter.expand(" ".join(others), second_at_beginning=True)
    except CroniterError:
        return False
    return True


def next_times(expression: str, after: datetime, count: int = 3) -> list[datetime]:
    """Returns the next times that an expression fires at.

    Args:
        expression: The expression, as `six_fields` takes it.
        after: The moment from which to look, in UTC.
        count: How many.

    Raises:
        ConfigError: KFP does not read it, or it never fires.
    """
    fields = six_fields(expression)
    try:
        times = croniter(fields, after, second_at_beginning=True, ret_type=datetime)
        return list(islice(times, count))
    except CroniterBadDateError as error:
        raise ConfigError(f"cron: {expression!r} never fires: its months have no such day") from error
    except CroniterError as error:
        raise ConfigError(f"cron: {expression!r} is not allowed: {error}") from error
