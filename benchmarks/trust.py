"""Plants the mistakes of `trust_faults.py` in small models, and tells for each how `edgequant run` answers.

A fault is noticed *before* converting (the run is refused, or the calibrated variants are), *blocked* (full_int8 is not blessed), *noted*
(a note that the sound case does not have), *right* (the figures are those of the sound case, as with a state that is reset) or *missed*.
A sound case must be blessed. A blessed variant is run again on the sound evaluation set: a drop past the limit there counts, whatever was
noted. The fuzz judges random pairs of models, and counts the blessed ones whose measured drop is past the limit.

faults               how many were planted
silent               how many of them were missed
false_blocks         sound cases that were not blessed
blessed_past_limit   blessed variants past the limit: of the runs, and of the fuzz

Usage: trust.py [--folder DIRECTORY] [--only TEXT] [--model NAME] [--workers N] [--fuzz N] [--json FILE]
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from trust_faults import FAULTS, Case, Fault
from trust_fuzz import blessed_past_limit
from trust_models import EVALUATION, POOL, READY, SEED

HERE = Path(__file__).resolve().parent
BEFORE, BLOCKED, NOTED, RIGHT, MISSED = "before", "blocked", "noted", "right", "missed"
VARIANT = "full_int8"
LIMIT_POINTS = {"digits": 3.0, "tiles": 3.0, "boiler": 5.0, "detector": None, "stream": 3.0}
_TASKS = {"boiler": "regression", "detector": "none", "stream": "binary"}
_CALIBRATION = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run said.

    Attributes:
        code: The exit code of the last run.
        output: What it printed.
        result: ``result.json``; None when the run was refused.
    """

    code: int
    output: str
    result: dict[str, Any] | None

    def notes(self) -> set[str]:
        """Returns all notes, numbers left out: those of a sound case differ by numbers only."""
        if self.result is None:
            return set()
        notes = [
            *self.result["notes"],
            *(note for variant in self.result["variants"].values() for note in variant["notes"]),
        ]
        return {re.sub(r"[\d,.]+", "#", note) for note in notes}

    def blessed(self) -> bool:
        """Tells whether full_int8 is blessed; without a gate, whether it is there."""
        if self.result is None or self.result["outcome"] not in ("blessed", "not gated"):
            return False
        return self.result["variants"][VARIANT]["verdict"] in ("blessed", "not gated")


def sound(models: Path, name: str) -> Case:
    """Returns the case without a mistake of one model."""
    with np.load(models / name / "data.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    task = _TASKS.get(name, "classification")
    limit = LIMIT_POINTS[name]
    settings = {
        "task": task,
        "examples": {"inputs": {"x": "x"}, **({"label": "y"} if task != "none" else {})},
        "sampling": {"calibration": _CALIBRATION, "evaluation": EVALUATION, "seed": SEED},
        "variants": ["float32", "weights_only", VARIANT],
        "gate": {"min_agreement": 0.9} if limit is None else {"max_drop_points": limit},
    }
    return Case(
        model=models / name / "model",
        calibration={key: values[:POOL] for key, values in arrays.items()},
        evaluation={key: values[POOL : POOL + EVALUATION] for key, values in arrays.items()},
        settings=settings,
    )


def run_case(case: Case, folder: Path, name: str) -> Answer:
    """Runs a case as a user does, a second time where its files change after the first run."""
    folder.mkdir(parents=True)
    shutil.copytree(case.model, folder / "model")
    for part in ("calibration", "evaluation"):
        np.savez(folder / f"{part}.npz", allow_pickle=False, **getattr(case, part))
    examples = dict(case.settings["examples"]) | {
        "calibration": "evaluation.npz" if case.same_file else "calibration.npz",
        "evaluation": "evaluation.npz",
    }
    config = {
        "name": name,
        "model": "model",
        **case.settings,
        "examples": examples,
        "tracking": {"uri": "sqlite:///mlflow.db"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    answer = _run(folder)
    if case.again is not None:
        case.again(folder)
        answer = _run(folder)
    return answer


def _run(folder: Path) -> Answer:
    command = [str(Path(sys.executable).with_name("edgequant")), "run", "config.yaml", "--work-directory", "work"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    path = folder / "work" / "result.json"
    result = json.loads(path.read_text()) if done.returncode in (0, 3, 4) and path.is_file() else None
    output = done.stdout + done.stderr
    (folder / "output.log").write_text(output)
    if "Traceback (most recent call last)" in output:
        sys.exit(f"{folder}: a stack trace:\n{output}")
    return Answer(done.returncode, output, result)


def verdict_on(fault: Fault, answer: Answer, clean: Answer) -> str:
    """Returns how a fault was noticed."""
    if answer.result is None:
        return BEFORE
    variant = answer.result["variants"][VARIANT]
    if variant["status"] != "converted":
        return BEFORE
    if fault.right is not None and fault.right(answer.result):
        return RIGHT
    if not answer.blessed():
        return BLOCKED
    return NOTED if answer.notes() - clean.notes() else MISSED


def past_limit(folder: Path, case: Case, name: str) -> bool:
    """Tells whether the file that was blessed loses more than the limit on the sound evaluation set.

    Computed with the interpreter and NumPy alone. Detections have no labels here, and a stream no row of its own: both are left out.
    """
    limit = LIMIT_POINTS[name]
    if limit is None or name == "stream" or case.model.name != "model":
        return False
    scores = {}
    for variant in ("float32", VARIANT):
        outputs = _outputs(folder / "work" / "results" / "variants" / variant / "model.tflite", case.evaluation["x"])
        labels = case.evaluation["y"]
        if case.settings["task"] == "regression":
            scores[variant] = -float((np.abs(outputs - labels) / labels.std(axis=0)).mean())
        else:
            scores[variant] = float((outputs.argmax(axis=1) == labels).mean())
    return 100 * (scores["float32"] - scores[VARIANT]) > limit


def _outputs(path: Path, inputs: NDArray[Any]) -> NDArray[Any]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    for row in inputs:
        interpreter.set_tensor(source, row[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target)[0])
    return np.stack(rows)


def main() -> None:
    """Plants every fault, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keeps models and runs there")
    parser.add_argument("--only", default="", help="faults whose name holds this text")
    parser.add_argument("--model", action="append", help="digits, tiles, boiler, detector or stream; may be repeated")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--fuzz", type=int, default=2_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure((options.folder or Path(scratch)).resolve(), options)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=2) + "\n")


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Runs the sound cases and the faults, and returns the figures."""
    models = folder / "models"
    if not (models / READY).is_file():
        subprocess.run([sys.executable, str(HERE / "trust_models.py"), str(models)], check=True, capture_output=True)
    runs = Path(tempfile.mkdtemp(prefix="runs-", dir=folder))
    faults = [fault for fault in FAULTS if options.only in fault.name]
    names = sorted({name for fault in faults for name in fault.models} & set(options.model or LIMIT_POINTS))
    cases = {name: sound(models, name) for name in names}
    with ThreadPoolExecutor(options.workers) as pool:
        clean = dict(
            zip(names, pool.map(lambda name: run_case(cases[name], runs / name / "sound", name), names), strict=True)
        )
        planted = [(fault, name) for fault in faults for name in fault.models if name in names]
        answers = list(pool.map(lambda pair: _plant(pair[0], pair[1], cases[pair[1]], runs), planted))
    # The faults of these two models are in the models themselves: there is no sound case.
    unblessed = [name for name in names if name not in ("detector", "stream") and not clean[name].blessed()]
    ways: dict[str, dict[str, str]] = {}
    beyond = 0
    for (fault, name), (answer, target) in zip(planted, answers, strict=True):
        reference = Answer(0, "", None) if name in ("detector", "stream") else clean[name]
        ways.setdefault(fault.name, {})[name] = verdict_on(fault, answer, reference)
        beyond += answer.blessed() and past_limit(target, cases[name], name)
    _show(ways, names)
    for name in unblessed:
        print(f"{name}: the sound case is not blessed: {clean[name].output[-400:]}")
    of_fuzz = blessed_past_limit(options.fuzz, SEED)
    figures = {
        "faults": len(planted),
        "silent": sum(way == MISSED for row in ways.values() for way in row.values()),
        "false_blocks": len(unblessed),
        "blessed_past_limit": beyond + of_fuzz,
    }
    print(json.dumps(figures))
    return figures | {"ways": ways, "fuzz": options.fuzz}


def _plant(fault: Fault, name: str, case: Case, runs: Path) -> tuple[Answer, Path]:
    target = runs / name / re.sub(r"\W+", "_", fault.name)
    return run_case(fault.plant(case, np.random.default_rng(SEED)), target, name), target


def _show(ways: Mapping[str, Mapping[str, str]], names: list[str]) -> None:
    table = Table("fault", *names)
    for fault, row in ways.items():
        table.add_row(fault, *(row.get(name, "") for name in names))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
