"""The logged model, loaded by name in a process that has neither this package nor TensorFlow."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

import edgequant
from edgequant.artifacts.evaluation import load_evaluation
from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.litert_interpreter import RESOLVERS, XNNPACK, Model
from edgequant.tracking.step import record

NAME = "digits-tflite"

_LOAD = r"""
import sys
import time

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("edgequant", "tensorflow", "keras", "tf_keras"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Refuse())
import mlflow
import numpy as np

uri, model, source, target = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_registry_uri(uri)
loaded = mlflow.pyfunc.load_model(model)
values = np.load(source)
by_name = loaded.predict({"pixels": values})
as_array = loaded.predict(values)
first = loaded.predict({"pixels": values[:1]})
def refusal(given):
    try:
        loaded.predict(given)
    except Exception as error:
        return str(error)

empty, wide = refusal(values[:0]), refusal(values.astype("float64"))
values[1, 0] = np.nan
nan = str(refusal(values[:2]))
assert list(by_name) == list(as_array) == list(first) == ["output_0"]
np.savez(target, by_name=by_name["output_0"], as_array=as_array["output_0"], first=first["output_0"], empty=empty, wide=wide, nan=nan)
assert not [name for name in sys.modules if name.startswith(("edgequant", "tensorflow"))]
"""

_PACKAGE = r"""
from pathlib import Path
import sys
import numpy as np
from mlflow.entities import LoggedModel
from edgequant.tracking.recording.packaging import package

with np.load("example.npz", allow_pickle=False) as archive:
    example = dict(archive)
logged = LoggedModel("1", "m-1", "model", "file:model", 0, 0, source_run_id="r-1")
package(Path("model.tflite"), example, logged, Path("packaged"), sys.argv[1])
"""


def _predict(uri: str, model: str, evaluation_set: Path, folder: Path) -> dict[str, Any]:
    np.save(folder / "values.npy", load_example_set(evaluation_set).inputs["pixels"][:20])
    arguments = [uri, model, str(folder / "values.npy"), str(folder / "found.npz")]
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert "Add type hints" not in done.stderr
    with np.load(folder / "found.npz") as arrays:
        return dict(arrays)


def test_the_registered_model_gives_the_interpreters_result(recorded: Any, digits_sets: Any, tmp_path: Path) -> None:
    """By alias, for a dict, an array and a batch of one, the outputs are bit for bit those of the evaluation."""
    expected = load_evaluation(digits_sets.evaluations[digits_sets.best]).outputs["output_0"][:20]
    predicted = _predict(recorded.uri, f"models:/{NAME}@candidate", digits_sets.evaluation_set, tmp_path)
    np.testing.assert_array_equal(predicted["by_name"], expected)
    np.testing.assert_array_equal(predicted["as_array"], expected)
    np.testing.assert_array_equal(predicted["first"], expected[:1])
    assert str(predicted["empty"]) == "examples: pixels holds 0; each input holds as many, and one at least"
    assert "float64" in str(predicted["wide"])
    assert "float32" in str(predicted["wide"])


@pytest.mark.parametrize("variant", ["float32", "integer_only"])
def test_every_variants_model_takes_and_gives_floats(
    recorded: Any, digits_sets: Any, tmp_path: Path, variant: str
) -> None:
    """Quantization stays inside the model: float values in and out, those that the interpreter gives."""
    client = MlflowClient(tracking_uri=recorded.uri)
    (model,) = client.search_logged_models(
        [client.get_experiment_by_name("digits").experiment_id], f"name = 'digits-v3-{variant}'"
    )
    expected = load_evaluation(digits_sets.evaluations[variant]).outputs["output_0"][:20]
    predicted = _predict(recorded.uri, f"models:/{model.model_id}", digits_sets.evaluation_set, tmp_path)
    assert predicted["by_name"].dtype == np.float32
    refused = "input 'pixels' holds NaN; it is quantized to int8, which holds finite values only"
    assert str(predicted["nan"]).endswith(refused if variant == "integer_only" else "None")
    np.testing.assert_array_equal(predicted["by_name"], expected)


def _package(
    model: bytes, example: dict[str, Any], folder: Path, resolver: str = XNNPACK, preparation: str = ""
) -> Path:
    """Returns the directory of a packaged model, made in a process of its own after its `preparation`."""
    folder.mkdir()
    (folder / "model.tflite").write_bytes(model)
    np.savez(folder / "example.npz", allow_pickle=False, **example)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", preparation + _PACKAGE, resolver],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "packaged"


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_model_is_run_by_the_kernels_that_it_was_evaluated_with(
    digits_sets: Any, tmp_path: Path, resolver: str
) -> None:
    """Its outputs are those of the figures that it is registered with, bit for bit; whoever loads it may ask for others."""
    tflite = digits_sets.variant_set / "float32" / "model.tflite"
    values = load_example_set(digits_sets.evaluation_set).inputs["pixels"][:40]
    expected = {name: _interpreted(tflite, values, name) for name in RESOLVERS}
    assert not np.array_equal(expected["xnnpack"], expected["reference"])
    packaged = str(_package(tflite.read_bytes(), {"pixels": values[:1]}, tmp_path / "packaged", resolver))
    loaded = mlflow.pyfunc.load_model(packaged)
    np.testing.assert_array_equal(loaded.predict(values)["output_0"], expected[resolver])
    other = mlflow.pyfunc.load_model(packaged, model_config={"resolver": "reference"})
    np.testing.assert_array_equal(other.predict(values)["output_0"], expected["reference"])


def _interpreted(tflite: Path, values: Any, resolver: str) -> Any:
    model = Model(tflite, resolver=resolver)
    rows = []
    for value in values:
        model.invoke(model.prepare({"pixels": value}))
        rows.append(model.results()["output_0"])
    return np.stack(rows)


def test_sizes_that_the_model_leaves_open_stay_open(small_models: dict[str, bytes], tmp_path: Path) -> None:
    """Of an example of 7 steps no 7 is left: any number of steps is taken, and gives outputs of as many."""
    values = np.arange(28, dtype=np.float32).reshape(1, 7, 4)
    loaded = mlflow.pyfunc.load_model(str(_package(small_models["steps"], {"x": values}, tmp_path / "steps")))
    assert str(loaded.metadata.signature.inputs) == "['x': Tensor('float32', (-1, -1, 4))]"
    assert [(spec.name, spec.shape) for spec in loaded.metadata.signature.outputs] == [
        ("all", (-1, -1, 4)),
        ("last", (-1, 4)),
        ("same", (-1, -1, 4)),
        ("x", (-1, -1, 4)),
    ]
    longer = np.arange(72, dtype=np.float32).reshape(2, 9, 4)
    for given in (values, longer):
        for predicted in (loaded.predict({"x": given}), loaded.predict(given)):
            np.testing.assert_array_equal(predicted["all"], 2 * given)
            np.testing.assert_array_equal(predicted["same"], 2 * given)
            np.testing.assert_array_equal(predicted["last"], given[:, -1])
            np.testing.assert_array_equal(predicted["x"], given)
    with pytest.raises(
        mlflow.exceptions.MlflowException, match=r"\(2, 9, 3\) does not match expected shape \(-1, -1, 4\)"
    ):
        loaded.predict({"x": longer[:, :, :3]})
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"For pandas dataframe input, .* must be fixed"):
        loaded.predict(pd.DataFrame({"x": [row.ravel() for row in longer]}))


def test_a_data_frame_is_taken_where_sizes_are_fixed(small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A column holds an input's values, a row's as a list or an array."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    loaded = mlflow.pyfunc.load_model(str(_package(small_models["double"], {"x": values[:1]}, tmp_path / "double")))
    for column in (list(values), values.tolist()):
        np.testing.assert_array_equal(loaded.predict(pd.DataFrame({"x": column}))["y"], 2 * values)


def test_each_model_runs_on_the_interpreter_that_it_was_logged_with(
    small_models: dict[str, bytes], tmp_path: Path
) -> None:
    """Two are loaded in one process, the first of another version: each uses the file beside it."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    packaged = _package(small_models["double"], {"x": values[:1]}, tmp_path / "double")
    older = tmp_path / "older"
    shutil.copytree(packaged, older)
    file = older / "code" / "litert_interpreter.py"
    file.write_text(file.read_text() + "\n\nModel.results = lambda self: {'y': np.zeros(4, np.float32)}\n")
    models = [mlflow.pyfunc.load_model(str(folder)) for folder in (older, packaged, older)]
    predicted = [model.predict({"x": values})["y"] for model in models]
    for each, expected in zip(predicted, (0 * values, 2 * values, 0 * values), strict=True):
        np.testing.assert_array_equal(each, expected)


@pytest.mark.parametrize("variant", ["float32", "integer_only"])
def test_the_signature_is_of_float_values(digits_sets: Any, tmp_path: Path, variant: str) -> None:
    """Whatever a file computes in, its signature is the one of float32."""
    example = {"pixels": load_example_set(digits_sets.evaluation_set).inputs["pixels"][:1]}
    model = load_variant_set(digits_sets.variant_set).model(variant).read_bytes()
    signature = mlflow.models.Model.load(str(_package(model, example, tmp_path / variant))).signature
    assert str(signature.inputs) == "['pixels': Tensor('float32', (-1, 8, 8, 1))]"
    assert str(signature.outputs) == "['output_0': Tensor('float32', (-1, 10))]"


def test_packaging_runs_no_model(small_models: dict[str, bytes], tmp_path: Path) -> None:
    """A file might end the process that loads it: it is stored, with its signature, where there is no interpreter."""
    without = "import ai_edge_litert.interpreter as litert\ndel litert.Interpreter\n"
    model, example = small_models["double"], {"x": np.ones((1, 4), np.float32)}
    folder = _package(model, example, tmp_path / "double", preparation=without)
    assert (folder / "artifacts" / "model.tflite").read_bytes() == model
    assert str(mlflow.models.Model.load(str(folder)).signature.outputs) == "['y': Tensor('float32', (-1, 4))]"


def test_nothing_of_the_building_machine_is_stored(results: Callable[..., Path], tmp_path: Path) -> None:
    """No text of a logged model names a directory of this machine, and its requirements are four pinned packages."""
    tracked = record(results())
    client = MlflowClient(tracking_uri=tracked.uri)
    here = [str(tmp_path), str(Path(edgequant.__file__).parent), str(Path.cwd()), str(Path.home()), sys.prefix]
    models = client.search_logged_models([tracked.experiment_id])
    assert len(models) == 4
    for model in models:
        folder = Path(model.artifact_location.removeprefix("file://"))
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.relative_to(folder).as_posix() for path in files} == {
            "MLmodel",
            "artifacts/model.tflite",
            "code/litert_interpreter.py",
            "conda.yaml",
            "input_example.json",
            "pyfunc_model.py",
            "python_env.yaml",
            "requirements.txt",
            "serving_input_example.json",
        }
        for path in files:
            data = path.read_bytes()
            assert not [place for place in here if place.encode() in data], path
        lines = (folder / "requirements.txt").read_text().splitlines()
        assert [line.split("==")[0] for line in lines] == ["mlflow-skinny", "pandas", "numpy", "ai-edge-litert"]
        assert all("==" in line for line in lines)


def test_the_input_example_is_of_the_evaluation_set(recorded: Any, digits_sets: Any) -> None:
    """It is the first evaluation example, and the raw file is one path away from the registered name."""
    mlflow.set_tracking_uri(recorded.uri)
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@candidate"))
    raw = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@candidate/artifacts/model.tflite"))
    example = json.loads((folder / "input_example.json").read_text())
    model = mlflow.models.Model.load(str(folder))
    np.testing.assert_array_equal(
        np.asarray(example["pixels"], np.float32), load_example_set(digits_sets.evaluation_set).inputs["pixels"][:1]
    )
    assert raw.read_bytes() == (digits_sets.variant_set / digits_sets.best / "model.tflite").read_bytes()
    assert str(model.signature.inputs) == "['pixels': Tensor('float32', (-1, 8, 8, 1))]"
    assert str(model.signature.outputs) == "['output_0': Tensor('float32', (-1, 10))]"


def test_models_serve_answers(recorded: Any, digits_sets: Any, tmp_path: Path) -> None:
    """`mlflow models serve --env-manager local` gives the interpreter's values for a batch."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@candidate"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": recorded.uri, "MLFLOW_REGISTRY_URI": recorded.uri}
    # MLflow starts its server by the name of the program.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--env-manager", "local", "--port", str(port)],
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            env=environment,
            start_new_session=True,
        )
    try:
        values = load_example_set(digits_sets.evaluation_set).inputs["pixels"][:3]
        answer = _ask(f"http://127.0.0.1:{port}", {"inputs": {"pixels": values.tolist()}}, process, tmp_path / "log")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    expected = load_evaluation(digits_sets.evaluations[digits_sets.best]).outputs["output_0"][:3]
    np.testing.assert_array_equal(np.asarray(answer["predictions"]["output_0"], np.float32), expected)


def _ask(address: str, body: dict[str, Any], process: "subprocess.Popen[bytes]", log: Path) -> Any:
    deadline = time.monotonic() + 240
    while True:
        try:
            with urlopen(f"{address}/ping", timeout=5):  # noqa: S310 - this test's own server
                break
        except (URLError, OSError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
    data = json.dumps(body).encode()
    request = Request(f"{address}/invocations", data=data, headers={"Content-Type": "application/json"})  # noqa: S310
    with urlopen(request, timeout=60) as response:  # noqa: S310
        return json.load(response)
