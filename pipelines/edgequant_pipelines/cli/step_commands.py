"""The commands that run a single step, and those that describe a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from edgequant_pipelines.cli.program import CONFIG, OUTPUT, RESOLVER, SET, VARIANTS, Seconds, main


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(model: Path, as_json: bool) -> None:
    """Describe a .tflite file: its inputs, its outputs, and the types of its operators."""
    import json
    from dataclasses import asdict

    from edgequant.inspection import inspect_model
    from edgequant_pipelines.console import Screen

    inspection = inspect_model(model)
    if as_json:
        click.echo(json.dumps(asdict(inspection), indent=1))
    else:
        Screen().inspection(inspection, model)


@main.command()
@CONFIG
@SET
@OUTPUT
def sample(config: Path, overrides: tuple[str, ...], output: Path) -> None:
    """Draw OUTPUT/calibration and OUTPUT/evaluation from the examples of CONFIG."""
    from edgequant.sampling.step import sample as run_step
    from edgequant.signature_reader import read_signature
    from edgequant_pipelines.arguments import pipeline_arguments
    from edgequant_pipelines.config import load_config
    from edgequant_pipelines.preflight import example_sources

    loaded = load_config(config, overrides)
    values = pipeline_arguments(loaded, loaded.tracking.uri)
    with _model(values["model"], loaded.tracking.uri, loaded.tracking.retry_seconds) as model:
        signature = read_signature(model, values["signature"])
    run_step(
        example_sources(values, signature),
        output / "calibration",
        output / "evaluation",
    )


@main.command("describe")
@click.argument("model")
@click.option("--signature", default="serving_default", show_default=True, help="The signature's key.")
def describe_model(model: str, signature: str) -> None:
    """Print the inputs of MODEL, a path or an MLflow URI, and its outputs, which a .keras file does not name."""
    from edgequant.signature_reader import read_signature

    with _model(model) as path:
        specification = read_signature(path, signature)
    for role, specs in (("input", specification.inputs), ("output", specification.outputs)):
        for spec in specs:
            click.echo(f"{role:<8}{spec}")


@contextmanager
def _model(uri: str, tracking_uri: str = "", seconds: float = 60.0) -> Iterator[Path]:
    """Yields the path of a model's files; downloads them if the model is a URI, by default from the environment's MLflow."""
    import tempfile

    from edgequant.mlflow_access.lookup import Waiting
    from edgequant.model_uri import fetch, is_path

    if is_path(uri):
        yield Path(uri)
        return
    with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
        # Standard output may be read by a script.
        fetch(uri, tracking_uri, Path(folder) / "model", Waiting(seconds=seconds, tell=partial(click.echo, err=True)))
        yield Path(folder) / "model"


@main.command()
@CONFIG
@SET
@click.option("--calibration", required=True, type=click.Path(path_type=Path), help="A calibration set.")
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path),
    help="An evaluation set, which may hold none of its examples and must be alike.",
)
@OUTPUT
def convert(config: Path, overrides: tuple[str, ...], calibration: Path, evaluation: Path | None, output: Path) -> None:
    """Convert CONFIG's model to every variant, and verify that each is what its name says."""
    from edgequant.conversion.step import ConversionRequest
    from edgequant.conversion.step import convert as run_step
    from edgequant_pipelines.config import load_config

    loaded = load_config(config, overrides)
    with _model(loaded.model, loaded.tracking.uri, loaded.tracking.retry_seconds) as model:
        run_step(
            ConversionRequest(
                model=model,
                signature=loaded.signature,
                variants=loaded.variants,
                calibration_set=calibration,
                evaluation_set=evaluation,
                allow_mismatch=loaded.calibration.allow_mismatch,
                check_stability=loaded.sampling.check_stability,
            ),
            output,
        )


@main.command()
@CONFIG
@SET
@OUTPUT
def champion(config: Path, overrides: tuple[str, ...], output: Path) -> None:
    """Fetch the champion that CONFIG names: a variant set of the variant "champion"."""
    from edgequant.champion.step import fetch_champion
    from edgequant_pipelines.arguments import local_tracking_uri
    from edgequant_pipelines.config import load_config

    loaded = load_config(config, overrides)
    fetch_champion(loaded.champion, local_tracking_uri(loaded, output.parent), output)


@main.command()
@click.argument("variant")
@VARIANTS
@click.option("--examples", required=True, type=click.Path(path_type=Path), help="An evaluation set.")
@click.option("--task", default="classification", show_default=True, help="What to measure.")
@RESOLVER
@click.option(
    "--budget-seconds",
    type=Seconds(),
    default=None,
    help="Begin no further example after this time.  [default: run all]",
)
@OUTPUT
def evaluate(
    variant: str, variants: Path, examples: Path, task: str, resolver: str, budget_seconds: float | None, output: Path
) -> None:
    """Run VARIANT on the LiteRT interpreter over an evaluation set."""
    from edgequant.evaluation.step import evaluate as run_step
    from edgequant.task import check_task_name
    from edgequant_pipelines.arguments import user_code

    task, task_source = user_code("--task", check_task_name(task))
    run_step(
        variant,
        variants,
        examples,
        output,
        task=task,
        task_source=task_source,
        budget_seconds=budget_seconds,
        resolver=resolver,
    )


@main.command()
@VARIANTS
@click.option("--examples", required=True, type=click.Path(path_type=Path), help="An evaluation set.")
@click.option("--runs", default=200, show_default=True, help="Counted runs of each variant.")
@RESOLVER
@OUTPUT
def benchmark(variants: Path, examples: Path, runs: int, resolver: str, output: Path) -> None:
    """Measure the latency of all variants side by side."""
    from edgequant.benchmarking.step import benchmark as run_step

    run_step(variants, examples, output, runs=runs, resolver=resolver)


@main.command()
@CONFIG
@SET
@VARIANTS
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
@click.option("--champion", type=click.Path(path_type=Path), help="The champion, as fetched.")
@click.option("--champion-evaluation", type=click.Path(path_type=Path), help="Its evaluation.")
@OUTPUT
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
    """Check every variant against CONFIG's gate, and write the verdict and the report."""
    from edgequant.validation.inputs import Inputs
    from edgequant.validation.step import validate as run_step
    from edgequant_pipelines.arguments import user_code
    from edgequant_pipelines.config import load_config

    loaded = load_config(config, overrides)
    task, task_source = user_code("task", loaded.task)
    inputs = Inputs(
        variant_set=variants,
        evaluations=evaluations,
        benchmark=latencies,
        calibration_set=calibration,
        evaluation_set=examples,
        champion=champion,
        champion_evaluation=champion_evaluation,
        model_uri=loaded.model,
        task_source=task_source,
        expected=loaded.parsed_reference(),
    )
    run_step(loaded.name, task, loaded.parsed_gate(), inputs, output)
