"""The pipeline as Kubeflow runs it: with a registry's images, resources, retries, timeouts, secrets and nodes."""

from edgequant_pipelines.compilation.compiled import CompiledPipeline
from edgequant_pipelines.compilation.compiling import compile_components, compile_pipeline
from edgequant_pipelines.compilation.options import CompileOptions

__all__ = ["CompileOptions", "CompiledPipeline", "compile_components", "compile_pipeline"]
