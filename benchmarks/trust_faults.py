"""The faults that the trust benchmark plants: each turns a sound case into one with a mistake that real users make."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
CLASSIFIERS = ("digits", "tiles")
ALL = ("digits", "tiles", "boiler")
# How far above the reference's accuracy of the sound case the expected value of `missed_target` lies.
_TARGET_ABOVE = 0.05
_SMALL = 20
_CLIP = 900.0


@dataclass(frozen=True, slots=True)
class Case:
    """A model, its two example sets and the configuration that a user would write for them.

    Attributes:
        model: The SavedModel.
        calibration: Arrays by feature, the example axis first.
        evaluation: The same for the evaluation.
        settings: The configuration, without the paths.
        same_file: Whether calibration and evaluation are one file that is given for both.
        again: A change to the files in the case's folder, made after a first run: the second run is what counts.
    """

    model: Path
    calibration: Arrays
    evaluation: Arrays
    settings: Mapping[str, Any]
    same_file: bool = False
    again: "Callable[[Path], None] | None" = field(default=None)


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake.

    Attributes:
        name: What it is called in the table.
        models: The models that it is planted in.
        plant: Returns the case with the mistake.
        right: Whether the product can also act rightly without a word, judged by the result; None where it must block or note.
    """

    name: str
    models: tuple[str, ...]
    plant: Callable[[Case, np.random.Generator], Case]
    right: "Callable[[Mapping[str, Any]], bool] | None" = None


def _calibration(
    change: Callable[[Arrays, np.random.Generator], Arrays],
) -> Callable[[Case, np.random.Generator], Case]:
    return lambda case, rng: replace(case, calibration=change(dict(case.calibration), rng))


def _evaluation(change: Callable[[Arrays, np.random.Generator], Arrays]) -> Callable[[Case, np.random.Generator], Case]:
    return lambda case, rng: replace(case, evaluation=change(dict(case.evaluation), rng))


def _both(change: Callable[[Arrays, np.random.Generator], Arrays]) -> Callable[[Case, np.random.Generator], Case]:
    return lambda case, rng: _evaluation(change)(_calibration(change)(case, rng), rng)


def _inputs(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Arrays, np.random.Generator], Arrays]:
    return lambda arrays, _: arrays | {"x": change(arrays["x"]).astype(arrays["x"].dtype)}


def _labels(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Arrays, np.random.Generator], Arrays]:
    return lambda arrays, _: arrays | {"y": change(arrays["y"]).astype(arrays["y"].dtype)}


def _rows(chosen: Callable[[Arrays], NDArray[Any]]) -> Callable[[Arrays, np.random.Generator], Arrays]:
    return lambda arrays, _: {name: values[chosen(arrays)] for name, values in arrays.items()}


def _classes(labels: NDArray[Any]) -> int:
    return int(labels.max()) + 1


def _noise(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    x = arrays["x"]
    return arrays | {"x": rng.uniform(x.min(), x.max(), x.shape).astype(x.dtype)}


def _random_labels(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    return arrays | {"y": rng.permutation(arrays["y"])}


def _half_scaled(arrays: Arrays, _rng: np.random.Generator) -> Arrays:
    """Every other example on the scale of 0 to 1: two preparations of one data set in one folder."""
    x = arrays["x"].copy()
    x[1::2] /= 255 if x.max() > 100 else x.max()
    return arrays | {"x": x}


def _outlier(arrays: Arrays, _rng: np.random.Generator) -> Arrays:
    x = arrays["x"].copy()
    x[3].flat[0] = 40 * np.abs(x).max()
    return arrays | {"x": x}


def _nan(arrays: Arrays, _rng: np.random.Generator) -> Arrays:
    x = arrays["x"].copy()
    x[5].flat[0] = np.nan
    return arrays | {"x": x}


def _swap_features(arrays: Arrays, _rng: np.random.Generator) -> Arrays:
    """The columns of a table in another order."""
    return arrays | {"x": np.roll(arrays["x"], 1, axis=-1)}


def _copies(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    """Thirty examples, each many times with a hair's difference, as frames of thirty clips are."""
    count = len(arrays["x"])
    rows = np.arange(count) % 30
    x = arrays["x"][rows].astype(np.float64)
    x *= 1 + rng.normal(0, 1e-4, (count,) + (1,) * (x.ndim - 1))
    return {"x": x.astype(arrays["x"].dtype), "y": arrays["y"][rows], "clip": np.array([f"clip{row}" for row in rows])}


def _of_clips(case: Case, rng: np.random.Generator) -> Case:
    settings = dict(case.settings)
    settings["examples"] = dict(settings["examples"]) | {"group": "clip"}
    calibration = dict(case.calibration)
    calibration["clip"] = np.array([f"other{row}" for row in range(len(calibration["y"]))])
    return replace(case, settings=settings, calibration=calibration, evaluation=_copies(dict(case.evaluation), rng))


def _expected(case: Case, _rng: np.random.Generator) -> Case:
    settings = dict(case.settings)
    metric = "r2" if settings["task"] == "regression" else "accuracy"
    return replace(case, settings=settings | {"reference": {metric: 1.0, "within_points": 100 * _TARGET_ABOVE / 50}})


def _model(tag: str) -> Callable[[Case, np.random.Generator], Case]:
    return lambda case, _rng: replace(case, model=case.model.with_name(tag))


def _one_file(case: Case, _rng: np.random.Generator) -> Case:
    return replace(case, calibration=case.evaluation, same_file=True)


def _overwrite_model(case: Case, _rng: np.random.Generator) -> Case:
    """A training job overwrites the model after a run: the same sizes, and the times that a copy keeps."""

    def change(folder: Path) -> None:
        target, source = folder / "model" / "variables", case.model.with_name("scrambled") / "variables"
        for file in source.iterdir():
            before = (target / file.name).stat()
            shutil.copyfile(file, target / file.name)
            os.utime(target / file.name, ns=(before.st_atime_ns, before.st_mtime_ns))

    return replace(case, again=change)


def _overwrite(
    name: str, change: Callable[[Arrays, np.random.Generator], Arrays]
) -> Callable[[Case, np.random.Generator], Case]:
    """Another file of the same name, size and time after a run."""

    def plant(case: Case, rng: np.random.Generator) -> Case:
        def overwrite(folder: Path) -> None:
            path = folder / f"{name}.npz"
            before = path.stat()
            arrays = change(dict(getattr(case, name)), rng)
            np.savez(path, allow_pickle=False, **arrays)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

        return replace(case, again=overwrite)

    return plant


def _right_stream(result: Mapping[str, Any]) -> bool:
    """Each example begins with a fresh state, so the reference is right everywhere."""
    return bool(result["variants"]["float32"]["metrics"]["accuracy"] == 1.0)


def _same(case: Case, _rng: np.random.Generator) -> Case:
    return case


def _extra_class(arrays: Arrays, _rng: np.random.Generator) -> Arrays:
    labels = arrays["y"].copy()
    labels[7] = _classes(labels) + 3
    return arrays | {"y": labels}


FAULTS = (
    # The labels
    Fault("labels shifted by one row", ALL, _evaluation(_labels(lambda y: np.roll(y, 1, axis=0)))),
    Fault("labels in another order of classes", CLASSIFIERS, _evaluation(_labels(lambda y: (3 * y + 1) % _classes(y) if _classes(y) % 3 else (y + 2) % _classes(y)))),
    Fault("labels counted from 1", CLASSIFIERS, _evaluation(_labels(lambda y: (y + 1) % _classes(y)))),
    Fault("labels of other examples", ALL, _evaluation(_random_labels)),
    Fault("label numbers in another order", ("boiler",), _evaluation(_labels(lambda y: y[:, ::-1]))),
    Fault("label of the wrong sign", ("boiler",), _evaluation(_labels(lambda y: -y))),
    Fault("label out of range, evaluation", CLASSIFIERS, _evaluation(_extra_class)),
    Fault("label out of range, calibration", CLASSIFIERS, _calibration(_extra_class)),
    # The reference
    Fault("both sets scaled to 0-1", ALL, _both(_inputs(lambda x: x / np.abs(x).max()))),
    Fault("both sets of reversed channels", ("tiles",), _both(_inputs(lambda x: x[..., ::-1]))),
    Fault("both sets of moved columns", ("boiler",), _both(_swap_features)),
    Fault("both sets inverted", ALL, _both(_inputs(lambda x: x.max() - x))),
    Fault("evaluation scaled to 0-1", ALL, _evaluation(_inputs(lambda x: x / np.abs(x).max()))),
    Fault("evaluation of reversed channels", ("tiles",), _evaluation(_inputs(lambda x: x[..., ::-1]))),
    Fault("evaluation inputs are all one image", ALL, _evaluation(_inputs(lambda x: np.broadcast_to(x[:1], x.shape)))),
    Fault("untrained model", ALL, _model("untrained")),
    Fault("dead output", ALL, _model("dead")),
    Fault("reference below what was expected", ALL, _expected),
    # The calibration data
    Fault("calibration scaled to 0-1", ALL, _calibration(_inputs(lambda x: x / np.abs(x).max()))),
    Fault("calibration four times too small", ALL, _calibration(_inputs(lambda x: x / 4))),
    Fault("calibration eight times too large", ALL, _calibration(_inputs(lambda x: x * 8))),
    Fault("calibration shifted", ALL, _calibration(_inputs(lambda x: x - np.float32(x.max())))),
    Fault("calibration of noise", CLASSIFIERS, _calibration(_noise)),
    Fault("calibration of zeros", ALL, _calibration(_inputs(np.zeros_like))),
    Fault("calibration of one class", CLASSIFIERS, _calibration(_rows(lambda a: np.flatnonzero(a["y"] == 0)))),
    Fault("calibration of half of the classes", CLASSIFIERS, _calibration(_rows(lambda a: np.flatnonzero(a["y"] < _classes(a["y"]) // 2)))),
    Fault("calibration of reversed channels", ("tiles",), _calibration(_inputs(lambda x: x[..., ::-1]))),
    Fault("calibration of moved columns scaled", ("boiler",), _calibration(_inputs(lambda x: x * np.linspace(0.2, 1, x.shape[-1])))),
    Fault("calibration of two preparations", ALL, _calibration(_half_scaled)),
    Fault("calibration with one outlier", ALL, _calibration(_outlier)),
    Fault("calibration of one example", ALL, _calibration(_inputs(lambda x: np.broadcast_to(x[:1], x.shape)))),
    Fault("calibration of five examples", ALL, _calibration(_rows(lambda _: np.arange(5)))),
    Fault("calibration is the evaluation file", ALL, _one_file),
    Fault("NaN in the calibration", ALL, _calibration(_nan)),
    # The evaluation data
    Fault("NaN in the evaluation", ALL, _evaluation(_nan)),
    Fault("truncated evaluation", ALL, _evaluation(_rows(lambda _: np.arange(_SMALL)))),
    Fault("evaluation of one class", CLASSIFIERS, _evaluation(_rows(lambda a: np.flatnonzero(a["y"] == 1)))),
    Fault("evaluation of half of the classes", CLASSIFIERS, _evaluation(_rows(lambda a: np.flatnonzero(a["y"] < _classes(a["y"]) // 2)))),
    Fault("evaluation of two preparations", ALL, _evaluation(_half_scaled)),
    Fault("thirty clips counted as many examples", ALL, _of_clips),
    # What changed since the last run
    Fault("model overwritten at equal size", ALL, _overwrite_model),
    Fault("evaluation file overwritten at equal size", ALL, _overwrite("evaluation", _random_labels)),
    Fault("calibration file overwritten at equal size", ALL, _overwrite("calibration", _inputs(lambda x: x / np.abs(x).max()))),
    # The outputs
    Fault("scores of 0-1 beside boxes of 0-640", ("detector",), _same),
    Fault("a state that the last example left", ("stream",), _same, _right_stream),
)  # fmt: skip
