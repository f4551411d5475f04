"""`edgequant run` from end to end on a real model, through KFP's local runner.

The tests of this module share one project and stand in the order in which its owner would do these things.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from tests.mlflow_server import mlflow_server

from edgequant.artifacts.directory import file_digest
from edgequant.artifacts.verdict import load_verdict
from edgequant.validation.report.reproduction import reproduction
from edgequant_pipelines.config import load_config

STEPS = ["resolve", "describe", "sample", "convert", "evaluate", "benchmark", "validate", "track"]
Edgequant = Callable[..., "subprocess.CompletedProcess[str]"]


def result(work: Path) -> dict[str, Any]:
    """Returns what a run wrote for scripts."""
    content: dict[str, Any] = json.loads((work / "result.json").read_text())
    return content


def reused(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """Returns the steps that a run did not run again."""
    return [line.split()[0] for line in done.stdout.splitlines() if line.endswith("done before: reused")]


def client(project: Path) -> MlflowClient:
    """Returns a client for the project's MLflow."""
    return MlflowClient(f"sqlite:///{project.parent / 'mlflow.db'}")


def runs(project: Path) -> list[str]:
    """Returns the names of the runs of the project's experiment, without their verdicts."""
    mlflow = client(project)
    experiment = mlflow.get_experiment_by_name("digits")
    return sorted(map(without_verdict, mlflow.search_runs([experiment.experiment_id]))) if experiment else []


def without_verdict(run: Any) -> str:
    """Returns a run's source model and variant."""
    return " · ".join(run.info.run_name.split(" · ")[:2])


def test_a_first_run_quantizes_compares_and_records(shared_project: Path, edgequant: Edgequant) -> None:
    """A run ends with 0, a table, the files where it says, and everything in MLflow."""
    work = shared_project.parent / "work"
    done = edgequant("run", shared_project, "--work-directory", work)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert reused(done) == []
    content = result(work)
    assert {"schema", "name", "outcome", "best", "variants", "tracking"} <= set(content)
    assert content["schema"] == 1
    assert content["outcome"] == "blessed"
    assert content["environment"]["resolver"] == "xnnpack"
    assert list(content["variants"]) == ["float32", "weights_only", "integer_only"]
    assert content["variants"]["float32"]["verdict"] == "reference"
    for name, variant in content["variants"].items():
        model = work / "results" / "variants" / name / "model.tflite"
        assert model.stat().st_size == variant["size_bytes"]
        assert variant["status"] == "converted"
        assert variant["reason"] is None
        assert variant["examples"] == 719
        assert 0.9 < variant["metrics"]["accuracy"] <= 1
        assert set(variant["latency_ms"]) == {"p50", "p90", "p99"}
        assert variant["latency_runs"] > 0
        assert (variant["latency_ratio"] is None) == (name == "float32")
        assert variant["inspection"]["ops"]
        assert client(shared_project).get_run(variant["run_id"]).info.status == "FINISHED"
    assert (work / "report.html").read_text().startswith("<!doctype html>")
    # It did what was configured: nothing of that is replaced in the record.
    configured = load_config(shared_project).model_dump()
    assert (work / "results" / "config.yaml").read_text() == yaml.safe_dump(configured, sort_keys=False)
    assert (work / "results" / "verdict" / "size_metric.png").is_file()
    (summary,) = (work / ".edgequant" / "runs").glob("*/validate/summary")
    assert summary.read_text().startswith("**digits: blessed**")
    version = client(shared_project).get_model_version_by_alias("digits-tflite", "candidate")
    assert str(version.version) == content["tracking"]["model_version"] == "1"
    best = work / "results" / "variants" / content["best"] / "model.tflite"
    assert version.tags["edgequant.tflite_sha256"] == file_digest(best)
    assert "workflowType=machine_learning" in content["tracking"]["links"]["experiment"]
    assert f"mlflow server --backend-store-uri {content['tracking']['uri']}" in done.stdout
    for name in ("weights_only", "agreement", "drop, points", content["why"]):
        assert name in done.stdout
    assert runs(shared_project) == [
        "digits · float32",
        "digits · integer_only",
        "digits · summary",
        "digits · weights_only",
    ]


def test_a_second_run_only_looks_whether_all_is_recorded(shared_project: Path, invoke: Edgequant) -> None:
    """The same run again reuses every finished step, records nothing twice and ends with the same result."""
    work = shared_project.parent / "work"
    before = result(work)
    done = invoke("run", shared_project, "--work-directory", work)
    assert done.returncode == 0, done.stdout + done.stderr
    assert reused(done) == STEPS[:-1]
    assert result(work) == before
    assert len(runs(shared_project)) == 4
    assert len(client(shared_project).search_model_versions("name = 'digits-tflite'")) == 1


def test_the_reports_configuration_asks_for_the_same(shared_project: Path, invoke: Edgequant, tmp_path: Path) -> None:
    """What the report gives runs as it stands: nothing is drawn, made or measured anew, and the verdict is the same.

    It is judged anew, as what the gate had left to the defaults is spelled out. Only where it is recorded is not told.
    """
    work = shared_project.parent / "work"
    before = load_verdict(work / "results" / "verdict")
    again = tmp_path / "again.yaml"
    again.write_text(reproduction(before).config, encoding="utf-8")
    done = invoke(
        "run", again, "--work-directory", work, "--set", f"tracking.uri=sqlite:///{shared_project.parent / 'mlflow.db'}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert reused(done) == STEPS[:-2]
    assert load_verdict(work / "results" / "verdict") == before


def test_another_gate_is_judged_on_the_same_measurements(shared_project: Path, invoke: Edgequant) -> None:
    """Changing the gate runs validate and track alone; with none blessed the exit code is 3 and nothing is promoted."""
    work = shared_project.parent / "work"
    done = invoke("run", shared_project, "--work-directory", work, "--set", "gate.max_size_ratio=0.01")
    assert done.returncode == 3, done.stdout + done.stderr
    assert reused(done) == STEPS[:-2]
    content = result(work)
    assert (content["outcome"], content["best"], content["tracking"]["model_version"]) == ("rejected", None, None)
    assert "more than the 0.01 allowed" in str(content["variants"]["weights_only"]["reasons"])
    assert len(client(shared_project).search_model_versions("name = 'digits-tflite'")) == 1


def test_without_a_gate_nothing_is_judged(shared_project: Path, invoke: Edgequant) -> None:
    """No gate reads "not gated", ends with 0 and registers nothing."""
    work = shared_project.parent / "work"
    done = invoke("run", shared_project, "--work-directory", work, "--set", "gate={}")
    assert done.returncode == 0, done.stdout + done.stderr
    content = result(work)
    assert (content["outcome"], content["best"]) == ("not gated", None)
    assert {variant["verdict"] for variant in content["variants"].values()} == {"reference", "not gated"}
    assert len(client(shared_project).search_model_versions("name = 'digits-tflite'")) == 1


def test_a_retrained_model_is_never_served_from_the_cache(shared_project: Path, invoke: Edgequant) -> None:
    """Another model at the same path is converted anew; the sample, which needs only its signature, is reused."""
    work = shared_project.parent / "work"
    model = shared_project.parent / "digits.keras"
    repack(model)
    done = invoke("run", shared_project, "--work-directory", work)
    assert done.returncode == 0, done.stdout + done.stderr
    assert reused(done) == ["sample"]


def test_a_replaced_shard_is_never_served_from_the_cache(shared_project: Path, invoke: Edgequant) -> None:
    """Other examples under the same file name are sampled anew."""
    work = shared_project.parent / "work"
    path = shared_project.parent / "test.npz"
    with np.load(path, allow_pickle=False) as archive:
        half = {name: archive[name][:300] for name in archive.files}
    np.savez(path, allow_pickle=False, **half)
    done = invoke("run", shared_project, "--work-directory", work)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert reused(done) == ["resolve", "describe"]
    assert result(work)["variants"]["float32"]["examples"] == 300
    # The shard is one of the evaluation set, which the converter does not see.
    assert "float32: reused, as model, calibration inputs and versions are the same" in (work / "run.log").read_text()


def test_a_release_is_compared_with_the_one_in_production(shared_project: Path, invoke: Edgequant) -> None:
    """Before anything is in production the run says so and goes on; once an alias is there, it is fetched, run and shown."""
    work = shared_project.parent / "work"
    against = ["--set", "champion=models:/digits-tflite@production", "--set", "gate.max_drop_points_vs_champion=5"]
    done = invoke("run", shared_project, "--work-directory", work, *against)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    reason = "registered model 'digits-tflite' has no alias 'production'; it has candidate"
    assert f"no champion yet: {reason}" in done.stdout
    first = result(work)
    assert (first["champion"]["status"], first["champion"]["reason"]) == ("missing", reason)
    assert [check["verdict"] for check in first["variants"]["weights_only"]["checks"]][1] == "no champion yet"
    client(shared_project).set_registered_model_alias("digits-tflite", "production", "1")
    done = invoke("run", shared_project, "--work-directory", work, *against)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert reused(done) == ["resolve", "describe", "sample", "convert", "benchmark"]
    champion = result(work)["champion"]
    assert (champion["status"], champion["version"]) == ("evaluated", "models:/digits-tflite/1")
    assert champion["examples"] == result(work)["variants"]["float32"]["examples"] > 0
    assert 0.9 < champion["metrics"]["accuracy"] <= 1
    check = result(work)["variants"]["weights_only"]["checks"][1]
    assert (check["name"], check["verdict"]) == ("max_drop_points_vs_champion", "blessed")


def repack(path: Path) -> None:
    """Writes a .keras file anew with other bytes and the same model."""
    with zipfile.ZipFile(path) as archive:
        entries = {item.filename: archive.read(item) for item in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


@pytest.mark.long
def test_no_cache_runs_every_step(project: Path, edgequant: Edgequant) -> None:
    """With --no-cache nothing is reused, the examples drawn are the same, and nothing is registered twice."""
    work = project.parent / "work"
    first = edgequant("run", project, "--work-directory", work)
    assert first.returncode == 0, first.stdout + first.stderr
    before = result(work)
    done = edgequant("run", project, "--work-directory", work, "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr
    assert reused(done) == []
    content = result(work)
    for name, variant in content["variants"].items():
        assert variant["metrics"] == before["variants"][name]["metrics"]
        assert variant["drop_interval_points"] == before["variants"][name]["drop_interval_points"]
    # Latencies were measured anew, so these are other results; the file is the same, and so is its version.
    assert content["tracking"]["model_version"] == before["tracking"]["model_version"] == "1"


@pytest.mark.long
def test_a_run_killed_at_any_step_completes_when_started_again(project: Path, edgequant: Edgequant) -> None:
    """Killed during each step in turn, the run continues where it stopped and records nothing twice."""
    work = project.parent / "work"
    for step in ("sample", "convert", "evaluate", "validate", "track"):
        kill_during(step, project, work)
        assert not (work / "result.json").exists()
    done = edgequant("run", project, "--work-directory", work)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(reused(done)) >= {"resolve", "describe", "sample", "convert"}
    assert runs(project) == ["digits · float32", "digits · integer_only", "digits · summary", "digits · weights_only"]
    mlflow = client(project)
    experiment = mlflow.get_experiment_by_name("digits")
    assert experiment is not None
    statuses = {run.info.status for run in mlflow.search_runs([experiment.experiment_id])}
    assert statuses == {"FINISHED"}
    assert len(mlflow.search_logged_models([experiment.experiment_id])) == 3
    assert len(mlflow.search_model_versions("name = 'digits-tflite'")) == 1
    assert list(work.glob("results/.*")) == []


def kill_during(step: str, project: Path, work: Path) -> None:
    """Starts a run and kills it, and only it, soon after a step began; its steps must end by themselves."""
    import sys

    command = [sys.executable, "-m", "edgequant_pipelines.cli", "run", str(project), "--work-directory", str(work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.split() == [step, "started"]:
                break
        else:
            pytest.fail(f"the run ended before {step}")
        time.sleep(0.4)
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while steps_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert steps_of(process.pid) == []


def steps_of(session: int) -> list[int]:
    """Returns the processes of a session that still run a step."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z" and "executor_main" in command:
            found.append(int(entry.name))
    return found


def test_a_folder_that_is_no_work_directory_is_left_alone(tmp_path: Path) -> None:
    """A report of something else in the folder given as work directory is not deleted."""
    from edgequant_pipelines.local_runner import StepError, forget_steps

    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(StepError, match=r"is no work directory and holds report.html, which a run would overwrite"):
        forget_steps(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_two_runs_do_not_share_a_work_directory(project: Path, edgequant: Edgequant) -> None:
    """A second run in a work directory that is in use is refused at once."""
    from filelock import FileLock

    work = project.parent / "work"
    (work / ".edgequant").mkdir(parents=True)
    with FileLock(work / ".edgequant" / "lock"):
        done = edgequant("run", project, "--work-directory", work)
    assert done.returncode == 1
    assert "another run is using this work directory" in done.stderr


class _NoExperiments(BaseHTTPRequestHandler):
    """Answers the first request of a run, whether MLflow is there."""

    def do_POST(self) -> None:
        """Answers that there are no experiments."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: object) -> None:
        """Prints nothing."""


@contextmanager
def answering_once() -> Iterator[str]:
    """Runs a server that is gone after its first answer, and yields its address."""
    with HTTPServer(("127.0.0.1", 0), _NoExperiments) as server:

        def answer() -> None:
            server.handle_request()
            server.server_close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"


def test_results_survive_an_mlflow_that_cannot_be_reached(project: Path, edgequant: Edgequant) -> None:
    """With MLflow gone since the start the run fails with one line, keeps everything, and `edgequant track WORK` finishes it later."""
    work = project.parent / "work"
    with answering_once() as server:
        done = edgequant(
            "run",
            project,
            "--work-directory",
            work,
            "--set",
            f"tracking.uri={server}",
            "--set",
            "tracking.retry_seconds=1",
            "--set",
            "variants=[float32, weights_only]",
        )
    assert done.returncode == 1
    assert f"MLflow at {server} did not accept the results" in done.stderr
    assert f"edgequant track {work}" in done.stderr
    assert "track     MLflow request failed" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert result(work)["outcome"] == "blessed"
    assert result(work)["tracking"] is None
    uri = f"sqlite:///{project.parent / 'mlflow.db'}"
    finished = edgequant("track", work, "--tracking-uri", uri)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert result(work)["tracking"]["uri"] == uri
    assert runs(project) == ["digits · float32", "digits · summary", "digits · weights_only"]


@pytest.mark.long
def test_the_same_mlflow_at_another_address(project: Path, digits: Path, edgequant: Edgequant, tmp_path: Path) -> None:
    """A port-forward has another port: nothing is made anew, nothing is recorded twice, and the results name that address."""
    work = tmp_path / "work"
    shutil.copyfile(digits / "mlflow.db", tmp_path / "mlflow.db")
    with mlflow_server(tmp_path, "sqlite:///mlflow.db") as server:
        found = []
        for address, steps in ((server, []), (server.replace("127.0.0.1", "localhost"), STEPS[:-1])):
            given = {
                "tracking.uri": address,
                "tracking.experiment": "digits-quantized",
                "model": "models:/digits/1",
                "variants": "[float32, weights_only]",
            }
            options = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
            done = edgequant("run", project, "--work-directory", work, *options)
            assert done.returncode == 0, done.stdout + done.stderr
            assert reused(done) == steps
            tracking = result(work)["tracking"]
            assert tracking["uri"] == address
            assert tracking["links"]["summary"].startswith(address)
            assert yaml.safe_load((work / "results" / "config.yaml").read_text())["tracking"]["uri"] == address
            found.append((tracking["summary_run_id"], tracking["versions"], tracking["alias_version"]))
        assert found[0] == found[1]
        mlflow = MlflowClient(server)
        left = mlflow.search_runs([mlflow.get_experiment_by_name("digits-quantized").experiment_id])
        assert sorted(map(without_verdict, left)) == [
            "digits v1 · float32",
            "digits v1 · summary",
            "digits v1 · weights_only",
        ]
        assert {run.info.status for run in left} == {"FINISHED"}
        # Finished later, it is recorded where the run was.
        assert edgequant("track", work).returncode == 0
        assert result(work)["tracking"]["uri"] == address


def test_each_step_runs_alone(project: Path, edgequant: Edgequant, invoke: Edgequant, tmp_path: Path) -> None:
    """The steps' own commands, one after the other on directories, give the verdict of a run."""
    work = tmp_path / "steps"
    examples = work / "examples"
    config = ["--set", "variants=[float32, weights_only]"]
    production = ["--set", f"champion={work / 'variants' / 'weights_only' / 'model.tflite'}"]
    against = ["--variants", work / "variants", "--examples", examples / "evaluation"]
    commands: list[list[object]] = [
        ["sample", project, "--output", examples],
        [
            "convert", project, *config, "--calibration", examples / "calibration",
            "--evaluation", examples / "evaluation", "--output", work / "variants",
        ],
        ["evaluate", "float32", *against, "--output", work / "float32"],
        ["evaluate", "weights_only", *against, "--output", work / "weights_only"],
        ["champion", project, *production, "--output", work / "champion"],
        ["evaluate", "champion", "--variants", work / "champion", *against[2:], "--output", work / "champion-evaluation"],
        ["benchmark", *against, "--output", work / "latencies"],
        [
            "validate", project, "--champion", work / "champion",
            "--champion-evaluation", work / "champion-evaluation", "--variants", work / "variants", "--evaluation", work / "float32",
            "--evaluation", work / "weights_only", "--benchmark", work / "latencies", "--calibration",
            examples / "calibration", "--examples", examples / "evaluation", "--output", work / "verdict",
        ],
    ]  # fmt: skip
    described = edgequant("describe", project.parent / "digits.keras")
    assert described.stdout == "input   pixels float32 [N, 8, 8, 1]\noutput  output_0 float32 [N, 10]\n"
    for command in commands:
        done = invoke(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads((work / "verdict" / "verdict.json").read_text())
    assert verdict["outcome"] == "blessed"
    assert verdict["best"] == "weights_only"
    assert verdict["champion"]["metrics"] == verdict["variants"]["weights_only"]["metrics"]
    assert verdict["variants"]["weights_only"]["versus_champion"]["points"] == 0.0
    inspected = invoke("inspect", work / "variants" / "weights_only" / "model.tflite", "--json")
    assert json.loads(inspected.stdout)["kind"] == "dynamic_range"
    shown = invoke("inspect", work / "variants" / "weights_only" / "model.tflite")
    assert "CONV_2D" in shown.stdout


@pytest.mark.long
def test_the_compiled_pipeline_nests_and_runs(project: Path, tmp_path: Path, edgequant: Edgequant) -> None:
    """The compiled `quantize`, with all that a cluster needs, nests in a training pipeline and runs on the model it is given."""
    import sys

    config = yaml.safe_load(project.read_text())
    script = tmp_path / "nested.py"
    script.write_text(NESTED)
    done = edgequant("compile", "--components", tmp_path, "--output", tmp_path / "pipeline.yaml")
    assert done.returncode == 0, done.stderr
    arguments = {
        "folder": str(project.parent),
        "calibration": str(project.parent / "train.npz"),
        "evaluation": str(project.parent / "test.npz"),
        "gate": config["gate"],
        "uri": f"sqlite:///{project.parent / 'mlflow.db'}",
        "output": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    path = Path(done.stdout.splitlines()[-1].strip())
    content = json.loads((path / "result.json").read_text())
    assert content["outcome"] == "blessed"
    assert set(content["variants"]) == {"float32", "integer_only"}
    recorded = load_config(path / "config.yaml")
    assert (recorded.examples.label, recorded.sampling.calibration) == ("digit", 100)
    assert recorded.variants == ["float32", "integer_only"]
    assert runs(project) == ["digits · float32", "digits · integer_only", "digits · summary"]


NESTED = '''
"""A user's training pipeline that quantizes the model it has trained, with the compiled pipeline."""
import json, shutil, sys
from pathlib import Path
from kfp import components, dsl, local

given = json.loads(sys.argv[1])
output = Path(given["output"])
quantize_component = components.load_component_from_file(str(output / "quantize.yaml"))

@dsl.component(base_image="python:3.11")
def train(folder: str, model: dsl.Output[dsl.Model]):
    import os, shutil
    os.makedirs(model.path)
    shutil.copyfile(os.path.join(folder, "digits.keras"), os.path.join(model.path, "digits.keras"))

@dsl.pipeline(name="train-and-quantize")
def pipeline(folder: str, calibration: list[str], evaluation: list[str], gate: dict, uri: str) -> dsl.Artifact:
    trained = train(folder=folder)
    quantized = quantize_component(
        saved_model=trained.outputs["model"], name="digits", calibration_examples=calibration, evaluation_examples=evaluation,
        label="digit", calibration_count=100, gate=gate, experiment="digits", tracking_uri=uri,
        variants=["float32", "integer_only"],
    )
    return quantized.output

local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(output / "root"))
done = pipeline(folder=given["folder"], calibration=[given["calibration"]], evaluation=[given["evaluation"]],
                gate=given["gate"], uri=given["uri"])
print(done.output.path)
'''
