"""Differences of outputs, against sums by hand and SciPy."""

import numpy as np
import pytest
from scipy import special, stats

from edgequant.validation.comparison.output_drift import divergence, output_drift
from edgequant.validation.metrics import classification


def test_drift_by_hand() -> None:
    """Energies of 25 and 1: 10·log10(25) dB; cosines of 24/25 and 1; the largest error is 1."""
    drift = output_drift(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[4.0, 3.0], [0.0, 0.0]]))
    assert drift.sqnr_db == pytest.approx(10 * np.log10(25 / 2))
    assert drift.cosine == pytest.approx((24 / 25 + 1) / 2)
    assert drift.largest_error == 1.0


def test_the_cosine_of_one_value_per_example_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of (3, 0, 4) and (4, 0, 3), one value each: 24/25, and not the mean of 1 each; piece by piece as at once."""
    for shape in ((3,), (3, 1), (3, 1, 1)):
        first, second = np.array([3.0, 0.0, 4.0]).reshape(shape), np.array([4.0, 0.0, 3.0]).reshape(shape)
        assert output_drift(first, second).cosine == pytest.approx(24 / 25)
        assert output_drift(first * 0, second).cosine == 0.0
        assert output_drift(first * 0, second * 0).cosine == 1.0
    monkeypatch.setattr(classification, "_CHUNK", 1)
    assert output_drift(first, second).cosine == pytest.approx(24 / 25)


def test_equal_outputs_have_no_noise() -> None:
    """Without an error the ratio is infinite, which JSON cannot represent: None; also for two zero outputs."""
    values = np.random.default_rng(1).normal(size=(5, 3))
    drift = output_drift(values, values)
    assert (drift.sqnr_db, drift.largest_error) == (None, 0.0)
    assert drift.cosine == pytest.approx(1.0)
    assert output_drift(np.zeros((2, 2)), np.ones((2, 2))).sqnr_db is None
    assert output_drift(np.zeros((2, 2)), np.ones((2, 2))).cosine == 0.0


def test_many_chunks_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results computed in chunks, which bound the memory, equal those computed at once."""
    random = np.random.default_rng(1)
    first, second = random.normal(size=(50, 4)), random.normal(size=(50, 4))
    whole = output_drift(first, second), divergence("classification", "logits", first, second)
    monkeypatch.setattr(classification, "_CHUNK", 12)
    parts = output_drift(first, second), divergence("classification", "logits", first, second)
    assert parts[0].sqnr_db == pytest.approx(whole[0].sqnr_db)
    assert parts[0].cosine == pytest.approx(whole[0].cosine)
    assert parts[1] == pytest.approx(whole[1])


def test_divergence_is_scipys() -> None:
    """The mean of SciPy's relative entropy over examples, whether outputs are logits or probabilities."""
    random = np.random.default_rng(2)
    first, second = random.normal(size=(40, 5)), random.normal(size=(40, 5))
    p, q = special.softmax(first, axis=1), special.softmax(second, axis=1)
    expected = float(np.mean([stats.entropy(a, b) for a, b in zip(p, q, strict=True)]))
    assert divergence("classification", "logits", first, second) == pytest.approx(expected, rel=1e-4)
    assert divergence("classification", "probabilities", p, q) == pytest.approx(expected, rel=1e-4)
    assert divergence("classification", "logits", first, first) == 0.0
    assert divergence("regression", "", first, second) is None


def test_divergence_of_multilabel_sums_each_class() -> None:
    """Each class is binary: 0.5 against 0.25 is half of ln(4/3)... by SciPy, twice for two classes."""
    expected = 2 * float(stats.entropy([0.5, 0.5], [0.75, 0.25]))
    value = divergence("multilabel", "probabilities", np.array([[0.5, 0.5]]), np.array([[0.25, 0.25]]))
    assert value == pytest.approx(expected)


def test_a_class_that_a_quantized_output_rules_out_is_not_infinite() -> None:
    """A probability of 0 counts as 1e-7: a finite divergence."""
    value = divergence("classification", "probabilities", np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    assert value == pytest.approx(0.5 * np.log(0.5) + 0.5 * np.log(0.5 / 1e-7), abs=1e-3)
