"""Calibration sets beside evaluation sets: planted mistakes are named, honest draws are not."""

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgequant.artifacts.calibration_comparison import CalibrationComparison
from edgequant.artifacts.example_set import ClassCount, ExampleSet, Provenance, Representativeness
from edgequant.conversion.calibration.input_statistics import PROBABILITIES, exceeding, statistics
from edgequant.conversion.calibration.set_comparison import compare

Values = NDArray[Any]
ENOUGH = Representativeness(reservoir=0, inputs={}, balance={}, sentence="", enough=True)
PROVENANCE = Provenance(
    purpose="calibration",
    signature="serving_default",
    seed=1,
    rule="all",
    requested=1,
    records_read=1,
    duplicates=0,
    representativeness=ENOUGH,
)


def example_set(inputs: dict[str, Values], labels: Values | None = None, **provenance: Any) -> ExampleSet:
    """Returns an example set of arrays."""
    count = len(next(iter(inputs.values())))
    return ExampleSet(
        path=Path("set"),
        digest="",
        provenance=replace(PROVENANCE, **provenance),
        inputs=inputs,
        labels=labels,
        slices={},
        identities=tuple(map(str, range(count))),
    )


def compared(
    calibration: Values, evaluation: Values, labels: Sequence[Values | None] = (None, None)
) -> CalibrationComparison:
    """Returns the comparison of two sets of one input."""
    return compare(example_set({"image": calibration}, labels[0]), example_set({"image": evaluation}, labels[1]))


def pictures(random: np.random.Generator, count: int) -> Values:
    """Returns smooth pictures, 0 to 255, with more red than blue."""
    smooth = np.kron(random.normal(size=(count, 3, 3, 3)), np.ones((1, 3, 3, 1))) * 25
    light = np.array([130.0, 115.0, 100.0]) + random.normal(size=(count, 1, 1, 1)) * 30
    return np.clip(smooth + light + random.normal(size=smooth.shape) * 8, 0, 255).astype(np.float32)


Plant = Callable[[np.random.Generator, Values], Values]
PLANTED: list[tuple[Plant, str]] = [
    (
        lambda _, v: v / 255,
        "calibration inputs 'image' are 255 times smaller than the evaluation inputs: is `scale` missing in one of them?",
    ),
    (
        lambda _, v: v * 255,
        "calibration inputs 'image' are 255 times larger than the evaluation inputs: is `scale` missing in one of them?",
    ),
    (
        lambda _, v: v / 127.5 - 1,
        "calibration inputs 'image' are 127.5 times smaller than the evaluation inputs: are `scale` and `offset` missing",
    ),
    (lambda _, v: v - 128, " lower than the evaluation inputs: is `offset` missing in one of them?"),
    (lambda _, v: v[..., ::-1], "the channels of input 'image' are in another order in one of the sets (RGB and BGR?)"),
    (
        lambda random, v: random.uniform(0, 255, v.shape),
        "unlike the evaluation inputs (are the calibration inputs noise?)",
    ),
    (lambda _, v: v * 0, "the calibration inputs 'image' are constant or nearly so, and the evaluation inputs are not"),
    (
        lambda _, v: v * np.array([1, 1, 0]),
        "input 'image': channel 2 is constant in the calibration set, and not in the evaluation set",
    ),
    (lambda _, v: v * np.where(np.arange(len(v)) % 10, 1, 255)[:, None, None, None], "of the calibrated range 0 to 6"),
]


@pytest.mark.parametrize("count", [32, 200])
@pytest.mark.parametrize(("plant", "sentence"), PLANTED)
def test_a_planted_mistake_is_named_and_blocks(plant: Plant, sentence: str, count: int) -> None:
    """Each mistake blocks and names its cause; "enough" is not said of such a set."""
    random = np.random.default_rng(3)
    calibration = plant(random, pictures(random, count)).astype(np.float32)
    comparison = compared(calibration, pictures(random, 400))
    if count == 32 and "of the calibrated range" in sentence:
        # Three of 32 examples may hold extreme values by chance.
        assert comparison.remarks
    else:
        assert comparison.blocks
        assert sentence in comparison.mismatches[0]
    assert "enough" not in comparison.sentence


Draw = Callable[[np.random.Generator, Values], Values]
# By labels of five classes, of which the evaluation set has mostly the first.
HONEST: dict[str, Draw] = {
    "pictures": lambda random, y: np.clip(pictures(random, len(y)) + 10 * y[:, None, None, None], 0, 255),
    "normal": lambda random, y: random.normal(size=(len(y), 8)) + y[:, None],
    "heavy-tailed": lambda random, y: random.standard_cauchy((len(y), 6)),
    "log-normal": lambda random, y: random.lognormal(y[:, None], 2.0, (len(y), 5)),
    "sparse": lambda random, y: (random.random((len(y), 100)) < 0.01) * random.exponential(size=(len(y), 100)),
    "rarely on": lambda random, y: np.repeat((random.random((len(y), 1)) < 0.02) * 1000.0, 5, axis=1),
    "constant": lambda _, y: np.full((len(y), 3), 7.0),
    "of its class": lambda _, y: np.repeat(y[:, None] * 100.0, 4, axis=1),
    "tokens": lambda random, y: (random.zipf(1.3, (len(y), 20)) % 9000).astype(np.int32),
    "flags": lambda random, y: random.random((len(y), 9)) < 0.1,
    "scalar": lambda random, y: random.exponential(size=len(y)) ** 3,
}


@pytest.mark.parametrize("equal", [False, True], ids=["alike", "equally by class"])
@pytest.mark.parametrize("source", HONEST)
def test_honest_draws_are_not_blocked(source: str, equal: bool) -> None:
    """Of draws of one source, however small, unbalanced, sparse or heavy-tailed, none is blocked: 10 pairs of each kind."""
    random = np.random.default_rng(4)
    shares = [0.6, 0.2, 0.1, 0.07, 0.03]
    for number in range(10):
        count, evaluated = (32, 100)[number % 2], (32, 100, 600)[number % 3]
        first = np.arange(count) % 5 if equal else random.choice(5, count, p=shares)
        second = random.choice(5, evaluated, p=shares)
        classes = {str(c): ClassCount(wanted=1, available=1, taken=1) for c in range(5)} if equal else {}
        calibration = example_set({"x": HONEST[source](random, first)}, first, classes=classes)
        comparison = compare(calibration, example_set({"x": HONEST[source](random, second)}, second))
        assert not comparison.mismatches, comparison.mismatches


def test_one_class_of_ten_blocks() -> None:
    """A set of one class is named by what it lacks, even if its values are alike."""
    random = np.random.default_rng(5)
    labels = (np.zeros(100, np.int64), random.integers(0, 10, 500))
    comparison = compared(random.normal(size=(100, 4)), random.normal(size=(500, 4)), labels)
    assert comparison.blocks
    assert comparison.only_evaluation == tuple(map(str, range(1, 10)))
    assert comparison.mismatches[0].startswith(
        "9 of 10 classes have no calibration example (1, 2, 3, 4, 5, 6, 7, 8 and 1 more), and "
    )


def test_a_class_that_only_one_set_has_is_a_remark() -> None:
    """One of ten classes without a calibration example blocks nothing; rare classes that chance leaves out are no remark."""
    random = np.random.default_rng(6)
    evaluated = random.integers(0, 10, 1000)
    inputs = random.normal(size=(300, 4)), random.normal(size=(1000, 4))
    comparison = compared(*inputs, (random.integers(0, 9, 300), evaluated))
    assert not comparison.mismatches
    assert comparison.remarks[0].startswith("1 of 10 class has no calibration example (9), and ")
    assert "enough" not in comparison.sentence
    evaluated = np.where(np.arange(1000) < 3, 9, random.integers(0, 9, 1000))
    comparison = compared(*inputs, (random.integers(0, 9, 300), evaluated))
    assert (comparison.only_evaluation, comparison.remarks) == (("9",), ())


def test_a_slightly_wider_evaluation_set_is_a_remark() -> None:
    """Values beyond the calibrated range in more examples than chance explains, and few of all values, block nothing."""
    random = np.random.default_rng(7)
    comparison = compared(random.uniform(0, 1, (300, 50)), random.uniform(0, 1.03, (500, 50)))
    assert not comparison.mismatches
    assert "do not cover the evaluation inputs" in comparison.remarks[0]


def test_a_matching_set_is_enough() -> None:
    """Only where nothing is odd, and nothing speaks against its size, a set is said to be enough."""
    random = np.random.default_rng(8)
    calibration, evaluation = (
        example_set({"x": random.uniform(size=(200, 9))}),
        example_set({"x": random.uniform(size=(500, 9))}),
    )
    sentence = compare(calibration, evaluation).sentence
    assert sentence.startswith("By the inputs, 200 calibration examples are enough: ")
    few = replace(calibration, provenance=replace(PROVENANCE, representativeness=replace(ENOUGH, enough=False)))
    assert compare(few, evaluation).sentence.startswith("Compared with the evaluation set, nothing is odd: ")


def test_an_allowed_mismatch_blocks_nothing_and_is_noted() -> None:
    """`calibration.allow_mismatch` leaves the mismatch in the notes of the verdict."""
    random = np.random.default_rng(9)
    values = pictures(random, 100)
    comparison = compare(example_set({"x": values / 255}), example_set({"x": values}), allow_mismatch=True)
    assert not comparison.blocks
    assert "used all the same, since calibration.allow_mismatch is true" in comparison.notes[0]


def test_a_weighted_draw_may_prefer_some_examples() -> None:
    """A draw by weights shows rare examples more often; a scale that is wrong by 255 blocks it still."""
    random = np.random.default_rng(10)
    recipe = {"sampling": {"weight": "w"}}
    wobble = random.normal(size=(460, 5)) / 50
    bright = random.uniform(0, 1, (60, 1, 10)).max(axis=2) + wobble[:60]
    evaluation = random.uniform(0, 1, (400, 1)) + wobble[60:]
    assert not compare(example_set({"x": bright}, recipe=recipe), example_set({"x": evaluation})).mismatches
    scaled = example_set({"x": random.uniform(0, 1, (60, 5)) / 255}, recipe=recipe)
    assert compare(scaled, example_set({"x": evaluation})).blocks


def test_statistics_are_numpys() -> None:
    """Ranges, quantiles and shares outside, against NumPy over all values at once."""
    random = np.random.default_rng(11)
    first, second = random.normal(size=(50, 6, 4)), random.normal(size=(90, 6, 4)) * 1.5
    known = statistics(first)
    assert np.array_equal(known.low, first.min(axis=(0, 1)))
    assert np.array_equal(known.channel_quantiles, np.quantile(first.reshape(-1, 4), PROBABILITIES, axis=0))
    assert np.allclose(known.deviations, first.reshape(50, -1).std(axis=1))
    whole, channels = exceeding(second, known.low, known.high)
    outside = (second < first.min(axis=(0, 1))) | (second > first.max(axis=(0, 1)))
    assert np.array_equal(channels.values, outside.mean(axis=(0, 1)))
    assert whole.values[0] == ((second < first.min()) | (second > first.max())).mean()
    assert np.array_equal(channels.above, (second > known.high).any(axis=1).mean(axis=0))


def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    """48 MB of memory-mapped pictures are compared in less memory than they take."""
    shape = (300, 200, 200, 4)
    values = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, shape)
    values[:] = np.random.default_rng(12).integers(0, 255, shape[1:], np.uint8)
    tracemalloc.start()
    compared(values[:20], values[20:])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6
