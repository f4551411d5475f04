"""Packages a ``.tflite`` file as an MLflow pyfunc model, without paths of the machine that packaged it."""

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
    """Returns the pip requirements of a logged model, pinned to the installed versions."""
    return [f"{name}=={version(name)}" for name in _REQUIREMENTS]


def package(tflite: Path, example: dict[str, NDArray[Any]], logged: LoggedModel, target: Path, resolver: str) -> None:
    """Writes the files of a logged model.

    Args:
        tflite: The ``.tflite`` file.
        example: One example, arrays by input name with a batch axis of 1.
        logged: The logged model that the files belong to.
        target: The directory to write.
        resolver: The kernels to run it with: those of its evaluation.
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
    # MLflow records the files' paths on this machine; loading only needs the paths within the package.
    flavor = description.flavors["python_function"]
    flavor["model_code_path"] = _PYFUNC.name
    flavor["artifacts"][_TFLITE]["uri"] = flavor["artifacts"][_TFLITE]["path"]
    description.save(str(target / "MLmodel"))
    for cache in list(target.rglob("__pycache__")):
        for item in cache.iterdir():
            item.unlink()
        cache.rmdir()


def _signature(tflite: Path, example: dict[str, NDArray[Any]]) -> ModelSignature:
    """Returns the float signature of a model, read from its file: it is not executed, since that could crash this process.

    The example gives the dtypes of the inputs, since callers pass floats to an integer model, too.
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
    """Returns MLflow's specification of a tensor: a variable number of examples, and variable sizes where the model has them."""
    return TensorSpec(dtype, (_ANY, *tensor.shape[1:]), tensor.name)


def _real_dtype(tensor: Tensor) -> np.dtype[Any]:
    """Returns the dtype of an output's values: float32 if the tensor is quantized."""
    dtype = np.dtype(tensor.dtype.lower())
    return np.dtype(np.float32) if tensor.scale and np.issubdtype(dtype, np.integer) else dtype
