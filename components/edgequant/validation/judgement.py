"""Judges variants by the gate, and chooses the best of the blessed."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgequant.artifacts.verdict import BLESSED, INCONCLUSIVE, NOT_GATED, REJECTED, VariantVerdict
from edgequant.gate import Gate
from edgequant.validation.comparison import Comparison
from edgequant.validation.statistics import examples_to_settle

_POINTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The answer of one check.

    Attributes:
        verdict: ``blessed``, ``rejected`` or ``inconclusive``.
        sentence: What was asked and measured.
    """

    verdict: str
    sentence: str


def judge(gate: Gate, comparison: Comparison, *, metric: str, size_ratio: float) -> tuple[str, tuple[str, ...]]:
    """Returns a variant's verdict and a sentence for each check.

    Args:
        gate: What is asked.
        comparison: The variant against the baseline.
        metric: The name of the metric that the drop is of.
        size_ratio: The size of its file as a share of the baseline's.
    """
    if not gate:
        return NOT_GATED, ("no gate is set",)
    checks = []
    if gate.max_drop_points is not None:
        checks.append(check_drop(gate, comparison, metric))
    if gate.max_size_ratio is not None:
        checks.append(check_size(gate.max_size_ratio, size_ratio))
    # What speaks against the variant first.
    checks.sort(key=lambda check: check.verdict == BLESSED)
    verdicts = [check.verdict for check in checks]
    verdict = next((name for name in (REJECTED, INCONCLUSIVE) if name in verdicts), BLESSED)
    return verdict, tuple(check.sentence for check in checks)


def check_drop(gate: Gate, comparison: Comparison, metric: str) -> Check:
    """Tests non-inferiority: blessed when the upper end of the drop is within the limit, rejected when the lower end is past it."""
    limit = gate.max_drop_points or 0.0
    if comparison.drop_interval_points is None or comparison.drop_points is None or comparison.differences is None:
        return Check(
            verdict=INCONCLUSIVE,
            sentence=f"the drop in {metric} has no interval: the metric gives one number for all examples, or there is one"
            " example; return per-example values to be judged",
        )
    low, high = comparison.drop_interval_points
    measured = (
        f"{_falls(metric)} {comparison.drop_points:.2f} points ({low:.2f} to {high:.2f} at {100 * gate.confidence:g}%)"
    )
    if high <= limit:
        return Check(verdict=BLESSED, sentence=f"{measured}: within the {limit:g} allowed")
    if low > limit:
        return Check(verdict=REJECTED, sentence=f"{measured}: more than the {limit:g} allowed")
    needed = examples_to_settle(comparison.differences, limit / _POINTS, gate.confidence)
    settle = (
        f"about {needed:,} evaluation examples would settle it" if needed else "no number of examples would settle it"
    )
    return Check(
        verdict=INCONCLUSIVE,
        sentence=f"{measured}: {comparison.examples:,} examples cannot tell whether it is within the {limit:g} allowed; {settle}",
    )


def _falls(metric: str) -> str:
    """Returns how a drop is told: errors rise, in hundredths of the labels' standard deviation."""
    return "mae, in hundredths of the labels' standard deviation, rises" if metric == "mae" else f"{metric} drops"


def check_size(limit: float, ratio: float) -> Check:
    """Compares the size of a variant's file with the limit."""
    measured = f"its file is {ratio:.3f} of the baseline's size"
    if ratio <= limit:
        return Check(verdict=BLESSED, sentence=f"{measured}: within the {limit:g} allowed")
    return Check(verdict=REJECTED, sentence=f"{measured}: more than the {limit:g} allowed")


def choose_best(gate: Gate, variants: Mapping[str, VariantVerdict]) -> str | None:
    """Returns the blessed variant that has least of what the gate prefers; None without one.

    Ties go to the smaller drop, then to the smaller file, then to the first asked.
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
    """Returns the outcome of a run: blessed when any variant is, else inconclusive when any is, else rejected."""
    if not gate:
        return NOT_GATED
    verdicts = {variant.verdict for variant in variants.values()}
    return next((name for name in (BLESSED, INCONCLUSIVE) if name in verdicts), REJECTED)
