"""A logged ``.tflite`` model as an MLflow pyfunc: accepts and returns floats for any variant.

MLflow executes this file where the model is loaded, next to a copy of `litert_interpreter`. It depends on mlflow-skinny, pandas,
numpy and ai-edge-litert; it depends neither on TensorFlow nor on edgequant.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class LiteRTModel(PythonModel):  # type: ignore[misc]
    """Runs a ``.tflite`` file example by example."""

    # MLflow warns about missing type hints at every load, and its hints do not support arrays.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        """Loads the file into an interpreter, with the kernels of its evaluation unless the caller chooses others."""
        tflite = Path(context.artifacts["tflite"])
        interpreter = _module(tflite.parents[1] / "code" / "litert_interpreter.py")
        self._model = interpreter.Model(tflite, resolver=context.model_config["resolver"])

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Returns arrays by output name, the example axis first.

        Args:
            context: MLflow's context.
            model_input: Arrays by input name, the example axis first; an array, for a model with one input; or a DataFrame with
                a column per input, which MLflow accepts if only the number of examples is variable.
            params: Not used.

        Raises:
            ValueError: The inputs hold no examples, or different numbers of them.
        """
        inputs = self._inputs(model_input)
        count = _count(inputs)
        rows: list[dict[str, Any]] = []
        for index in range(count):
            self._model.invoke(self._model.prepare({name: values[index] for name, values in inputs.items()}))
            rows.append(self._model.results())
        return {name: np.stack([row[name] for row in rows]) for name in self._model.outputs}

    def _inputs(self, model_input: Any) -> dict[str, Any]:
        if isinstance(model_input, pd.DataFrame):
            return {str(name): np.stack([np.asarray(v) for v in model_input[name]]) for name in model_input.columns}
        if isinstance(model_input, Mapping):
            return {str(name): np.asarray(values) for name, values in model_input.items()}
        return {next(iter(self._model.inputs)): np.asarray(model_input)}


def _module(path: Path) -> ModuleType:
    """Returns the module of a file. Other models in the process have their own copies, possibly of another version."""
    name = f"{path.stem}_{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path}: is no module")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


def _count(inputs: Mapping[str, Any]) -> int:
    """Returns the number of examples that the inputs hold."""
    counts = {name: len(values) if values.ndim else 0 for name, values in inputs.items()}
    if len(set(counts.values())) != 1 or not all(counts.values()):
        held = ", ".join(f"{name} holds {count}" for name, count in counts.items())
        raise ValueError(f"examples: {held}; each input holds as many, and one at least")
    return next(iter(counts.values()))


set_model(LiteRTModel())
