"""Reads cron expressions by the rules of robfig/cron 1.2, which KFP reads them with: seconds first, the day of the week may be left out."""

import re

from tests.kfp_server.refusals import RefusedError

_BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = dict(
    zip(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], range(1, 13), strict=True)
)
_DAYS = dict(zip(["sun", "mon", "tue", "wed", "thu", "fri", "sat"], range(7), strict=True))
_NAMES: tuple[dict[str, int], ...] = ({}, {}, {}, {}, _MONTHS, _DAYS)
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
# Go's time.ParseDuration.
_DURATION = re.compile(r"[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h))+|[-+]?0")


def check_cron(expression: str) -> None:
    """Checks a cron expression.

    Raises:
        RefusedError: It cannot be read.
    """
    wrong = _wrong(expression)
    if wrong:
        raise RefusedError(
            400,
            f"Invalid input error: Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron). Error: {wrong}",
        )


def _wrong(expression: str) -> str:
    if not expression:
        return "Empty spec string"
    if expression.startswith("@"):
        return _wrong_descriptor(expression)
    fields = expression.split()
    if len(fields) not in (5, 6):
        return f"Expected 5 to 6 fields, found {len(fields)}: {fields}"
    return next(filter(None, map(_wrong_field, fields, range(6))), "")


def _wrong_descriptor(expression: str) -> str:
    if expression.startswith("@every "):
        duration = expression.removeprefix("@every ")
        return "" if _DURATION.fullmatch(duration) else f"Failed to parse duration {expression}"
    return "" if expression in _DESCRIPTORS else f"Unrecognized descriptor: {expression}"


def _wrong_field(field: str, position: int) -> str:
    # Empty parts are passed by.
    return next(filter(None, (_wrong_part(part, position) for part in field.split(",") if part)), "")


def _wrong_part(part: str, position: int) -> str:
    least, most = _BOUNDS[position]
    ends, *steps = part.split("/")
    first, *others = ends.split("-")
    try:
        if first in ("*", "?"):
            start, end = least, most
        else:
            start = _number(first, position)
            end = _number(others[0], position) if others else start
            if len(others) > 1:
                return f"Too many hyphens: {part}"
        step = int(steps[0]) if steps else 1
    except ValueError:
        return f"Failed to parse int from {part}"
    if len(steps) > 1:
        return f"Too many slashes: {part}"
    # N/STEP goes on to the end.
    end = most if steps and not others else end
    if start < least or end > most or start > end or step < 1:
        return f"Range or step out of bounds: {part}"
    return ""


def _number(word: str, position: int) -> int:
    named = _NAMES[position].get(word.lower())
    if named is not None:
        return named
    if not re.fullmatch(r"\+?[0-9]+", word):
        raise ValueError(word)
    return int(word)
