"""The commands that run the whole pipeline on this machine."""

import sys
from pathlib import Path
from typing import Any

import click

from edgequant.errors import ConfigError, together
from edgequant.tracking_uri import DEMO_DIRECTORY, WORK_DIRECTORIES
from edgequant_pipelines.cli.program import CONFIG, SET, exit_code, main


@main.command()
@CONFIG
@SET
@click.option(
    "--work-directory", type=click.Path(path_type=Path), help=f"Where results go.  [default: {WORK_DIRECTORIES}/NAME]"
)
@click.option("--no-cache", is_flag=True, help="Run every step, also those with cached results.")
def run(config: Path, overrides: tuple[str, ...], work_directory: Path | None, no_cache: bool) -> None:
    """Quantize, evaluate, compare and record the model that CONFIG describes.

    Exits with 0 when a variant is blessed or no gate is set, 3 when none is blessed, 4 when float32 is no valid
    reference, 2 for a wrong CONFIG, 1 for a failure.
    """
    from edgequant_pipelines.config import read_config
    from edgequant_pipelines.console import Screen

    # Its values are checked at the start of the run, with all else, so that one list has all mistakes.
    loaded = read_config(config, overrides)
    try:
        loaded.check_name()
    except ConfigError as error:
        raise together(loaded.mistakes(), str(config)) from error
    _run(loaded, work_directory or Path(WORK_DIRECTORIES) / loaded.name, cache=not no_cache, screen=Screen())


def _run(config: Any, work: Path, *, cache: bool, screen: Any) -> None:
    from edgequant_pipelines.local_runner import run_locally

    screen.begin(config.name, work)
    result = run_locally(config, work.resolve(), cache=cache, show=screen.progress)
    screen.end(result, work)
    if code := exit_code(result["outcome"]):
        sys.exit(code)


@main.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path(DEMO_DIRECTORY),
    show_default=True,
    help="Where everything goes.",
)
def demo(directory: Path) -> None:
    """Train a small CNN on handwritten digits, register it in MLflow, and quantize it."""
    from edgequant_pipelines.config import load_config
    from edgequant_pipelines.console import Screen
    from edgequant_pipelines.demo import prepare

    screen = Screen()
    config = prepare(directory.resolve(), screen.progress)
    _run(load_config(config), directory / "work", cache=True, screen=screen)
