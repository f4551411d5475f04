"""The validate step and its report, on real directories."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgequant.artifacts.directory import read_json, write_json, write_manifest
from edgequant.artifacts.evaluation import SCHEMA, load_evaluation
from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.verdict import Verdict, load_verdict
from edgequant.benchmarking.step import benchmark
from edgequant.errors import ArtifactError
from edgequant.evaluation.step import evaluate
from edgequant.gate import Gate
from edgequant.validation.inputs import Inputs
from edgequant.validation.statistics import paired_drop_interval, wilson_interval
from edgequant.validation.step import validate

_GATE = Gate(max_drop_points=5.0)


def _validate(inputs: Inputs, target: Path, gate: Gate = _GATE, task: str = "classification") -> Verdict:
    return validate("digits", task, gate, inputs, target)


def _beside_chance(verdict: Verdict) -> str:
    """Returns the first sentence: float32's accuracy, and the share of the most frequent class."""
    most = max(verdict.evaluation_classes, key=lambda name: verdict.evaluation_classes[name])
    share = verdict.evaluation_classes[most] / verdict.variants["float32"].examples
    accuracy = verdict.variants["float32"].metrics["accuracy"]
    answer = f"always answering {most}, the most frequent class"
    return f"float32's accuracy is {accuracy:.4f}, chance level {share:.4f} ({answer})."


def test_the_verdict_is_of_the_stored_outputs(digits_sets: Any, tmp_path: Path) -> None:
    """Drop, interval, agreement and accuracy interval are those of the evaluations' own arrays, in points."""
    verdict = _validate(digits_sets.inputs, tmp_path / "verdict")
    labels = load_example_set(digits_sets.evaluation_set).labels
    reference = load_evaluation(digits_sets.evaluations["float32"])
    reference_right = reference.outputs["output_0"].argmax(1) == labels
    for name, path in digits_sets.evaluations.items():
        variant, evaluation = verdict.variants[name], load_evaluation(path)
        variant_right = evaluation.outputs["output_0"].argmax(1) == labels
        lost, gained = int((reference_right & ~variant_right).sum()), int((~reference_right & variant_right).sum())
        assert variant.drop_points == pytest.approx(100 * (lost - gained) / 300)
        if name == "float32":
            assert (variant.verdict, variant.drop_interval_points, variant.agreement) == ("reference", None, 1.0)
        else:
            expected = paired_drop_interval(lost, gained, 300, 0.95)
            assert variant.drop_interval_points == pytest.approx([100 * end for end in expected])
        same = reference.outputs["output_0"].argmax(1) == evaluation.outputs["output_0"].argmax(1)
        assert variant.agreement == same.mean()
        assert variant.metric_interval == wilson_interval(int(variant_right.sum()), 300, 0.95)
        assert variant.latency is not None
        assert variant.inspection is not None


def test_a_verdict_is_read_back_as_it_was_given(digits_sets: Any, tmp_path: Path) -> None:
    """What validate returns is what load_verdict reads."""
    verdict = _validate(digits_sets.inputs, tmp_path / "verdict")
    assert load_verdict(tmp_path / "verdict") == verdict
    assert verdict.outcome == "blessed"
    assert verdict.gate == {"max_drop_points": 5.0, "confidence": 0.95, "prefer": "size_bytes"}


def test_the_smallest_blessed_variant_is_best(digits_sets: Any, tmp_path: Path) -> None:
    """Every digits variant is within five points; the best is the one with the smallest file, and the headline says so."""
    verdict = _validate(digits_sets.inputs, tmp_path / "verdict")
    sizes = {name: variant.size_bytes for name, variant in verdict.variants.items() if name != "float32"}
    assert verdict.best == min(sizes, key=lambda name: sizes[name] or 0)
    assert verdict.why.startswith(f"{_beside_chance(verdict)} Ship {verdict.best}, the smallest of 3 blessed: ")
    assert verdict.why.endswith("; its one check passes.")


def test_a_gate_that_no_file_can_hold_rejects_all(digits_sets: Any, tmp_path: Path) -> None:
    """A rejection is a result: the verdict says that nothing is promoted, and why each variant was rejected."""
    verdict = _validate(digits_sets.inputs, tmp_path / "verdict", Gate(max_size_ratio=0.01))
    assert (verdict.outcome, verdict.best) == ("rejected", None)
    closest = min(
        (name for name in verdict.variants if name != "float32"),
        key=lambda name: verdict.variants[name].drop_points or 0.0,
    )
    reason = verdict.variants[closest].reasons[0]
    assert verdict.why == (
        f"{_beside_chance(verdict)} No variant is blessed, so nothing is promoted (3 rejected over 300 examples); the closest is {closest}: {reason}."
    )
    assert "more than the 0.01 allowed" in reason


def test_no_gate_judges_nothing(digits_sets: Any, tmp_path: Path) -> None:
    """Without a gate every variant reads not gated, and so does the run."""
    verdict = _validate(digits_sets.inputs, tmp_path / "verdict", Gate())
    assert (verdict.outcome, verdict.best) == ("not gated", None)
    assert {variant.verdict for variant in verdict.variants.values()} == {"reference", "not gated"}
    assert "blessed" not in (tmp_path / "verdict" / "verdict.json").read_text()


def _copy(path: Path, target: Path, **changes: Any) -> Path:
    """Returns a copy of an evaluation whose manifest says otherwise."""
    shutil.copytree(path, target)
    content = read_json(target / "manifest.json")["content"]
    (target / "manifest.json").unlink()
    write_manifest(target, SCHEMA, {**content, **changes})
    return target


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_sha256": "0" * 64}, "the evaluation of 'full_int8' is of another file than the variant set's"),
        ({"evaluation_sha256": "0" * 64}, "evaluations are over 2 different evaluation sets"),
        ({"variant": "float16"}, "'float16' is evaluated and not in the variant set"),
        ({"variant": "float32"}, "there are two evaluations of 'float32'"),
        (
            {"task": "regression"},
            "the evaluation of 'full_int8' is for the task 'regression', not 'classification'",
        ),
        (
            {"resolver": "builtin"},
            "'full_int8' was evaluated with the resolver 'builtin', and the benchmark ran with 'xnnpack'; run one of them",
        ),
    ],
)
def test_evaluations_that_do_not_belong_together_are_refused(
    digits_sets: Any, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """An evaluation of another file, set, variant or task, or by other kernels, is an error, and no verdict is written."""
    others = [path for name, path in digits_sets.evaluations.items() if name != "full_int8"]
    changed = _copy(digits_sets.evaluations["full_int8"], tmp_path / "changed", **changes)
    inputs = replace(digits_sets.inputs, evaluations=[*others, changed])
    with pytest.raises(ArtifactError, match=message):
        _validate(inputs, tmp_path / "verdict")
    assert not (tmp_path / "verdict").exists()


def test_a_benchmark_of_other_variants_is_refused(
    sets: Any, small_models: dict[str, bytes], digits_sets: Any, tmp_path: Path
) -> None:
    """Latencies of another variant set, whose variants have the same names, are an error."""
    variants = sets.variants({"float32": small_models["double"]})
    benchmark(variants, sets.examples({"x": np.ones((3, 4), np.float32)}), tmp_path / "benchmark", runs=1)
    with pytest.raises(ArtifactError, match="the benchmark is of another variant set"):
        _validate(replace(digits_sets.inputs, benchmark=tmp_path / "benchmark"), tmp_path / "verdict")


def test_a_missing_evaluation_is_refused(digits_sets: Any, tmp_path: Path) -> None:
    """Every variant of the set needs an evaluation."""
    inputs = replace(digits_sets.inputs, evaluations=list(digits_sets.evaluations.values())[:-1])
    with pytest.raises(
        ArtifactError, match="the evaluation of 'integer_only' is missing; the evaluations are of float32"
    ):
        _validate(inputs, tmp_path / "verdict")


def test_a_failed_reference_is_refused(digits_sets: Any, tmp_path: Path) -> None:
    """A reference that was not evaluated is an error."""
    others = [path for name, path in digits_sets.evaluations.items() if name != "float32"]
    changed = _copy(digits_sets.evaluations["float32"], tmp_path / "c", status="failed", reason="no memory", outputs=[])
    with pytest.raises(ArtifactError, match="the reference 'float32' is not evaluated: no memory"):
        _validate(replace(digits_sets.inputs, evaluations=[*others, changed]), tmp_path / "verdict")


def test_a_damaged_evaluation_is_refused(digits_sets: Any, tmp_path: Path) -> None:
    """An output that was edited after the evaluation is detected by its digest."""
    changed = tmp_path / "changed"
    shutil.copytree(digits_sets.evaluations["full_int8"], changed)
    path = changed / "outputs" / "output_0.npy"
    np.save(path, np.ones_like(np.load(path, allow_pickle=False)))
    inputs = replace(digits_sets.inputs, evaluations=[*list(digits_sets.evaluations.values())[:2], changed])
    with pytest.raises(ArtifactError, match=r"output_0\.npy: is not the file that its manifest describes"):
        _validate(inputs, tmp_path / "verdict")


def test_sets_of_another_run_are_refused(digits_sets: Any, sets: Any, tmp_path: Path) -> None:
    """A calibration or evaluation set that these variants were not made with or run on is an error."""
    other = sets.examples({"pixels": np.ones((3, 8, 8, 1), np.float32)})
    for role, message in (
        ("calibration_set", "is not the calibration set that the variants were made with"),
        ("evaluation_set", "is not the evaluation set that the variants were run on"),
    ):
        with pytest.raises(ArtifactError, match=message):
            _validate(replace(digits_sets.inputs, **{role: other}), tmp_path / "verdict")


@pytest.fixture
def small_inputs(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> Inputs:
    """Evaluations of doubled numbers: a good reference, an equal variant, one not converted, one damaged, one with NaN."""
    models = {
        "float32": small_models["double"],
        "float16": small_models["double"],
        "weights_only": None,
        "full_int8": b"damaged",
        "integer_only": small_models["log"],
    }
    values = np.tile(np.array([[0.0, 1.0, 2.0, -3.0]], np.float32), (40, 1))
    variants, examples = sets.variants(models), sets.examples({"x": values})
    for name in models:
        evaluate(name, variants, examples, tmp_path / "evaluations" / name, task="none")
    benchmark(variants, examples, tmp_path / "benchmark", runs=2)
    return Inputs(
        variant_set=variants,
        evaluations=[tmp_path / "evaluations" / name for name in models],
        benchmark=tmp_path / "benchmark",
        calibration_set=sets.calibration,
        evaluation_set=examples,
    )


def test_failed_variants_are_rejected_with_their_reasons(small_inputs: Inputs, tmp_path: Path) -> None:
    """A variant that was not converted, cannot be run or gives NaN is rejected; the others are judged."""
    verdict = _validate(small_inputs, tmp_path / "verdict", Gate(max_size_ratio=1.0), "none")
    variants = verdict.variants
    assert {name: variant.verdict for name, variant in variants.items()} == {
        "float32": "reference",
        "float16": "blessed",
        "weights_only": "rejected",
        "full_int8": "rejected",
        "integer_only": "rejected",
    }
    assert variants["weights_only"].reasons == ("failed: the converter died",)
    (row,) = variants["weights_only"].checks
    assert (row.name, row.limit, row.measured, row.verdict) == ("max_size_ratio", 1.0, None, "rejected")
    assert row.sentence == "failed: the converter died"
    assert (variants["weights_only"].status, variants["full_int8"].status) == ("failed", "converted")
    assert "LiteRT refuses the model" in (variants["full_int8"].reason or "")
    assert any(note.startswith("latency not measured: ") for note in variants["full_int8"].notes)
    assert (variants["integer_only"].reason or "").startswith(
        "output 'y' holds NaN or infinity for 40 of 40 examples; it starts at LOG, which writes "
    )
    assert variants["integer_only"].reasons == (f"failed: {variants['integer_only'].reason}",)
    assert load_verdict(tmp_path / "verdict") == verdict


def test_unlabelled_examples_are_judged_by_agreement(small_inputs: Inputs, tmp_path: Path) -> None:
    """Without labels the drop is that of agreement, and 40 equal answers bless a variant at eight points but not at seven."""
    # Values may change by less than a whole answer: the bound is that of no event in 40 trials.
    assert pytest.approx(7.22, abs=0.01) == 100 * (1 - 0.05 ** (1 / 40))
    verdict = _validate(small_inputs, tmp_path / "verdict", Gate(max_drop_points=8.0), "none")
    assert (verdict.labelled, verdict.main_metric) == (False, "agreement")
    assert verdict.variants["float16"].verdict == "blessed"
    assert verdict.variants["float16"].reasons[0].startswith("agreement is unchanged, at most 7.22 lost at 95%")
    verdict = _validate(small_inputs, tmp_path / "verdict", Gate(max_drop_points=7.0), "none")
    assert verdict.variants["float16"].verdict == "inconclusive"
    assert "about 42 evaluation examples would settle it, 2 more than these" in verdict.variants["float16"].reasons[0]


def test_a_budget_cuts_all_variants_to_one_prefix(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """What one variant has no output for counts for none: all metrics are over the examples of the shortest evaluation."""
    values = np.random.default_rng(2).normal(size=(5000, 4)).astype(np.float32)
    labels = 2 * values.astype(np.float64) + np.random.default_rng(3).normal(size=(5000, 4))
    models = dict.fromkeys(("float32", "weights_only", "float16"), small_models["double"])
    variants, examples = sets.variants(models), sets.examples({"x": values}, labels)
    for name, budget in (("float32", None), ("weights_only", None), ("float16", 0.0)):
        evaluate(name, variants, examples, tmp_path / name, task="regression", budget_seconds=budget)
    benchmark(variants, examples, tmp_path / "benchmark", runs=2)
    inputs = Inputs(
        variant_set=variants,
        evaluations=[tmp_path / name for name in models],
        benchmark=tmp_path / "benchmark",
        calibration_set=sets.calibration,
        evaluation_set=examples,
    )
    verdict = _validate(inputs, tmp_path / "verdict", task="regression")
    count = load_evaluation(tmp_path / "float16").content.examples
    assert 1 <= count < 5000
    assert (verdict.examples, verdict.evaluation.examples) == (count, 5000)
    # By hand: outputs are twice the inputs, so errors are the labels' noise.
    expected = float(np.abs(2 * values[:count].astype(np.float64) - labels[:count]).mean())
    for variant in verdict.variants.values():
        assert (variant.examples, variant.drop_points) == (count, 0.0)
        assert variant.metrics["mae"] == pytest.approx(expected)
    assert verdict.notes[0] == (
        f"all variants are compared over the first {count:,} of 5,000 evaluation examples: within evaluation.budget_seconds"
        " float16 got no further"
    )


def test_a_prefix_too_short_for_the_gate_is_said(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A budget that leaves fewer examples than a limit needs blesses nothing, and the notes say how many it needs."""
    values = np.random.default_rng(2).normal(size=(400, 4)).astype(np.float32)
    models = {"float32": small_models["double"], "float16": small_models["double"]}
    variants = sets.variants(models)
    examples = sets.examples({"x": values}, np.argmax(values, axis=1))
    for name, budget in (("float32", None), ("float16", 0.0)):
        evaluate(name, variants, examples, tmp_path / name, task="classification", budget_seconds=budget)
    # The budget ends wherever the machine's load has it; its record is set to the least.
    evaluated, path = load_evaluation(tmp_path / "float16"), tmp_path / "cut"
    (path / "outputs").mkdir(parents=True)
    np.save(path / "outputs" / "y.npy", evaluated.outputs["y"][:1])
    write_manifest(path, SCHEMA, replace(evaluated.content, examples=1))
    benchmark(variants, examples, tmp_path / "benchmark", runs=2)
    inputs = Inputs(
        variant_set=variants,
        evaluations=[tmp_path / "float32", path],
        benchmark=tmp_path / "benchmark",
        calibration_set=sets.calibration,
        evaluation_set=examples,
    )
    verdict = _validate(inputs, tmp_path / "verdict", Gate(max_drop_points=1.0))
    assert (verdict.outcome, verdict.examples) == ("inconclusive", 1)
    assert "over 1 example)" in verdict.why
    assert any(
        note.startswith("1 examples are too few to bless") and "max_drop_points of 1 takes" in note
        for note in verdict.notes
    )


def test_only_the_reference_blesses_nothing(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A gate with nothing to judge ends without a blessed variant, and says why."""
    variants = sets.variants({"float32": small_models["double"]})
    examples = sets.examples({"x": np.ones((3, 4), np.float32)})
    evaluate("float32", variants, examples, tmp_path / "e", task="none")
    benchmark(variants, examples, tmp_path / "b", runs=1)
    inputs = Inputs(
        variant_set=variants,
        evaluations=[tmp_path / "e"],
        benchmark=tmp_path / "b",
        calibration_set=sets.calibration,
        evaluation_set=examples,
    )
    verdict = _validate(inputs, tmp_path / "verdict", task="none")
    assert verdict.why.endswith(
        ". No variant is blessed, so nothing is promoted: there is none but the reference float32."
    )


def test_a_verdict_changed_by_hand_is_refused(digits_sets: Any, tmp_path: Path) -> None:
    """A verdict that was edited after it was written is refused."""
    shutil.copytree(digits_sets.verdict, tmp_path / "verdict")
    path = tmp_path / "verdict" / "verdict.json"
    write_json(path, {**json.loads(path.read_text()), "outcome": "blessed!"})
    with pytest.raises(ArtifactError, match=r"verdict\.json: is not the file"):
        load_verdict(tmp_path / "verdict")
