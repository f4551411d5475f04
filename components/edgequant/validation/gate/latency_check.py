"""The check on latency, and what would settle it on the machine of the benchmark."""

import math

from edgequant.artifacts.benchmark import FEWEST_TRIALS, LEAST_DOUBT, Benchmark, Ratio
from edgequant.artifacts.verdict import INCONCLUSIVE, Check
from edgequant.validation.comparison.drop_intervals import settle_by_width
from edgequant.validation.gate.checks import Limit
from edgequant.validation.gate.wording import settle, two_sided

# How many times the limit a ratio, or the limit a ratio, must be for a noisy machine to tell.
_FAR = 2.0


def check_latency(limit: Limit, variant: str, benchmark: Benchmark) -> Check:
    """Compares a variant's median latency, as a share of the reference's, with the limit: on the machine of the benchmark."""
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
            f"{message} {span}: that does not tell whether it is within the {limit.value:g} allowed;"
            f" {_surer(limit.value, ratio, latency.runs)}",
        ),
    )


def _surer(limit: float, ratio: Ratio, runs: int) -> str:
    """Returns what would tell on which side of a limit a ratio is: nothing, where it is no farther than benchmarks differ."""
    distance = math.log(limit / ratio.value) if limit > 0 else -math.inf
    if abs(distance) < math.log1p(LEAST_DOUBT):
        return f"no number of runs would settle it, as nearer than {100 * LEAST_DOUBT:g}% two benchmarks do not agree"
    ends = math.log(ratio.low / ratio.value), math.log(ratio.high / ratio.value)
    needed = settle_by_width(0.0, ends, distance, runs, (1 + ratio.confidence) / 2)
    message = settle(needed, runs, "runs")
    return message if needed is None else f"{message}: `edgequant benchmark --runs {needed}`, then `edgequant validate`"
