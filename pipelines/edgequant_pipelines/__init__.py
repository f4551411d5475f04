"""The pipeline, its configuration and the command line.

`quantize` takes a model artifact, so that it nests in a training pipeline; `quantize_model` takes a model's URI. `run` runs the
pipeline on this machine. Heavy modules are imported only when a name is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgequant_pipelines.config import Config, load_config, make_config
    from edgequant_pipelines.local_runner import run
    from edgequant_pipelines.pipeline import quantize, quantize_model
    from edgequant_pipelines.run_result import Result, load_run
else:
    _HOMES = {
        "Config": "config",
        "load_config": "config",
        "make_config": "config",
        "run": "local_runner",
        "quantize": "pipeline",
        "quantize_model": "pipeline",
        "Result": "run_result",
        "load_run": "run_result",
    }

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Config", "Result", "load_config", "load_run", "make_config", "quantize", "quantize_model", "run"]
