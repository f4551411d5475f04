"""The gate's answers on tables that can be checked by hand."""

from typing import Any

import numpy as np
import pytest

from edgequant.artifacts.benchmark import Latency
from edgequant.artifacts.verdict import VariantVerdict
from edgequant.gate import Gate
from edgequant.validation.comparison import Comparison
from edgequant.validation.judgement import check_size, choose_best, judge, overall


def _comparison(low: float, high: float, lost: int = 30, gained: int = 10) -> Comparison:
    differences = np.repeat([1.0, -1.0, 0.0], [lost, gained, 1000 - lost - gained])
    return Comparison(
        examples=1000,
        differences=differences,
        drop_points=100 * float(differences.mean()),
        drop_interval_points=(low, high),
        agreement=0.96,
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.2, 1.0, "blessed"),
        (-2.0, -1.0, "blessed"),
        (0.2, 1.0000001, "inconclusive"),
        (1.0, 2.0, "inconclusive"),
        (1.0000001, 2.0, "rejected"),
    ],
)
def test_a_drop_is_judged_by_the_ends_of_its_interval(low: float, high: float, verdict: str) -> None:
    """Blessed when the upper end is at most the limit, rejected when the lower end is past it, inconclusive otherwise."""
    found, _ = judge(Gate(max_drop_points=1.0), _comparison(low, high), metric="accuracy", size_ratio=9.0)
    assert found == verdict


@pytest.mark.parametrize(("ratio", "verdict"), [(0.5, "blessed"), (0.500001, "rejected"), (0.25, "blessed")])
def test_a_size_is_within_its_limit_or_not(ratio: float, verdict: str) -> None:
    """A file of exactly the allowed share is within it."""
    assert check_size(0.5, ratio).verdict == verdict


@pytest.mark.parametrize(
    ("high", "ratio", "verdict"),
    [(0.5, 0.4, "blessed"), (0.5, 0.6, "rejected"), (1.5, 0.4, "inconclusive"), (1.5, 0.6, "rejected")],
)
def test_the_worst_check_decides(high: float, ratio: float, verdict: str) -> None:
    """One rejection rejects, whatever else is open; one open check leaves the verdict open."""
    gate = Gate(max_drop_points=1.0, max_size_ratio=0.5)
    found, reasons = judge(gate, _comparison(0.0, high), metric="accuracy", size_ratio=ratio)
    assert found == verdict
    assert len(reasons) == 2


def test_no_gate_reads_not_gated() -> None:
    """Without a gate nothing is blessed, however good it is."""
    assert judge(Gate(), _comparison(0.0, 0.0), metric="accuracy", size_ratio=0.1) == (
        "not gated",
        ("no gate is set",),
    )


def test_the_sentence_says_what_was_measured_and_asked() -> None:
    """A sentence holds the metric, the drop, its interval, the confidence and the limit."""
    gate = Gate(max_drop_points=1.0, confidence=0.975)
    _, (sentence,) = judge(gate, _comparison(1.2, 2.8), metric="accuracy", size_ratio=1.0)
    assert sentence == "accuracy drops 2.00 points (1.20 to 2.80 at 97.5%): more than the 1 allowed"


def test_an_open_verdict_says_how_many_examples_would_settle_it() -> None:
    """An inconclusive check gives the number of examples that would settle it, or says that none would."""
    gate = Gate(max_drop_points=1.0)
    _, (sentence,) = judge(gate, _comparison(0.9, 2.8), metric="accuracy", size_ratio=1.0)
    assert "1,000 examples cannot tell whether it is within the 1 allowed; about 2,4" in sentence
    _, (sentence,) = judge(gate, _comparison(0.1, 1.9, lost=20), metric="accuracy", size_ratio=1.0)
    assert sentence.endswith("no number of examples would settle it")


def test_a_metric_without_scores_cannot_be_judged() -> None:
    """One number for all examples has no interval: the verdict is open and says what is missing."""
    comparison = Comparison(examples=9, differences=None, drop_points=None, drop_interval_points=None, agreement=1.0)
    verdict, (sentence,) = judge(Gate(max_drop_points=1.0), comparison, metric="f1", size_ratio=0.1)
    assert verdict == "inconclusive"
    assert "the drop in f1 has no interval" in sentence


def _variant(verdict: str = "blessed", **fields: Any) -> VariantVerdict:
    return VariantVerdict(status="converted", verdict=verdict, **fields)


def _latency(p50: float) -> Latency:
    return Latency(p50_ms=p50, p90_ms=9.0, p99_ms=9.0, runs=9)


_THREE = {
    "float32": _variant("baseline", size_bytes=1, drop_points=0.0, latency=_latency(0.01)),
    "float16": _variant(size_bytes=50, drop_points=0.0, latency=_latency(3.0)),
    "weights_only": _variant(size_bytes=30, drop_points=0.2, latency=_latency(2.0)),
    "full_int8": _variant(size_bytes=31, drop_points=0.3, latency=_latency(1.0)),
    "integer_only": _variant("rejected", size_bytes=2, drop_points=-9.0, latency=_latency(0.1)),
}


@pytest.mark.parametrize(
    ("prefer", "best"), [("size_bytes", "weights_only"), ("latency_ms", "full_int8"), ("drop_points", "float16")]
)
def test_the_best_is_the_blessed_one_with_least_of_what_is_preferred(prefer: str, best: str) -> None:
    """Only blessed variants are considered: not the baseline, and not a rejected one that is smaller and faster."""
    assert choose_best(Gate(max_drop_points=1.0, prefer=prefer), _THREE) == best


def test_ties_go_to_the_smaller_drop_then_the_smaller_file_then_the_first() -> None:
    """The choice does not depend on chance."""
    gate = Gate(max_drop_points=1.0, prefer="size_bytes")
    assert (
        choose_best(gate, {"a": _variant(size_bytes=5, drop_points=0.2), "b": _variant(size_bytes=5, drop_points=0.1)})
        == "b"
    )
    by_drop = Gate(max_drop_points=1.0, prefer="drop_points")
    assert (
        choose_best(
            by_drop, {"a": _variant(size_bytes=6, drop_points=0.1), "b": _variant(size_bytes=5, drop_points=0.1)}
        )
        == "b"
    )
    assert (
        choose_best(gate, {"a": _variant(size_bytes=5, drop_points=0.1), "b": _variant(size_bytes=5, drop_points=0.1)})
        == "a"
    )


def test_a_variant_without_latency_is_the_slowest() -> None:
    """A variant whose latency could not be measured is not preferred for its latency."""
    gate = Gate(max_drop_points=1.0, prefer="latency_ms")
    assert choose_best(gate, {"a": _variant(size_bytes=5), "b": _variant(size_bytes=9, latency=_latency(9.0))}) == "b"


def test_nothing_blessed_has_no_best() -> None:
    """Without a blessed variant there is none to promote."""
    verdicts = ("baseline", "rejected", "inconclusive", "not gated")
    assert choose_best(Gate(max_drop_points=1.0), {name: _variant(name) for name in verdicts}) is None


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        (["baseline", "rejected", "inconclusive", "blessed"], "blessed"),
        (["baseline", "rejected", "inconclusive"], "inconclusive"),
        (["baseline", "rejected", "rejected"], "rejected"),
        (["baseline"], "rejected"),
    ],
)
def test_the_outcome_is_the_best_there_is(verdicts: list[str], outcome: str) -> None:
    """Blessed when any is, else inconclusive when any is, else rejected."""
    variants = {str(index): _variant(verdict) for index, verdict in enumerate(verdicts)}
    assert overall(Gate(max_drop_points=1.0), variants) == outcome


def test_without_a_gate_the_outcome_is_not_gated() -> None:
    """No gate never reads as passed."""
    assert overall(Gate(), {"a": _variant("not gated")}) == "not gated"
