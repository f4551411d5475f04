"""The gate's checks on tables that can be checked by hand."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from edgequant.artifacts.benchmark import Benchmark, Environment, Latency, Ratio
from edgequant.artifacts.comparison import Drop, Measured
from edgequant.artifacts.verdict import NO_CHAMPION, NOT_GATED, Check, VariantVerdict
from edgequant.gate import CHECKS, Gate
from edgequant.validation.comparison.champion import AgainstChampion
from edgequant.validation.comparison.compare import Comparison
from edgequant.validation.comparison.drop_intervals import PairedDrop, settle_by_width
from edgequant.validation.comparison.slices import by_class_of_many, grouped, sliced
from edgequant.validation.gate.checks import Limit, check_drop
from edgequant.validation.gate.decide import CHECK_OF, Evidence, choose_best, judge, overall
from edgequant.validation.statistics import examples_to_settle


def _paired(low: float, high: float, lost: int = 30, gained: int = 10) -> PairedDrop:
    differences = np.repeat([1.0, -1.0, 0.0], [lost, gained, 1000 - lost - gained])
    drop = Drop(points=100 * float(differences.mean()), interval=(low, high), method="paired proportions")
    return PairedDrop(drop=drop, examples=1000, differences=differences)


def _evidence(drop: PairedDrop | None = None, **fields: Any) -> Evidence:
    """Returns the evidence on a variant of half the reference's size that agrees on 960 of 1,000 examples."""
    comparison = Comparison(
        examples=1000,
        measures=fields.pop("measures", {}),
        drops={} if drop is None else {"accuracy": drop},
        agreement=Measured(value=0.96, interval=(0.946, 0.97), method="wilson"),
        slices=fields.pop("slices", ()),
    )
    values: dict[str, Any] = {
        "variant": "full_int8",
        "metric": "accuracy",
        "comparison": comparison,
        "size_bytes": 50_000,
        "reference_size_bytes": 100_000,
        "kind": "full_int8",
        "benchmark": _benchmark(),
    }
    return Evidence(**(values | fields))


def _benchmark(ratio: Ratio | None = None) -> Benchmark:
    latency = replace(_latency(1.0), ratio=ratio)
    environment = Environment(cpu="a CPU", cores=2, threads=1, delegate="XNNPACK", runtime="LiteRT", load_average=0.1)
    return Benchmark(
        model_sha256={}, latencies={"full_int8": latency} if ratio else {}, failures={}, environment=environment
    )


def _one(gate: Gate, evidence: Evidence) -> Check:
    """Returns the answer of a gate's only check, once verdict and sentence are found to be its own."""
    verdict, (check,), (sentence,) = judge(gate, evidence)
    assert sentence == check.sentence
    assert verdict == (NOT_GATED if check.verdict == NO_CHAMPION else check.verdict)
    return check


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
    check = _one(Gate(max_drop_points=1.0), _evidence(_paired(low, high)))
    assert check.verdict == verdict
    assert (check.name, check.limit, check.measured, check.interval) == ("max_drop_points", 1.0, 2.0, (low, high))


@pytest.mark.parametrize(("limit", "verdict"), [(0.5, "blessed"), (0.4999, "rejected"), (0.75, "blessed")])
def test_a_size_is_within_its_limit_or_not(limit: float, verdict: str) -> None:
    """A file of exactly the allowed share, or number of bytes, is within it."""
    check = _one(Gate(max_size_ratio=limit), _evidence())
    assert (check.verdict, check.measured) == (verdict, 0.5)
    check = _one(Gate(max_size_bytes=limit * 100_000), _evidence())
    assert (check.verdict, check.measured) == (verdict, 50_000)
    assert check.sentence.startswith("its file has 50,000 bytes: ")


@pytest.mark.parametrize(
    ("high", "ratio", "verdict"),
    [(0.5, 0.6, "blessed"), (0.5, 0.4, "rejected"), (1.5, 0.6, "inconclusive"), (1.5, 0.4, "rejected")],
)
def test_the_worst_check_decides(high: float, ratio: float, verdict: str) -> None:
    """One rejected check rejects; else one inconclusive check makes the verdict inconclusive; its sentence comes first."""
    gate = Gate(max_drop_points=1.0, max_size_ratio=ratio)
    outcome, checks, reasons = judge(gate, _evidence(_paired(0.0, high)))
    assert outcome == verdict
    assert [check.name for check in checks] == ["max_drop_points", "max_size_ratio"]
    assert next(check.verdict for check in checks if check.sentence == reasons[0]) == verdict


def test_no_gate_reads_not_gated() -> None:
    """Without a gate nothing is blessed, however good it is."""
    assert judge(Gate(), _evidence(_paired(0.0, 0.0))) == ("not gated", (), ("no gate is set",))


def test_the_sentence_says_what_was_measured_and_asked() -> None:
    """A sentence holds the metric, the drop, its interval, the confidence and the limit."""
    gate = Gate(max_drop_points=1.0, confidence=0.975)
    check = _one(gate, _evidence(_paired(1.2, 2.8)))
    assert (
        check.sentence == "accuracy drops 2.00 points, at least 1.20 lost at 97.5%, one-sided: more than the 1 allowed"
    )


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("macro_f1", "macro_f1 drops 2.00 points"),
        ("log_loss", "log_loss rises 2.00 points"),
        ("mae", "mae, in hundredths of the labels' standard deviation, rises 2.00 points"),
    ],
)
def test_another_metric_is_told_by_its_name(metric: str, text: str) -> None:
    """Errors rise where others drop."""
    limit = Limit(name="max_drop_points", value=1.0, confidence=0.95)
    assert check_drop(limit, _paired(1.2, 2.8), metric).sentence.startswith(text)


def test_an_open_verdict_says_how_many_examples_would_settle_it() -> None:
    """An inconclusive check has the number of examples that would settle it and how many more that is, or says that none would."""
    gate = Gate(max_drop_points=1.0)
    sentence = _one(gate, _evidence(_paired(0.9, 2.8))).sentence
    needed = examples_to_settle(np.repeat([1.0, -1.0, 0.0], [30, 10, 960]), 0.01, 0.95)
    assert needed is not None
    assert sentence.endswith(
        f": 1,000 examples do not settle whether it is within the 1 allowed; about {needed:,} evaluation examples would"
        f" settle it, {needed - 1000:,} more than these"
    )
    sentence = _one(gate, _evidence(_paired(0.1, 1.9, lost=20))).sentence
    assert sentence.endswith("no number of evaluation examples would settle it")


def test_a_bootstrapped_drop_is_settled_by_its_width() -> None:
    """At one standard error of 0.5 points, one point from the limit: (1.645 + 0.842)² · 0.25 of the examples as many, so 1,546."""
    half = 1.6448536 * 0.5
    drop = PairedDrop(drop=Drop(points=0.0, interval=(-half, half), method="paired bootstrap"), examples=1000)
    check = check_drop(Limit(name="max_drop_points", value=0.4, confidence=0.95), drop, "auc")
    assert check.verdict == "inconclusive"
    assert check.interval == (-half, half)
    assert (
        "auc is unchanged (between 0.82 gained and 0.82 lost, each at 95%, one-sided, by bootstrap)" in check.sentence
    )
    assert settle_by_width(0.0, (-half, half), 1.0, 1000, 0.95) == 1546
    assert settle_by_width(1.0, (0.0, 2.0), 1.0, 1000, 0.95) is None


def test_few_influential_examples_leave_the_check_open() -> None:
    """With two influential of 100 examples, 250 would have five: enough for an interval."""
    drop = Drop(points=0.5, note="it depends on about 2 examples, too few for an interval")
    paired = PairedDrop(drop=drop, examples=100, influential=2.0)
    check = check_drop(Limit(name="max_drop_points", value=1.0, confidence=0.95), paired, "macro_f1")
    assert (check.verdict, check.measured, check.interval) == ("inconclusive", 0.5, None)
    assert check.sentence == (
        "macro_f1 drops 0.50 points, without an interval: it depends on about 2 examples, too few for an interval;"
        " about 250 evaluation examples would do for one, 150 more than these"
    )


def test_a_metric_without_a_drop_cannot_be_judged() -> None:
    """A metric that was not measured makes the check inconclusive, with the reason."""
    check = _one(Gate(max_drop_points=1.0), _evidence())
    assert (check.verdict, check.measured) == ("inconclusive", None)
    assert check.sentence.startswith("the drop in accuracy is not known: ")
    undefined = PairedDrop(drop=Drop(points=None, note="it is not defined on these examples"), examples=9)
    assert _one(Gate(max_drop_points=1.0), _evidence(undefined)).sentence.endswith("not defined on these examples")


@pytest.mark.parametrize(
    ("limit", "verdict"), [(0.948, "blessed"), (0.949, "inconclusive"), (0.969, "inconclusive"), (0.97, "rejected")]
)
def test_the_least_agreement_is_judged_by_its_own_interval(limit: float, verdict: str) -> None:
    """Blessed when the exact lower end is at least the limit, rejected when the upper end is less."""
    check = _one(Gate(min_agreement=limit), _evidence())
    exact = (
        stats.binomtest(960, 1000, alternative="greater").proportion_ci(0.95, method="exact").low,
        stats.binomtest(960, 1000, alternative="less").proportion_ci(0.95, method="exact").high,
    )
    assert (check.verdict, check.measured) == (verdict, 0.96)
    assert check.interval == pytest.approx(exact)
    ends = {"blessed": ", at least 0.9482 at 95%", "rejected": ", at most 0.9697 at 95%"}
    assert check.sentence.startswith(
        f"agreement is 0.9600{ends.get(verdict, ' (between 0.9482 and 0.9697, each at 95%')}"
    )
    assert ("evaluation examples" in check.sentence) == (verdict == "inconclusive")


@pytest.mark.parametrize(("limit", "verdict"), [(0.8, "blessed"), (0.87, "inconclusive"), (0.95, "rejected")])
def test_the_least_metric_is_judged_by_its_own_interval(limit: float, verdict: str) -> None:
    """The metric itself is compared with the limit, whatever the reference's is."""
    measures = {"accuracy": Measured(value=0.87, interval=(0.81, 0.91), method="wilson")}
    assert _one(Gate(min_metric=limit), _evidence(measures=measures)).verdict == verdict
    assert _one(Gate(min_metric=limit), _evidence()).verdict == "inconclusive"


@pytest.mark.parametrize(("lost", "verdict"), [(0, "blessed"), (30, "inconclusive"), (90, "rejected")])
def test_the_worst_class_is_judged_by_the_interval_of_the_greatest_drop(lost: int, verdict: str) -> None:
    """A variant that is fine on average and loses one class is seen, and the class is named."""
    labels = np.repeat([3, 4, 5], 400)
    variant = np.ones(1200)
    variant[400 : 400 + lost] = 0.0
    classes = sliced("class", grouped(labels, np.ones(1200), variant), 0.95, 1200)
    check = _one(Gate(max_worst_class_drop_points=7.0), _evidence(slices=(classes,)))
    assert check.verdict == verdict
    assert check.measured == pytest.approx(lost / 4)
    assert check.interval == classes.slice.worst_interval_points
    assert f"of 3 classes, {'4 loses most' if lost else 'none loses any'}" in check.sentence
    assert ("examples of class 4 would settle it" in check.sentence) == (verdict == "inconclusive")
    assert _one(Gate(max_worst_class_drop_points=7.0), _evidence()).verdict == "inconclusive"


def test_a_class_of_many_is_judged_with_and_without_it() -> None:
    """The worst group may be the examples without a class; the number that settles it is for the whole set."""
    labels = np.tile([[1, 0], [0, 1], [0, 1], [0, 1]], (100, 1))
    variant = labels.copy()
    variant[:8, 0] = 1
    groups = by_class_of_many(labels, (labels, variant), ["cat", "dog"])
    classes = sliced("class", groups, 0.95, len(labels), shared=True)
    check = _one(Gate(max_worst_class_drop_points=3.0), _evidence(slices=(classes,)))
    assert check.measured == pytest.approx(100 * 6 / 300)
    assert check.sentence.startswith(
        "of 4 groups by class, without cat loses most: 2.00 points; no group loses more than"
    )
    assert check.need is not None
    assert check.need.of_group is not None
    assert (
        f"{check.need.of_group:,} examples {check.need.group if 'without' in check.need.group else 'of class ' + check.need.group}"
        in check.sentence
    )
    sizes = {"cat": 100, "without cat": 300, "dog": 300, "without dog": 100}
    assert check.need.examples == math.ceil(check.need.of_group * 400 / sizes[check.need.group])


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Ratio(value=0.5, low=0.48, high=0.5, confidence=0.95, noisy=False, trials=8), "blessed"),
        (Ratio(value=0.5, low=0.48, high=0.52, confidence=0.95, noisy=False, trials=8), "inconclusive"),
        (Ratio(value=0.6, low=0.51, high=0.62, confidence=0.95, noisy=False, trials=8), "rejected"),
        (Ratio(value=0.1, low=0.02, high=0.3, confidence=0.95, noisy=True, trials=8), "inconclusive"),
        (Ratio(value=47.0, low=37.0, high=59.0, confidence=0.95, noisy=True, trials=8), "rejected"),
        (Ratio(value=0.1, low=0.08, high=0.12, confidence=0.95, noisy=True, trials=8), "blessed"),
        (Ratio(value=0.1, low=0.0995, high=0.1005, confidence=0.95, noisy=True, trials=1), "inconclusive"),
        (None, "inconclusive"),
    ],
    ids=[
        "within",
        "open",
        "past",
        "noisy",
        "noisy, and far past",
        "noisy, and far within",
        "one trial",
        "not measured",
    ],
)
def test_latency_is_a_proxy_and_judged_by_the_interval_of_its_ratio(ratio: Ratio | None, verdict: str) -> None:
    """On a noisy machine only a ratio far from the limit is settled, and every sentence names the machine."""
    check = _one(Gate(max_latency_ratio=0.5), _evidence(benchmark=_benchmark(ratio)))
    assert check.verdict == verdict
    assert ("a proxy, measured on a CPU" in check.sentence) == (ratio is not None)


@pytest.mark.parametrize(("value", "settled"), [(0.501, False), (0.499, False), (0.504, True)])
def test_what_no_benchmark_tells_apart_no_number_of_runs_settles(value: float, settled: bool) -> None:
    """No number of runs settles a ratio 0.2% from the limit, nearer than two benchmarks agree; one 0.8% off has a number."""
    ratio = Ratio(value=value, low=value / 1.01, high=value * 1.01, confidence=0.95, noisy=False)
    check = _one(Gate(max_latency_ratio=0.5), _evidence(benchmark=_benchmark(ratio)))
    assert check.verdict == "inconclusive"
    assert (
        "no number of runs would settle it, as nearer than 0.5% two benchmarks do not agree" in check.sentence
    ) != settled
    # (1.96 + 0.842)² times the squared error, ln 1.01 / 1.96, over the squared distance, ln 1.008, of 9 runs.
    needed = math.ceil(9 * (2.80158 * math.log(1.01) / 1.95996 / math.log(1.008)) ** 2)
    assert (f"`edgequant benchmark --runs {needed}`, then `edgequant validate`" in check.sentence) == settled


@pytest.mark.parametrize(
    ("kind", "verdict"), [("integer_only", "blessed"), ("full_int8", "rejected"), (None, "inconclusive")]
)
def test_integer_only_is_what_the_file_was_found_to_be(kind: str | None, verdict: str) -> None:
    """A file with float input and output is not integer only, whatever its weights are."""
    check = _one(Gate(integer_only="required"), _evidence(kind=kind))
    assert (check.verdict, check.limit, check.measured) == (verdict, "required", kind)


def test_a_missing_champion_counts_neither_for_nor_against() -> None:
    """On the first run the row says that there is no champion yet; the other checks decide, and alone they are not gated."""
    champion = AgainstChampion(name="models:/x@champion", missing="registered model 'x' has no alias 'champion'")
    evidence = _evidence(_paired(0.0, 0.5), champion=champion)
    check = _one(Gate(max_drop_points_vs_champion=1.0), evidence)
    assert check.verdict == "no champion yet"
    assert "registered model 'x' has no alias 'champion'" in check.sentence
    verdict, checks, reasons = judge(Gate(max_drop_points=1.0, max_drop_points_vs_champion=1.0), evidence)
    assert verdict == "blessed"
    assert [check.verdict for check in checks] == ["blessed", "no champion yet"]
    assert reasons[-1].startswith("no champion yet: ")


@pytest.mark.parametrize(("high", "verdict"), [(1.0, "blessed"), (1.5, "inconclusive")])
def test_a_champion_is_a_second_reference(high: float, verdict: str) -> None:
    """The drop from the champion is judged like the one from float32, and the sentence names the champion."""
    champion = AgainstChampion(name="models:/x/3", drop=_paired(0.2, high))
    check = _one(Gate(max_drop_points_vs_champion=1.0), _evidence(champion=champion))
    assert check.verdict == verdict
    assert check.sentence.startswith("against models:/x/3, accuracy drops 2.00 points")


def test_a_champion_that_cannot_be_run_settles_nothing() -> None:
    """A champion that fails on these examples makes the check inconclusive."""
    champion = AgainstChampion(name="models:/x/3", failed="LiteRT refuses the model")
    check = _one(Gate(max_drop_points_vs_champion=1.0), _evidence(champion=champion))
    assert check.verdict == "inconclusive"
    assert check.sentence == "models:/x/3 could not be evaluated: LiteRT refuses the model"


def _variant(verdict: str = "blessed", **fields: Any) -> VariantVerdict:
    return VariantVerdict(status="converted", verdict=verdict, **fields)


def _latency(p50: float) -> Latency:
    return Latency(p50_ms=p50, p90_ms=9.0, p99_ms=9.0, runs=9)


_THREE = {
    "float32": _variant("reference", size_bytes=1, drop_points=0.0, latency=_latency(0.01)),
    "float16": _variant(size_bytes=50, drop_points=0.0, latency=_latency(3.0)),
    "weights_only": _variant(size_bytes=30, drop_points=0.2, latency=_latency(2.0)),
    "full_int8": _variant(size_bytes=31, drop_points=0.3, latency=_latency(1.0)),
    "integer_only": _variant("rejected", size_bytes=2, drop_points=-9.0, latency=_latency(0.1)),
}


@pytest.mark.parametrize(
    ("prefer", "best"), [("size_bytes", "weights_only"), ("latency_ms", "full_int8"), ("drop_points", "float16")]
)
def test_the_best_is_the_blessed_one_with_least_of_what_is_preferred(prefer: str, best: str) -> None:
    """Only blessed variants are considered: not the reference, and not a rejected one that is smaller and faster."""
    assert choose_best(Gate(max_drop_points=1.0, prefer=prefer), _THREE) == best


def test_ties_go_to_the_smaller_drop_then_the_smaller_file_then_the_first() -> None:
    """The choice is deterministic."""
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
    verdicts = ("reference", "rejected", "inconclusive", "not gated")
    assert choose_best(Gate(max_drop_points=1.0), {name: _variant(name) for name in verdicts}) is None


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        (["reference", "rejected", "inconclusive", "blessed"], "blessed"),
        (["reference", "rejected", "inconclusive"], "inconclusive"),
        (["reference", "rejected", "rejected"], "rejected"),
        (["reference", "not gated"], "not gated"),
        (["reference"], "rejected"),
    ],
)
def test_the_outcome_is_the_best_there_is(verdicts: list[str], outcome: str) -> None:
    """Blessed when any is, else inconclusive when any is, else rejected."""
    variants = {str(index): _variant(verdict) for index, verdict in enumerate(verdicts)}
    assert overall(Gate(max_drop_points=1.0), variants) == outcome


def test_without_a_gate_the_outcome_is_not_gated() -> None:
    """A run without a gate is never blessed."""
    assert overall(Gate(), {"a": _variant("not gated")}) == "not gated"


def test_every_key_of_the_gate_has_a_check() -> None:
    """A key without a check would be an error at run time."""
    assert set(CHECK_OF) | {"integer_only"} == set(CHECKS)
