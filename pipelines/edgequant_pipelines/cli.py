"""The command line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from edgequant.errors import ConfigError, EdgequantError
from edgequant.steps import describe

_FAILED, _WRONG, _NOT_BLESSED = 1, 2, 3
_OUTPUT = click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Directory to write.")
_CONFIG = click.argument("config", type=click.Path(path_type=Path))
_SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a value, such as gate.max_drop_points=0.5."
)
_RESOLVER = click.option(
    "--resolver", default="xnnpack", show_default=True, help="The kernels: xnnpack, builtin or reference."
)
_VARIANTS = click.option("--variants", required=True, type=click.Path(path_type=Path), help="A variant set.")


@contextmanager
def _reported() -> Iterator[None]:
    """Ends the command with one line and an exit code when something is the user's to mend."""
    try:
        yield
    except (EdgequantError, OSError) as error:
        click.echo(f"edgequant: {describe(error)}", err=True)
        sys.exit(_WRONG if isinstance(error, ConfigError) else _FAILED)
    except KeyboardInterrupt:
        click.echo("edgequant: interrupted; the same command continues where it stopped", err=True)
        sys.exit(130)


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
    """Take a trained TensorFlow model to its best quantized LiteRT model, with numbers to trust."""


@main.command()
@_CONFIG
@_SET
@click.option(
    "--work-directory", type=click.Path(path_type=Path), help="Where results go.  [default: edgequant-work/NAME]"
)
@click.option("--no-cache", is_flag=True, help="Run every step, also those whose results are there.")
def run(config: Path, overrides: tuple[str, ...], work_directory: Path | None, no_cache: bool) -> None:
    """Quantize, evaluate, compare and record the model that CONFIG describes.

    Exits with 0 when a variant is blessed or no gate is set, 3 when none is blessed, 2 for a wrong CONFIG, 1 for a failure.
    """
    from edgequant_pipelines.config import load_config
    from edgequant_pipelines.screen import Screen

    loaded = load_config(config, overrides)
    _run(loaded, work_directory or Path("edgequant-work") / loaded.name, cache=not no_cache, screen=Screen())


def _run(config: Any, work: Path, *, cache: bool, screen: Any) -> None:
    from edgequant_pipelines.local import run_locally

    screen.begin(config.name, work)
    result = run_locally(config, work.resolve(), cache=cache, show=screen.progress)
    screen.end(result, work)
    if result["outcome"] not in ("blessed", "not gated"):
        sys.exit(_NOT_BLESSED)


@main.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path("edgequant-demo"),
    show_default=True,
    help="Where everything goes.",
)
def demo(directory: Path) -> None:
    """Train a small CNN on handwritten digits, register it in MLflow, and quantize it."""
    from edgequant_pipelines.config import load_config
    from edgequant_pipelines.demo import prepare
    from edgequant_pipelines.screen import Screen

    screen = Screen()
    config = prepare(directory.resolve(), screen.progress)
    _run(load_config(config), directory / "work", cache=True, screen=screen)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(model: Path, as_json: bool) -> None:
    """Tell what a .tflite file is: its inputs, its outputs, and what its operators compute in."""
    import json
    from dataclasses import asdict

    from edgequant.inspection import inspect_model
    from edgequant_pipelines.screen import Screen

    found = inspect_model(model)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
    else:
        Screen().inspection(found, model)


@main.command()
@_CONFIG
@_SET
@_OUTPUT
def sample(config: Path, overrides: tuple[str, ...], output: Path) -> None:
    """Draw OUTPUT/calibration and OUTPUT/evaluation from the examples of CONFIG."""
    from edgequant.sampling.examples import Examples
    from edgequant.sampling.step import sample as run_step
    from edgequant.signature_reader import read_signature
    from edgequant_pipelines.arguments import pipeline_arguments
    from edgequant_pipelines.config import load_config

    values = pipeline_arguments(load_config(config, overrides), "")
    with _model(values["model"]) as model:
        signature = read_signature(model, values["signature"])
    run_step(
        Examples(
            signature=signature,
            calibration=values["calibration_examples"],
            evaluation=values["evaluation_examples"],
            **{name: values[name] for name in Examples.__dataclass_fields__ if name in values and name != "signature"},
        ),
        output / "calibration",
        output / "evaluation",
    )


@main.command("describe")
@click.argument("model")
@click.option("--signature", default="serving_default", show_default=True, help="The signature's key.")
def describe_model(model: str, signature: str) -> None:
    """Tell the inputs and outputs of MODEL: a path, or a URI of MLflow."""
    from edgequant.signature_reader import read_signature

    with _model(model) as path:
        found = read_signature(path, signature)
    for role, specs in (("input", found.inputs), ("output", found.outputs)):
        for spec in specs:
            click.echo(f"{role:<8}{spec}")


@contextmanager
def _model(uri: str) -> Iterator[Path]:
    """Yields the path of a model's files, fetched when they are not on this machine."""
    import tempfile

    from edgequant.model_uri import fetch, is_path

    if is_path(uri):
        yield Path(uri)
        return
    with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
        fetch(uri, "", Path(folder) / "model")
        yield Path(folder) / "model"


@main.command()
@_CONFIG
@_SET
@click.option("--calibration", required=True, type=click.Path(path_type=Path), help="A calibration set.")
@click.option(
    "--evaluation", type=click.Path(path_type=Path), help="An evaluation set, which may hold none of its examples."
)
@_OUTPUT
def convert(config: Path, overrides: tuple[str, ...], calibration: Path, evaluation: Path | None, output: Path) -> None:
    """Make every variant of CONFIG's model, each proven to be what its name says."""
    from edgequant.conversion.step import Request
    from edgequant.conversion.step import convert as run_step
    from edgequant_pipelines.config import load_config

    loaded = load_config(config, overrides)
    with _model(loaded.model) as model:
        run_step(
            Request(
                model=model,
                signature=loaded.signature,
                variants=loaded.variants,
                calibration_set=calibration,
                evaluation_set=evaluation,
                check_stability=loaded.sampling.check_stability,
            ),
            output,
        )


@main.command()
@_CONFIG
@_SET
@_OUTPUT
def champion(config: Path, overrides: tuple[str, ...], output: Path) -> None:
    """Fetch the model in production that CONFIG names as its baseline: a variant set of the variant "champion"."""
    from edgequant.champion.step import fetch_champion
    from edgequant_pipelines.arguments import local_tracking_uri
    from edgequant_pipelines.config import load_config

    loaded = load_config(config, overrides)
    fetch_champion(loaded.baseline, local_tracking_uri(loaded, output.parent), output)


@main.command()
@click.argument("variant")
@_VARIANTS
@click.option("--examples", required=True, type=click.Path(path_type=Path), help="An evaluation set.")
@click.option("--task", default="classification", show_default=True, help="What to measure.")
@_RESOLVER
@click.option("--budget-seconds", default=120.0, show_default=True, help="Begin no further example after this time.")
@_OUTPUT
def evaluate(
    variant: str, variants: Path, examples: Path, task: str, resolver: str, budget_seconds: float, output: Path
) -> None:
    """Run VARIANT on the LiteRT interpreter over an evaluation set."""
    from edgequant.evaluation.step import evaluate as run_step
    from edgequant.task import check_task_name

    run_step(
        variant,
        variants,
        examples,
        output,
        task=check_task_name(task),
        budget_seconds=budget_seconds,
        resolver=resolver,
    )


@main.command()
@_VARIANTS
@click.option("--examples", required=True, type=click.Path(path_type=Path), help="An evaluation set.")
@click.option("--runs", default=200, show_default=True, help="Counted runs of each variant.")
@_RESOLVER
@_OUTPUT
def benchmark(variants: Path, examples: Path, runs: int, resolver: str, output: Path) -> None:
    """Measure the latency of all variants side by side."""
    from edgequant.benchmarking.step import benchmark as run_step

    run_step(variants, examples, output, runs=runs, resolver=resolver)


@main.command()
@_CONFIG
@_SET
@_VARIANTS
@click.option(
    "--evaluation",
    "evaluations",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="An evaluation; give one per variant.",
)
@click.option("--benchmark", "latencies", required=True, type=click.Path(path_type=Path), help="A benchmark.")
@click.option("--calibration", required=True, type=click.Path(path_type=Path), help="The calibration set.")
@click.option("--examples", required=True, type=click.Path(path_type=Path), help="The evaluation set.")
@click.option("--champion", type=click.Path(path_type=Path), help="The model in production, as fetched.")
@click.option("--champion-evaluation", type=click.Path(path_type=Path), help="Its evaluation.")
@_OUTPUT
def validate(
    config: Path,
    overrides: tuple[str, ...],
    variants: Path,
    evaluations: tuple[Path, ...],
    latencies: Path,
    calibration: Path,
    examples: Path,
    champion: Path | None,
    champion_evaluation: Path | None,
    output: Path,
) -> None:
    """Judge every variant by CONFIG's gate, and write the verdict and the report."""
    from edgequant.validation.inputs import Inputs
    from edgequant.validation.step import validate as run_step
    from edgequant_pipelines.config import load_config

    loaded = load_config(config, overrides)
    inputs = Inputs(
        variant_set=variants,
        evaluations=evaluations,
        benchmark=latencies,
        calibration_set=calibration,
        evaluation_set=examples,
        champion=champion,
        champion_evaluation=champion_evaluation,
    )
    run_step(loaded.name, loaded.task, loaded.parsed_gate(), inputs, output)


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


if __name__ == "__main__":
    main()
