"""The commands about what MLflow holds."""

from pathlib import Path

import click

from edgequant_pipelines.cli.program import main


@main.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--tracking-uri", default="", help="The MLflow server.  [default: the run's own]")
def track(work: Path, tracking_uri: str) -> None:
    """Record the results in the work directory WORK in MLflow: what a run could not finish, or once more elsewhere."""
    import shutil

    from edgequant.tracking.step import record
    from edgequant_pipelines.local import RESULTS
    from edgequant_pipelines.screen import Screen

    tracked = record(work / RESULTS, tracking_uri)
    shutil.copyfile(work / RESULTS / "result.json", work / "result.json")
    Screen().tracked(tracked.uri, tracked.links)
