"""Predictions and batches against a loop written by hand over LiteRT's own interpreter."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.evaluation.batching import find_batch
from edgequant.evaluation.example_rows import RowReader
from edgequant.evaluation.prediction import PredictionRequest, Predictions, predict, trace
from edgequant.litert_interpreter import Model, Origin
from edgequant.model_process import run_in_child

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


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., PredictionRequest]:
    """Returns a function that writes arrays as files and makes the request to run a model on them."""

    def make(path: Path, inputs: Mapping[str, NDArray[Any]], **settings: Any) -> PredictionRequest:
        folder = tmp_path / f"request-{len(list(tmp_path.iterdir()))}"
        (folder / "outputs").mkdir(parents=True)
        for number, values in enumerate(inputs.values()):
            np.save(folder / f"{number}.npy", values)
        files = {name: folder / f"{number}.npy" for number, name in enumerate(inputs)}
        wanted: dict[str, Any] = {"threads": 1, "budget_seconds": _HOUR}
        return PredictionRequest(model=path, inputs=files, outputs=folder / "outputs", **(wanted | settings))

    return make


def _run(request: PredictionRequest) -> tuple[Predictions, dict[str, NDArray[Any]]]:
    """Returns what came of a run that succeeds, and the outputs it wrote."""
    predictions = predict(request)
    assert isinstance(predictions, Predictions), predictions
    outputs = {path.stem: np.load(path, allow_pickle=False) for path in request.outputs.iterdir()}
    assert set(outputs) == set(predictions.outputs)
    return predictions, outputs


@pytest.mark.parametrize(("threads", "batch"), [(1, 1), (3, 1), (1, 64), (3, 16), (2, 0)])
@pytest.mark.parametrize("variant", ["float32", "weights_only", "full_int8", "integer_only"])
def test_outputs_are_the_interpreters_own_in_example_order(
    digits_sets: Any, ask: Any, variant: str, threads: int, batch: int
) -> None:
    """Every variant gives, bit for bit and in order, what a plain loop gives, however many threads and batches share the work."""
    path = load_variant_set(digits_sets.variant_set).model(variant)
    inputs = load_example_set(digits_sets.evaluation_set).inputs
    result, outputs = _run(ask(path, inputs, threads=threads, batch=batch))
    assert (result.examples, result.outputs, result.not_finite, result.first_not_finite) == (
        300,
        ("output_0",),
        {},
        None,
    )
    np.testing.assert_array_equal(outputs["output_0"], _by_hand(path, inputs["pixels"]))


@pytest.fixture
def model(small_models: dict[str, bytes], tmp_path: Path) -> Callable[[str], Path]:
    """Returns the path of a small model by name."""

    def write(name: str) -> Path:
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(small_models[name])
        return path

    return write


@pytest.mark.parametrize("resolver", ["xnnpack", "builtin", "reference"])
def test_every_resolver_runs_a_model(digits_sets: Any, ask: Any, resolver: str) -> None:
    """Other kernels give other bits at most: the float model's probabilities are within float32 rounding."""
    path = load_variant_set(digits_sets.variant_set).model("float32")
    # Few, as the reference kernels take long.
    inputs = {"pixels": load_example_set(digits_sets.evaluation_set).inputs["pixels"][:40]}
    _, outputs = _run(ask(path, inputs, resolver=resolver))
    np.testing.assert_allclose(outputs["output_0"], _by_hand(path, inputs["pixels"]), atol=1e-5)


def _batch(path: Path, values: NDArray[Any], folder: Path) -> int:
    np.save(folder / "values.npy", values)
    return find_batch(path, RowReader({"x": folder / "values.npy"}), "xnnpack", threads=1)


@pytest.mark.parametrize(("threads", "slower", "expected"), [(1, 1.01, 1), (1, 1.0, 4), (2, 1.01, 4), (2, 1.03, 1)])
def test_several_threads_take_a_batch_that_is_as_fast_but_for_noise(
    threads: int, slower: float, expected: int, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of 4 that costs up to 2% spares threads that wait for each other; one thread waits for nobody."""
    np.save(tmp_path / "values.npy", np.zeros((1000, 4), np.float32))
    reader = RowReader({"x": tmp_path / "values.npy"})

    def clock(_reader: RowReader, *tried: tuple[Any, int]) -> list[float]:
        return [0.001 * {1: 1.0, 4: slower, 16: 2.0}[batch] for _, batch in tried]

    monkeypatch.setattr("edgequant.evaluation.batching._seconds", clock)
    assert find_batch(model("double"), reader, "xnnpack", threads) == expected


def test_examples_are_run_together_where_it_pays(model: Any, tmp_path: Path, ask: Any) -> None:
    """A model of a microsecond, over many examples, is run on several at a time, and its outputs stay the same."""
    values = np.random.default_rng(1).standard_normal((200_001, 4)).astype(np.float32)
    assert _batch(model("double"), values, tmp_path) >= 16
    result, outputs = _run(ask(model("double"), {"x": values}, threads=2))
    assert result.batch >= 16
    np.testing.assert_array_equal(outputs["y"], 2 * values)


def test_a_short_run_is_not_worth_a_trial(model: Any, tmp_path: Path) -> None:
    """What ends in a few milliseconds one by one is run one by one."""
    assert _batch(model("double"), np.zeros((300, 4), np.float32), tmp_path) == 1


@pytest.mark.parametrize("name", ["centred", "total"])
def test_examples_that_touch_each_other_are_run_one_by_one(name: str, model: Any, tmp_path: Path, ask: Any) -> None:
    """Where a batch gives other outputs than its examples do, or none for each, it is not used."""
    values = np.random.default_rng(1).standard_normal((150_000, 4)).astype(np.float32)
    assert _batch(model(name), values, tmp_path) == 1
    _, outputs = _run(ask(model(name), {"x": values[:50]}))
    expected = np.zeros((50, 4)) if name == "centred" else values[:50].sum(axis=1)
    np.testing.assert_allclose(outputs["y"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_spent_budget_still_runs_the_first_examples(model: Any, ask: Any, threads: int) -> None:
    """With no time at all at least one example is run, and those that are run are exactly the first."""
    values = np.arange(80000, dtype=np.float32).reshape(20000, 4)
    result, outputs = _run(ask(model("double"), {"x": values}, threads=threads, budget_seconds=0.0, batch=1))
    assert 1 <= result.examples <= 4096 * threads
    np.testing.assert_array_equal(outputs["y"], 2 * values[: result.examples])


def test_a_budget_in_the_middle_ends_there(model: Any, ask: Any) -> None:
    """A budget shorter than the work ends the run near its end, with every row of the prefix written."""
    values = np.arange(4_000_000, dtype=np.float32).reshape(1_000_000, 4)
    result, outputs = _run(ask(model("double"), {"x": values}, threads=2, budget_seconds=0.3, batch=1))
    assert 16 < result.examples < 1_000_000
    assert 0.3 <= result.seconds < 5
    np.testing.assert_array_equal(outputs["y"], 2 * values[: result.examples])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_slow_model_runs_each_example_once(
    model: Any, ask: Any, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run of a model that takes long is thrown away, and each example's outputs are its own."""
    runs: list[Model] = []
    run = Model.run

    def counted(self: Model) -> None:
        runs.append(self)
        run(self)

    monkeypatch.setattr(Model, "run", counted)
    values = np.array([[700_000, 1, 0, -row] for row in range(4)], np.float32)  # 0.2 s each.
    result, outputs = _run(ask(model("countdown"), {"x": values}, threads=threads))
    assert (result.examples, result.batch, len(runs)) == (4, 1, 4)
    np.testing.assert_array_equal(outputs["y"], [[0, 0, 0, -row] for row in range(4)])


def test_no_example_is_begun_that_would_be_taken_for_a_hang(model: Any, ask: Any) -> None:
    """Within the budget, too, a run that would end beyond what the caller waits for is not begun."""
    values = np.array([[2_000_000, 1, 0, -row] for row in range(3)], np.float32)  # Over half a second each.
    result, outputs = _run(ask(model("countdown"), {"x": values}, budget_seconds=1.0, grace_seconds=0.1))
    assert (result.examples, len(outputs["y"])) == (1, 1)


def test_outputs_of_two_shapes_are_refused(model: Any, ask: Any) -> None:
    """An output whose size depends on the values cannot be kept in one array: the example that differs is named."""
    values = np.full((20, 4), 3.0, np.float32)
    values[18:] = 4.0
    predictions = predict(ask(model("range"), {"x": values}))
    assert isinstance(predictions, str)
    assert "output 'y' has the shape [4] for example 18 and [3] for the first" in predictions


@pytest.mark.parametrize("batch", [1, 4])
def test_outputs_without_a_row_for_each_example_are_refused(model: Any, ask: Any, batch: int) -> None:
    """A model that leaves examples out has no output to compare."""
    values = np.ones((40, 4), np.float32)
    values[30] = -1.0
    predictions = predict(ask(model("some"), {"x": values}, batch=batch))
    assert isinstance(predictions, str)
    assert (
        f"output 'y' has the shape [{batch - 1}, 4] for {batch} example(s); its first axis must be the example"
        in predictions
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_the_runtimes_failure_on_an_example_is_the_reason(model: Any, ask: Any, threads: int) -> None:
    """When the runtime fails on a later example its own message is reported, and no output is made up."""
    values = np.zeros((100, 4), np.float32)
    values[50] = 7.0
    predictions = predict(ask(model("row"), {"x": values}, threads=threads))
    assert isinstance(predictions, str)
    assert "row.tflite: LiteRT cannot run the model: " in predictions
    assert "index out of bounds" in predictions


def test_a_disk_that_takes_no_outputs_is_no_failure_of_the_model(model: Any, ask: Any) -> None:
    """An error of the system, in whichever thread, ends the run as itself."""
    request = ask(model("double"), {"x": np.zeros((4, 4), np.float32)}, threads=2)
    request.outputs.rmdir()
    with pytest.raises(FileNotFoundError, match="outputs"):
        predict(request)
    with pytest.raises(FileNotFoundError, match="outputs"):
        run_in_child(predict, request, seconds=60)


def test_names_that_do_not_match_are_refused(model: Any, ask: Any) -> None:
    """Examples of other inputs than the model's are an error that gives both."""
    predictions = predict(ask(model("double"), {"z": np.zeros((2, 4), np.float32)}))
    assert isinstance(predictions, str)
    assert predictions.endswith("takes the inputs ['x']; the examples hold ['z']")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path, ask: Any) -> None:
    """What the runtime cannot load is a reason with the file's name."""
    (tmp_path / "bad.tflite").write_bytes(b"not a model at all")
    predictions = predict(ask(tmp_path / "bad.tflite", {"x": np.zeros((1, 4), np.float32)}))
    assert isinstance(predictions, str)
    assert "bad.tflite: LiteRT refuses the model" in predictions


@pytest.mark.parametrize("resolver", ["xnnpack", "builtin", "reference"])
@pytest.mark.parametrize(
    ("example", "operator"),
    [
        ([1.0, 4.0, 9.0, 16.0], None),
        ([1.0, 4.0, -1.0, 16.0], "SQRT"),
        ([1.0, 4.0, np.nan, 16.0], ""),
    ],
)
def test_the_operator_where_nan_starts_is_named(
    model: Any, ask: Any, example: list[float], operator: str | None, resolver: str
) -> None:
    """softmax(sqrt(x) + abs(x)) of a negative value: sqrt, though addition and softmax hold NaN too."""
    request = ask(model("root"), {"x": np.array([[1.0] * 4, example], np.float32)}, resolver=resolver)
    result, _ = _run(request)
    assert result.not_finite == ({} if operator is None else {"y": 1})
    assert result.first_not_finite == (None if operator is None else 1)
    origin = trace(request, 1)
    assert (origin.operator if origin else None) == operator
    if operator == "":
        assert origin == Origin(operator="", tensor="x")


def test_memory_does_not_grow_with_the_examples(model: Any, tmp_path: Path) -> None:
    """Ten times the examples of 1 MB take no more memory: they are mapped, and what has been read is let go."""
    peaks = []
    for count in (150, 1500):
        path = tmp_path / f"{count}.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, 2**18))  # Holes: no disk is used.
        (tmp_path / f"outputs{count}").mkdir()
        request = PredictionRequest(
            model=model("sums"),
            inputs={"x": path},
            outputs=tmp_path / f"outputs{count}",
            threads=2,
            budget_seconds=_HOUR,
            batch=4,  # Of one's own choice, it would be tried out on the longer run alone.
        )
        outcome = run_in_child(predict, request, seconds=300)
        assert outcome.value.examples == count
        peaks.append(outcome.peak_memory_bytes or 0)
    assert peaks[1] < peaks[0] + 8 * 2**20


def test_a_sequence_runs_in_order_from_the_initial_values(small_models: Any, ask: Any, tmp_path: Path) -> None:
    """A sum from 10 on, over sequences of 2, 3 and 1 examples of four ones."""
    (tmp_path / "counter.tflite").write_bytes(small_models["counter"])
    np.save(tmp_path / "starts.npy", np.array([1, 0, 1, 0, 0, 1], np.bool_))
    ones = {"x": np.ones((6, 4), np.float32)}
    request = ask(tmp_path / "counter.tflite", ones, batch=1, starts=tmp_path / "starts.npy")
    _, outputs = _run(request)
    assert outputs["y"][:, 0].tolist() == [15.0, 19.0, 15.0, 19.0, 23.0, 15.0]


def test_a_model_with_variables_runs_example_by_example(small_models: Any, ask: Any, tmp_path: Path) -> None:
    """A sum of all inputs so far, from 10 on, is reset for each of 500 examples, in every thread, and in no batch."""
    path = tmp_path / "counter.tflite"
    path.write_bytes(small_models["counter"])
    inputs = np.arange(2000, dtype=np.float32).reshape(500, 4)
    result, outputs = _run(ask(path, {"x": inputs}, threads=2))
    assert result.batch == 1
    assert (outputs["y"] == inputs + 10 + inputs.sum(axis=1, keepdims=True)).all()
