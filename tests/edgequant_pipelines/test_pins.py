"""A run on a cluster looks up what its names stand for when it runs: a recurring run is never served yesterday's model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl, local

from edgequant.mlflow_access.lookup import Waiting
from edgequant.model_uri import training_metrics
from edgequant.pinning.step import pin
from edgequant.resolution.component import resolve
from edgequant_pipelines.compilation import CompileOptions, compile_pipeline
from edgequant_pipelines.pins import LOOKED_UP, look_up


@dsl.component(base_image="edgequant/sampling", install_kfp_package=False)  # type: ignore[untyped-decorator]
def read(patterns: list[str], examples_digest: str) -> str:
    """Stands for sample: reads the examples, and its cache key has their digest."""
    import glob

    print("edgequant: read", examples_digest)
    return "".join(open(path).read() for pattern in patterns for path in glob.glob(pattern))  # noqa: PTH123, PTH207


@dsl.pipeline(name="first-steps")  # type: ignore[untyped-decorator]
def first_steps(model: str, calibration_examples: list[str]) -> str:
    """The first steps of the compiled pipeline, and the two that read what the names stand for."""
    given: dict[str, Any] = {
        "model": model, "champion": "", "tracking_uri": "", "calibration_examples": calibration_examples,
        "evaluation_examples": [], "classes_file": "", "preprocess": "",
    }  # fmt: skip
    outputs = look_up(given)
    resolve(model_uri=outputs["model"], model_digest=outputs["model_digest"], tracking_uri="")
    return read(patterns=calibration_examples, examples_digest=outputs["examples_digest"]).output  # type: ignore[no-any-return]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a model and examples, and KFP's local runner with its cache."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"monday")
    (tmp_path / "train-0.txt").write_text("monday")
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(tmp_path / "runs"),
        enable_caching=True,
        cache_root=str(tmp_path / "cache"),
    )
    return tmp_path


@pytest.mark.filterwarnings("ignore:You may be attemping to run a task:RuntimeWarning")
def test_each_run_looks_anew(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With the same arguments: what is the same is reused, a retrained model is fetched, replaced examples are read."""

    def fire() -> tuple[str, set[str]]:
        capfd.readouterr()
        task = first_steps(model=str(project / "model"), calibration_examples=[str(project / "train-*.txt")])
        printed = capfd.readouterr().out
        worked = {step for step in ("pin", "fingerprint", "resolve", "read") if f"edgequant: {step}" in printed}
        return task.output, worked

    assert fire() == ("monday", {"pin", "fingerprint", "resolve", "read"})
    assert fire() == ("monday", {"pin", "fingerprint"})
    (project / "model" / "saved_model.pb").write_bytes(b"tuesday")
    assert fire() == ("monday", {"pin", "fingerprint", "resolve"})
    (project / "train-0.txt").write_text("tuesday")
    assert fire() == ("tuesday", {"pin", "fingerprint", "read"})


def test_the_compiled_pipeline_looks_first() -> None:
    """Its first two steps are never cached, give the digests that the others' cache keys cover, and nobody else gives them."""
    (spec, *_) = compile_pipeline(CompileOptions()).documents
    tasks = spec["root"]["dag"]["tasks"]
    assert [tasks[name].get("cachingOptions") for name in ("pin", "fingerprint")] == [{}, {}]
    assert not set(LOOKED_UP) & set(spec["root"]["inputDefinitions"]["parameters"])

    def source(task: str, name: str) -> tuple[str, str]:
        output = tasks[task]["inputs"]["parameters"][name]["taskOutputParameter"]
        return output["producerTask"], output["outputParameterKey"]

    assert source("resolve", "model_uri") == ("pin", "model")
    assert source("resolve", "model_digest") == ("pin", "model_digest")
    assert source("quantize", "model_uri") == ("pin", "model")
    assert source("quantize", "champion") == ("pin", "champion")
    assert source("quantize", "champion_digest") == ("pin", "champion_digest")
    assert source("quantize", "training_metrics") == ("pin", "training_metrics")
    assert source("quantize", "examples_digest") == ("fingerprint", "Output")


def test_an_alias_that_moves(tmp_path: Path, new_mlflow: Callable[[Path], str]) -> None:
    """The version that an alias is on at the moment is what the later steps get, with a digest of its own."""
    import mlflow

    uri = new_mlflow(tmp_path / "mlflow.db")
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("flowers")
    found = []
    for number in ("1", "2"):
        # What pins a model reads its files only for their digest.
        (tmp_path / number).mkdir()
        (tmp_path / number / "saved_model.pb").write_bytes(b"a graph")
        client.create_model_version("flowers", source=str(tmp_path / number))
        client.set_registered_model_alias("flowers", "champion", number)
        found.append(pin("models:/flowers@champion", "models:/flowers-tflite@champion", uri))
    assert [item.model for item in found] == ["models:/flowers/1", "models:/flowers/2"]
    assert found[0].model_digest != found[1].model_digest
    # Nothing is in production yet, which is no failure.
    assert (found[1].champion, found[1].champion_digest) == ("models:/flowers-tflite@champion", "")


def test_what_the_training_run_logged(tmp_path: Path, new_mlflow: Callable[[Path], str]) -> None:
    """The metrics come from the run of a version or of runs:/; a version without a run has none, and neither has a deleted run."""
    import mlflow

    uri = new_mlflow(tmp_path / "mlflow.db")
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    run_id = client.create_run("0").info.run_id
    for name, value in {"accuracy": 0.98, "loss": float("nan"), "system/cpu": 12.0}.items():
        client.log_metric(run_id, name, value)
    client.create_registered_model("flowers")
    client.create_model_version("flowers", source=str(tmp_path / "1"), run_id=run_id)
    client.create_model_version("flowers", source=str(tmp_path / "2"))
    said: list[str] = []
    waiting = Waiting(seconds=0.1, tell=said.append)
    assert training_metrics("models:/flowers/1", uri, waiting) == {"accuracy": 0.98}
    assert training_metrics(f"runs:/{run_id}/model", uri, waiting) == {"accuracy": 0.98}
    assert training_metrics("models:/flowers/2", uri, waiting) == {}
    assert training_metrics(str(tmp_path), uri, waiting) == {}
    assert said == []
    assert training_metrics("runs:/unknown/model", uri, waiting) == {}
    assert said[-1].startswith("the metrics of the training run of runs:/unknown/model cannot be read (")
