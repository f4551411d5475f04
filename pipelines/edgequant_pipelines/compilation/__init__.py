"""Compiles the pipeline for Kubeflow: with images, resources, retries, timeouts, secrets and node selectors."""

from edgequant_pipelines.compilation.compiled import CompiledPipeline
from edgequant_pipelines.compilation.compiling import compile_components, compile_pipeline
from edgequant_pipelines.compilation.options import CompileOptions

__all__ = ["CompileOptions", "CompiledPipeline", "compile_components", "compile_pipeline"]
