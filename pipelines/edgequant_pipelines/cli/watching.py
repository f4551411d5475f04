"""The command that watches a model registry."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from edgequant_pipelines.cli.program import Seconds, main


@main.command()
@click.argument("rules", type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="Look once, start what is due, wait for runs on this machine, and end.")
@click.option("--tracking-uri", default="", help="The MLflow server.  [default: MLFLOW_TRACKING_URI]")
@click.option(
    "--interval",
    type=Seconds(),
    default=30.0,
    show_default=True,
    help="Seconds between two looks at the registry, at most a day.",
)
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), help="Serve /healthz, /readyz and /metrics.  [default: none]"
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="The address to serve them on.")
@click.option(
    "--work-directory",
    type=click.Path(path_type=Path),
    default=Path("edgequant-work/watch"),
    show_default=True,
    help="Where runs on this machine go.",
)
def watch(
    rules: Path,
    once: bool,
    tracking_uri: str,
    interval: float,
    metrics_port: int | None,
    metrics_host: str,
    work_directory: Path,
) -> None:
    """Quantize every new model version in MLflow's registry that RULES selects, each once.

    Exits with 0 when stopped by a signal or, with --once, when everything due is started; 2 for invalid RULES, 1 if MLflow or
    Kubeflow is unavailable.
    """
    try:
        from edgequant_pipelines.watching.service import Service, Settings
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; pip install 'edgequant[watch]'") from error

    settings = Settings(
        rules=rules,
        tracking_uri=tracking_uri,
        work=work_directory.resolve(),
        interval=interval,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
    )
    Service(settings, _show).run(once=once)


def _show(text: str) -> None:
    """Prints a line, with a timestamp if the output is not a terminal."""
    stamp = "" if sys.stdout.isatty() else f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} "
    click.echo(f"{stamp}edgequant: watch: {text}")
