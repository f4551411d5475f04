"""The commands that record in MLflow or read from it."""

import os
from pathlib import Path

import click

from edgequant_pipelines.cli.program import main

_TRACKING_URI = click.option(
    "--tracking-uri",
    default="",
    help="The MLflow server.  [default: MLFLOW_TRACKING_URI, or the mlflow.db of runs in this directory]",
)


@main.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--tracking-uri", default="", help="The MLflow server.  [default: the run's own]")
def track(work: Path, tracking_uri: str) -> None:
    """Record the results in the work directory WORK in MLflow: what a run could not finish, or once more elsewhere."""
    import shutil

    from edgequant.artifacts.verdict import load_verdict
    from edgequant.tracking.step import record
    from edgequant_pipelines.console import Screen
    from edgequant_pipelines.run_result import RESULTS

    tracked = record(work / RESULTS, tracking_uri)
    shutil.copyfile(work / RESULTS / "result.json", work / "result.json")
    Screen().tracked(load_verdict(work / RESULTS / "verdict").name, tracked.uri, tracked.links)


@main.command()
@click.argument("name")
@click.argument("version")
@click.option("--alias", required=True, help="The alias to move, such as champion.")
@click.option(
    "--force", is_flag=True, help="Override the verdict of a version that was not blessed; a tag on it says so."
)
@_TRACKING_URI
def promote(name: str, version: str, alias: str, force: bool, tracking_uri: str) -> None:
    """Move an alias to VERSION of the registered model NAME, if that version was blessed."""
    from edgequant.tracking.reading.promotion import Promotion
    from edgequant.tracking.reading.promotion import promote as run

    done = run(Promotion(name=name, version=version, alias=alias, force=force), _where(tracking_uri))
    before = f"it was on version {done.before}" if done.before else "it is new"
    click.echo(f"{name} version {version} has the alias {alias} ({before})")
    if done.forced:
        click.echo(f"its verdict is overridden: {done.verdict or 'it has none'}", err=True)


@main.command()
@click.argument("name")
@click.option("--last", default=10, show_default=True, type=click.IntRange(min=1), help="How many pipeline runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_TRACKING_URI
def compare(name: str, last: int, as_json: bool, tracking_uri: str) -> None:
    """Show the history of the variants of NAME, a quantization or a registered model, as MLflow has it."""
    import json
    from dataclasses import asdict

    from edgequant.tracking.reading.history import history
    from edgequant_pipelines.console import Screen

    rows = history(name, last, _where(tracking_uri, name))
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        Screen().history(rows)


def _where(tracking_uri: str, name: str = "") -> str:
    """Returns the tracking URI to use, and names a database that was looked for."""
    from edgequant.tracking.reading.mlflow_client import existing
    from edgequant.tracking_uri import TRACKING_URI

    uri = existing(tracking_uri, name)
    if not tracking_uri and not os.environ.get(TRACKING_URI):
        click.echo(f"MLflow: {uri}", err=True)
    return uri
