"""Packages a ``.tflite`` file as an MLflow pyfunc model that carries nothing of the machine that made it."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import LoggedModel
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Schema, TensorSpec
from numpy.typing import NDArray

from edgequant import litert_interpreter

_PYFUNC = Path(__file__).with_name("pyfunc_model.py")
_REQUIREMENTS = ("mlflow-skinny", "pandas", "numpy", "ai-edge-litert")
_TFLITE = "tflite"


def requirements() -> list[str]:
    """Returns what a logged model needs, in the versions that are installed here."""
    return [f"{name}=={version(name)}" for name in _REQUIREMENTS]


def package(tflite: Path, example: dict[str, NDArray[Any]], logged: LoggedModel, target: Path) -> None:
    """Writes the files of a logged model.

    Args:
        tflite: The ``.tflite`` file.
        example: One example, arrays by input name with a batch axis of 1.
        logged: The logged model that the files are for.
        target: The directory to write.
    """
    description = Model(
        artifact_path=f"models:/{logged.model_id}",
        run_id=logged.source_run_id,
        model_id=logged.model_id,
        model_uuid=logged.model_id,
    )
    mlflow.pyfunc.save_model(
        path=str(target),
        mlflow_model=description,
        python_model=str(_PYFUNC),
        code_paths=[litert_interpreter.__file__],
        artifacts={_TFLITE: str(tflite)},
        signature=_signature(tflite, example),
        input_example=example,
        pip_requirements=requirements(),
    )
    # MLflow notes where each file was on this machine; where it is in the package is what loading needs.
    flavor = description.flavors["python_function"]
    flavor["model_code_path"] = _PYFUNC.name
    flavor["artifacts"][_TFLITE]["uri"] = flavor["artifacts"][_TFLITE]["path"]
    description.save(str(target / "MLmodel"))
    for cache in list(target.rglob("__pycache__")):
        for item in cache.iterdir():
            item.unlink()
        cache.rmdir()


def _signature(tflite: Path, example: dict[str, NDArray[Any]]) -> ModelSignature:
    """Returns the float signature of a model, as one run on the example shows it."""
    model = litert_interpreter.Model(tflite)
    model.invoke(model.prepare({name: values[0] for name, values in example.items()}))
    return ModelSignature(
        inputs=_schema(example), outputs=_schema({name: value[np.newaxis] for name, value in model.results().items()})
    )


def _schema(values: dict[str, NDArray[Any]]) -> Schema:
    return Schema([TensorSpec(np.dtype(v.dtype), (-1, *v.shape[1:]), name) for name, v in values.items()])
