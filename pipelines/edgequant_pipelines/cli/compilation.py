"""The command that compiles the pipeline for Kubeflow."""

from dataclasses import replace
from pathlib import Path

import click

from edgequant_pipelines.cli.program import SET, main


@main.command("compile")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: pipeline.yaml; none with --components alone]",
)
@click.option(
    "--image-prefix",
    metavar="REGISTRY/PATH",
    help="Where the images are.  [default: the configuration's, or edgequant]",
)
@click.option("--tag", help="The images' tag.  [default: the configuration's, or the version]")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Gives parameters their defaults, but not in manifests; its part `kubeflow` says the rest.",
)
@SET
@click.option(
    "--kubernetes-manifests",
    is_flag=True,
    help="Write a Pipeline and a PipelineVersion for kubectl: the version that submit, schedule and watch look for.",
)
@click.option(
    "--components",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each step, and the pipeline that takes a model as an artifact, to files of their own in this folder: these alone, unless --output or --kubernetes-manifests is given.",
)
def compile_command(
    output: Path | None,
    image_prefix: str | None,
    tag: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    kubernetes_manifests: bool,
    components: Path | None,
) -> None:
    """Compile the pipeline that quantizes a model given by its URI, for Kubeflow Pipelines 2.14 or later."""
    from edgequant.errors import ConfigError
    from edgequant_pipelines.compilation import CompileOptions, compile_components, compile_pipeline
    from edgequant_pipelines.config import load_config
    from edgequant_pipelines.kubeflow.cluster_arguments import only_here

    if overrides and not config:
        raise ConfigError("--set: there is nothing to set without --config")
    loaded = load_config(config, overrides) if config else None
    options = CompileOptions(image_prefix=image_prefix, tag=tag, config=loaded)
    # A warning is enough: these are only defaults, which a run may replace. Manifests have no defaults.
    for wrong in only_here(loaded) if loaded and (components or not kubernetes_manifests) else ():
        click.echo(f"edgequant: warning: {wrong}", err=True)
    # With --components alone, an existing pipeline.yaml must not be overwritten.
    if output or kubernetes_manifests or not components:
        output = output or Path("pipeline.yaml")
        pipeline = compile_pipeline(replace(options, defaults=not kubernetes_manifests))
        if kubernetes_manifests:
            pipeline.write_manifests(output)
        else:
            pipeline.write(output)
        click.echo(f"{output}: {pipeline.name}, digest {pipeline.digest}")
    if components:
        for name, component in compile_components(options).items():
            component.write(components / f"{name}.yaml")
            click.echo(str(components / f"{name}.yaml"))
