"""The pipeline's arguments: what they hold, and which of them change when something on disk does."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient

from edgequant.errors import ConfigError, ModelError, TrackingError
from edgequant_pipelines.arguments import local_tracking_uri, pipeline_arguments
from edgequant_pipelines.config import load_config
from edgequant_pipelines.local_runner import run_locally

Arguments = Callable[..., dict[str, Any]]
PREPROCESS = "def to_inputs(features):\n    return features\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model, examples and a preprocess file."""
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "prepare.py").write_text(PREPROCESS)
    for name in ("train", "test"):
        np.savez(tmp_path / f"{name}.npz", x=np.zeros((3, 2)))
    return tmp_path


@pytest.fixture
def arguments(folder: Path) -> Arguments:
    """Returns the arguments of the folder's configuration with some values changed."""

    def make(**changes: Any) -> dict[str, Any]:
        values = {
            "name": "digits",
            "model": "saved_model",
            "examples": {"calibration": "train.npz", "evaluation": "test.npz", "label": "y"},
            **changes,
        }
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(values))
        return pipeline_arguments(load_config(path), f"sqlite:///{folder / 'mlflow.db'}")

    return make


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Returns the names of the arguments that differ."""
    return {name for name in before if before[name] != after[name]}


def test_arguments(folder: Path, arguments: Arguments) -> None:
    """Every value of the configuration is an argument, and so are the digests of what it names."""
    values = arguments(gate={"max_drop_points": 1.0}, sampling={"calibration": 5, "seed": 3})
    digests = {values.pop(name) for name in ("model_digest", "examples_digest")}
    assert all(len(digest) == 64 for digest in digests)
    recorded = yaml.safe_load(values.pop("configuration"))
    assert (recorded["name"], recorded["gate"]) == ("digits", {"max_drop_points": 1.0})
    assert values == {
        "model": str(folder / "saved_model"),
        "name": "digits",
        "signature": "serving_default",
        "calibration_examples": [str(folder / "train.npz")],
        "evaluation_examples": [str(folder / "test.npz")],
        "inputs": {},
        "label": "y",
        "classes": [],
        "classes_file": "",
        "slices": [],
        "group": "",
        "sequence": {},
        "keep": [],
        "preprocess": "",
        "preprocess_source": "",
        "calibration_count": 5,
        "evaluation_count": 10_000,
        "stratify": "auto",
        "minimum_per_class": 1,
        "weight": "",
        "extremes": 0.0,
        "allow_calibration_mismatch": False,
        "check_stability": False,
        "seed": 3,
        "variants": ["float32", "float16", "weights_only", "full_int8", "integer_only"],
        "task": "classification",
        "task_digest": "",
        "task_source": "",
        "resolver": "xnnpack",
        "evaluation_budget_seconds": 0.0,
        "gate": {"max_drop_points": 1.0},
        "reference": {},
        "training_metrics": {},
        "champion": "",
        "champion_digest": "",
        "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}",
        "experiment": "digits",
        "registered_model": "",
        "alias": "",
        "register": "best",
        "tracking_retry_seconds": 120.0,
        "beam_options": ["--runner=FnApiRunner"],
    }


def test_nothing_changes_by_itself(arguments: Arguments) -> None:
    """The same files give the same arguments, so that finished steps are found again."""
    assert arguments() == arguments()


def test_a_retrained_model_is_another(folder: Path, arguments: Arguments) -> None:
    """A model retrained at the same path changes its digest and nothing else."""
    before = arguments()
    (folder / "saved_model" / "saved_model.pb").write_bytes(b"GRAPH")
    assert changed(before, arguments()) == {"model_digest"}


@pytest.mark.parametrize("name", ["train.npz", "test.npz"])
def test_a_replaced_shard_is_another(folder: Path, arguments: Arguments, name: str) -> None:
    """A shard replaced under the same name changes the examples' digest and nothing else."""
    before = arguments()
    np.savez(folder / name, x=np.ones((3, 2)))
    assert changed(before, arguments()) == {"examples_digest"}


def test_a_preprocess_file_travels_with_its_text(folder: Path, arguments: Arguments) -> None:
    """The file's name, function and text are arguments; another text is another argument; its path is none."""
    examples = {"calibration": "train.npz", "preprocess": "prepare.py:to_inputs"}
    before = arguments(examples=examples)
    assert (before["preprocess"], before["preprocess_source"]) == ("prepare.py:to_inputs", PREPROCESS)
    (folder / "prepare.py").write_text(PREPROCESS + "# another\n")
    assert changed(before, arguments(examples=examples)) == {"preprocess_source"}


def test_the_file_of_the_class_names_is_named_and_counts(folder: Path, arguments: Arguments) -> None:
    """The arguments hold the file's path and not its names, so that they stay small; another content is another digest."""
    (folder / "labels.txt").write_text("ant\nbee\n")
    examples = {"calibration": "train.npz", "classes_file": "labels.txt"}
    before = arguments(examples=examples)
    assert (before["classes"], before["classes_file"]) == ([], str(folder / "labels.txt"))
    assert "bee" not in before["configuration"]
    (folder / "labels.txt").write_text("ant\nwasp\n")
    assert changed(before, arguments(examples=examples)) == {"examples_digest"}


def test_a_preprocess_module_counts_by_its_source(
    folder: Path, arguments: Arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module has no text among the arguments; its source is a part of the examples' digest."""
    monkeypatch.syspath_prepend(folder)
    module = folder / "edgequant_test_prepare.py"
    module.write_text(PREPROCESS)
    examples = {"calibration": "train.npz", "preprocess": "edgequant_test_prepare:to_inputs"}
    before = arguments(examples=examples)
    assert (before["preprocess"], before["preprocess_source"]) == ("edgequant_test_prepare:to_inputs", "")
    module.write_text(PREPROCESS + "# another\n")
    assert changed(before, arguments(examples=examples)) == {"examples_digest"}


def test_a_metric_of_ones_own_counts_by_its_source(
    folder: Path, arguments: Arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source of a user's metric is digested, so that changing it measures again."""
    monkeypatch.syspath_prepend(folder)
    module = folder / "edgequant_test_score.py"
    module.write_text("def score(outputs, labels):\n    return {}\n")
    before = arguments(task="edgequant_test_score:score")
    module.write_text("def score(outputs, labels):\n    return {'a': 1.0}\n")
    assert changed(before, arguments(task="edgequant_test_score:score")) == {"task_digest"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"\xff\xfe", r"is not a text file in UTF-8 \("),
        (b" \n", r"is empty; it must define 'to_inputs'"),
    ],
    ids=["missing", "binary", "empty"],
)
def test_a_preprocess_file_that_cannot_be_used(
    folder: Path, arguments: Arguments, content: bytes | None, message: str
) -> None:
    """A preprocess file that is missing, not text or empty is refused by name."""
    if content is not None:
        (folder / "code.py").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^examples.preprocess: {folder}/code.py {message}"):
        arguments(examples={"calibration": "train.npz", "preprocess": "code.py:to_inputs"})


def test_a_model_that_is_missing(folder: Path, arguments: Arguments) -> None:
    """A model that does not exist is refused by name, before anything is run."""
    with pytest.raises(ModelError, match=rf"^model: {folder}/no_model does not exist"):
        arguments(model="no_model")


def test_a_moved_alias_is_another_champion(
    folder: Path, arguments: Arguments, new_mlflow: Callable[[Path], str]
) -> None:
    """The champion is pinned to a version, and another one, or the first one, changes the arguments."""
    uri = new_mlflow(folder / "mlflow.db")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def found() -> dict[str, Any]:
        arguments(champion="models:/small@champion")
        return pipeline_arguments(load_config(folder / "config.yaml"), uri)

    missing = found()
    assert (missing["champion"], missing["champion_digest"]) == ("models:/small@champion", "")
    client.create_registered_model("small")
    for version in ("1", "2"):
        client.create_model_version("small", source=folder.as_uri())
        client.set_registered_model_alias("small", "champion", version)
        pinned = found()
        assert pinned["champion"] == f"models:/small/{version}"
        assert changed(missing, pinned) == {"champion", "champion_digest"}
        missing = pinned


def test_an_mlflow_that_is_gone_is_waited_for_as_configured(folder: Path) -> None:
    """Before the first step: for `tracking.retry_seconds`, which the run says, and not for MLflow's own minutes."""
    config = {"name": "digits", "model": "models:/digits/1", "examples": {"calibration": "train.npz"}}
    tracking: dict[str, Any] = {"uri": "http://127.0.0.1:9", "retry_seconds": 1.5}
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, "tracking": tracking}))
    said: list[tuple[str, str]] = []
    start = time.monotonic()
    with pytest.raises(
        ModelError, match=r"^model: models:/digits/1 cannot be looked up in MLflow at http://127.0.0.1:9: "
    ):
        pipeline_arguments(load_config(folder / "config.yaml"), tracking["uri"], lambda *line: said.append(line))
    assert time.monotonic() - start < 60
    assert said == [("pin", "MLflow at http://127.0.0.1:9 does not answer; retrying for at most 1.5 s")]


def test_where_results_are_recorded(
    folder: Path, arguments: Arguments, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The configured server comes first, then the environment's, then a file in the work directory."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    arguments()
    config = load_config(folder / "config.yaml")
    assert local_tracking_uri(config, tmp_path / "work") == f"sqlite:///{tmp_path}/work/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.com")
    assert local_tracking_uri(config, tmp_path / "work") == "http://mlflow.example.com"
    config = load_config(folder / "config.yaml", ["tracking.uri=sqlite:///mine.db"])
    assert local_tracking_uri(config, tmp_path / "work") == f"sqlite:///{folder}/mine.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example.com")
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI: holds a password; give credentials in") as refused:
        local_tracking_uri(load_config(folder / "config.yaml"), tmp_path / "work")
    assert "secret" not in str(refused.value)


def test_a_run_on_a_cluster_needs_a_server(
    folder: Path, arguments: Arguments, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a pod the work directory vanishes with it: without a server a run ends at once, and leaves nothing."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    arguments()
    config, work = load_config(folder / "config.yaml"), tmp_path / "work"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(
        TrackingError, match=r"^tracking\.uri is empty and MLFLOW_TRACKING_URI is not set; on a cluster"
    ):
        run_locally(config, work, cache=True, show=lambda *_: None)
    assert not work.exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.com")
    assert local_tracking_uri(config, work) == "http://mlflow.example.com"
