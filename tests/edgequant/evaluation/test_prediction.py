"""Predictions against a loop written by hand over LiteRT's own interpreter."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.errors import EvaluationError
from edgequant.evaluation.prediction import predict

_HOUR = 3600.0


def _by_hand(path: Path, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Runs a model of one input and one output example by example, quantizing at the edges."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for example in inputs:
        value = example[np.newaxis]
        if source["dtype"] == np.int8:
            scale, zero = source["quantization"]
            value = np.clip(np.round(value / np.float32(scale)) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], value)
        interpreter.invoke()
        result = interpreter.get_tensor(sink["index"])[0]
        if sink["dtype"] == np.int8:
            scale, zero = sink["quantization"]
            result = (result.astype(np.float32) - np.float32(zero)) * np.float32(scale)
        rows.append(result)
    return np.stack(rows)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("variant", ["float32", "weights_only", "full_int8", "integer_only"])
def test_outputs_are_the_interpreters_own_in_example_order(digits_sets: Any, variant: str, threads: int) -> None:
    """Every variant gives, bit for bit and in order, what a plain loop gives, however many threads share the work."""
    path = load_variant_set(digits_sets.variant_set).model(variant)
    inputs = load_example_set(digits_sets.evaluation_set).inputs
    found = predict(path, inputs, threads=threads, budget_seconds=_HOUR)
    assert found.examples == 300
    assert list(found.outputs) == ["output_0"]
    np.testing.assert_array_equal(found.outputs["output_0"], _by_hand(path, inputs["pixels"]))


@pytest.fixture
def model(small_models: dict[str, bytes], tmp_path: Path) -> Callable[[str], Path]:
    """Returns the path of a small model by name."""

    def write(name: str) -> Path:
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(small_models[name])
        return path

    return write


@pytest.mark.parametrize("threads", [1, 3])
def test_a_spent_budget_still_runs_the_first_examples(model: Any, threads: int) -> None:
    """With no time at all at least one example is run, and those that are run are exactly the first."""
    values = np.arange(40000, dtype=np.float32).reshape(10000, 4)
    found = predict(model("double"), {"x": values}, threads=threads, budget_seconds=0.0)
    assert 1 <= found.examples <= 16 * threads
    np.testing.assert_array_equal(found.outputs["y"], 2 * values[: found.examples])


def test_a_budget_in_the_middle_ends_there(model: Any) -> None:
    """A budget shorter than the work ends the run near its end, with every row of the prefix written."""
    values = np.arange(4_000_000, dtype=np.float32).reshape(1_000_000, 4)
    found = predict(model("double"), {"x": values}, threads=2, budget_seconds=0.3)
    assert 16 < found.examples < 1_000_000
    assert 0.3 <= found.seconds < 1.5
    np.testing.assert_array_equal(found.outputs["y"], 2 * values[: found.examples])


def test_outputs_of_two_shapes_are_refused(model: Any) -> None:
    """An output whose shape differs from the first example's cannot be kept in one array."""

    class Ragged:
        """Examples of 3 and then of 4 values."""

        def __len__(self) -> int:
            return 20

        def __getitem__(self, row: int) -> NDArray[np.float32]:
            return np.zeros(3 if row < 18 else 4, np.float32)

    inputs: Any = {"x": Ragged()}
    with pytest.raises(EvaluationError, match=r"output 'y' has the shape \[4\] for example 18 and \[3\] for the first"):
        predict(model("open"), inputs, threads=1, budget_seconds=_HOUR)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_runtimes_failure_on_an_example_is_the_evaluations(model: Any, threads: int) -> None:
    """When the runtime fails on a later example its own message is reported, and no output is made up."""
    values = np.zeros((100, 4), np.float32)
    values[50] = 7.0
    with pytest.raises(EvaluationError, match=r"row\.tflite: LiteRT cannot run the model: .*index out of bounds"):
        predict(model("row"), {"x": values}, threads=threads, budget_seconds=_HOUR)


def test_an_unforeseen_failure_in_a_thread_is_not_lost(model: Any) -> None:
    """An error that is not the runtime's, such as a disk that cannot be read, ends the run as itself."""

    class Unreadable:
        """Examples of which the last cannot be read."""

        def __len__(self) -> int:
            return 50

        def __getitem__(self, row: int) -> NDArray[np.float32]:
            if row == 49:
                raise OSError("the disk is gone")
            return np.zeros(4, np.float32)

    inputs: Any = {"x": Unreadable()}
    with pytest.raises(OSError, match="the disk is gone"):
        predict(model("double"), inputs, threads=2, budget_seconds=_HOUR)


def test_names_that_do_not_match_are_refused(model: Any) -> None:
    """Examples of other inputs than the model's are an error that gives both."""
    with pytest.raises(EvaluationError, match=r"takes the inputs \['x'\]; the examples hold \['z'\]"):
        predict(model("double"), {"z": np.zeros((2, 4), np.float32)}, threads=1, budget_seconds=_HOUR)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """What the runtime cannot load is an evaluation error with the file's name."""
    (tmp_path / "bad.tflite").write_bytes(b"not a model at all")
    with pytest.raises(EvaluationError, match=r"bad\.tflite: LiteRT refuses the model"):
        predict(tmp_path / "bad.tflite", {"x": np.zeros((1, 4), np.float32)}, threads=1, budget_seconds=_HOUR)
