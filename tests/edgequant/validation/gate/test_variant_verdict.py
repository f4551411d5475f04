"""Verdicts of small models on realistic example sets: few, of one class, unlabelled, with a champion."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgequant.artifacts.champion_set import CHAMPION, ChampionFacts, write_champion
from edgequant.artifacts.result import result_json
from edgequant.artifacts.verdict import Verdict, load_verdict
from edgequant.benchmarking.step import benchmark
from edgequant.errors import ArtifactError, ConfigError, EvaluationError
from edgequant.evaluation.step import evaluate
from edgequant.gate import Gate
from edgequant.validation.comparison.compare import Run
from edgequant.validation.gate import variant_verdict
from edgequant.validation.inputs import Inputs
from edgequant.validation.step import validate

_RANDOM = np.random.default_rng(7)
Judge = Callable[..., Verdict]


@pytest.fixture
def judge(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> Judge:
    """Evaluates two small models, the first as the reference, on examples, and returns their verdict."""

    def run(
        values: NDArray[Any],
        labels: NDArray[Any] | None,
        gate: Gate,
        *,
        task: str = "classification",
        models: tuple[str, str] = ("double", "double"),
        slices: Mapping[str, Any] | None = None,
        champion: bytes | ChampionFacts | None = None,
        records: int = 0,
        requested: int = 0,
    ) -> Verdict:
        files = dict(zip(("float32", "full_int8"), (small_models[name] for name in models), strict=True))
        variants = sets.variants(files)
        examples = sets.examples(
            {"x": values.astype(np.float32)}, labels, slices=slices or {}, records=records, requested=requested
        )
        for name in files:
            evaluate(name, variants, examples, tmp_path / name, task=task)
        if champion is not None:
            _write_champion(champion, tmp_path / "champion")
            evaluate(CHAMPION, tmp_path / "champion", examples, tmp_path / "crowned", task=task)
        benchmark(variants, examples, tmp_path / "benchmark", runs=1)
        inputs = Inputs(
            variant_set=variants,
            evaluations=[tmp_path / name for name in files],
            benchmark=tmp_path / "benchmark",
            calibration_set=sets.calibration,
            evaluation_set=examples,
            champion=None if champion is None else tmp_path / "champion",
            champion_evaluation=None if champion is None else tmp_path / "crowned",
        )
        verdict = validate("small", task, gate, inputs, tmp_path / "verdict")
        assert load_verdict(tmp_path / "verdict") == verdict
        return verdict

    return run


def _write_champion(champion: bytes | ChampionFacts, target: Path) -> None:
    if isinstance(champion, ChampionFacts):
        write_champion(target, champion, None)
        return
    facts = ChampionFacts(uri="models:/small@champion", version="models:/small/4")

    def copy(path: Path) -> None:
        path.write_bytes(champion)

    write_champion(target, facts, copy)


def _scores(count: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Returns scores of four classes, and labels of which nine in ten are the highest."""
    values = _RANDOM.normal(size=(count, 4))
    labels = values.argmax(axis=1)
    labels[::10] = (labels[::10] + 1) % 4
    return values, labels


def test_three_examples_settle_nothing(judge: Judge) -> None:
    """With three equal decisions nothing is blessed, and each check has the number of examples that it needs."""
    values, labels = _scores(3)
    gate = Gate(max_drop_points=1.0, min_metric=0.5, min_agreement=0.99, max_worst_class_drop_points=5.0)
    variant = judge(values, labels, gate).variants["full_int8"]
    assert variant.verdict == "inconclusive"
    assert {check.name: check.verdict for check in variant.checks} == dict.fromkeys(
        ("max_drop_points", "max_worst_class_drop_points", "min_metric", "min_agreement"), "inconclusive"
    )
    for check in variant.checks:
        assert "would settle it" in check.sentence, check.sentence
        assert "more than these" in check.sentence


def test_labels_of_one_class_define_no_auc(judge: Judge) -> None:
    """With labels of one class AUC is undefined, as the verdict notes; its check is inconclusive, that of agreement is not."""
    gate = Gate(max_drop_points=10.0, metric="auc", min_agreement=0.9)
    verdict = judge(_RANDOM.normal(size=(60, 1)), np.zeros(60, np.int64), gate, task="binary", models=("open", "open"))
    assert verdict.notes == (
        "not defined on these 60 examples, whose labels are all of one kind: auc, average_precision, f1",
        "1 of 2 classes has no evaluation example: 1",
    )
    variant = verdict.variants["full_int8"]
    assert (variant.verdict, variant.drop_points) == ("inconclusive", None)
    assert [check.verdict for check in variant.checks] == ["inconclusive", "blessed"]
    assert variant.reasons[0] == "the drop in auc is not known: it is not defined on these examples"
    assert "auc" not in variant.metrics


def test_examples_of_one_class_are_judged_as_they_are(judge: Judge) -> None:
    """All of class 2: accuracy is judged; the drop by class is not blessed, as three of four classes have no example."""
    values, _ = _scores(400)
    values[:, 2] += 2
    gate = Gate(max_drop_points=1.0, max_worst_class_drop_points=1.0)
    verdict = judge(values, np.full(400, 2), gate)
    variant = verdict.variants["full_int8"]
    assert [check.verdict for check in variant.checks] == ["blessed", "inconclusive"]
    assert verdict.notes[0] == "3 of 4 classes have no evaluation example: 0, 1, 3"
    assert verdict.evaluation_classes == {"0": 0, "1": 0, "2": 400, "3": 0}
    assert variant.metrics["accuracy"] == pytest.approx(np.mean(values.astype(np.float32).argmax(axis=1) == 2))
    (classes,) = variant.slices
    assert [(value.value, value.examples) for value in classes.values] == [("2", 400)]
    assert variant.checks[1].sentence.startswith("the only class, 2, is unchanged; ")
    assert verdict.notes[0] in verdict.why


def test_labels_of_another_model_are_refused(judge: Judge) -> None:
    """A label beyond the output's classes is an error that names the label and the classes."""
    values, labels = _scores(20)
    labels[7] = 9
    with pytest.raises(EvaluationError, match="float32 is not evaluated: label 9 is out of range; the output has 4 cl"):
        judge(values, labels, Gate(max_drop_points=1.0))


def test_two_outputs_with_one_label_are_refused(judge: Judge) -> None:
    """A label with two outputs is an error that names both, and what to do."""
    with pytest.raises(
        EvaluationError, match=r"'classification' scores one output; the model gave .*, .*Use task: none"
    ):
        judge(np.ones((3, 4)), np.zeros(3, np.int64), Gate(max_drop_points=1.0), models=("two", "two"))


def test_two_outputs_without_labels_are_compared_each(judge: Judge) -> None:
    """With the task none every output's values are compared by themselves."""
    verdict = judge(np.ones((3, 4)), None, Gate(min_agreement=0.5), task="none", models=("two", "two"))
    drift = verdict.variants["full_int8"].drift
    assert sorted(drift) == ["..", "a/b"]
    assert {output.largest_error for output in drift.values()} == {0.0}


def test_a_metric_that_needs_labels_is_refused_without_them(judge: Judge) -> None:
    """A gate on macro F1 of unlabelled examples is a wrong configuration, never a number."""
    with pytest.raises(ConfigError, match=r"gate\.metric: needs labels"):
        judge(_scores(5)[0], None, Gate(max_drop_points=1.0, metric="macro_f1"))


def test_a_metric_that_the_model_does_not_have_is_refused(judge: Judge) -> None:
    """Of four classes there is no top 5, which only the model's outputs tell: the message names what was measured."""
    with pytest.raises(
        ConfigError, match=r"gate\.metric: 'top_5_accuracy' was not measured; choose from accuracy, macro"
    ):
        judge(*_scores(5), Gate(max_drop_points=1.0, metric="top_5_accuracy"))


def test_nothing_changes_is_not_noise(judge: Judge) -> None:
    """Equal decisions on 400 examples are blessed by macro F1, and the sentence says that nothing changes."""
    values, labels = _scores(400)
    variant = judge(values, labels, Gate(max_drop_points=1.0, metric="macro_f1")).variants["full_int8"]
    assert (variant.verdict, variant.drop_points) == ("blessed", 0.0)
    assert variant.reasons[0].startswith("macro_f1 does not change: nothing that it is made of changes in any of 400")
    assert variant.metric_interval == variant.measures["macro_f1"].interval


def test_a_bad_slice_is_seen_behind_a_good_average(judge: Judge) -> None:
    """A model that always says class 0 keeps the examples of class 0 and of the feature that has them, and loses all others."""
    labels = np.repeat([0, 1], [190, 10])
    values = np.eye(4)[labels] + 1.0
    where = np.where(labels == 0, "day", "night")
    gate = Gate(max_drop_points=20.0, max_worst_class_drop_points=20.0)
    verdict = judge(values, labels, gate, models=("double", "centred"), slices={"time": where})
    variant = verdict.variants["full_int8"]
    assert [check.verdict for check in variant.checks] == ["blessed", "rejected"]
    assert variant.drop_points == 5.0
    assert [(part.name, part.total, part.values[0].value) for part in variant.slices] == [
        ("class", 2, "1"),
        ("time", 2, "night"),
    ]
    assert variant.slices[1].values[0].drop_points == 100.0
    assert "of 2 classes, 1 loses most: 100.00 points" in variant.reasons[0]


def test_the_short_result_names_the_worst_and_no_example(judge: Judge) -> None:
    """result.json has the counts of flips and the worst group of each slice; lists of examples are only in the verdict."""
    labels = np.repeat([0, 1], [190, 10])
    verdict = judge(np.eye(4)[labels] + 1.0, labels, Gate(max_drop_points=20.0), models=("double", "centred"))
    assert verdict.variants["full_int8"].flips is not None
    assert len(verdict.variants["full_int8"].flips.lost) == 10
    summary = result_json(verdict, None)["variants"]["full_int8"]
    assert summary["flips"] == {"changed": 10, "right_to_wrong": 10, "wrong_to_right": 0}
    assert summary["worst_slices"]["class"]["value"] == "1"
    assert not {"confusion", "slices"} & set(summary)


def test_a_champion_is_compared_on_the_same_examples(judge: Judge, small_models: dict[str, bytes]) -> None:
    """A variant that is as good as float32 and better than the champion holds both gates; the champion is shown."""
    values, labels = _scores(400)
    gate = Gate(max_drop_points=1.0, max_drop_points_vs_champion=0.0)
    verdict = judge(values, labels, gate, champion=small_models["centred"])
    champion, variant = verdict.champion, verdict.variants["full_int8"]
    assert champion is not None
    assert (champion.status, champion.version, champion.examples) == ("evaluated", "models:/small/4", 400)
    assert champion.metrics["accuracy"] == (labels == 0).mean()
    assert champion.size_bytes == len(small_models["centred"])
    assert variant.versus_champion is not None
    assert variant.versus_champion.points == pytest.approx(100 * ((labels == 0).mean() - variant.metrics["accuracy"]))
    assert variant.verdict == "blessed"
    assert variant.reasons[1].startswith("against models:/small/4, accuracy gains ")


def test_a_variant_that_is_in_production_is_told(judge: Judge, small_models: dict[str, bytes]) -> None:
    """A variant whose file equals the champion's has a note; another one has none."""
    gate = Gate(max_drop_points_vs_champion=1.0)
    for champion, notes in (("double", ("it is the file of models:/small/4, to the byte",)), ("centred", ())):
        verdict = judge(*_scores(40), gate, champion=small_models[champion])
        assert verdict.variants["full_int8"].notes == notes


def test_examples_that_were_not_drawn_are_told_where_more_settle_something(judge: Judge) -> None:
    """A note names the key that draws more records, if a check is inconclusive and there are more records."""
    values, labels = _scores(40)
    note = "the evaluation set is of 40 of 400 records: sampling.evaluation draws more of them"
    for limit, notes in ((1.0, True), (30.0, False)):
        verdict = judge(values, labels, Gate(max_drop_points=limit), records=400)
        assert (note in verdict.notes) == notes, verdict.notes
    copies = judge(values, labels, Gate(max_drop_points=1.0), records=400, requested=50)
    assert not any("sampling.evaluation" in note for note in copies.notes)


@pytest.mark.parametrize("gate", [Gate(max_drop_points=1.0), Gate()])
def test_labels_in_another_order_are_nothing_to_ship(judge: Judge, gate: Gate) -> None:
    """A variant that loses nothing of a reference with all labels wrong is not blessed: the reference is invalid, with a gate or without."""
    values, labels = _scores(400)
    verdict = judge(values, (labels + 1) % 4, gate)
    assert (verdict.outcome, verdict.best) == ("invalid reference", None)
    assert {variant.verdict for variant in verdict.variants.values()} == {"reference", "invalid reference"}
    assert verdict.why.startswith("float32's accuracy is 0.")
    assert "Do not ship, nothing is promoted: the labels may be in another order than the outputs: " in verdict.why
    assert "(each as the class after it)" in verdict.why


def test_a_variant_that_is_worse_than_production_is_rejected(judge: Judge, small_models: dict[str, bytes]) -> None:
    """A new model that is bad in float already loses nothing by quantization, and is rejected all the same."""
    values, labels = _scores(400)
    gate = Gate(max_drop_points=1.0, max_drop_points_vs_champion=1.0)
    verdict = judge(values, labels, gate, models=("centred", "centred"), champion=small_models["double"])
    variant = verdict.variants["full_int8"]
    assert [check.verdict for check in variant.checks] == ["blessed", "rejected"]
    # That it guesses says more than its drop.
    assert variant.verdict == "invalid reference"
    assert variant.reasons[1].startswith("against models:/small/4, accuracy drops ")
    assert (verdict.outcome, verdict.best) == ("invalid reference", None)


def test_the_first_run_says_that_there_is_no_champion(judge: Judge) -> None:
    """Before the first promotion the check's row says so, and the others decide."""
    values, labels = _scores(400)
    missing = ChampionFacts(uri="models:/small@champion", missing="there is no registered model 'small'")
    gate = Gate(max_drop_points=1.0, max_drop_points_vs_champion=1.0)
    verdict = judge(values, labels, gate, champion=missing)
    assert verdict.champion is not None
    assert (verdict.champion.status, verdict.champion.reason) == ("missing", "there is no registered model 'small'")
    assert [check.verdict for check in verdict.variants["full_int8"].checks] == ["blessed", "no champion yet"]
    assert verdict.outcome == "blessed"
    assert verdict.why.endswith("; its one check passes; max_drop_points_vs_champion: no champion yet.")
    assert "no champion yet: there is no registered model 'small'" in verdict.variants["full_int8"].reasons[1]
    assert verdict.notes == ("no champion yet: models:/small@champion: there is no registered model 'small'",)


def test_a_gate_against_a_champion_alone_judges_nothing_on_the_first_run(judge: Judge) -> None:
    """Without a check that applies, a variant is not gated, and nothing is promoted."""
    missing = ChampionFacts(uri="models:/small@champion", missing="there is no registered model 'small'")
    verdict = judge(*_scores(40), Gate(max_drop_points_vs_champion=1.0), champion=missing)
    assert (verdict.outcome, verdict.best) == ("not gated", None)
    assert (
        "Nothing could be judged, so nothing is promoted (1 not gated over 40 examples); full_int8: no champion yet: there is no registered"
        in verdict.why
    )


def test_a_champion_that_cannot_be_run_settles_nothing(judge: Judge) -> None:
    """A damaged champion makes its check inconclusive, with LiteRT's reason, and the run continues."""
    gate = Gate(max_drop_points=1.0, max_drop_points_vs_champion=1.0)
    verdict = judge(*_scores(400), gate, champion=b"damaged")
    assert verdict.champion is not None
    assert verdict.champion.status == "failed"
    assert verdict.variants["full_int8"].verdict == "inconclusive"
    assert "models:/small/4 could not be evaluated: " in verdict.variants["full_int8"].reasons[0]


def test_a_champion_of_other_outputs_is_not_compared_by_values(judge: Judge, small_models: dict[str, bytes]) -> None:
    """Without labels and decisions only outputs of the same names and shapes can be compared."""
    gate = Gate(max_drop_points_vs_champion=1.0)
    verdict = judge(np.ones((5, 4)), None, gate, task="none", champion=small_models["two"])
    reason = verdict.variants["full_int8"].reasons[0]
    assert "could not be evaluated: its outputs are " in reason
    assert "those of the new model are y [4]" in reason


@pytest.mark.parametrize("task", ["multilabel", "classification"])
def test_a_champion_of_other_classes_is_not_compared_by_decisions(
    judge: Judge, small_models: dict[str, bytes], task: str
) -> None:
    """Without labels, decisions of a model with 8 classes are not compared with those of one with 4."""
    gate = Gate(max_drop_points_vs_champion=1.0)
    verdict = judge(np.ones((5, 4)), None, gate, task=task, champion=small_models["wide"])
    assert "could not be evaluated: its outputs are y [8]" in verdict.variants["full_int8"].reasons[0]


def test_a_champion_of_several_outputs_is_not_compared_by_the_first(
    judge: Judge, small_models: dict[str, bytes]
) -> None:
    """Without labels, too, a task needs a single output: a second one would be ignored."""
    gate = Gate(max_drop_points_vs_champion=1.0)
    verdict = judge(np.ones((5, 4)), None, gate, task="binary", champion=small_models["two"], models=("sums", "sums"))
    assert "task 'binary' scores one output; the model gave " in verdict.variants["full_int8"].reasons[0]


@pytest.mark.parametrize("task", ["classification", "binary", "multilabel", "regression"])
def test_two_outputs_without_labels_suit_no_task(judge: Judge, task: str) -> None:
    """Two outputs do not suit a task with decisions, also without labels."""
    with pytest.raises(EvaluationError, match=f"task '{task}' scores one output; the model gave "):
        judge(np.ones((5, 4)), None, Gate(max_drop_points=1.0), task=task, models=("two", "two"))


@pytest.mark.parametrize(("count", "verdict"), [(400, "blessed"), (300, "inconclusive")])
def test_classes_are_missed_among_the_examples_that_are_compared(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, count: int, verdict: str
) -> None:
    """A class that only the reference was evaluated on counts as missing."""
    values = np.eye(4)[np.repeat(np.arange(4), 100)]
    lengths = iter([400, count])

    def run(outputs: Mapping[str, NDArray[Any]], reading: str) -> Run:
        length = next(lengths)
        return Run({name: output[:length] for name, output in outputs.items()}, reading)

    monkeypatch.setattr(variant_verdict, "Run", run)
    variant = judge(values, values.argmax(axis=1), Gate(max_worst_class_drop_points=5.0)).variants["full_int8"]
    assert variant.verdict == verdict, variant.reasons
    assert ("1 of 4 classes has no evaluation example: 3" in variant.reasons[0]) == (verdict == "inconclusive")


def test_a_variant_that_always_answers_the_same_is_noticed(judge: Judge) -> None:
    """A variant with a constant output has a note with the usual cause."""
    verdict = judge(
        np.random.default_rng(2).normal(size=(40, 4)), None, Gate(), task="none", models=("double", "centred")
    )
    note, cause = verdict.variants["full_int8"].notes
    assert cause.endswith(
        "are lost in the 8-bit activations or in the weights, add int16x8 and weights_only to variants"
    )
    assert note.startswith("output 'y' is the same for all 40 examples; float32's is not. ")
    assert "scale the inputs" in note
    assert verdict.variants["float32"].notes == ()


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [
        (Gate(max_size_ratio=2.0), "rejected"),
        (Gate(min_agreement=0.0), "rejected"),
        (Gate(), "not gated"),
    ],
)
def test_a_constant_output_is_rejected_without_labels(judge: Judge, gate: Gate, verdict: str) -> None:
    """A check rejects it, even if no limit of the gate is about the outputs; without a gate there is the note."""
    values = np.random.default_rng(2).normal(size=(40, 4))
    variant = judge(values, None, gate, task="none", models=("double", "centred")).variants["full_int8"]
    assert variant.verdict == verdict
    assert variant.notes[0].startswith("output 'y' is the same for all 40 examples; float32's is not. ")
    if gate:
        assert (variant.checks[-1].name, variant.checks[-1].measured) == ("constant_channels", 4.0)
        assert variant.reasons[0] == "output 'y' is constant; float32's is not"


def test_a_constant_output_is_noted_where_labels_judge_it(judge: Judge) -> None:
    """With labels their metric decides, and the note is there; a limit on the agreement rejects as well."""
    values = np.eye(4)[np.zeros(400, np.int64)] + 0.1 * np.random.default_rng(2).normal(size=(400, 4))
    for gate, verdict in (
        (Gate(max_drop_points=1.0), "blessed"),
        (Gate(max_drop_points=1.0, min_agreement=0.5), "rejected"),
    ):
        variant = judge(values, np.zeros(400, np.int64), gate, models=("double", "centred")).variants["full_int8"]
        assert variant.verdict == verdict
        assert any(note.startswith("output 'y' is the same for all 400 examples") for note in variant.notes)


def test_none_configured_is_no_champion(judge: Judge) -> None:
    """Without a champion in the configuration the verdict has none."""
    verdict = judge(*_scores(40), Gate(max_drop_points=1.0), champion=ChampionFacts(uri=""))
    assert verdict.champion is None


def test_a_gate_without_a_champion_is_refused(judge: Judge) -> None:
    """A limit on the drop from the champion without a champion is a configuration error."""
    with pytest.raises(ConfigError, match=r"gate\.max_drop_points_vs_champion: there is nothing to compare with"):
        judge(*_scores(40), Gate(max_drop_points_vs_champion=1.0), champion=ChampionFacts(uri=""))


def test_a_champion_evaluated_for_another_task_is_refused(
    judge: Judge, sets: Any, small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """The evaluation must be of this champion, for this task, over these examples."""
    values, labels = _scores(40)
    judge(values, labels, Gate(max_drop_points=1.0), champion=small_models["double"])
    inputs = Inputs(
        variant_set=tmp_path / "variants",
        evaluations=[tmp_path / "float32", tmp_path / "full_int8"],
        benchmark=tmp_path / "benchmark",
        calibration_set=sets.calibration,
        evaluation_set=tmp_path / "examples",
        champion=tmp_path / "champion",
        champion_evaluation=tmp_path / "full_int8",
    )
    with pytest.raises(ArtifactError, match="the evaluation of the champion is not of models:/small@champion"):
        validate("small", "classification", Gate(), inputs, tmp_path / "other")
