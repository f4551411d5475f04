"""The checks at the start of a run: all mistakes in one list, within seconds, from the first record of each source."""

import json
import math
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edgequant.errors import ConfigError, EdgequantError, ExamplesError, TrackingError
from edgequant.gate import parse_gate
from edgequant.validation.gate.data_warnings import least_examples
from edgequant_pipelines.config import Config, read_config
from edgequant_pipelines.preflight import check_before_start

Edgequant = Callable[..., Any]


@pytest.fixture
def unanswered() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def changed(project: Path, **sections: object) -> Config:
    """Returns the configuration of a project with keys of its sections replaced."""
    values = yaml.safe_load(project.read_text())
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    project.write_text(yaml.safe_dump(values))
    return read_config(project)


def refused(config: Config, work: Path) -> EdgequantError:
    """Returns the error of the checks."""
    with pytest.raises(EdgequantError) as caught:
        check_before_start(config, work)
    return caught.value


def test_nothing_is_wrong(project: Path, tmp_path: Path) -> None:
    """A configuration whose files are right passes, and nothing is written."""
    before = sorted(project.parent.iterdir())
    uri = check_before_start(read_config(project), tmp_path / "work")
    assert uri == f"sqlite:///{project.parent / 'mlflow.db'}"
    assert sorted(project.parent.iterdir()) == before
    assert not (tmp_path / "work").exists()


def test_all_mistakes_are_in_one_list(project: Path, tmp_path: Path, unanswered: str) -> None:
    """Values, the label, a slice, the evaluation files, the gate's number of examples and MLflow: each is named, once."""
    config = changed(
        project,
        variants=["float32", "int4"],
        examples={"label": "digits", "slice": ["light"], "evaluation": "tset.npz"},
        sampling={"evaluation": 50},
        tracking={"uri": unanswered},
    )
    start = time.monotonic()
    error = refused(config, tmp_path / "work")
    assert time.monotonic() - start < 60
    assert isinstance(error, ConfigError)
    expected = [
        "variants: unknown variant 'int4'",
        "train.npz: row 0: has no feature 'digits'",
        "train.npz: row 0: has no feature 'light'",
        f"examples.evaluation: no file matches '{project.parent / 'tset.npz'}'",
        "sampling.evaluation: 50 can bless no variant",
        f"tracking.uri: MLflow at {unanswered} ",
    ]
    assert len(error.mistakes) == len(expected), error.mistakes
    for text in expected:
        assert sum(text in mistake for mistake in error.mistakes) == 1, (text, error.mistakes)


def test_a_server_that_is_not_there_is_told_at_once(project: Path, tmp_path: Path) -> None:
    """A refused connection is an error of the start, whose kind allows a retry."""
    error = refused(changed(project, tracking={"uri": "http://127.0.0.1:9"}), tmp_path / "work")
    assert isinstance(error, TrackingError)
    assert str(error).startswith(
        "tracking.uri: MLflow at http://127.0.0.1:9 cannot be used: 127.0.0.1:9 does not answer: "
    )


def test_a_file_store_is_refused_before_anything_runs(project: Path, tmp_path: Path) -> None:
    """MLflow's own refusal of a folder of files is told at the start, not after the last step."""
    error = refused(changed(project, tracking={"uri": "mlruns"}), tmp_path / "work")
    assert str(error).startswith(f"tracking.uri: MLflow at {project.parent / 'mlruns'} cannot be used: ")
    assert "maintenance mode" in str(error)


@pytest.mark.parametrize("purpose", ["train", "test"])
def test_a_label_out_of_range_is_told_before_converting(project: Path, tmp_path: Path, purpose: str) -> None:
    """The Keras file's last layer has ten units, so a label of 10 is out of range in either set."""
    path = project.parent / f"{purpose}.npz"
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["digit"] = arrays["digit"] + 10
    np.savez(path, allow_pickle=False, **arrays)
    error = refused(read_config(project), tmp_path / "work")
    number = int(arrays["digit"][0])
    assert str(error) == f"{path}: row 0: label {number} is out of range; the model's output allows 0 to 9"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nowhere", "examples.preprocess: .*prepare.py cannot be run: ModuleNotFoundError"),
        ("def other(features): pass", "examples.preprocess: .*prepare.py has no function 'to_inputs'"),
        (
            "def to_inputs(features): return features['pixel']",
            "train.npz: row 0; and .*to_inputs raised KeyError: 'pixel'",
        ),
        (
            "def to_inputs(features): return {'pixels': features['pixels'][:4]}",
            r"input 'pixels' has the shape \[4, 8, 1\]",
        ),
        ("import os\ndef to_inputs(features): os._exit(7)", "the process ended with exit code 7"),
    ],
)
def test_a_preprocess_function_runs_on_the_first_record(project: Path, tmp_path: Path, code: str, message: str) -> None:
    """Its import, its name, its call and the shapes that it makes are checked, in a process of its own."""
    (project.parent / "prepare.py").write_text(code)
    config = changed(project, examples={"inputs": {}, "preprocess": "prepare.py:to_inputs"})
    config = config.model_copy(update={"examples": config.examples.model_copy(update={"inputs": {}})})
    error = refused(config, tmp_path / "work")
    assert isinstance(error, ExamplesError | ConfigError)
    assert re.search(message, str(error)), str(error)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "module 'metric_of_own' has no function 'score'"),
        ("def score(outputs): return {'a': 1.0}", "raised TypeError"),
        ("def score(outputs, labels): return {'a': undefined}", "raised NameError"),
        ("def score(outputs, labels): return 1.0", "returned 1.0; a dict of floats is needed"),
        ("def score(outputs, labels): return {'a': 1.0}", "gate.metric: 'b' is no metric of metric_of_own:score"),
        (
            "def score(outputs, labels):\n    assert outputs.shape == (1, 10) and labels.shape == (1,)\n    return {'b': 1.0}",
            "",
        ),
        ("def score(outputs, labels): raise ValueError('only one class')", ""),
    ],
)
def test_a_task_of_ones_own_is_called_once(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    """It is imported from the working directory and called with one label; what depends on the values is no mistake."""
    (tmp_path / "metric_of_own.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    gate = {"max_drop_points": 2.0, "metric": "b"}
    config = changed(project, task="metric_of_own:score", gate=gate, sampling={"stratify": False})
    if not message:
        check_before_start(config, tmp_path / "work")
        return
    assert message in str(refused(config, tmp_path / "work"))


def test_a_failed_start_keeps_the_last_result_aside(project: Path, invoke: Edgequant) -> None:
    """Neither is yesterday's result lost nor does it stand as today's; where it is is said, also after another failed start."""
    work = project.parent / "work"
    (work / "results").mkdir(parents=True)
    (work / "result.json").write_text(json.dumps({"name": "yesterday"}))
    (work / "report.html").write_text("yesterday")
    for _ in range(2):
        done = invoke("run", project, "--work-directory", work, "--set", "examples.label=digits")
        assert done.returncode == 1
        assert not (work / "result.json").exists()
        assert not (work / "report.html").exists()
        assert not (work / "results").exists()
        assert json.loads((work / "previous" / "result.json").read_text()) == {"name": "yesterday"}
        assert f"is kept in {work / 'previous'}" in done.stdout


def test_the_command_line_lists_all_mistakes(project: Path, invoke: Edgequant) -> None:
    """Each is a line of its own, those of the file's values and those of its examples together."""
    done = invoke("run", project, "--set", "examples.label=digits", "--set", "resolver=fast")
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert first == "edgequant: 2 mistakes"
    assert [line[:4] for line in rest] == ["  - "] * 2
    assert "resolver" in rest[0]
    assert "train.npz: row 0; and " in rest[1]
    assert "test.npz: row 0: has no feature 'digits'" in rest[1]


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
@pytest.mark.parametrize("gate", [{"max_drop_points": 0.1}, {"max_drop_points": 5.0}, {"min_agreement": 0.99}])
def test_what_needs_no_count_has_plenty(gate: dict[str, float], confidence: float) -> None:
    """What a limit needs where nothing changes is far below five times the rule of three, from which on it is not computed."""
    limit = gate["max_drop_points"] / 100 if "max_drop_points" in gate else 1 - gate["min_agreement"]
    (needed,) = least_examples(parse_gate({**gate, "confidence": confidence}), "classification", labelled=True).values()
    assert 0.5 < needed * limit / math.log(1 / (1 - confidence)) < 5
