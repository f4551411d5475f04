"""Applies the gate to variants, and chooses the best of the blessed ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edgequant.artifacts.benchmark import Benchmark
from edgequant.artifacts.verdict import (
    BLESSED,
    INCONCLUSIVE,
    INVALID_REFERENCE,
    NO_CHAMPION,
    NOT_GATED,
    REFERENCE_VERDICT,
    REJECTED,
    Check,
    VariantVerdict,
)
from edgequant.gate import CHECKS, Gate
from edgequant.metric_table import BY_NAME
from edgequant.validation.comparison.champion import AgainstChampion
from edgequant.validation.comparison.compare import AGREEMENT, Comparison
from edgequant.validation.comparison.slices import CLASS
from edgequant.validation.gate import checks
from edgequant.validation.gate.checks import Limit
from edgequant.validation.gate.class_check import check_worst_class
from edgequant.validation.gate.latency_check import check_latency

_BY_CLASS = "max_worst_class_drop_points"
_AGAINST = "max_drop_points_vs_champion"
_OF_METRIC = ("max_drop_points", _AGAINST, "min_metric")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The measurements that the gate judges a variant by.

    Attributes:
        variant: The name of the variant.
        metric: The metric that the gate judges.
        comparison: The comparison with the reference.
        size_bytes: The size of its file.
        reference_size_bytes: The size of the reference's file.
        kind: The kind of its file by inspection; None if it is unknown.
        benchmark: The latencies of all variants.
        champion: The comparison with the champion; None if none is configured.
        missing: A sentence on the classes without an example; "" if there are none.
        missing_against: The same for the examples that the champion was evaluated on, too.
        everywhere: A sentence on multilabel classes that every example has; "" if there are none.
        constant: The rejection for constant channels of its outputs; None if there are none, or if they do not reject.
    """

    variant: str
    metric: str
    comparison: Comparison
    size_bytes: int
    reference_size_bytes: int
    kind: str | None
    benchmark: Benchmark
    champion: AgainstChampion | None = None
    missing: str = ""
    missing_against: str = ""
    everywhere: str = ""
    constant: Check | None = None


def judge(gate: Gate, evidence: Evidence) -> tuple[str, tuple[Check, ...], tuple[str, ...]]:
    """Returns a variant's verdict, the results of the checks in the gate's order, and their sentences.

    Sentences of rejections come first, then those of inconclusive checks, the one that needs most examples first.
    """
    if not gate:
        return NOT_GATED, (), ("no gate is set",)
    results = tuple(
        _open_without_examples(_check(name, gate, evidence), evidence)
        for name in CHECKS
        if getattr(gate, name) is not None
    )
    if evidence.constant is not None:
        results = (*results, evidence.constant)
    verdicts = {check.verdict for check in results}
    verdict = next((name for name in (REJECTED, INCONCLUSIVE, BLESSED) if name in verdicts), NOT_GATED)
    order = (REJECTED, INCONCLUSIVE, BLESSED, NO_CHAMPION)
    sentences = tuple(
        check.sentence for check in sorted(results, key=lambda check: (order.index(check.verdict), -_needed(check)))
    )
    return verdict, results, sentences


def failed(gate: Gate, reason: str) -> tuple[Check, ...]:
    """Returns the results of all checks of a variant that failed: each is rejected.

    Args:
        gate: The gate.
        reason: The reason of the failure.
    """
    return tuple(
        Check(name=name, limit=limit, measured=None, interval=None, verdict=REJECTED, sentence=reason)
        for name in CHECKS
        if (limit := getattr(gate, name)) is not None
    )


def _needed(check: Check) -> int:
    return 0 if check.need is None else check.need.examples


def _open_without_examples(check: Check, evidence: Evidence) -> Check:
    """Returns a check about all classes as inconclusive if some have no example, unless the others reject it."""
    missing = evidence.missing_against if check.name == _AGAINST else evidence.missing
    if check.name == _BY_CLASS:
        missing = "; ".join(part for part in (missing, evidence.everywhere) if part)
    elif check.name not in _OF_METRIC or evidence.metric not in BY_NAME or not BY_NAME[evidence.metric].of_all_classes:
        missing = ""
    claims = check.verdict == BLESSED or check.need is not None
    if not (missing and claims):
        return check
    sentence = f"{check.sentence}; but {missing}: of those nothing is known until there are examples"
    # More examples of the same mix would not settle it either.
    return replace(check, verdict=INCONCLUSIVE, sentence=sentence, need=None)


def _check(name: str, gate: Gate, evidence: Evidence) -> Check:
    """Returns the result of one check."""
    if name == "integer_only":
        return checks.check_integer_only(evidence.kind)
    limit = Limit(name=name, value=getattr(gate, name), confidence=gate.confidence)
    return CHECK_OF[name](limit, evidence)


def _drop(limit: Limit, evidence: Evidence) -> Check:
    return checks.check_drop(limit, evidence.comparison.drops.get(evidence.metric), evidence.metric)


def _drop_vs_champion(limit: Limit, evidence: Evidence) -> Check:
    champion = evidence.champion
    if champion is None or champion.missing is not None:
        return checks.no_champion(limit, (champion and champion.missing) or "none is configured")
    if champion.failed is not None:
        return limit.check(INCONCLUSIVE, f"{champion.name} could not be evaluated: {champion.failed}")
    return checks.check_drop(limit, champion.drop, evidence.metric, f"against {champion.name}, ")


def _worst_class_drop(limit: Limit, evidence: Evidence) -> Check:
    classes = next((sliced for sliced in evidence.comparison.slices if sliced.slice.name == CLASS), None)
    return check_worst_class(limit, classes)


def _metric(limit: Limit, evidence: Evidence) -> Check:
    comparison, metric = evidence.comparison, evidence.metric
    own = comparison.own.get(metric)
    return checks.check_least(limit, comparison.measures.get(metric), metric, comparison.examples, own)


def _agreement(limit: Limit, evidence: Evidence) -> Check:
    comparison = evidence.comparison
    return checks.check_least(limit, comparison.agreement, AGREEMENT, comparison.examples, comparison.agreeing)


def _size_ratio(limit: Limit, evidence: Evidence) -> Check:
    return checks.check_size_ratio(limit, evidence.size_bytes, evidence.reference_size_bytes)


def _size(limit: Limit, evidence: Evidence) -> Check:
    return checks.check_size(limit, evidence.size_bytes)


def _latency_ratio(limit: Limit, evidence: Evidence) -> Check:
    return check_latency(limit, evidence.variant, evidence.benchmark)


# The check of each numeric key of the gate. A key without a check is a KeyError.
CHECK_OF: dict[str, Callable[[Limit, Evidence], Check]] = {
    "max_drop_points": _drop,
    _AGAINST: _drop_vs_champion,
    _BY_CLASS: _worst_class_drop,
    "min_metric": _metric,
    "min_agreement": _agreement,
    "max_size_ratio": _size_ratio,
    "max_size_bytes": _size,
    "max_latency_ratio": _latency_ratio,
}


def choose_best(gate: Gate, variants: Mapping[str, VariantVerdict]) -> str | None:
    """Returns the blessed variant with the least value of what the gate prefers; None without a blessed one.

    Ties go to the smaller drop, then to the smaller file, then to the first in the configuration.
    """
    blessed = [name for name, variant in variants.items() if variant.verdict == BLESSED]

    def order(name: str) -> tuple[float, float, float]:
        variant = variants[name]
        preferred = {
            "size_bytes": float(variant.size_bytes or 0),
            "latency_ms": variant.latency.p50_ms if variant.latency else float("inf"),
            "drop_points": variant.drop_points or 0.0,
        }
        return preferred[gate.prefer], preferred["drop_points"], preferred["size_bytes"]

    return min(blessed, key=order, default=None)


def overall(gate: Gate, variants: Mapping[str, VariantVerdict]) -> str:
    """Returns the outcome of a run: blessed if any variant is, else inconclusive if any is, else rejected.

    It is not gated if no check applies, as on the first run of a gate that only compares with the champion.
    """
    if not gate:
        return NOT_GATED
    verdicts = {variant.verdict for variant in variants.values()}
    return next((name for name in (BLESSED, INCONCLUSIVE, REJECTED, NOT_GATED) if name in verdicts), REJECTED)


def without_reference(variants: Mapping[str, VariantVerdict], invalid: str) -> dict[str, VariantVerdict]:
    """Returns the verdicts of variants whose reference is invalid: none is blessed or rejected by it, and the checks stay as measured.

    Args:
        variants: The verdicts by variant.
        invalid: Why the reference is invalid.
    """
    return {
        name: variant
        if variant.verdict == REFERENCE_VERDICT or not variant.examples
        else replace(variant, verdict=INVALID_REFERENCE, reasons=(invalid, *variant.reasons))
        for name, variant in variants.items()
    }
