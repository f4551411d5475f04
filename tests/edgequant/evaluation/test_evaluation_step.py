"""The evaluate step, on real directories."""

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from tests.edgequant import ending_interpreter
from tests.edgequant.clocked_interpreter import Clock

from edgequant.artifacts.evaluation import load_evaluation
from edgequant.artifacts.example_set import ExampleSetWriter, load_example_set
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.child_process import ChildOutcome
from edgequant.errors import ArtifactError, ConfigError, EvaluationError
from edgequant.evaluation.prediction import PredictionRequest, predict
from edgequant.evaluation.step import evaluate
from edgequant.model_process import run_in_child

_X = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], np.float32)


def test_accuracy_is_scikit_learns_on_the_stored_outputs(digits_sets: Any) -> None:
    """The metric and the outputs of a variant belong together."""
    labels = load_example_set(digits_sets.evaluation_set).labels
    assert labels is not None
    for path in digits_sets.evaluations.values():
        evaluation = load_evaluation(path)
        decisions = evaluation.outputs["output_0"].argmax(axis=1)
        assert evaluation.content.metrics == {"accuracy": accuracy_score(labels, decisions)}
        assert evaluation.content.metrics["accuracy"] > 0.9
        assert json.loads((path / "metrics.json").read_text()) == evaluation.content.metrics


def test_an_evaluation_names_what_it_is_of(digits_sets: Any) -> None:
    """The manifest holds the digests of the file and of the examples, the task, and how many examples were run."""
    content = load_evaluation(digits_sets.evaluations["full_int8"]).content
    assert content.model_sha256 == load_variant_set(digits_sets.variant_set)["full_int8"].sha256
    assert content.evaluation_sha256 == load_example_set(digits_sets.evaluation_set).digest
    assert (content.task, content.status, content.examples, content.available) == (
        "classification",
        "evaluated",
        300,
        300,
    )
    assert content.runtime.startswith("ai-edge-litert 2.")


def test_the_number_of_examples_run_is_reported(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the budget ends early the outputs and metrics are those of the first examples."""
    values = np.zeros((20_000, 4), np.float32)
    values[:, 0] = 1.0
    labels = np.array([0, 1] + 19_998 * [3])
    variants, examples = sets.variants({"float32": small_models["double"]}), sets.examples({"x": values}, labels)
    evaluate("float32", variants, examples, tmp_path / "out", task="classification", budget_seconds=0.0)
    evaluation = load_evaluation(tmp_path / "out")
    count = evaluation.content.examples
    assert 1 <= count < 20_000
    assert evaluation.content.available == 20_000
    assert evaluation.outputs["y"].shape == (count, 4)
    assert evaluation.content.metrics["accuracy"] == pytest.approx(1 / count)
    assert f"on {count:,} of 20,000 examples" in capsys.readouterr().out


def test_a_variant_that_cannot_be_run_is_recorded_as_failed(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """The runtime's refusal of a variant is a result, and names the file it is of."""
    models = {"float32": small_models["double"], "full_int8": b"damaged"}
    variants, examples = sets.variants(models), sets.examples({"x": _X})
    evaluate("full_int8", variants, examples, tmp_path / "out", task="none")
    evaluation = load_evaluation(tmp_path / "out")
    assert evaluation.content.status == "failed"
    assert "LiteRT refuses the model" in (evaluation.content.reason or "")
    assert evaluation.content.model_sha256 == load_variant_set(variants)["full_int8"].sha256
    assert (evaluation.content.metrics, evaluation.outputs) == ({}, {})


def test_a_variant_that_was_not_converted_keeps_its_reason(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """A failed conversion is carried on, so that the verdict can say why."""
    variants = sets.variants({"float32": small_models["double"], "float16": None})
    evaluate("float16", variants, sets.examples({"x": _X}), tmp_path / "out", task="none")
    content = load_evaluation(tmp_path / "out").content
    assert (content.status, content.reason) == ("failed", "not converted: the converter died")


@pytest.mark.parametrize(
    ("model", "message"), [(b"damaged", "LiteRT refuses the model"), (None, "not converted: the converter died")]
)
def test_a_reference_that_cannot_be_run_is_an_error(
    sets: Any, tmp_path: Path, model: bytes | None, message: str
) -> None:
    """Without the reference nothing can be compared: the step fails, and writes nothing."""
    variants, examples = sets.variants({"float32": model}), sets.examples({"x": _X})
    with pytest.raises(EvaluationError, match=message):
        evaluate("float32", variants, examples, tmp_path / "out", task="none")
    assert not (tmp_path / "out").exists()


def test_outputs_that_are_not_numbers_are_counted(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A variant whose outputs hold NaN or infinity has failed; the reason says in how many examples, and where it starts."""
    values = np.ones((40, 4), np.float32)
    values[:7, 2] = -1.0
    values[7:9, 1] = 0.0
    variants = sets.variants({"float32": small_models["double"], "float16": small_models["log"]})
    evaluate("float16", variants, sets.examples({"x": values}), tmp_path / "out", task="none")
    content = load_evaluation(tmp_path / "out").content
    assert content.status == "failed"
    assert content.not_finite is not None
    tensor = content.not_finite.tensor
    assert (content.not_finite.output, content.not_finite.examples, content.not_finite.operator) == ("y", 9, "LOG")
    assert content.reason == (
        f"output 'y' holds NaN or infinity for 9 of 40 examples; it starts at LOG, which writes {tensor!r}"
    )
    assert content.outputs == ()
    assert not (tmp_path / "out" / "outputs").exists()


def test_a_reference_of_nan_is_an_error_with_the_operator(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """When float32 itself gives NaN nothing can be compared, and the error says where it starts."""
    values = np.ones((40, 4), np.float32)
    values[11] = -1.0
    variants, examples = sets.variants({"float32": small_models["root"]}), sets.examples({"x": values})
    with pytest.raises(
        EvaluationError, match=r"reference float32 .* for 1 of 40 examples; it starts at SQRT, which writes"
    ):
        evaluate("float32", variants, examples, tmp_path / "out", task="none")
    assert not (tmp_path / "out").exists()


def test_inputs_of_nan_are_blamed_on_the_examples(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Where an example itself holds NaN no operator is to blame."""
    values = np.ones((5, 4), np.float32)
    values[3, 1] = np.nan
    variants, examples = sets.variants({"float32": small_models["root"]}), sets.examples({"x": values})
    with pytest.raises(EvaluationError, match="1 of 5 examples; the examples' own input 'x' holds it"):
        evaluate("float32", variants, examples, tmp_path / "out", task="none")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("crash", "LiteRT cannot run the model: the process was killed by SIGSEGV"),
        ("hang", "LiteRT cannot run the model: took longer than 5.5 s"),
    ],
)
@pytest.mark.usefixtures("ending_interpreter")
def test_a_model_that_ends_or_blocks_the_interpreter_costs_itself_only(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, model: str, reason: str
) -> None:
    """A file that crashes the process, and one that never returns, are failed variants; as references they are errors."""
    models = {"float32": small_models["double"], "float16": small_models[model]}
    examples = sets.examples({"x": np.full((3, 4), 0.25, np.float32)})
    limits: dict[str, Any] = {"budget_seconds": 0.5, "margin_seconds": 5.0}
    evaluate("float16", sets.variants(models), examples, tmp_path / "out", task="none", **limits)
    content = load_evaluation(tmp_path / "out").content
    assert (content.status, content.reason) == ("failed", reason)
    with pytest.raises(EvaluationError, match=f"the reference float32 is not evaluated: {reason}"):
        evaluate(
            "float32",
            sets.variants({"float32": small_models[model]}),
            examples,
            tmp_path / "base",
            task="none",
            **limits,
        )
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize(("batch", "status"), [(1, "failed"), (64, "evaluated")])
def test_a_crash_with_one_example_at_a_time_is_the_models(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, status: str
) -> None:
    """A process that ends at a batch of 1 costs the variant; with more at once it is run again one by one, and that is said."""
    ends = iter([True])

    def ended(function: Any, request: Any, *arguments: Any, **limits: Any) -> Any:
        if next(ends, False):
            request.batch_file.write_text(str(batch))
            failure = "the process was killed by SIGSEGV"
            return ChildOutcome(value=None, failure=failure, seconds=0.1, peak_memory_bytes=None)
        return run_in_child(function, request, *arguments, **limits)

    monkeypatch.setattr("edgequant.evaluation.step.run_in_child", ended)
    variants = sets.variants({"float32": small_models["double"], "float16": small_models["double"]})
    evaluate("float16", variants, sets.examples({"x": np.ones((3, 4), np.float32)}), tmp_path / "out", task="none")
    content = load_evaluation(tmp_path / "out").content
    assert content.status == status
    if status == "failed":
        assert content.reason == "LiteRT cannot run the model: the process was killed by SIGSEGV"


def test_how_many_examples_run_at_once_is_told(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A process that crashes leaves the batch size that its model ran last."""
    examples = load_example_set(sets.examples({"x": np.ones((3, 4), np.float32)}))
    path = tmp_path / "model.tflite"
    path.write_bytes(small_models["crash"])
    (tmp_path / "outputs").mkdir()
    request = PredictionRequest(
        model=path,
        inputs={"x": examples.path / "inputs" / "x.npy"},
        outputs=tmp_path / "outputs",
        threads=1,
        budget_seconds=5.0,
        batch_file=tmp_path / "batch",
    )
    for batch, recorded in ((0, "1"), (1, "1"), (3, "3")):
        outcome = ending_interpreter.run_in_child(predict, replace(request, batch=batch), seconds=60)
        assert outcome.failure == "the process was killed by SIGSEGV"
        assert (tmp_path / "batch").read_text() == recorded


def test_a_slow_model_is_not_taken_for_a_hang(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model whose one run takes longer than the budget is evaluated on its first example, which is run once."""
    Clock({"float32": 600.0}).install(monkeypatch)
    examples = sets.examples({"x": np.ones((3, 4), np.float32)})
    limits: dict[str, Any] = {"budget_seconds": 0.25, "margin_seconds": 0.5}
    evaluate(
        "float32", sets.variants({"float32": small_models["double"]}), examples, tmp_path / "out", task="none", **limits
    )
    evaluation = load_evaluation(tmp_path / "out")
    assert (evaluation.content.status, evaluation.content.examples, evaluation.content.batch) == ("evaluated", 1, 1)
    np.testing.assert_array_equal(evaluation.outputs["y"], [[2, 2, 2, 2]])


@pytest.mark.usefixtures("ending_interpreter")
def test_a_hang_without_a_budget_is_noticed(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A model that never returns costs the time that one example may take, and the reason says that it did not advance."""
    models = {"float32": small_models["double"], "float16": small_models["hang"]}
    examples = sets.examples({"x": np.ones((3, 4), np.float32)})
    evaluate("float16", sets.variants(models), examples, tmp_path / "out", task="none", stall_seconds=1.0)
    content = load_evaluation(tmp_path / "out").content
    assert content.status == "failed"
    assert content.reason == "LiteRT cannot run the model: took longer than 1 s without progress"


def test_a_full_disk_is_no_failure_of_the_variant(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Where outputs cannot be written the step fails, naming the system's reason, and leaves nothing half written."""
    variants = sets.variants({"float32": small_models["double"], "float16": small_models["double"]})
    examples = sets.examples({"x": np.ones((1000, 4), np.float32)})
    script = textwrap.dedent(f"""
        import resource
        from pathlib import Path
        from edgequant.evaluation.step import evaluate
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
        try:
            evaluate("float16", Path({str(variants)!r}), Path({str(examples)!r}), Path("out"), task="none")
        except OSError as error:
            print(type(error).__name__, error)
    """)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "OSError [Errno 27] File too large", done.stderr
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_an_unknown_resolver_is_refused(digits_sets: Any, tmp_path: Path) -> None:
    """A resolver that is none is an error that names those there are."""
    with pytest.raises(
        ConfigError, match="unknown resolver 'xnnpak'; choose from xnnpack, builtin, reference; did you"
    ):
        evaluate(
            "float32",
            digits_sets.variant_set,
            digits_sets.evaluation_set,
            tmp_path / "out",
            task="classification",
            resolver="xnnpak",
        )


def test_the_resolver_is_recorded(digits_sets: Any, tmp_path: Path) -> None:
    """What ran a model is written beside its figures: kernels, threads and batch."""
    for resolver in ("builtin", "reference"):
        evaluate(
            "full_int8",
            digits_sets.variant_set,
            digits_sets.evaluation_set,
            tmp_path / resolver,
            task="classification",
            resolver=resolver,
        )
        content = load_evaluation(tmp_path / resolver).content
        assert content.resolver == resolver
        assert content.batch in (1, 4, 16, 64, 256, 1024)
        assert content.threads >= 1
        assert content.metrics["accuracy"] > 0.9
    assert load_evaluation(digits_sets.evaluations["full_int8"]).content.resolver == "xnnpack"


def test_several_outputs_stay_inside_the_directory(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Outputs are kept under their own names, however odd, and no file is written elsewhere."""
    variants, examples = sets.variants({"float32": small_models["two"]}), sets.examples({"x": _X})
    before = set(tmp_path.rglob("*"))
    evaluate("float32", variants, examples, tmp_path / "out", task="none")
    evaluation = load_evaluation(tmp_path / "out")
    assert sorted(evaluation.outputs) == ["..", "a/b"]
    np.testing.assert_array_equal(evaluation.outputs["a/b"], _X + 1)
    np.testing.assert_array_equal(evaluation.outputs[".."], [[10.0], [26.0], [42.0]])
    assert evaluation.content.metrics == {}
    written = set(tmp_path.rglob("*")) - before
    assert {path.relative_to(tmp_path / "out").as_posix() for path in written if path.is_file()} == {
        "manifest.json",
        "metrics.json",
        "outputs/a%2Fb.npy",
        "outputs/...npy",
    }


def test_a_wrong_task_for_a_variant_is_its_failure(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Labels that the outputs cannot have fail the variant with the reason; for the reference they are an error."""
    models = {"float32": small_models["double"], "float16": small_models["double"]}
    variants, examples = sets.variants(models), sets.examples({"x": _X}, np.array([0, 1, 9]))
    with pytest.raises(EvaluationError, match="label 9 is out of range; the output has 4 classes"):
        evaluate("float32", variants, examples, tmp_path / "base", task="classification")
    evaluate("float16", variants, examples, tmp_path / "out", task="classification")
    assert "label 9 is out of range" in (load_evaluation(tmp_path / "out").content.reason or "")


@pytest.mark.parametrize("task", ["classification", "none"])
def test_a_list_of_outputs(sets: Any, small_models: dict[str, bytes], tmp_path: Path, task: str) -> None:
    """A model that gives a list has outputs by number; one label for two of them is an error that names them."""
    variants, examples = (
        sets.variants({"float32": small_models["lists"]}),
        sets.examples({"x": _X}, np.array([0, 1, 2])),
    )
    if task == "classification":
        with pytest.raises(
            EvaluationError, match="'classification' scores one output; the model gave output_0, output_1"
        ):
            evaluate("float32", variants, examples, tmp_path / "out", task=task)
        return
    evaluate("float32", variants, examples, tmp_path / "out", task=task)
    outputs = load_evaluation(tmp_path / "out").outputs
    np.testing.assert_array_equal(outputs["output_0"], _X + 1)
    np.testing.assert_array_equal(outputs["output_1"], 2 * _X)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("some", r"output 'y' has the shape \[0, 4\] for 1 example\(s\); its first axis must be the example"),
        ("range", r"output 'y' has the shape \[2\] for example 1 and \[3\] for the first; outputs of one shape"),
    ],
)
def test_outputs_whose_size_depends_on_the_values(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path, model: str, message: str
) -> None:
    """Outputs that are not one row of one shape for each example cannot be compared, and the error says which."""
    values = np.array([[3.0] * 4, [2.0] * 4, [-1.0] * 4], np.float32)
    with pytest.raises(EvaluationError, match=message):
        evaluate(
            "float32",
            sets.variants({"float32": small_models[model]}),
            sets.examples({"x": values}),
            tmp_path / "out",
            task="none",
        )


def test_three_examples_of_one_class_are_enough_to_run(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """However few and alike the examples are, each is run once and scored: here all are class 3 of 4, and right."""
    variants, examples = (
        sets.variants({"float32": small_models["double"]}),
        sets.examples({"x": _X}, np.array([3, 3, 3])),
    )
    evaluate("float32", variants, examples, tmp_path / "out", task="classification")
    evaluation = load_evaluation(tmp_path / "out")
    assert (evaluation.content.examples, evaluation.content.available) == (3, 3)
    assert evaluation.content.metrics["accuracy"] == 1.0
    np.testing.assert_array_equal(evaluation.outputs["y"], 2 * _X)


def test_no_examples_are_refused(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """An evaluation set of nothing is an error of its own."""
    target = tmp_path / "none"
    with ExampleSetWriter(target, 1) as writer:
        writer.finish(load_example_set(sets.examples({"x": _X})).provenance)
    with pytest.raises(EvaluationError, match="holds no examples; one or more are needed"):
        evaluate("float32", sets.variants({"float32": small_models["double"]}), target, tmp_path / "out", task="none")


def test_an_unknown_variant_is_refused(digits_sets: Any, tmp_path: Path) -> None:
    """A variant that the set does not hold is an error that names those it does."""
    with pytest.raises(ArtifactError, match="holds no variant 'int4'; it holds float32, weights_only"):
        evaluate("int4", digits_sets.variant_set, digits_sets.evaluation_set, tmp_path / "out", task="classification")


def test_examples_that_were_calibrated_on_are_refused(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """An evaluation set that holds a calibration example, by identity, is an error: its figures would flatter the model."""
    variants = sets.variants({"float32": small_models["double"]})
    with pytest.raises(ArtifactError, match=r"1 of its examples were calibrated on, the first with the identity calib"):
        evaluate("float32", variants, sets.calibration, tmp_path / "out", task="none")
    assert not (tmp_path / "out").exists()
