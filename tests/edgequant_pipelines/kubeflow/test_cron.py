"""Cron expressions as Kubeflow Pipelines reads them."""

import re
from datetime import UTC, datetime

import pytest

from edgequant.errors import ConfigError
from edgequant_pipelines.kubeflow.cron import next_times, six_fields

# A Monday.
NOW = datetime(2026, 11, 23, 18, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "six", "times"),
    [
        ("0 0 2 * * *", "0 0 2 * * *", ["24 02:00:00", "25 02:00:00", "26 02:00:00"]),
        ("0 2 * * *", "0 0 2 * * *", ["24 02:00:00", "25 02:00:00", "26 02:00:00"]),
        ("30 0 2 * * *", "30 0 2 * * *", ["24 02:00:30", "25 02:00:30", "26 02:00:30"]),
        ("*/20 * * * *", "0 */20 * * * *", ["23 19:00:00", "23 19:20:00", "23 19:40:00"]),
        (" 0  30 9 ?  * 5-6 ", "0 30 9 ? * 5-6", ["27 09:30:00", "28 09:30:00"]),
        ("0 0 0 * * SUN", "0 0 0 * * SUN", ["29 00:00:00"]),
        ("0 0 0 * * sat,Fri-SAT", "0 0 0 * * sat,Fri-SAT", ["27 00:00:00", "28 00:00:00"]),
        ("0 0 12 1/7 * ?", "0 0 12 1/7 * ?", ["29 12:00:00"]),
        ("0 0 3-3 * * *", "0 0 3-3 * * *", ["24 03:00:00", "25 03:00:00"]),
        ("0 0 2 * * MON-1", "0 0 2 * * MON-1", ["30 02:00:00"]),
        ("0 0 2 */2 * MON", "0 0 2 */2 * MON", ["07 02:00:00", "21 02:00:00"]),
        ("0 0 2 15 * */2", "0 0 2 15 * */2", ["15 02:00:00", "15 02:00:00"]),
        ("0 0 2 27 * WED", "0 0 2 27 * WED", ["25 02:00:00", "27 02:00:00"]),
        ("@daily", "@daily", ["24 00:00:00", "25 00:00:00"]),
        ("@weekly", "@weekly", ["29 00:00:00", "06 00:00:00"]),
        ("@hourly", "@hourly", ["23 19:00:00", "23 20:00:00"]),
        (" @every  1h30m ", "@every 1h30m", ["23 20:20:00", "23 21:50:00"]),
        ("0 0 2 * * mon-fri", "0 0 2 * * mon-fri", ["24 02:00:00", "25 02:00:00"]),
        ("0 0 2 1-31 * WED", "0 0 2 1-31 * WED", ["24 02:00:00", "25 02:00:00"]),
    ],
)
def test_when_expressions_fire(given: str, six: str, times: list[str]) -> None:
    """Six fields have seconds first; with five, minutes are first; times are those of a calendar."""
    assert six_fields(given) == six
    assert [f"{time:%d %H:%M:%S}" for time in next_times(six, NOW, len(times))] == times


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("", "'' has 0 fields; six are needed"),
        ("2 * * *", "has 4 fields"),
        ("0 0 2 * * * 2026", "has 7 fields"),
        ("@fortnightly", "'@fortnightly' is not what Kubeflow Pipelines reads; @yearly, .* are, and @every with hours"),
        ("@daily 2", "'@daily 2' is not what"),
        ("@every", "'@every' is not what"),
        ("@every 1d", "'@every 1d' is not what .* such as @every 1h30m"),
        ("@every 0s", "'@every 0s' is not what"),
        ("@every -1h", "'@every -1h' is not what"),
        ("@every 1h 30m", "'@every 1h 30m' is not what"),
        ("0 0 2 L * *", "the day of the month 'L' is not what Kubeflow Pipelines reads"),
        ("0 2 * * sunday", "the day of the week 'sunday' is not what .* are; did you mean SUN\\?"),
        ("0 2 * * MON-thurs", "the day of the week 'MON-thurs' is not what .* are; did you mean THU\\?"),
        ("0 2 1 july *", "the month 'july' is not what .* are; did you mean JUL\\?"),
        ("0 2 * * MNO", "the day of the week 'MNO' is not what .* are; did you mean MON\\?"),
        ("0 2 1 FRI *", "the month 'FRI' is not allowed; 1 to 12, or JAN to DEC are$"),
        ("0 0 2 * * FRI#2", "the day of the week 'FRI#2' is not what"),
        ("0 0 2 * * 7", r"the day of the week '7' is not allowed; 0 \(Sunday\) to 6"),
        ("CRON_TZ=Europe/Berlin 0 0 2 * * *", "names a time zone, and none can be given; .* UTC unless set"),
        ("TZ=UTC 0 2 * * *", "'TZ=UTC 0 2 .*' names a time zone"),
        ("0 25 * * *", r"'0 25 \* \* \*': the hour '25' is not allowed; 0 to 23 are"),
        ("0 0 25 * * *", "the hour '25' is not allowed; 0 to 23 are"),
        ("0 60 2 * * *", "the minute '60' is not allowed; 0 to 59 are"),
        ("0 0 2 5-1-2 * *", "the day of the month '5-1-2' is not allowed; 1 to 31 are"),
        ("0 0 2 * 13 *", "the month '13' is not allowed; 1 to 12, or JAN to DEC are"),
        ("0 0 22-2 * * *", "in the hour '22-2' the range 22-2 begins after its end, .* write two ranges, with a comma"),
        ("0 0 2 * * 1,FRI-MON", "in the day of the week '1,FRI-MON' the range FRI-MON begins"),
        ("0 0 2 * nov-feb/2 *", "in the month 'nov-feb/2' the range nov-feb begins"),
        ("0 0 2 */0 * *", r"the day of the month '\*/0' is not allowed"),
        ("0 0 2 5, * *", "the day of the month '5,' is not allowed"),
        ("0 0 2 * * FREITAG", "the day of the week 'FREITAG' is not what"),
    ],
)
def test_expressions_that_kubeflow_does_not_read(given: str, text: str) -> None:
    """What other programs read and KFP does not is refused, rather than scheduled for another time."""
    with pytest.raises(ConfigError, match=text):
        six_fields(given)


@pytest.mark.parametrize("given", ["0 0 2 31 2 *", "0 2 31 2 *"])
def test_expressions_that_never_fire(given: str) -> None:
    """A day that no month has is an error now, in the words that were typed, and not a schedule that never runs."""
    with pytest.raises(ConfigError, match=f"cron: {re.escape(repr(given))} never fires: its months have no such day"):
        next_times(given, NOW)
