"""The headline of a verdict: the variant to ship, or the reason against the closest one."""

import math
from collections import Counter

from edgequant.artifacts.benchmark import Latency
from edgequant.artifacts.verdict import (
    BLESSED,
    INCONCLUSIVE,
    NO_CHAMPION,
    NOT_GATED,
    REFERENCE_VERDICT,
    REJECTED,
    VariantVerdict,
)
from edgequant.gate import Gate
from edgequant.validation.gate.wording import at_worst, listed, moved
from edgequant.variants import REFERENCE

_LEAST = {"size_bytes": "the smallest", "latency_ms": "the fastest", "drop_points": "the one that loses least"}
# Below this factor, latencies are told with two decimal places.
_NEAR = 1.1
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def headline(
    gate: Gate, metric: str, outcome: str, best: str | None, judged: dict[str, VariantVerdict], invalid: str = ""
) -> str:
    """Returns one sentence on the variant to ship, or on the closest variant if none is blessed.

    Args:
        gate: The gate.
        metric: The metric of the drops.
        outcome: The outcome of the run.
        best: The best blessed variant; None without one.
        judged: The verdicts by variant.
        invalid: Why the reference is not fit to compare with; "" if it is.
    """
    if invalid:
        return f"Do not ship, nothing is promoted: {invalid}."
    if outcome == NOT_GATED and not gate:
        return "No gate is set: nothing was judged, and nothing is promoted."
    if best is not None:
        return _ship(gate, metric, best, judged)
    what = "Nothing could be judged" if outcome == NOT_GATED else "No variant is blessed"
    name = closest(judged)
    if name is None:
        return f"{what}, so nothing is promoted: there is none but the reference {REFERENCE}."
    counts = Counter(variant.verdict for variant in judged.values() if variant.verdict != REFERENCE_VERDICT)
    message = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    message += _over(judged)
    which = f"the closest is {name}" if counts.total() > 1 else name
    return f"{what}, so nothing is promoted ({message}); {which}: {_against(judged[name])}."


def _ship(gate: Gate, metric: str, best: str, judged: dict[str, VariantVerdict]) -> str:
    """Returns the sentence on the variant to ship: its size, its latency, its drop and its checks."""
    chosen = judged[best]
    blessed = sum(variant.verdict == BLESSED for variant in judged.values())
    which = f", {_LEAST[gate.prefer]} of {blessed} blessed" if blessed > 1 else ""
    parts = [_cost(chosen, judged[REFERENCE])]
    if chosen.drop_points is not None:
        drop = moved(metric, chosen.drop_points)
        if chosen.drop_interval_points is not None:
            worst = at_worst(metric, chosen.drop_interval_points[1]).replace("at most", "at worst")
            drop += f" ({worst}, {100 * gate.confidence:g}% one-sided)"
        parts.append(f"{drop}{_over(judged)}")
    held = sum(check.verdict == BLESSED for check in chosen.checks)
    checks = {1: "its one check passes", 2: "both checks pass"}.get(held, f"all {held} checks pass")
    missing = [f"; {check.name}: {NO_CHAMPION}" for check in chosen.checks if check.verdict == NO_CHAMPION]
    return f"Ship {best}{which}: {'; '.join(parts)}; {checks}{''.join(missing)}."


def _cost(variant: VariantVerdict, reference: VariantVerdict) -> str:
    """Returns a variant's size and latency, each relative to the reference's."""
    size, full = variant.size_bytes or 0, reference.size_bytes
    return f"{_size(size)}{f', {size / full:.2f}×' if full else ''}; {_speed(variant.latency)}"


def _speed(latency: Latency | None) -> str:
    """Returns how much faster or slower than the reference a variant was on the benchmark's machine."""
    if latency is None or latency.ratio is None:
        return "latency not measured"
    ratio = latency.ratio
    if ratio.low <= 1 <= ratio.high:
        return f"as fast as {REFERENCE} here, within the noise"
    factor, word = (ratio.value, "slower") if ratio.value > 1 else (1 / ratio.value, "faster")
    return f"{'about ' * ratio.noisy}{factor:.{2 if factor < _NEAR else 1}f}× {word} here"


def _over(judged: dict[str, VariantVerdict]) -> str:
    """Returns the number of examples that all variants were compared over, in words."""
    count = judged[REFERENCE].examples
    return f" over {count:,} example{'s' * (count != 1)}"


def _size(size: int) -> str:
    return next((f"{size / unit:.3g} {name}" for unit, name in _UNITS if size >= unit), f"{size} bytes")


def _against(variant: VariantVerdict) -> str:
    """Returns the number of checks against a variant, and the sentence of the deciding one: the first rejected, or most expensive open one."""
    names = [check.name for check in variant.checks if check.verdict == variant.verdict]
    reason = variant.reasons[0]
    if variant.verdict not in (REJECTED, INCONCLUSIVE) or len(names) < 2 or not variant.examples:
        return reason
    how = "fail" if variant.verdict == REJECTED else "are open"
    counted = f"{len(names)} of {len(variant.checks)} checks {how} ({listed(names)})"
    unknown = [check.name for check in variant.checks if check.verdict == INCONCLUSIVE and check.need is None]
    if variant.verdict == REJECTED or len(unknown) == len(names):
        return f"{counted}, first {_first_name(variant)}: {reason}"
    also = f"; what {listed(unknown)} would take is not known" if unknown else ""
    return f"{counted}, and {_first_name(variant)} takes most to settle: {reason}{also}"


def _first_name(variant: VariantVerdict) -> str:
    """Returns the name of the check with the first sentence."""
    return next(check.name for check in variant.checks if check.sentence == variant.reasons[0])


def closest(judged: dict[str, VariantVerdict]) -> str | None:
    """Returns the variant with the fewest checks against it; None without any variant.

    Variants that ran come before those that failed; then fewer rejected checks decide, then fewer inconclusive ones, then the
    smaller drop.
    """

    def distance(name: str) -> tuple[bool, int, int, float]:
        variant = judged[name]
        verdicts = Counter(check.verdict for check in variant.checks)
        drop = math.inf if variant.drop_points is None else variant.drop_points
        return not variant.examples, verdicts[REJECTED], verdicts[INCONCLUSIVE], drop

    names = [name for name, variant in judged.items() if variant.verdict != REFERENCE_VERDICT]
    return min(names, key=distance, default=None)
