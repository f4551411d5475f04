"""Converted variants are reused for the same model, calibration inputs and versions, and for nothing else."""

from pathlib import Path

import numpy as np
import pytest

from edgequant.artifacts.variant_set import CONVERTED, FAILED, ConvertedVariant
from edgequant.conversion.reuse import conversion_store
from edgequant.steps import CONVERSIONS

CONVERTED_VARIANT = ConvertedVariant(status=CONVERTED, size_bytes=3, sha256="0" * 64, seconds=1.5, notes=("a note",))


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """The files of a model, a calibration set, and a converted file, with a folder to keep variants in."""
    monkeypatch.setenv(CONVERSIONS, str(tmp_path / "conversions"))
    for folder in ("model", "calibration/inputs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"a graph")
    np.save(tmp_path / "calibration" / "inputs" / "x.npy", np.zeros(3))
    (tmp_path / "new.tflite").write_bytes(b"abc")
    return tmp_path / "model", tmp_path / "calibration", tmp_path / "new.tflite"


def test_reused_with_its_facts(sources: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """What else is in the calibration set's directory, such as its manifest, does not matter."""
    model, calibration, file = sources
    conversion_store(model, "s", calibration).keep("full_int8", CONVERTED_VARIANT, file)
    (calibration / "manifest.json").write_text("{}")
    target = tmp_path / "set" / "full_int8" / "model.tflite"
    target.parent.parent.mkdir()
    assert conversion_store(model, "s", calibration).load("full_int8", target) == CONVERTED_VARIANT
    assert target.read_bytes() == b"abc"


@pytest.mark.parametrize("changed", ["model", "calibration", "signature", "variant", "damaged", "failed", "nowhere"])
def test_not_reused(
    changed: str, sources: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model, calibration set, signature or variant, and a file that was damaged, are converted anew."""
    model, calibration, file = sources
    failed = ConvertedVariant(status=FAILED, reason="the converter died", seconds=1.0)
    conversion_store(model, "s", calibration).keep(
        "full_int8", failed if changed == "failed" else CONVERTED_VARIANT, file
    )
    if changed == "model":
        (model / "saved_model.pb").write_bytes(b"a gRaph")
    if changed == "calibration":
        np.save(calibration / "inputs" / "x.npy", np.ones(3))
    for kept in (tmp_path / "conversions").rglob("model.tflite") if changed == "damaged" else ():
        kept.write_bytes(b"aBc")
    if changed == "nowhere":
        monkeypatch.delenv(CONVERSIONS)
    store = conversion_store(model, "other" if changed == "signature" else "s", calibration)
    name = "integer_only" if changed == "variant" else "full_int8"
    assert store.load(name, tmp_path / "set" / name / "model.tflite") is None
    assert not (tmp_path / "set").exists()


def test_calibration_matters_to_calibrated_variants_only(sources: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """float16 is reused for another calibration set."""
    model, calibration, file = sources
    conversion_store(model, "s", calibration).keep("float16", CONVERTED_VARIANT, file)
    np.save(calibration / "inputs" / "x.npy", np.ones(3))
    (tmp_path / "set").mkdir()
    target = tmp_path / "set" / "float16" / "model.tflite"
    assert conversion_store(model, "s", calibration).load("float16", target) == CONVERTED_VARIANT
