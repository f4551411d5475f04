"""The modules that runs on this machine require."""

from importlib.util import find_spec

# The modules of each extra: `edgequant[all]` installs all of them, a step's image those of one extra.
MODULES = {
    "sampling": ("apache_beam", "google_crc32c", "PIL", "pyarrow", "simplejpeg"),
    "conversion": ("ai_edge_litert", "psutil", "tensorflow", "tf_keras"),
    "evaluation": ("ai_edge_litert", "jinja2", "matplotlib", "PIL", "psutil", "scipy", "sklearn"),
    "tracking": ("ai_edge_litert", "mlflow", "tenacity"),
}


def missing_module() -> str:
    """Returns a required module that is not installed; "" if all are. Imports nothing."""
    modules = (module for needed in MODULES.values() for module in needed)
    return next((module for module in modules if find_spec(module) is None), "")
