"""Models of every kind, with TensorFlow's own answers, and what convert makes of each."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.build_cache import cached

import edgequant
from edgequant.artifacts.example_set import ExampleSetWriter, Provenance
from edgequant.artifacts.variant_set import VariantSet, load_variant_set
from edgequant.conversion.step import ConversionRequest, convert
from edgequant.variants import VARIANTS

Arrays = dict[str, NDArray[Any]]

# What decides the outcome of a conversion, besides its model: every module of the package, and this one.
CONVERSION = (Path(edgequant.__file__).parent, Path(__file__))

# The models that differ from the others in what becomes of full_int8 and int16x8.
TELLING = ("tokens", "two_signatures", "words_to_class", "small_weights", "without_int8_kernel")


@pytest.fixture(scope="session")
def model_path(zoo: Path) -> Callable[[str], Path]:
    """Returns the path of a model of the zoo."""

    def path(name: str) -> Path:
        file = zoo / name / "model.keras"
        return file if file.is_file() else zoo / name / "model"

    return path


@pytest.fixture(scope="session")
def examples(zoo: Path) -> Callable[[str], Arrays]:
    """Returns a model's examples: arrays by input name."""

    def read(name: str) -> Arrays:
        return dict(np.load(zoo / name / "examples.npz", allow_pickle=False))

    return read


@pytest.fixture(scope="session")
def expected(zoo: Path) -> Callable[[str], Arrays]:
    """Returns what TensorFlow answers to a model's examples: arrays by output name."""

    def read(name: str) -> Arrays:
        return dict(np.load(zoo / name / "expected.npz", allow_pickle=False))

    return read


@pytest.fixture(scope="session")
def calibration_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Returns a function that writes arrays as a calibration set, from a number on, and returns its directory."""

    def write(inputs: Mapping[str, NDArray[Any]], first: int = 0) -> Path:
        path = tmp_path_factory.mktemp("calibration") / "set"
        count = len(next(iter(inputs.values())))
        with ExampleSetWriter(path, count) as writer:
            for row in range(count):
                writer.add(f"{first + row:064x}", {name: values[row] for name, values in inputs.items()}, None)
            writer.finish(
                Provenance(
                    purpose="calibration",
                    signature="serving_default",
                    seed=1,
                    rule="all",
                    requested=count,
                    records_read=count,
                    duplicates=0,
                )
            )
        return path

    return write


@pytest.fixture(scope="session")
def request_for(
    model_path: Callable[[str], Path],
    examples: Callable[[str], Arrays],
    calibration_set: Callable[[Mapping[str, NDArray[Any]]], Path],
) -> Callable[..., ConversionRequest]:
    """Returns a function that makes the request to convert a model of the zoo, calibrated on its own examples."""

    def make(name: str, *variants: str, **changes: Any) -> ConversionRequest:
        wanted: dict[str, Any] = {
            "model": model_path(name),
            "signature": "serving_default",
            "variants": list(variants),
            "calibration_set": changes.get("calibration_set") or calibration_set(examples(name)),
        }
        return ConversionRequest(**(wanted | changes))

    return make


@pytest.fixture(scope="session")
def converted(request_for: Callable[..., ConversionRequest], zoo: Path) -> Callable[[str], VariantSet]:
    """Returns what convert makes of a model of the zoo, to be read only; each is converted once."""

    @cache
    def run(name: str) -> VariantSet:
        signature = "see" if name == "two_signatures" else "serving_default"
        names = ["float32", "weights_only", "integer_only"]
        if name in TELLING:
            names += ["full_int8", "int16x8"]

        def build(target: Path) -> None:
            convert(request_for(name, *names, signature=signature), target / "variants")

        return load_variant_set(cached(f"converted_{name}", CONVERSION, build, zoo.name, *names) / "variants")

    return run


@pytest.fixture(scope="session")
def digits_calibration(digits: Path, calibration_set: Callable[[Mapping[str, NDArray[Any]]], Path]) -> Path:
    """A calibration set of 64 handwritten digits."""
    with np.load(digits / "train.npz", allow_pickle=False) as arrays:
        return calibration_set({"pixels": arrays["pixels"][:64]})


@pytest.fixture(scope="session")
def digits_variants(digits: Path, digits_model: Path, digits_calibration: Path) -> VariantSet:
    """All six variants of the digits model, to be read only."""
    request = ConversionRequest(
        model=digits_model, signature="serving_default", variants=list(VARIANTS), calibration_set=digits_calibration
    )
    folder = cached(
        "digits_variants", CONVERSION, lambda target: convert(request, target / "variants"), digits.name, *VARIANTS
    )
    return load_variant_set(folder / "variants")
