"""When schedules fire, beside the library that KFP reads cron expressions with."""

import random
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from tests.kubernetes.installed import run, tool

from edgequant.errors import ConfigError
from edgequant_pipelines.kubeflow.cron import next_times

pytestmark = pytest.mark.kubernetes

NOW = datetime(2026, 11, 23, 18, 50, tzinfo=UTC)
TIMES, NEVER = 3, datetime(1, 1, 1, tzinfo=UTC)
HORIZON = 5
BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
NAMES = {
    4: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    5: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
}


def part(draw: random.Random, position: int) -> str:
    """Returns a part of a field, most often one that is allowed."""
    least, most = BOUNDS[position]
    numbers = sorted(draw.choices(range(least, most + 1), k=2))
    if draw.random() < 0.03:
        numbers[1] = draw.choice([least - 1, most + 1, numbers[0] - 1])
    first, last = (
        draw.choice([str(number), NAMES[position][number - least]])
        if position in NAMES and least <= number <= most
        else str(abs(number))
        for number in numbers
    )
    step = f"/{draw.randint(0 if draw.random() < 0.05 else 1, most)}"
    forms = ("*", "?", f"*{step}", f"?{step}", first, f"{first}{step}", f"{first}-{last}", f"{first}-{last}{step}")
    return draw.choice((*forms, f"{first}-{first}"))


def expression(draw: random.Random) -> str:
    """Returns a cron expression of six fields; seconds and minutes are single ones, so that three times tell something."""
    fields = [
        ",".join(part(draw, position) for _ in range(draw.choice([1, 1, 2])))
        if position > 1 and draw.random() < 0.7
        else ("*" if position > 2 else "0")
        for position in range(6)
    ]
    return " ".join(fields)


def ours(text: str) -> list[datetime] | None:
    """Returns the next times that we tell; None for an expression that is refused."""
    try:
        times = next_times(text, NOW, TIMES)
        # KFP's parser looks five years ahead.
        near = [b.year - a.year <= HORIZON for a, b in pairwise([NOW, *times])]
        return [time if all(near[: index + 1]) else NEVER for index, time in enumerate(times)]
    except ConfigError as error:
        return [NEVER] * TIMES if "never fires" in str(error) else None


def test_times_are_those_of_kfps_parser() -> None:
    """Of random expressions none is told to fire when it does not, and none that KFP reads is refused."""
    draw = random.Random(17)  # noqa: S311 - no secret
    texts = [expression(draw) for _ in range(4000)]
    done = run(tool("cron-parser"), str(int(NOW.timestamp())), str(TIMES), given="\n".join(texts))
    assert done.returncode == 0, done.stderr
    theirs = [
        [datetime.fromtimestamp(int(moment), UTC) if int(moment) > 0 else NEVER for moment in line.split()] or None
        for line in done.stdout.splitlines()
    ]
    assert len(theirs) == len(texts)
    told = [(text, ours(text), found) for text, found in zip(texts, theirs, strict=True)]
    assert [item for item in told if item[1] is not None and item[1] != item[2]] == []
    # It would prove nothing if most were refused.
    assert sum(item[1] is not None for item in told) > 3000
    refused = [item[0] for item in told if item[1] is None and item[2] is not None]
    assert refused == []
