"""The metrics and the confusion matrix on KFP's pages, in KFP's own format."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from kfp import dsl

from edgequant.artifacts.comparison import Confusion
from edgequant.artifacts.directory import read_json
from edgequant.artifacts.verdict import load_verdict
from edgequant.validation.kfp_view import confusion, metrics


def test_the_matrix_is_what_kfp_would_keep(digits_sets: Any, tmp_path: Path) -> None:
    """The best variant's matrix, in the form in which KFP's ClassificationMetrics logs one."""
    verdict = load_verdict(digits_sets.verdict)
    assert verdict.best is not None
    matrix = verdict.variants[verdict.best].confusion
    assert matrix is not None
    expected = dsl.ClassificationMetrics()
    expected.log_confusion_matrix([str(digit) for digit in range(10)], [list(row) for row in matrix.counts])
    assert confusion(verdict, tmp_path / "file") == expected.metadata
    assert sum(map(sum, matrix.counts)) == 300


def test_without_a_matrix_there_is_nothing(digits_sets: Any, tmp_path: Path) -> None:
    """For tasks without classes, and for too many classes, KFP gets no matrix."""
    verdict = load_verdict(digits_sets.verdict)
    for matrix in (None, Confusion(examples=9)):
        changed = {name: replace(variant, confusion=matrix) for name, variant in verdict.variants.items()}
        for best in (None, verdict.best):
            assert confusion(replace(verdict, best=best, variants=changed), tmp_path / "file") == {}


def test_without_a_best_variant_it_is_the_first_that_was_judged(digits_sets: Any, tmp_path: Path) -> None:
    """Of variants that are all rejected, what the first of them confuses; one that failed has no matrix. By name, where known."""
    verdict = replace(load_verdict(digits_sets.verdict), best=None, classes=tuple("abcdefghij"))
    first, second = [name for name in verdict.variants if name != "float32"][:2]
    for failed, judged in ((None, first), (first, second)):
        variants = {
            name: replace(variant, confusion=None) if name == failed else variant
            for name, variant in verdict.variants.items()
        }
        shown = confusion(replace(verdict, variants=variants), tmp_path / "file")["confusionMatrix"]
        matrix = verdict.variants[judged].confusion
        assert matrix is not None
        assert shown["rows"] == [{"row": list(row)} for row in matrix.counts]
        assert [spec["displayName"] for spec in shown["annotationSpecs"]] == list("abcdefghij")


def test_numbers_are_those_of_the_verdict(digits_sets: Any, tmp_path: Path) -> None:
    """The main metric, the drop and the size of each variant; what is not known is left out."""
    verdict = load_verdict(digits_sets.verdict)
    values = metrics(verdict, tmp_path / "file")
    assert read_json(tmp_path / "file") == values
    assert len(values) == 3 * len(verdict.variants)
    assert values["full_int8 accuracy"] == verdict.variants["full_int8"].metrics["accuracy"]
    assert values["full_int8 drop, points"] == verdict.variants["full_int8"].drop_points
    # Where the labels do not define it, agreement is not what stands by its name.
    assert "full_int8 auc" not in metrics(replace(verdict, main_metric="auc"), tmp_path / "file")
    failed = replace(verdict.variants["full_int8"], metrics={}, agreement=None, drop_points=None, size_bytes=None)
    assert metrics(replace(verdict, variants={"full_int8": failed}), tmp_path / "file") == {}
