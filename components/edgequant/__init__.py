"""Take a freshly trained TensorFlow model to its best quantized LiteRT model.

Each subpackage is one step of the pipeline (see the README's architecture section). Importing this package loads none of
TensorFlow, Apache Beam, MLflow or KFP: a step's heavy dependency is imported where the step runs.
"""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("edgequant")
