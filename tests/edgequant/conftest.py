"""Real parts that the steps' tests share: every directory of the digits model, and small models with known answers."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.build_cache import cached
from tests.edgequant.ending_interpreter import CRASH, HANG, marked, run_in_child, start

import edgequant
from edgequant.artifacts.calibration_comparison import CalibrationComparison
from edgequant.artifacts.directory import new_directory, write_manifest
from edgequant.artifacts.example_set import ExampleSetWriter, Provenance, load_example_set
from edgequant.artifacts.variant_set import CONVERTED, FAILED, SCHEMA, ConvertedVariant, VariantSetContent
from edgequant.artifacts.verdict import load_verdict
from edgequant.benchmarking.step import benchmark
from edgequant.evaluation.step import evaluate
from edgequant.gate import Gate
from edgequant.signature import ModelSignature, TensorSpec
from edgequant.validation.inputs import Inputs
from edgequant.validation.step import validate

_FOLDER = Path(__file__).parent
DIGITS_VARIANTS = ("float32", "weights_only", "full_int8", "integer_only")


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsSets:
    """Directories of the digits model: 300 evaluation examples, and every step's output.

    Attributes:
        calibration_set: The calibration set.
        evaluation_set: The evaluation set.
        variant_set: The variants float32, weights_only, full_int8 and integer_only.
        evaluations: The evaluation of each.
        benchmark: Their benchmark.
        verdict: Their verdict by a gate of 5 points, which every digits variant holds.
        best: The best variant of that verdict.
    """

    calibration_set: Path
    evaluation_set: Path
    variant_set: Path
    evaluations: dict[str, Path]
    benchmark: Path
    verdict: Path
    best: str

    @property
    def inputs(self) -> Inputs:
        """What the validate step takes."""
        return Inputs(
            variant_set=self.variant_set,
            evaluations=list(self.evaluations.values()),
            benchmark=self.benchmark,
            calibration_set=self.calibration_set,
            evaluation_set=self.evaluation_set,
        )


@pytest.fixture(scope="session")
def digits_sets(digits: Path, digits_model: Path) -> DigitsSets:
    """What sample, convert, evaluate, benchmark and validate make of the digits model, to be read only."""
    # A change of any module of the package, or of this one, makes them anew.
    sources = [Path(edgequant.__file__).parent, Path(__file__)]
    folder = cached("digits_sets", sources, lambda target: _run_steps(digits, digits_model, target), str(digits))
    best = load_verdict(folder / "verdict").best
    assert best is not None
    return DigitsSets(
        calibration_set=folder / "calibration",
        evaluation_set=folder / "evaluation",
        variant_set=folder / "variants",
        evaluations={name: folder / "evaluations" / name for name in DIGITS_VARIANTS},
        benchmark=folder / "benchmark",
        verdict=folder / "verdict",
        best=best,
    )


def _run_steps(digits: Path, digits_model: Path, folder: Path) -> None:
    """Writes what every step makes of the digits model."""
    from edgequant.conversion.step import ConversionRequest, convert
    from edgequant.sampling.settings import ExampleSources
    from edgequant.sampling.step import sample

    signature = ModelSignature(
        key="serving_default",
        inputs=(TensorSpec(name="pixels", dtype="float32", shape=(None, 8, 8, 1)),),
        outputs=(TensorSpec(name="output_0", dtype="float32", shape=(None, 10)),),
    )
    examples = ExampleSources(
        signature=signature,
        calibration=[str(digits / "train.npz")],
        evaluation=[str(digits / "test.npz")],
        label="digit",
        task="classification",
        calibration_count=60,
        evaluation_count=300,
        stratify="auto",
        seed=17,
        beam_options=["--runner=FnApiRunner"],
    )
    sample(examples, folder / "calibration", folder / "evaluation")
    request = ConversionRequest(
        model=digits_model,
        signature=signature.key,
        variants=list(DIGITS_VARIANTS),
        calibration_set=folder / "calibration",
        evaluation_set=folder / "evaluation",
    )
    convert(request, folder / "variants")
    evaluations = {name: folder / "evaluations" / name for name in DIGITS_VARIANTS}
    for name, target in evaluations.items():
        evaluate(name, folder / "variants", folder / "evaluation", target, task="classification")
    benchmark(folder / "variants", folder / "evaluation", folder / "benchmark", runs=20)
    inputs = Inputs(
        variant_set=folder / "variants",
        evaluations=list(evaluations.values()),
        benchmark=folder / "benchmark",
        calibration_set=folder / "calibration",
        evaluation_set=folder / "evaluation",
    )
    validate("digits", "classification", Gate(max_drop_points=5.0), inputs, folder / "verdict")


@pytest.fixture(scope="session")
def small_models(made_by: Callable[[Path], Path]) -> dict[str, bytes]:
    """``.tflite`` files of one input ``x``, [N, 4] or as said, by what they do.

    ``double``: y = 2x. ``log``: y = log(x), NaN for negative values. ``two``: outputs ``a/b`` = x + 1 and ``..`` = [sum(x)].
    ``row``: y is row int(x[0]) of three rows; the runtime refuses an index out of range. ``open``: y = x for [N, any].
    ``sums``: y = [sum(x)] for [N, any]. ``total``: y = sum(x), without an axis. ``centred``: y = x - the mean over the batch.
    ``lists``: the outputs [x + 1, 2x] as a list. ``some``: y is x where x[0] > 0, else nothing. ``range``: y = 0 … x[0] - 1.
    ``root``: y = softmax(sqrt(x) + abs(x)). ``countdown``: y = x, less 1 as often as a value is 1 or more: a run of x rounds.
    ``counter``: y = x + the sum of all inputs so far + 10, in a resource variable. ``recurrent``: y = an LSTM operator of x [1, 5, 3].
    ``steps``: for [N, any, 4], ``all`` and ``same`` = 2x, ``last`` = the last step, ``x`` = x. ``crash`` and ``hang``: as
    ``double``, but `ending_interpreter` ends or blocks its process.
    """
    folder = made_by(_FOLDER / "make_small_models.py")
    models = {path.stem: path.read_bytes() for path in folder.glob("*.tflite")}
    return models | {"crash": marked(models["double"], CRASH), "hang": marked(models["double"], HANG)}


class Sets:
    """Writes variant sets and example sets of small models."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.calibration = folder / "calibration"

    def variants(
        self, models: Mapping[str, bytes | ConvertedVariant | None], comparison: CalibrationComparison | None = None
    ) -> Path:
        """Returns the directory of a variant set with these files or results; None is a variant that failed to convert."""
        target = self._folder / "variants"
        calibration = load_example_set(self.examples({"x": np.zeros((1, 4), np.float32)}, name="calibration"))
        with new_directory(target, SCHEMA) as draft:
            variants = {}
            for name, model in models.items():
                if model is None:
                    variants[name] = ConvertedVariant(status=FAILED, reason="the converter died", seconds=1.0)
                    continue
                if isinstance(model, ConvertedVariant):
                    variants[name] = model
                    continue
                (draft / name).mkdir()
                (draft / name / "model.tflite").write_bytes(model)
                variants[name] = ConvertedVariant(
                    status=CONVERTED, size_bytes=len(model), sha256=hashlib.sha256(model).hexdigest(), seconds=1.0
                )
            content = VariantSetContent(
                signature="serving_default",
                converter="tensorflow 2",
                model_sha256="0" * 64,
                calibration_sha256=calibration.digest,
                calibration_identities=calibration.identities,
                variants=variants,
                comparison=comparison,
                notes=() if comparison is None else comparison.notes,
            )
            write_manifest(draft, SCHEMA, content)
        return target

    def examples(
        self,
        inputs: Mapping[str, NDArray[Any]],
        labels: NDArray[Any] | None = None,
        *,
        name: str = "examples",
        slices: Mapping[str, Sequence[str]] = MappingProxyType({}),
        records: int = 0,
        requested: int = 0,
    ) -> Path:
        """Returns the directory of an example set with these inputs, labels and slices, the example first.

        `records` is how many it was drawn from, and `requested` how many were requested; 0 for as many as there are.
        """
        target = self._folder / name
        count = len(next(iter(inputs.values())))
        with ExampleSetWriter(target, count) as writer:
            for row in range(count):
                label = None if labels is None else np.asarray(labels[row])
                texts = {feature: values[row] for feature, values in slices.items()}
                writer.add(f"{name}-{row}", {key: values[row] for key, values in inputs.items()}, label, texts)
            writer.finish(
                Provenance(
                    purpose="evaluation",
                    signature="serving_default",
                    seed=1,
                    rule="all",
                    requested=requested or count,
                    records_read=records or count,
                    duplicates=0,
                )
            )
        return target


@pytest.fixture
def sets(tmp_path: Path) -> Sets:
    """Writes variant sets and example sets in this test's directory."""
    return Sets(tmp_path)


@pytest.fixture
def ending_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the models ``crash`` and ``hang`` end and block the processes that evaluate and benchmark run them in."""
    start()
    for step in ("evaluation", "benchmarking"):
        monkeypatch.setattr(f"edgequant.{step}.step.run_in_child", run_in_child)


@pytest.fixture(scope="session")
def made_by() -> Callable[[Path], Path]:
    """Returns the directory that a script filled, in a process of its own with TensorFlow in it; to be read only."""

    def made(script: Path) -> Path:
        def run(directory: Path) -> None:
            command = [sys.executable, str(script), str(directory)]
            environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
            assert done.returncode == 0, done.stderr[-3000:]

        return cached(script.stem, [script], run)

    return made


@pytest.fixture(scope="session")
def zoo(made_by: Callable[[Path], Path]) -> Path:
    """A directory of models of every kind that people bring, with TensorFlow's own description of and answers to each."""
    return made_by(_FOLDER / "make_models.py")


@pytest.fixture(scope="session")
def tflite(made_by: Callable[[Path], Path]) -> Path:
    """A directory with a .tflite file of every kind, made by TensorFlow's converter without this package."""
    return made_by(_FOLDER / "make_tflite.py")
