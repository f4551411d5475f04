"""The pipeline, its configuration and the command line.

`quantize` takes a model artifact, so that it nests in a training pipeline; `quantize_model` takes a model's URI.
"""

from typing import Any

__all__ = ["quantize", "quantize_model"]


def __getattr__(name: str) -> Any:
    """Returns a pipeline; KFP is imported only then, so that the command line starts at once."""
    if name in __all__:
        from edgequant_pipelines import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
