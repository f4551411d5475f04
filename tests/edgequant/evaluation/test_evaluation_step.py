"""The evaluate step, on real directories."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from edgequant.artifacts.evaluation import load_evaluation
from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.errors import ArtifactError, EvaluationError
from edgequant.evaluation.step import evaluate

_X = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], np.float32)


def test_accuracy_is_scikit_learns_on_the_stored_outputs(digits_sets: Any) -> None:
    """The metric, the scores and the outputs of a variant belong together."""
    labels = load_example_set(digits_sets.evaluation_set).labels
    assert labels is not None
    for path in digits_sets.evaluations.values():
        found = load_evaluation(path)
        decisions = found.outputs["output_0"].argmax(axis=1)
        assert found.content.metrics == {"accuracy": accuracy_score(labels, decisions)}
        assert found.content.metrics["accuracy"] > 0.9
        assert json.loads((path / "metrics.json").read_text()) == found.content.metrics
        assert found.scores is not None
        assert found.scores.tolist() == (decisions == labels).astype(float).tolist()


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
    """When the budget ends early the outputs, scores and metrics are those of the first examples."""
    values = np.zeros((5000, 4), np.float32)
    values[:, 0] = 1.0
    labels = np.array([0, 1] + 4998 * [3])
    variants, examples = sets.variants({"float32": small_models["double"]}), sets.examples({"x": values}, labels)
    evaluate("float32", variants, examples, tmp_path / "out", task="classification", budget_seconds=0.0)
    found = load_evaluation(tmp_path / "out")
    count = found.content.examples
    assert 1 <= count < 5000
    assert found.content.available == 5000
    assert found.outputs["y"].shape == (count, 4)
    assert found.content.metrics["accuracy"] == pytest.approx(1 / count)
    assert f"on {count} of 5,000 examples" in capsys.readouterr().out


def test_a_variant_that_cannot_be_run_is_recorded_as_failed(
    sets: Any, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """The runtime's refusal of a variant is a result, and names the file it is of."""
    models = {"float32": small_models["double"], "full_int8": b"damaged"}
    variants, examples = sets.variants(models), sets.examples({"x": _X})
    evaluate("full_int8", variants, examples, tmp_path / "out", task="none")
    found = load_evaluation(tmp_path / "out")
    assert found.content.status == "failed"
    assert "LiteRT refuses the model" in (found.content.reason or "")
    assert found.content.model_sha256 == load_variant_set(variants)["full_int8"].sha256
    assert (found.content.metrics, found.outputs, found.scores) == ({}, {}, None)


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
def test_a_baseline_that_cannot_be_run_is_an_error(
    sets: Any, tmp_path: Path, model: bytes | None, message: str
) -> None:
    """Without the baseline nothing can be compared: the step fails, and writes nothing."""
    variants, examples = sets.variants({"float32": model}), sets.examples({"x": _X})
    with pytest.raises(EvaluationError, match=message):
        evaluate("float32", variants, examples, tmp_path / "out", task="none")
    assert not (tmp_path / "out").exists()


def test_outputs_that_are_not_numbers_are_counted(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A variant whose outputs hold NaN or infinity has failed; the reason says in how many examples."""
    values = np.ones((40, 4), np.float32)
    values[:7, 2] = -1.0
    values[7:9, 1] = 0.0
    variants = sets.variants({"float32": small_models["double"], "float16": small_models["log"]})
    evaluate("float16", variants, sets.examples({"x": values}), tmp_path / "out", task="none")
    content = load_evaluation(tmp_path / "out").content
    assert (content.status, content.reason) == ("failed", "output 'y' holds NaN or infinity for 9 of 40 examples")


def test_several_outputs_stay_inside_the_directory(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Outputs are kept under their own names, however odd, and no file is written elsewhere."""
    variants, examples = sets.variants({"float32": small_models["two"]}), sets.examples({"x": _X})
    before = set(tmp_path.rglob("*"))
    evaluate("float32", variants, examples, tmp_path / "out", task="none")
    found = load_evaluation(tmp_path / "out")
    assert sorted(found.outputs) == ["..", "a/b"]
    np.testing.assert_array_equal(found.outputs["a/b"], _X + 1)
    np.testing.assert_array_equal(found.outputs[".."], [[10.0], [26.0], [42.0]])
    assert found.content.metrics == {}
    written = set(tmp_path.rglob("*")) - before
    assert {path.relative_to(tmp_path / "out").as_posix() for path in written if path.is_file()} == {
        "manifest.json",
        "metrics.json",
        "outputs/a%2Fb.npy",
        "outputs/...npy",
    }


def test_a_wrong_task_for_a_variant_is_its_failure(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Labels that the outputs cannot have fail the variant with the reason; for the baseline they are an error."""
    models = {"float32": small_models["double"], "float16": small_models["double"]}
    variants, examples = sets.variants(models), sets.examples({"x": _X}, np.array([0, 1, 9]))
    with pytest.raises(EvaluationError, match="label 9 is out of range; the output has 4 classes"):
        evaluate("float32", variants, examples, tmp_path / "base", task="classification")
    evaluate("float16", variants, examples, tmp_path / "out", task="classification")
    assert "label 9 is out of range" in (load_evaluation(tmp_path / "out").content.reason or "")


def test_an_unknown_variant_is_refused(digits_sets: Any, tmp_path: Path) -> None:
    """A variant that the set does not hold is an error that names those it does."""
    with pytest.raises(ArtifactError, match="holds no variant 'int4'; it holds float32, weights_only"):
        evaluate("int4", digits_sets.variant_set, digits_sets.evaluation_set, tmp_path / "out", task="classification")
