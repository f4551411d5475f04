"""The components, in the order in which the pipeline runs them."""

import importlib
from typing import Any

# Folder and component.
COMPONENTS = {
    "pinning": "pin",
    "fingerprinting": "fingerprint",
    "resolution": "resolve",
    "description": "describe",
    "champion": "fetch_champion",
    "sampling": "sample",
    "conversion": "convert",
    "evaluation": "evaluate",
    "benchmarking": "benchmark",
    "validation": "validate",
    "tracking": "track",
}


def components() -> dict[str, Any]:
    """Returns the components by their names, in the pipeline's order."""
    return {
        name: getattr(importlib.import_module(f"edgequant.{folder}.component"), name)
        for folder, name in COMPONENTS.items()
    }
