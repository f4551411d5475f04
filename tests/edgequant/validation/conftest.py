"""Verdicts made by hand, for what real runs of the digits model do not show."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from edgequant.artifacts.benchmark import Environment
from edgequant.artifacts.comparison import Drop, Flip, Flips, Measured
from edgequant.artifacts.example_set import DatasetFacts, Provenance, SourceFile
from edgequant.artifacts.verdict import VariantVerdict, Verdict

Handmade: TypeAlias = Callable[..., Verdict]


def _set(purpose: str) -> DatasetFacts:
    return DatasetFacts(
        digest="d" * 64,
        examples=100,
        provenance=Provenance(
            purpose=purpose,
            signature="serving_default",
            seed=17,
            rule="lowest seeded content hashes",
            requested=100,
            records_read=200,
            duplicates=0,
            sources=(SourceFile(path=f"/data/{purpose}.npz", size_bytes=1000),),
        ),
    )


_FLIPS = Flips(
    changed=3,
    right_to_wrong=2,
    wrong_to_right=1,
    lost=(
        Flip(example=4, label="1", reference="1", variant="0"),
        Flip(example=7, label="0", reference="0", variant="1"),
    ),
    gained=(Flip(example=9, label="1", reference="0", variant="1"),),
)
_REFERENCE = VariantVerdict(
    status="converted",
    size_bytes=4000,
    examples=100,
    metrics={"accuracy": 0.9},
    measures={"accuracy": Measured(value=0.9, interval=(0.83, 0.94), method="wilson")},
    metric_interval=(0.83, 0.94),
    drop_points=0.0,
    agreement=1.0,
    verdict="reference",
    reasons=("every other variant is compared with it",),
)
_VARIANT = replace(
    _REFERENCE,
    size_bytes=1000,
    metrics={"accuracy": 0.89},
    measures={"accuracy": Measured(value=0.89, interval=(0.81, 0.94), drop=Drop(points=1.0, interval=(-2.0, 4.0)))},
    metric_interval=(0.81, 0.94),
    drop_points=1.0,
    drop_interval_points=(-2.0, 4.0),
    agreement=0.97,
    flips=_FLIPS,
    verdict="blessed",
    reasons=("accuracy drops 1.00 points: within the 5 allowed",),
)


@pytest.fixture
def handmade() -> Handmade:
    """Returns a verdict on float32 and full_int8, with the fields given replaced; `variant` replaces fields of full_int8."""

    def make(variant: dict[str, Any] | None = None, **fields: Any) -> Verdict:
        verdict = Verdict(
            name="flowers",
            task="classification",
            main_metric="accuracy",
            labelled=True,
            gate={"max_drop_points": 5.0, "confidence": 0.95, "prefer": "size_bytes"},
            outcome="blessed",
            best="full_int8",
            why="full_int8 is best: the least size_bytes.",
            variants={"float32": _REFERENCE, "full_int8": replace(_VARIANT, **(variant or {}))},
            environment=Environment(
                cpu="a CPU", cores=2, threads=1, delegate="XNNPACK", runtime="litert 2", load_average=0.5
            ),
            calibration=_set("calibration"),
            examples=100,
            evaluation=_set("evaluation"),
            made_from={"edgequant": "0.1.0", "signature": "serving_default", "model, SHA-256": "m" * 64},
        )
        return replace(verdict, **fields)

    return make
