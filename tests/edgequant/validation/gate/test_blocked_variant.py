"""The verdict on variants whose calibration set does not match the evaluation set."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgequant.artifacts.calibration_comparison import CalibrationComparison, ChannelComparison, InputComparison
from edgequant.artifacts.variant_set import BLOCKED, ConvertedVariant
from edgequant.artifacts.verdict import Verdict
from edgequant.benchmarking.step import benchmark
from edgequant.evaluation.step import evaluate
from edgequant.gate import Gate
from edgequant.validation.inputs import Inputs
from edgequant.validation.step import validate

MISTAKE = "calibration inputs 'x' are 255 times smaller than the evaluation inputs: is `scale` missing in one of them?"
COMPARISON = CalibrationComparison(
    calibration_examples=64,
    evaluation_examples=40,
    inputs={
        "x": InputComparison(
            calibration=(0.0, 1.0),
            evaluation=(0.0, 255.0),
            outside_share=0.875,
            outside_examples=1.0,
            range_used=1.0,
            quantile_distance=0.5,
            quantiles=((0.5, 0.5, 127.5),),
            channels=(
                ChannelComparison(channel=3, calibration=(0.0, 0.75), evaluation=(2.0, 255.0), outside_share=0.9375),
            ),
            channel_count=4,
        )
    },
    mismatches=(MISTAKE,),
    sentence=f"The calibration set does not match the evaluation set: {MISTAKE}.",
)


@pytest.fixture
def verdict_of(sets: Any, small_models: dict[str, bytes], tmp_path: Path) -> Any:
    """Returns a function that judges a small model as the reference, and as a variant that is blocked or not."""

    def run(comparison: CalibrationComparison) -> Verdict:
        blocked = ConvertedVariant(status=BLOCKED, reason=f"not converted, since {MISTAKE}", seconds=0.0)
        model = small_models["double"]
        variants = sets.variants({"float32": model, "full_int8": blocked if comparison.blocks else model}, comparison)
        values = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
        examples = sets.examples({"x": values}, np.arange(40) % 4)
        for name in ("float32", "full_int8"):
            evaluate(name, variants, examples, tmp_path / name, task="classification")
        benchmark(variants, examples, tmp_path / "benchmark", runs=1)
        inputs = Inputs(
            variant_set=variants,
            evaluations=[tmp_path / "float32", tmp_path / "full_int8"],
            benchmark=tmp_path / "benchmark",
            calibration_set=sets.calibration,
            evaluation_set=examples,
        )
        return validate("small", "classification", Gate(max_drop_points=5.0), inputs, tmp_path / "verdict")

    return run


def test_a_blocked_variant_is_rejected_with_the_reason(verdict_of: Any, tmp_path: Path) -> None:
    """The run ends with a verdict; the reason is in it, in its notes, and in the report beside the table of both sets."""
    verdict = verdict_of(COMPARISON)
    variant = verdict.variants["full_int8"]
    assert (variant.status, variant.verdict) == ("blocked", "rejected")
    assert variant.reasons == (f"blocked: not converted, since {MISTAKE}",)
    assert any("the calibrated variants were not converted" in note and MISTAKE in note for note in verdict.notes)
    page = (tmp_path / "verdict" / "report.html").read_text()
    assert "Calibration inputs beside evaluation inputs" in page
    assert "x, channel 3 of 4" in page
    for text in ("0 to 255", "87.5", "93.8", "0.5 and 127.5"):
        assert text in page, text


def test_an_allowed_mismatch_is_visible_in_the_verdict(verdict_of: Any, tmp_path: Path) -> None:
    """The variant is judged as others are; the notes, the report and the configuration to repeat the run tell of the override."""
    verdict = verdict_of(replace(COMPARISON, allowed=True))
    assert verdict.variants["full_int8"].status == "converted"
    assert any("calibration.allow_mismatch is true" in note and MISTAKE in note for note in verdict.notes)
    page = (tmp_path / "verdict" / "report.html").read_text()
    assert "calibration.allow_mismatch is true" in page
    assert "allow_mismatch: true" in page
