"""A pipeline compiled once, with everything that a configuration can say of Kubeflow."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from edgequant_pipelines.compilation import CompiledPipeline, CompileOptions, compile_pipeline
from edgequant_pipelines.config import load_config

CONFIG: dict[str, Any] = {
    "name": "digits",
    "model": "models:/digits@champion",
    "examples": {"calibration": "gs://bucket/train-*", "label": "digit", "preprocess": "inputs.py:to_inputs"},
    "sampling": {"calibration": 250},
    "gate": {"max_drop_points": 1.5},
    "tracking": {"uri": "https://mlflow.example.com", "registered_model": "digits-tflite"},
    "kubeflow": {
        "image_prefix": "registry.example.com:5000/team",
        "secrets": {
            "mlflow": ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"],
            "object-store": {"accesskey": "AWS_ACCESS_KEY_ID"},
        },
        "retries": 2,
        "parallelism": 2,
        "retry_seconds": 30,
        "labels": {"team": "vision"},
        "node_selector": {"zone": "a"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "steps": {
            "convert": {"memory_limit": "16Gi", "timeout_seconds": 1234},
            "benchmark": {
                "node_selector": {"pool": "quiet"},
                "tolerations": [{"key": "dedicated", "value": "benchmark", "effect": "NoSchedule"}],
            },
        },
    },
}
SOURCE = "def to_inputs(record):\n    return {'pixels': record['pixels']}\n"


@pytest.fixture(scope="session")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration, and the user's code that it names."""
    folder = tmp_path_factory.mktemp("compile")
    (folder / "inputs.py").write_text(SOURCE)
    (folder / "digits.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder / "digits.yaml"


@pytest.fixture(scope="session")
def pipeline(config_file: Path) -> CompiledPipeline:
    """The compiled pipeline."""
    return compile_pipeline(CompileOptions(tag="1.2.3", config=load_config(config_file)))


@pytest.fixture(scope="session")
def plain() -> CompiledPipeline:
    """The pipeline compiled without a configuration."""
    return compile_pipeline(CompileOptions())
