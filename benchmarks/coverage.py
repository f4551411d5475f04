"""Tells how often the intervals of a drop hold the true drop: the figures that are quoted of them.

For accuracy it sums over every table that can occur, for 20 to 10,000 examples and drops of -3 to 3 points. For F1, which is
resampled, it draws sets of 1,000 examples, few of which are decided otherwise; those with too few of influence for an interval
are counted apart. For means it draws differences that are skewed. It ends with how many examples of the rarer label a metric of
all examples takes that nothing changes. All is seeded: the same versions print the same. Each end is one-sided, at 95%.

Usage: coverage.py [--corrections 0.325,0.35,0.375,0.39,0.4] [--sets N] [--json FILE]
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from edgequant.validation.metrics.ranking import resampled_f1
from edgequant.validation.statistics import (
    BootstrapDrop,
    Resampling,
    mean_drop_interval,
    paired_bootstrap_interval,
)
from edgequant.validation.statistics.proportions import CORRECTION
from edgequant.validation.statistics.worst_case import (
    UnseenChanges,
    auc_worst_case,
    average_precision_worst_case,
    f1_worst_case,
    r2_worst_case,
    rmse_worst_case,
)
from interval_coverage import COUNTS, covered, truths

FEW, MANY_PAIRS = 200, 20
EXAMPLES = 1_000
DECIDED_OTHERWISE = (10, 20, 50, 100)
POSITIVE, WRONG = 0.3, 0.1
RESAMPLES = 1_000
# The spread of the logarithm of differences, whose mean is e^(spread² / 2), and how many of them a set has.
SKEWED = (0.5, 1.0, 1.5)
DIFFERENCES = 200
# The share of the rarer label, how many points may be lost, and an RMSE in standard deviations of the labels.
RARE, LIMIT, ERROR = 0.1, 1.0, 0.1


def exact(correction: float) -> dict[str, tuple[float, float]]:
    """Returns the least and the greatest coverage over the grid, by what is expected of the examples."""
    found: dict[str, list[float]] = {}
    for count in COUNTS:
        for truth in truths():
            kind = f"{MANY_PAIRS} discordant pairs or more" if truth.discordant(count) >= MANY_PAIRS else "fewer pairs"
            size = f"fewer than {FEW} examples" if count < FEW else f"{FEW} to {COUNTS[-1]:,} examples"
            found.setdefault(f"{size}, {kind}", []).append(covered(truth, count, correction=correction))
    return {name: (min(values), max(values)) for name, values in found.items()}


def _f1(wrong: float) -> float:
    """Returns the F1 of decisions of which so many are wrong, in each class alike."""
    hits = POSITIVE * (1 - wrong)
    return 2 * hits / (POSITIVE + hits + wrong * (1 - POSITIVE))


def _bootstrapped(otherwise: int, sets: int) -> Iterator[BootstrapDrop]:
    """Yields the drop in F1 of simulated sets, in each of which about so many decisions are turned over."""
    random = np.random.default_rng([4, otherwise])
    for seed in range(sets):
        labels = random.random(EXAMPLES) < POSITIVE
        reference = labels ^ (random.random(EXAMPLES) < WRONG)
        variant = reference ^ (random.random(EXAMPLES) < otherwise / EXAMPLES)
        reference_f1, variant_f1 = (
            resampled_f1(labels.astype(np.int64), decided.astype(np.int64)) for decided in (reference, variant)
        )
        yield paired_bootstrap_interval(
            reference_f1, variant_f1, Resampling(confidence=0.95, seed=seed, resamples=RESAMPLES)
        )


def simulated(otherwise: int, sets: int) -> dict[str, float]:
    """Returns how often each end of a bootstrapped interval covers the true drop in F1, of the sets that have one."""
    share = otherwise / EXAMPLES
    truth = _f1(WRONG) - _f1(WRONG * (1 - share) + (1 - WRONG) * share)
    ends = np.array([drop.interval for drop in _bootstrapped(otherwise, sets) if drop.interval is not None])
    return {
        "lower": float(np.mean(ends[:, 0] <= truth)),
        "upper": float(np.mean(ends[:, 1] >= truth)),
        "without": sets - len(ends),
    }


def skewed(spread: float, sets: int) -> dict[str, float]:
    """Returns how often each end covers the mean of log-normal differences."""
    draws = np.random.default_rng([5, int(10 * spread)]).lognormal(0.0, spread, (sets, DIFFERENCES))
    ends = np.array([mean_drop_interval(row, 0.95) for row in draws])
    truth = np.exp(spread**2 / 2)
    return {"lower": float(np.mean(ends[:, 0] <= truth)), "upper": float(np.mean(ends[:, 1] >= truth))}


def unchanged() -> dict[str, int | None]:
    """Returns how many examples bless a variant that changes nothing.

    Of metrics of decisions that is of a model without a mistake, and how many of the rarer label; of errors in all, of a model whose
    RMSE is a tenth of the labels' standard deviation.
    """
    labels = np.repeat([1, 0], [int(EXAMPLES * RARE), EXAMPLES - int(EXAMPLES * RARE)])
    decisions = {
        "f1": f1_worst_case(labels, labels),
        "auc": auc_worst_case(labels, 1.0),
        "average_precision": average_precision_worst_case(labels.astype(np.float64), labels),
    }
    errors = {f"rmse of {ERROR:g}": rmse_worst_case(ERROR), "r2": r2_worst_case(1 - ERROR**2)}
    found = {}
    for name, worst_case in (decisions | errors).items():
        examples, share = (EXAMPLES, RARE) if name in decisions else (1, 1.0)
        needed = UnseenChanges(examples=examples, worst_case=worst_case, unit=100.0).examples_to_leave(LIMIT, 0.95)
        found[name] = None if needed is None else round(needed * share)
    return found


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corrections", default=str(CORRECTION), help="continuity corrections to sum for, in pairs")
    parser.add_argument("--sets", type=int, default=2_000, help="simulated sets for each number decided otherwise")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    console = Console(width=140)
    summed = {text: exact(float(text)) for text in arguments.corrections.split(",")}
    table = Table("correction", "accuracy, exact sums", "least, %", "greatest, %")
    for text, ranges in summed.items():
        for name, (least, greatest) in ranges.items():
            table.add_row(text, name, f"{100 * least:.2f}", f"{100 * greatest:.2f}")
    console.print(table)
    drawn = {str(otherwise): simulated(otherwise, arguments.sets) for otherwise in DECIDED_OTHERWISE}
    table = Table(
        f"F1 of {EXAMPLES:,}, decided otherwise", "lower end, %", "upper end, %", f"no interval, of {arguments.sets:,}"
    )
    for name, found in drawn.items():
        table.add_row(name, f"{100 * found['lower']:.1f}", f"{100 * found['upper']:.1f}", f"{found['without']:.0f}")
    console.print(table)
    means = {str(spread): skewed(spread, 10 * arguments.sets) for spread in SKEWED}
    table = Table(f"mean of {DIFFERENCES} log-normal differences, σ", "lower end, %", "upper end, %")
    for name, found in means.items():
        table.add_row(name, f"{100 * found['lower']:.1f}", f"{100 * found['upper']:.1f}")
    console.print(table)
    rarer = unchanged()
    table = Table(f"nothing changes, within {LIMIT:g} point", "examples of the rarer label, of errors in all")
    for name, needed in rarer.items():
        table.add_row(name, f"{needed:,}")
    console.print(table)
    if arguments.json:
        content = {"exact": summed, "f1": drawn, "means": means, "unchanged": rarer}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
