"""Counts false blocks and missed mistakes of the comparison of the calibration set with the evaluation set.

Honest pairs are drawn from sources of many kinds, i.i.d. and equally by class; planted ones have one mistake. No model is needed.

    python benchmarks/calibration_mismatch.py [--pairs 2000] [--json]
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.conversion.calibration.bounds import ClassRatios, Draws
from edgequant.conversion.calibration.class_differences import ClassShares
from edgequant.conversion.calibration.mismatch_rules import differences
from edgequant.conversion.calibration.set_comparison import input_pair

Values = NDArray[Any]
Random = np.random.Generator
CLASSES = 5


def pictures(random: Random, labels: NDArray[np.int64]) -> Values:
    """Returns smooth pictures of three channels, 0 to 255, whose brightness depends on the class."""
    count = len(labels)
    coarse = random.normal(size=(count, 3, 3, 3))
    smooth = np.kron(coarse, np.ones((1, 4, 4, 1))) * 25
    colour = (
        np.array([125.0, 115.0, 100.0]) + random.normal(size=(count, 1, 1, 1)) * 30 + 10 * labels[:, None, None, None]
    )
    return np.clip(smooth + colour + random.normal(size=smooth.shape) * 8, 0, 255).astype(np.float32)


SOURCES: dict[str, Callable[[Random, NDArray[np.int64]], Values]] = {
    "pictures": pictures,
    "pictures, uint8": lambda random, labels: pictures(random, labels).astype(np.uint8),
    "normal": lambda random, labels: (random.normal(size=(len(labels), 20)) + labels[:, None]).astype(np.float32),
    "heavy-tailed": lambda random, labels: random.standard_cauchy((len(labels), 10)).astype(np.float32),
    "log-normal": lambda random, labels: random.lognormal(labels[:, None], 2.0, (len(labels), 8)).astype(np.float32),
    "sparse": lambda random, labels: (
        (random.random((len(labels), 200)) < 0.01) * random.exponential(size=(len(labels), 200))
    ).astype(np.float32),
    "rarely on": lambda random, labels: np.repeat((random.random((len(labels), 1)) < 0.02) * 1000.0, 16, axis=1).astype(
        np.float32
    ),
    "constant": lambda _, labels: np.full((len(labels), 4), 7.0, np.float32),
    "of its class": lambda _, labels: np.repeat(labels[:, None] * 100.0, 6, axis=1).astype(np.float32),
    "tokens": lambda random, labels: (random.zipf(1.3, (len(labels), 30)) % 20_000).astype(np.int32),
    "flags": lambda random, labels: random.random((len(labels), 12)) < 0.1,
    "one number": lambda random, labels: random.exponential(size=(len(labels), 1)).astype(np.float32) ** 3,
    "series": lambda random, labels: np.cumsum(random.normal(size=(len(labels), 50, 2)), axis=1).astype(np.float32),
}
# Another order of the features is a mistake only where features differ.
FAULTS: dict[str, Callable[[Random, Values], Values]] = {
    "divided by 255": lambda _, values: values / 255,
    "times 255": lambda _, values: values * 255,
    "to -1..1": lambda _, values: values / 127.5 - 1,
    "128 lower": lambda _, values: values - 128,
    "BGR": lambda _, values: values[..., ::-1],
    "uniform noise": lambda random, values: random.uniform(0, 255, values.shape),
    "normal noise": lambda random, values: np.clip(random.normal(values.mean(), values.std(), values.shape), 0, 255),
    "all zero": lambda _, values: values * 0,
    "one channel zero": lambda _, values: values * [1, 1, 0],
    "one example in ten times 255": lambda _, values: (
        values * np.where(np.arange(len(values)) % 10, 1, 255)[:, None, None, None]
    ),
    "inverted": lambda _, values: 255 - values,
    "blocks": lambda random, values: random.permuted(values.reshape(len(values), -1), axis=1).reshape(values.shape),
}


def labels_of(random: Random, count: int, *, equal: bool = False) -> NDArray[np.int64]:
    """Returns labels of which the first class has half, or all have as many."""
    if equal:
        return np.arange(count) % CLASSES
    return random.choice(CLASSES, count, p=[0.6, 0.2, 0.1, 0.07, 0.03])


def outcome(calibration: Values, evaluation: Values, draws: Draws) -> str:
    """Returns "blocked", "noted" or "silent"."""
    results = differences(input_pair("x", calibration, evaluation), draws)
    if any(result.mismatch for result in results):
        return "blocked"
    return "noted" if results else "silent"


def honest(random: Random, pairs: int) -> dict[str, Counter[str]]:
    """Returns the outcomes for honest pairs, by source and draw."""
    results: dict[str, Counter[str]] = {}
    for number in range(pairs):
        name = list(SOURCES)[number % len(SOURCES)]
        count, evaluated = int(random.choice([32, 50, 100, 500])), int(random.choice([32, 100, 1000, 3000]))
        equal = bool(number // len(SOURCES) % 2)
        first, second = labels_of(random, count, equal=equal), labels_of(random, evaluated)
        shares = ClassShares(
            names=tuple(map(str, range(CLASSES))),
            calibration=np.bincount(first, minlength=CLASSES),
            evaluation=np.bincount(second, minlength=CLASSES),
        )
        # Without labels, what was drawn alike must do without them.
        ratios = shares.draw_ratios(stratified=True) if equal else ClassRatios()
        draws = Draws(calibration=count, evaluation=evaluated, classes=ratios)
        key = f"{name}, {'equal' if equal else 'i.i.d.'}"
        results.setdefault(key, Counter())[
            outcome(SOURCES[name](random, first), SOURCES[name](random, second), draws)
        ] += 1
    return results


def planted(random: Random, repetitions: int) -> dict[str, dict[int, Counter[str]]]:
    """Returns the outcomes for pictures with a mistake, by mistake and size of the calibration set."""
    results: dict[str, dict[int, Counter[str]]] = {}
    for fault, plant in FAULTS.items():
        for count in (32, 100, 500):
            for _ in range(repetitions):
                first, second = pictures(random, labels_of(random, count)), pictures(random, labels_of(random, 1000))
                wrong = plant(random, first).astype(np.float32)
                found = outcome(wrong, second, Draws(calibration=count, evaluation=1000))
                results.setdefault(fault, {}).setdefault(count, Counter())[found] += 1
    return results


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    pairs, faults = honest(random, options.pairs), planted(random, options.repetitions)
    if options.json:
        totals = Counter[str]()
        for counts in pairs.values():
            totals += counts
        missed = sum(counts["silent"] for sizes in faults.values() for counts in sizes.values())
        print(
            json.dumps(
                {
                    "pairs": options.pairs,
                    "false_blocks": totals["blocked"],
                    "false_notes": totals["noted"],
                    "silent": missed,
                }
            )
        )
        return
    for name, counts in pairs.items():
        print(f"honest {name:26} {dict(counts)}")
    for name, sizes in faults.items():
        print(f"planted {name:30} { ({size: dict(counts) for size, counts in sizes.items()}) }")


if __name__ == "__main__":
    main()
