"""Compiles the pipeline to YAML for KFP's API and tools."""

from typing import Any

import yaml
from google.protobuf import json_format
from kfp import dsl

from edgequant import __version__
from edgequant_pipelines.compilation.building import build_quantize, build_quantize_model
from edgequant_pipelines.compilation.compiled import CompiledPipeline
from edgequant_pipelines.compilation.options import CompileOptions
from edgequant_pipelines.components import components


def compile_pipeline(options: CompileOptions) -> CompiledPipeline:
    """Returns the pipeline that fetches a model by its URI and quantizes it, compiled.

    Raises:
        ConfigError: The file that the configuration's `preprocess` names cannot be read.
    """
    return compiled(build_quantize_model(options))


def compile_components(options: CompileOptions) -> dict[str, CompiledPipeline]:
    """Returns the loadable components: each step, by its component's name, and the pipeline `quantize`.

    Secrets, nodes, resources and arguments of a single step are set by the pipeline that uses it.

    Raises:
        ConfigError: The file that the configuration's `preprocess` names cannot be read.
    """
    steps = {name: compiled(_with_image(component, options)) for name, component in components().items()}
    return {**steps, "quantize": compiled(build_quantize(options))}


def _with_image(component: Any, options: CompileOptions) -> Any:
    image = options.image(component.component_spec.implementation.container.image)
    return dsl.component(component.python_func, base_image=image, install_kfp_package=False)


def compiled(component: Any) -> CompiledPipeline:
    """Returns a pipeline or component compiled to YAML.

    KFP's own compiler writes parameter defaults into comments, which a default with several lines breaks.
    """
    spec = json_format.MessageToDict(component.pipeline_spec)
    platforms = json_format.MessageToDict(component.platform_spec)
    documents = (spec, platforms) if platforms else (spec,)
    # KFP reads a component's description from here.
    header = f"# PIPELINE DEFINITION\n# Name: {component.name}\n# Description: {component.description}\n"
    text = f"{header}# Compiled by edgequant {__version__}.\n{yaml.safe_dump_all(documents, width=120)}"
    return CompiledPipeline(documents=documents, text=text)
