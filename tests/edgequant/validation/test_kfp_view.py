"""What KFP's pages show of a verdict, in KFP's own form."""

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
    found = verdict.variants[verdict.best].confusion
    assert found is not None
    expected = dsl.ClassificationMetrics()
    expected.log_confusion_matrix([str(digit) for digit in range(10)], [list(row) for row in found.counts])
    assert confusion(verdict, tmp_path / "file") == expected.metadata
    assert sum(map(sum, found.counts)) == 300


def test_without_a_matrix_there_is_nothing(digits_sets: Any, tmp_path: Path) -> None:
    """Where nothing is classified, or too many classes are, KFP gets no matrix; without a best variant the baseline's."""
    verdict = load_verdict(digits_sets.verdict)
    baseline = verdict.variants["float32"]
    for found in (None, Confusion(examples=9)):
        changed = {**verdict.variants, "float32": replace(baseline, confusion=found)}
        assert confusion(replace(verdict, best=None, variants=changed), tmp_path / "file") == {}


def test_numbers_are_those_of_the_verdict(digits_sets: Any, tmp_path: Path) -> None:
    """The main metric, the drop and the size of each variant; what is not known is left out."""
    verdict = load_verdict(digits_sets.verdict)
    found = metrics(verdict, tmp_path / "file")
    assert read_json(tmp_path / "file") == found
    assert len(found) == 3 * len(verdict.variants)
    assert found["full_int8 accuracy"] == verdict.variants["full_int8"].metrics["accuracy"]
    assert found["full_int8 drop, points"] == verdict.variants["full_int8"].drop_points
    failed = replace(verdict.variants["full_int8"], metrics={}, agreement=None, drop_points=None, size_bytes=None)
    assert metrics(replace(verdict, variants={"full_int8": failed}), tmp_path / "file") == {}
