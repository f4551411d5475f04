"""What the converter's own errors become, and which SavedModels need tf_keras."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgequant.conversion.converter_errors import explain
from edgequant.model_files import needs_tf_keras


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "RuntimeError: no message"),
        ("one line", "RuntimeError: one line"),
        ("\n  first\n second", "RuntimeError: first"),
        (
            "Exception encountered when calling Functional.call().\n\n\x1b[1mnot the right names\x1b[0m\n\nArguments: x",
            "RuntimeError: not the right names",
        ),
        ("<unknown>:0: error: loc(fused): what it is\n<unknown>:0: note: see", "RuntimeError: <unknown>:0: note: see"),
        ("Exception encountered when calling X", "RuntimeError: Exception encountered when calling X"),
        (
            "error: 'tf.Erf' op is neither a custom op nor a flex op\nerror: 'tf.Det' op is neither a custom op nor a flex op",
            "LiteRT has no operator for tf.Det, tf.Erf",
        ),
        (
            "error: 'tf.MatMul' op is neither a custom op nor a flex op\nDetails:\n"
            "\ttf.MatMul(tensor<?x4xf64>, tensor<4x4xf64>) -> (tensor<?x4xf64>) : {}",
            "LiteRT has no operator for tf.MatMul of f64",
        ),
        (
            "error: loc(x): 'tf.TensorListReserve' op requires element_shape to be static",
            "LiteRT has no operator for tf.TensorListReserve"
            " (a recurrent layer: give it unroll=True, or export the model with a batch of 1)",
        ),
    ],
)
def test_an_error_becomes_one_telling_line(text: str, line: str) -> None:
    """Unsupported operators are named; of anything else the first line that says something is kept."""
    assert explain(RuntimeError(text)) == line


@pytest.mark.parametrize(
    ("name", "needed"),
    [("keras_2_saved_model", True), ("keras_3_saved_model", False), ("tensorflow_1", False), ("two_signatures", False)],
)
def test_only_keras_2_needs_tf_keras(name: str, needed: bool, model_path: Callable[[str], Path]) -> None:
    """A SavedModel of Keras 2 is told from the others by what is written in it."""
    assert needs_tf_keras(model_path(name)) == needed
