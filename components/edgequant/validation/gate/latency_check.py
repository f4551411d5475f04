"""The check of latency, and the number of runs that would settle it on the machine of the benchmark."""

import math

from edgequant.artifacts.benchmark import FEWEST_TRIALS, LEAST_DOUBT, Benchmark, Ratio
from edgequant.artifacts.verdict import INCONCLUSIVE, Check
from edgequant.validation.comparison.drop_intervals import settle_by_width
from edgequant.validation.gate.checks import Limit
from edgequant.validation.gate.wording import settle, two_sided

# The factor by which a ratio must be above or below the limit to be settled on a noisy machine.
_FAR = 2.0


def check_latency(limit: Limit, variant: str, benchmark: Benchmark) -> Check:
    """Checks a variant's median latency relative to the reference's, on the machine of the benchmark."""
    latency = benchmark.latencies.get(variant)
    if latency is None or latency.ratio is None:
        reason = benchmark.failures.get(variant, "its ratio to the reference's could not be taken")
        return limit.check(INCONCLUSIVE, f"its latency was not measured: {reason}")
    ratio = latency.ratio
    proxy = f"a proxy, measured on {benchmark.environment.cpu}"
    message, sure = f"its median latency is {ratio.value:.3f} of the reference's", two_sided(ratio.confidence)
    span = f"({ratio.low:.3f} to {ratio.high:.3f} {sure}; {proxy})"
    ends = (ratio.low, ratio.high)
    far = ratio.trials >= FEWEST_TRIALS and (ratio.low > _FAR * limit.value or ratio.high < limit.value / _FAR)
    if ratio.noisy and not far:
        return limit.check(
            INCONCLUSIVE,
            f"{message} {span}: the machine was too noisy to tell; measure on a quiet one",
            ratio.value,
            ends,
        )
    return limit.at_most(
        ratio.value,
        ends,
        (
            f"{message}, at most {ratio.high:.3f} {sure} ({proxy})",
            f"{message}, at least {ratio.low:.3f} {sure} ({proxy})",
            f"{message} {span}: that does not settle whether it is within the {limit.value:g} allowed;"
            f" {_surer(limit.value, ratio, latency.runs)}",
        ),
    )


def _surer(limit: float, ratio: Ratio, runs: int) -> str:
    """Returns the number of runs that would settle a ratio, in words; none if it is nearer to the limit than two benchmarks agree."""
    distance = math.log(limit / ratio.value) if limit > 0 else -math.inf
    if abs(distance) < math.log1p(LEAST_DOUBT):
        return f"no number of runs would settle it, as nearer than {100 * LEAST_DOUBT:g}% two benchmarks do not agree"
    ends = math.log(ratio.low / ratio.value), math.log(ratio.high / ratio.value)
    needed = settle_by_width(0.0, ends, distance, runs, (1 + ratio.confidence) / 2)
    message = settle(needed, runs, "runs")
    return message if needed is None else f"{message}: `edgequant benchmark --runs {needed}`, then `edgequant validate`"
