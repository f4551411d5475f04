"""Calibrates models with variables: the converter's own calibration never resets them.

TensorFlow's calibrator runs a signature only, so the subgraphs that initialize resource variables are made signatures of
the model that it gets, and removed from the one that it returns.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.interpreter import Interpreter
from tensorflow.lite.python.optimize import calibrator

from edgequant.errors import ModelError
from edgequant.litert_interpreter import variables

_RESET = "edgequant_reset_"
Samples = Callable[[], Iterator[dict[str, NDArray[Any]]]]


@contextmanager
def resetting(starts: NDArray[np.bool_]) -> Iterator[None]:
    """Makes the converter reset variables before some calibration examples.

    Args:
        starts: Whether each example starts anew, [examples]; others continue the sequence of the example before.
    """
    with patch.object(calibrator, "Calibrator", partial(_Calibrator, starts)):
        yield


class _Calibrator(calibrator.Calibrator):  # type: ignore[misc]
    """TensorFlow's calibrator, which resets variables.

    Args:
        starts: Whether each example starts anew, [examples].
        model: The flatbuffer.
        by_name: The registerers of custom operators, by name.
        by_function: The same as functions.
    """

    def __init__(self, starts: NDArray[np.bool_], model: bytes, by_name: list[str], by_function: list[Any]) -> None:
        self._starts = starts
        self._variables = variables(model)
        self._resets: list[str] = []
        if self._variables:
            unknown = self._variables.without_initial_value()
            if unknown is not None:
                raise ModelError(
                    f"the variable {unknown!r} has no initial value, so that calibration cannot reset it before each example"
                )
            self._resets = [f"{_RESET}{subgraph}" for subgraph in self._variables.initializers]
            model = _with_resets(model, dict(zip(self._resets, self._variables.initializers, strict=True)))
        super().__init__(model, by_name, by_function)

    def _feed_tensors(self, dataset_gen: Samples, resize_input: bool) -> None:
        if not self._variables:
            super()._feed_tensors(dataset_gen, resize_input)
            return
        self._interpreter = Interpreter(model_content=self._model_content)
        (key,) = self._interpreter.get_signature_list().keys() - set(self._resets)
        for starts, sample in zip(self._starts, dataset_gen(), strict=True):
            values = self._create_input_array_from_dict(key, sample)
            if starts:
                for reset in self._resets:
                    self._calibrator.Prepare([], reset)
                    self._calibrator.FeedTensor([], reset)
                # Sets variable tensors to zero as well.
                self._calibrator.Prepare([list(value.shape) for value in values], key)
            self._calibrator.FeedTensor(values, key)

    def calibrate(self, dataset_gen: Samples) -> bytes:
        return self._plain(super().calibrate(dataset_gen))

    def calibrate_and_quantize(self, *arguments: Any, **options: Any) -> bytes:
        return self._plain(super().calibrate_and_quantize(*arguments, **options))

    def _plain(self, model: bytes) -> bytes:
        return _without_resets(model) if self._resets else model


def _with_resets(flatbuffer: bytes, subgraphs: dict[str, int]) -> bytes:
    """Returns a model whose subgraphs have signatures of these names."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(flatbuffer, 0))
    for name, subgraph in subgraphs.items():
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = name, subgraph
        signature.inputs, signature.outputs = [], []
        model.signatureDefs.append(signature)
    return _packed(model)


def _without_resets(flatbuffer: bytes) -> bytes:
    """Returns a model without the signatures of `_with_resets`."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(flatbuffer, 0))
    model.signatureDefs = [
        signature for signature in model.signatureDefs if not signature.signatureKey.startswith(_RESET.encode())
    ]
    return _packed(model)


def _packed(model: schema.ModelT) -> bytes:
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
