"""What runs on this machine need to be installed."""

from importlib.util import find_spec

# By extra, the modules of its packages: `edgequant[all]` has them, an image of a step has one extra's.
MODULES = {
    "sampling": ("apache_beam", "google_crc32c", "PIL", "pyarrow"),
    "conversion": ("ai_edge_litert", "psutil", "tensorflow", "tf_keras"),
    "evaluation": ("ai_edge_litert", "jinja2", "matplotlib", "PIL", "psutil", "scipy", "sklearn"),
    "tracking": ("ai_edge_litert", "mlflow", "tenacity"),
}


def missing_module() -> str:
    """Returns a module that a step needs and that is not installed, or "" when the whole pipeline may run; imports none."""
    modules = (module for needed in MODULES.values() for module in needed)
    return next((module for module in modules if find_spec(module) is None), "")
