"""The model that the plain script logs, as MLflow's models from code."""

from typing import Any

import mlflow
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from mlflow.models import set_model


class Classifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """The logged model."""

    def load_context(self, context: Any) -> None:
        """Loads the file."""
        self._interpreter = Interpreter(model_path=context.artifacts["tflite"])
        self._interpreter.allocate_tensors()

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def] # noqa: ARG002
        """Returns class scores."""
        source, target = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]
        rows = []
        for image in model_input:
            self._interpreter.set_tensor(source["index"], quantized(image[np.newaxis], source))
            self._interpreter.invoke()
            rows.append(self._interpreter.get_tensor(target["index"])[0])
        return np.stack(rows)


def quantized(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Returns values as the input tensor takes them."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    integers: np.ndarray = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max)
    return integers.astype(detail["dtype"])


set_model(Classifier())
