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
from edgequant.inspection import Tensor, inspect_model

_PYFUNC = Path(__file__).with_name("pyfunc_model.py")
_REQUIREMENTS = ("mlflow-skinny", "pandas", "numpy", "ai-edge-litert")
_TFLITE = "tflite"
_ANY = -1


def requirements() -> list[str]:
    """Returns what a logged model needs, in the versions that are installed here."""
    return [f"{name}=={version(name)}" for name in _REQUIREMENTS]


def package(tflite: Path, example: dict[str, NDArray[Any]], logged: LoggedModel, target: Path, resolver: str) -> None:
    """Writes the files of a logged model.

    Args:
        tflite: The ``.tflite`` file.
        example: One example, arrays by input name with a batch axis of 1.
        logged: The logged model that the files are for.
        target: The directory to write.
        resolver: Which kernels run it: those that it was evaluated with.
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
        model_config={"resolver": resolver},
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
    """Returns the float signature of a model, as its file tells: nothing is run that might crash this process.

    Examples give the dtypes of the inputs, since an integer model's own are not what it is given.
    """
    inspected = inspect_model(tflite)
    inputs = {tensor.name: tensor for tensor in inspected.inputs}
    return ModelSignature(
        inputs=Schema([_spec(inputs[name], values.dtype) for name, values in example.items()]),
        outputs=Schema(
            [_spec(tensor, _real_dtype(tensor)) for tensor in sorted(inspected.outputs, key=lambda t: t.name)]
        ),
    )


def _spec(tensor: Tensor, dtype: np.dtype[Any]) -> TensorSpec:
    """Returns what MLflow knows of a tensor: any number of examples, and any size where the model leaves it open."""
    return TensorSpec(dtype, (_ANY, *tensor.shape[1:]), tensor.name)


def _real_dtype(tensor: Tensor) -> np.dtype[Any]:
    """Returns the dtype of an output's values: float32 where integers stand for real values."""
    dtype = np.dtype(tensor.dtype.lower())
    return np.dtype(np.float32) if tensor.scale and np.issubdtype(dtype, np.integer) else dtype
