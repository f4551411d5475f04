"""How well a calibration set stands for its source."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edgequant.sampling.representativeness import BINS, compare, extremes, range_of

Values = NDArray[np.float32]


def spread(calibration: Values, reservoir: Values) -> dict[str, object]:
    """Returns what is found of one input, by field, and the sentence."""
    comparison = compare({"x": calibration}, [{"x": row} for row in reservoir])
    facts = comparison.inputs["x"]
    return {
        "range": facts.range,
        "halves": facts.halves,
        "reservoir_range": facts.reservoir_range,
        "outside": facts.outside_share,
        "counts": facts.counts,
        "reservoir_counts": facts.reservoir_counts,
        "edges": facts.edges,
        "examples": comparison.reservoir,
        "sentence": comparison.sentence,
        "enough": comparison.enough,
    }


def test_ranges_halves_and_histograms() -> None:
    """Worked by hand: halves are every other example; one of ten values of the reservoir lies outside, and in no bin."""
    calibration = np.array([[0.0], [1.0], [4.0], [10.0]], np.float32)
    reservoir = np.array([[0.0], [0.1], [4.0], [9.9], [-5.0], [10.0], [3.0], [2.0], [1.0], [5.0]], np.float32)
    result = spread(calibration, reservoir)
    assert result["range"] == (0.0, 10.0)
    assert result["halves"] == ((0.0, 4.0), (1.0, 10.0))
    assert result["reservoir_range"] == (-5.0, 10.0)
    assert result["outside"] == pytest.approx(0.1)
    assert result["examples"] == 10
    expected, edges = np.histogram(calibration, BINS)
    assert result["counts"] == tuple(expected)
    assert np.allclose(np.asarray(result["edges"]), edges)
    assert result["reservoir_counts"] == tuple(np.histogram(reservoir, edges)[0])


def test_a_constant_input_has_a_range_of_one_value() -> None:
    """An input that never changes is spanned by each half."""
    result = spread(np.full((200, 3), 7.0, np.float32), np.full((300, 3), 7.0, np.float32))
    assert result["range"] == (7.0, 7.0)
    assert result["outside"] == 0.0
    assert result["enough"] is True


def test_the_sentence_says_what_speaks_against_a_set() -> None:
    """Nothing speaks against a set when the reservoir lies in its range and its halves span it; else the sentence says what does.

    That it is enough is not said: only the comparison with the evaluation set tells whether its source is the right one.
    """
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (400, 50)).astype(np.float32)
    result = spread(images, images)
    assert result["enough"] is True
    assert str(result["sentence"]).startswith("Each half of the 400 calibration examples alone spans ")
    assert "are enough" not in str(result["sentence"])
    heavy = random.standard_cauchy((400, 1)).astype(np.float32)
    assert spread(heavy, heavy)["enough"] is False
    sentence = str(spread(heavy, heavy)["sentence"])
    assert sentence.startswith(
        "By the inputs, a few of the 400 calibration examples decide the range of 'x': one half of them spans only"
    )
    wider = np.concatenate([images, images + 30])
    sentence = str(spread(images, wider)["sentence"])
    assert sentence.startswith("By the inputs, 400 calibration examples are few: ")
    assert sentence.endswith(
        "% of the values of input 'x' in a reservoir of 800 lie outside of its range; calibrate on more."
    )
    assert str(spread(images[:20], images)["sentence"]).startswith(
        "By the inputs, 20 calibration examples are few, where 100 to 500 are usual; "
    )


def test_one_example_has_two_equal_halves() -> None:
    """A set of one example is no error."""
    result = spread(np.ones((1, 2), np.float32), np.ones((1, 2), np.float32))
    assert result["halves"] == ((1.0, 1.0), (1.0, 1.0))


def test_large_examples_are_counted_in_part() -> None:
    """Of an example of 100,000 values a part is counted, evenly spaced; the ends of the range are those of all."""
    values = np.linspace(0.0, 1.0, 100_000, dtype=np.float32).reshape(1, -1)
    values[0, 33_333] = -3.0
    result = spread(values, values)
    assert result["range"] == (-3.0, 1.0)
    counts = np.asarray(result["counts"])
    assert 4000 <= counts.sum() <= 5000
    assert counts[15:].min() > 0.15 * counts.sum()


def test_extremes_take_turns() -> None:
    """Least and greatest of each input in turn, each example once, until there are as many as asked for."""
    rows = [
        {"a": np.array([value]), "b": np.array([other])} for value, other in ((5, 0), (1, 0), (9, 0), (2, 9), (3, -9))
    ]
    ranges = [range_of(row) for row in rows]
    assert extremes(ranges, 3) == [1, 2, 4]
    assert extremes(ranges, 4) == [1, 2, 4, 3]
    assert sorted(extremes(ranges, 99)) == [0, 1, 2, 3, 4]
    assert extremes([], 3) == []
