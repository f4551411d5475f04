"""Take a freshly trained TensorFlow model to its best quantized LiteRT model.

Each subpackage is one step of the pipeline (see the README's architecture section). Importing this package loads none of
TensorFlow, Apache Beam, MLflow or KFP: a step's heavy dependency is imported where the step runs.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgequant.artifacts.verdict import Check, VariantVerdict, Verdict, load_verdict
    from edgequant.errors import (
        ArtifactError,
        ConfigError,
        ConversionError,
        EdgequantError,
        EvaluationError,
        ExamplesError,
        ModelError,
        NoModelYetError,
        TrackingError,
    )
    from edgequant.gate import Gate, parse_gate
    from edgequant.inspection import Inspection, inspect_model
else:
    _HOMES = {
        "artifacts.verdict": ("Check", "VariantVerdict", "Verdict", "load_verdict"),
        "errors": (
            "ArtifactError",
            "ConfigError",
            "ConversionError",
            "EdgequantError",
            "EvaluationError",
            "ExamplesError",
            "ModelError",
            "NoModelYetError",
            "TrackingError",
        ),
        "gate": ("Gate", "parse_gate"),
        "inspection": ("Inspection", "inspect_model"),
    }

    def __getattr__(name):
        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ArtifactError",
    "Check",
    "ConfigError",
    "ConversionError",
    "EdgequantError",
    "EvaluationError",
    "ExamplesError",
    "Gate",
    "Inspection",
    "ModelError",
    "NoModelYetError",
    "TrackingError",
    "VariantVerdict",
    "Verdict",
    "__version__",
    "inspect_model",
    "load_verdict",
    "parse_gate",
]

__version__ = version("edgequant")
