"""Formats numbers and names for the report."""

import math
import re

from edgequant.artifacts.comparison import Ends

NOTHING = "–"
# Control characters, unpaired surrogates, and marks that change the direction of text.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_LABEL = 24
_FEWEST_PLACES, _MOST_PLACES = 2, 6


def printable(text: str) -> str:
    """Returns a text without the characters that are not allowed on a page, or that can disguise its content."""
    return _UNPRINTABLE.sub("\ufffd", text)


def label(text: str, longest: int = _LABEL) -> str:
    """Returns a text as one line of at most `longest` characters, for a chart."""
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def number(value: float | str | None) -> str:
    """Returns a number with four significant digits, large and whole ones without decimals; texts are unchanged."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 10_000 or value == round(value) else f"{value:.4g}"


def span(interval: Ends, measured: float | str | None, limit: float | str) -> tuple[str, str, str]:
    """Returns the ends of an interval and the measurement with decimal places that suit the width of the interval.

    They show two significant digits of the width, and are at least two; more if an end would otherwise look equal to the limit.
    """
    width = abs(interval[1] - interval[0])
    places = min(max(1 - math.floor(math.log10(width)), _FEWEST_PLACES), _MOST_PLACES) if width > 0 else _MOST_PLACES
    if isinstance(limit, float | int):
        while places < _MOST_PLACES and any(
            end != limit and fixed(end, places) == fixed(limit, places) for end in interval
        ):
            places += 1
    measured_text = fixed(measured, places) if isinstance(measured, float | int) else number(measured)
    return fixed(interval[0], places), fixed(interval[1], places), measured_text


def fixed(value: float | None, places: int) -> str:
    """Returns a number with fixed decimal places, never as minus zero."""
    return NOTHING if value is None else f"{round(value, places) + 0.0:.{places}f}"


def ends(interval: Ends | None, places: int) -> str:
    """Returns an interval in brackets; "" for none."""
    return "" if interval is None else f"({fixed(interval[0], places)} to {fixed(interval[1], places)})"


def share(value: float | None) -> str:
    """Returns a share in percent."""
    return NOTHING if value is None else f"{100 * value:.2f} %"
