"""What a user gets wrong, at the command line: one message, an exit code, no stack trace, nothing half-written."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Edgequant = Callable[..., "subprocess.CompletedProcess[str]"]


def check(done: "subprocess.CompletedProcess[str]", code: int, *texts: str) -> None:
    """Asserts the exit code, one line of error with every text, and no stack trace."""
    assert done.returncode == code, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("edgequant: ")
    for text in texts:
        assert text in lines[0]
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("override", "code", "texts"),
    [
        ("tsak=classification", 2, ["unknown key 'tsak'", "did you mean 'task'?"]),
        ("gate.max_drop=1", 2, ["unknown key 'max_drop'", "did you mean 'max_drop_points'?"]),
        ("variants=[float32, int4]", 2, ["unknown variant 'int4'", "choose from float32"]),
        ("sampling.seed=x", 2, ["sampling.seed", "'x'"]),
        ("model=nothing.keras", 1, ["nothing.keras does not exist", "SavedModel directory"]),
        ("model=train.npz", 1, ["train.npz is a plain file"]),
        ("model=models:/digits/1", 1, ["models:/digits/1", "not found"]),
        ("model=ftp://w/1", 2, ["model: 'ftp://w/1' is not a model URI", "models:/NAME/VERSION"]),
        ("examples.calibration=https://x/y.npz", 2, ["examples.calibration: 'https://x/y.npz'", "s3://BUCKET/PATH"]),
        ("examples.evaluation=train.csv", 2, ["examples.evaluation: ", "train.csv' has an unknown format", ".parquet"]),
        ("signature=serve", 1, ["signature: 'serve'", "'serving_default'"]),
        ("examples.inputs={pixel: pixels}", 2, ["'pixel' is not an input of the model", "did you mean 'pixels'?"]),
        ("examples.calibration=tain*.npz", 1, ["no file matches", "tain*.npz"]),
        ("examples.label=digits", 1, ["has no feature 'digits'", "did you mean 'digit'?", "train.npz: "]),
        ("beam=[--runer=FnApiRunner]", 2, ["'--runer=FnApiRunner' is not an option of Beam"]),
        ("task=binary", 2, ["task: 'binary' needs one or two units", "float32 [N, 10]"]),
        # It is called by the last step but one.
        pytest.param("task=nowhere:metric", 2, ["module 'nowhere' cannot be imported"], marks=pytest.mark.long),
    ],
)
def test_wrong_configurations(
    shared_project: Path, invoke: Edgequant, override: str, code: int, texts: list[str]
) -> None:
    """A wrong value ends the run with a message that names it, what is allowed, and often what was meant."""
    work = shared_project.parent / "work"
    done = invoke("run", shared_project, "--work-directory", work, "--set", override)
    check(done, code, *texts)
    assert not (work / "result.json").exists()


def test_a_preprocess_function_that_raises(project: Path, edgequant: Edgequant) -> None:
    """The user's own message is shown with the example it is about."""
    (project.parent / "prepare.py").write_text("def to_inputs(features):\n    raise ValueError('the moon is full')\n")
    done = edgequant(
        "run", project, "--work-directory", project.parent / "work",
        "--set", "examples.inputs={}", "--set", "examples.preprocess=prepare.py:to_inputs",
    )  # fmt: skip
    check(done, 1, "prepare.py:to_inputs raised ValueError: the moon is full", "test.npz: row ")


def test_too_many_values_that_are_not_finite(project: Path, edgequant: Edgequant) -> None:
    """More than 1% of records with NaN is an error that counts them."""
    path = project.parent / "train.npz"
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["pixels"][::2, 0, 0, 0] = np.nan
    np.savez(path, allow_pickle=False, **arrays)
    done = edgequant("run", project, "--work-directory", project.parent / "work")
    check(done, 1, "sampled records hold NaN or infinity", "1% are allowed", "train.npz: row ")


@pytest.mark.parametrize("command", [["run", "missing.yaml"], ["inspect", "missing.tflite"], ["track", "missing"]])
def test_files_that_are_not_there(tmp_path: Path, edgequant: Edgequant, command: list[str]) -> None:
    """A path that does not exist is named."""
    done = edgequant(*command, cwd=tmp_path)
    check(done, 2 if command[0] == "run" else 1, "missing")


@pytest.mark.parametrize("command", [["sample"], ["convert", "--calibration", "sets/calibration"]])
def test_steps_ask_the_mlflow_that_is_configured(project: Path, edgequant: Edgequant, command: list[str]) -> None:
    """The model of a configuration is looked up where the configuration says."""
    settings = ("model=models:/digits/1", "tracking.uri=http://127.0.0.1:9", "tracking.retry_seconds=0")
    overrides = [word for setting in settings for word in ("--set", setting)]
    done = edgequant(command[0], project, *command[1:], "--output", project.parent / "sets", *overrides)
    check(done, 1, "model: models:/digits/1 cannot be looked up in MLflow at http://127.0.0.1:9: ")


def test_a_work_directory_that_cannot_be_written(project: Path, edgequant: Edgequant) -> None:
    """A work directory on a file system that takes no files is named, before anything is run."""
    done = edgequant("run", project, "--work-directory", "/proc/edgequant")
    check(done, 1, "/proc/edgequant")


@pytest.mark.long
def test_a_full_disk(project: Path, edgequant: Edgequant) -> None:
    """Where a file cannot be written to its end, the step and the system's reason are named, and the output is not there."""

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    work = project.parent / "work"
    done = subprocess.run(
        [sys.executable, "-m", "edgequant_pipelines.cli", "run", str(project), "--work-directory", str(work)],
        capture_output=True,
        text=True,
        preexec_fn=small_files_only,
        timeout=300,
        check=False,
    )
    check(done, 1, "resolve: File too large", ".keras")
    assert not (work / "result.json").exists()
    again = edgequant("run", project, "--work-directory", work)
    assert again.returncode == 0, again.stdout + again.stderr


def test_usage_is_explained(edgequant: Edgequant) -> None:
    """A missing argument or an unknown command ends with 2 and says what is needed."""
    assert edgequant("run").returncode == 2
    assert "Missing argument 'CONFIG'" in edgequant("run").stderr
    assert edgequant("quantise").returncode == 2
