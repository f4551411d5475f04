"""Compiles the pipeline with KFP's own compiler."""

import tempfile
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from edgequant.images import image
from edgequant_pipelines.compilation.compiled import CompiledPipeline
from edgequant_pipelines.compilation.options import CompileOptions
from edgequant_pipelines.pipeline import quantize_model


def compile_pipeline(options: CompileOptions) -> CompiledPipeline:
    """Returns the pipeline that fetches a model by its URI and quantizes it, compiled."""
    with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(quantize_model, str(path))
        text = path.read_text(encoding="utf-8")
    for extra in ("sampling", "conversion", "evaluation", "tracking"):
        text = text.replace(f"image: {image(extra)}", f"image: {image(extra, options.image_prefix, options.tag)}")
    documents: tuple[dict[str, Any], ...] = tuple(yaml.safe_load_all(text))
    return CompiledPipeline(documents=documents, text=text)
