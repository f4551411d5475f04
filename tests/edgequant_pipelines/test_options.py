"""Options of all commands."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from edgequant_pipelines.cli import main
from edgequant_pipelines.cli.program import exit_code


def _float_options(group: click.Group) -> Iterator[tuple[str, click.Option]]:
    """Yields every option that takes a number with a fraction, with its command."""
    for name, command in group.commands.items():
        for option in command.params:
            number = isinstance(option.type, click.types.FloatParamType) or isinstance(option.default, float)
            if isinstance(option, click.Option) and number:
                yield name, option


OPTIONS = list(_float_options(main))


def test_every_option_that_takes_a_float_is_found() -> None:
    """Those that are looked at below."""
    options = {f"{name} {option.opts[0]}" for name, option in OPTIONS}
    assert options == {
        "watch --interval",
        "submit --poll-seconds",
        "schedule --poll-seconds",
        "evaluate --budget-seconds",
    }


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e300", "-1", "0", "86400.5"])
@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_a_float_that_no_clock_can_wait_for(name: str, option: click.Option, value: str) -> None:
    """It is refused before anything is done, with what is allowed."""
    required = ["--variants", "v", "--examples", "e", "--output", "o"] if name == "evaluate" else []
    done = CliRunner().invoke(main, [name, "FILE.yaml", *required, option.opts[0], value])
    assert done.exit_code == 2
    assert (
        f"Invalid value for '{option.opts[0]}': {value!r} is not allowed; 0.1 to 86400 seconds, a day, are"
        in done.output
    )


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("blessed", 0), ("not gated", 0), ("rejected", 3), ("inconclusive", 3), ("invalid reference", 4)],
)
def test_each_outcome_has_its_exit_code(outcome: str, code: int) -> None:
    """Nothing to ship is 3, and a reference that says nothing is 4."""
    assert exit_code(outcome) == code
