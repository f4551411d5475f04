"""The command group, the options that commands share, and their exit codes."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from edgequant.errors import ConfigError, EdgequantError
from edgequant.steps import describe

FAILED, WRONG, NOT_BLESSED, INVALID_REFERENCE = 1, 2, 3, 4
_OF_OUTCOME = {"blessed": 0, "not gated": 0, "invalid reference": INVALID_REFERENCE}
_LEAST_SECONDS, _MOST_SECONDS = 0.1, 86_400.0
OUTPUT = click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Directory to write.")
CONFIG = click.argument("config", type=click.Path(path_type=Path))
SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace a value, such as gate.max_drop_points=0.5, or remove a key: champion=.",
)
RESOLVER = click.option(
    "--resolver", default="xnnpack", show_default=True, help="The kernels: xnnpack, builtin or reference."
)
VARIANTS = click.option("--variants", required=True, type=click.Path(path_type=Path), help="A variant set.")


def exit_code(outcome: str) -> int:
    """Returns the exit code of a run that ended with an outcome."""
    return _OF_OUTCOME.get(outcome, NOT_BLESSED)


class Seconds(click.types.FloatParamType):
    """A time in seconds: a finite number within the range that a clock can wait for."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the number of seconds in a text."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
            self.fail(
                f"{value!r} is not allowed; {_LEAST_SECONDS:g} to {_MOST_SECONDS:g} seconds, a day, are", param, ctx
            )
        return seconds


@contextmanager
def _reported() -> Iterator[None]:
    """Turns errors that the user can fix into a one-line message and an exit code."""
    try:
        yield
    except (EdgequantError, OSError) as error:
        _complain(error)
        sys.exit(WRONG if isinstance(error, ConfigError) else FAILED)
    except KeyboardInterrupt:
        click.echo("edgequant: interrupted; the same command continues where it stopped", err=True)
        sys.exit(130)


def _complain(error: EdgequantError | OSError) -> None:
    """Prints an error, one of several mistakes as a list."""
    mistakes = error.mistakes if isinstance(error, EdgequantError) else ()
    if not mistakes:
        click.echo(f"edgequant: {describe(error)}", err=True)
        return
    click.echo(f"edgequant: {len(mistakes)} mistakes", err=True)
    for mistake in mistakes:
        click.echo(f"  - {' '.join(mistake.split())}", err=True)


class _Command(click.Command):
    """A command whose errors are messages."""

    def invoke(self, ctx: click.Context) -> Any:
        with _reported():
            return super().invoke(ctx)


class _Group(click.Group):
    command_class = _Command


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="edgequant")
def main() -> None:
    """Find the best quantized LiteRT variant of a trained TensorFlow model, with statistically sound evidence."""
