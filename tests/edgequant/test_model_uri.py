"""Model URIs, against a real MLflow with models that training code logged."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.build_cache import cached

from edgequant.artifacts.directory import tree_digest
from edgequant.errors import ModelError
from edgequant.mlflow_access.lookup import Waiting
from edgequant.model_files import KERAS, SAVED_MODEL, find_model
from edgequant.model_uri import downloaded, fetch, is_path, pin, pin_champion

# What training code leaves: two versions of a Keras model, an alias, a TensorFlow module, and plain files of a run.
_TRAINING = """
import json, shutil, sys
from pathlib import Path
import keras, mlflow, tensorflow as tf

folder = Path(sys.argv[1])
mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
experiment = mlflow.create_experiment("training", (folder / "artifacts").as_uri())
client = mlflow.MlflowClient()
keras.utils.set_random_seed(17)
for version in (1, 2):
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2)])
    with mlflow.start_run(experiment_id=experiment) as run:
        logged = mlflow.tensorflow.log_model(model, name="model", registered_model_name="small", pip_requirements=[])
    files = Path(mlflow.artifacts.download_artifacts(logged.model_uri))
    shutil.copyfile(files / "data" / "model.keras", folder / f"version-{version}.keras")
client.set_registered_model_alias("small", "champion", 1)

class Module(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(tf.ones((4, 2)))
    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, "x")])
    def __call__(self, x):
        return tf.matmul(x, self.weights)

tf.saved_model.save(Module(), str(folder / "saved_model"))
with mlflow.start_run(experiment_id=experiment) as second:
    mlflow.log_artifacts(str(folder / "saved_model"), "export/best")
    mlflow.tensorflow.log_model(Module(), name="module", pip_requirements=[])
print(json.dumps({"run": run.info.run_id, "second": second.info.run_id}))
"""


class _Training:
    def __init__(self, folder: Path, runs: dict[str, str]) -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.runs = runs


def _train(folder: Path) -> None:
    command = [sys.executable, "-c", _TRAINING, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "runs.json").write_text(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def training() -> _Training:
    """A finished training, to be read only: its MLflow store and the ids of its runs."""
    folder = cached("training", [], _train, _TRAINING)
    return _Training(folder, json.loads((folder / "runs.json").read_text()))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("saved_model", True),
        ("/models/best.keras", True),
        ("../a:b", True),
        ("models:/small/1", False),
        ("runs:/abc/model", False),
        ("s3://bucket/model", False),
    ],
)
def test_paths_are_told_from_uris(uri: str, expected: bool) -> None:
    """Whatever does not begin with a scheme is a path."""
    assert is_path(uri) == expected


def test_a_path_is_pinned_by_its_content(training: _Training, tmp_path: Path) -> None:
    """A model retrained at the same path has another digest; the same content has the same."""
    path = tmp_path / "model.keras"
    shutil.copyfile(training.folder / "version-1.keras", path)
    first = pin(str(path), "")
    assert first.uri == str(path)
    assert pin(str(path), "") == first
    shutil.copyfile(training.folder / "version-2.keras", path)
    assert pin(str(path), "").digest != first.digest


def test_a_saved_model_is_pinned_by_its_variables(training: _Training, tmp_path: Path) -> None:
    """One changed byte in the variables of a SavedModel, the graph being the same, is another digest."""
    path = tmp_path / "model"
    shutil.copytree(training.folder / "saved_model", path)
    first = pin(str(path), "")
    variables = path / "variables" / "variables.data-00000-of-00001"
    content = bytearray(variables.read_bytes())
    content[-1] ^= 1
    variables.write_bytes(content)
    assert pin(str(path), "").digest != first.digest


def test_a_version_is_pinned(training: _Training) -> None:
    """Two versions have two digests, and each keeps its own."""
    first, second = pin("models:/small/1", training.uri), pin("models:/small/2", training.uri)
    assert first.uri == "models:/small/1"
    assert first.digest != second.digest
    assert pin("models:/small/1", training.uri) == first


def test_an_alias_is_pinned_to_its_version(training: _Training, tmp_path: Path) -> None:
    """An alias becomes the version that it stands for now, and another one when it moves."""
    from mlflow import MlflowClient

    shutil.copyfile(training.folder / "mlflow.db", tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert pin("models:/small@champion", uri) == pin("models:/small/1", uri)
    MlflowClient(tracking_uri=uri, registry_uri=uri).set_registered_model_alias("small", "champion", "2")
    assert pin("models:/small@champion", uri) == pin("models:/small/2", uri)


def test_another_address_of_the_same_server_pins_the_same(training: _Training, tmp_path: Path) -> None:
    """What is there tells a model, not where it was asked for; a version of the same name and number elsewhere is another."""
    first = pin("models:/small/1", training.uri)
    assert pin("models:/small/1", f"sqlite:///{training.folder}/../{training.folder.name}/mlflow.db") == first
    other = f"sqlite:///{tmp_path / 'other.db'}"
    client = MlflowClient(tracking_uri=other, registry_uri=other)
    client.create_registered_model("small")
    client.create_model_version("small", source=(training.folder / "saved_model").as_uri())
    assert pin("models:/small/1", other).digest != first.digest


def test_the_files_of_a_run_are_pinned(training: _Training) -> None:
    """Each path of each run has a digest of its own."""
    uris = [
        f"runs:/{training.runs['run']}/model",
        f"runs:/{training.runs['second']}/export/best",
        f"runs:/{training.runs['second']}/module",
    ]
    assert [pin(uri, training.uri).uri for uri in uris] == uris
    assert len({pin(uri, training.uri).digest for uri in uris}) == 3


@pytest.mark.parametrize("path", ["saved", "files/net.keras"])
def test_files_of_a_run_overwritten_in_place(path: str, training: _Training, tmp_path: Path) -> None:
    """Other variables of the same size below a run's path, logged while the run is open, are another digest."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.create_experiment("open", (tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    model = tmp_path / "model"
    shutil.copytree(training.folder / "saved_model", model)
    client.log_artifacts(run, str(model), "saved")
    shutil.copyfile(training.folder / "version-1.keras", tmp_path / "net.keras")
    client.log_artifact(run, str(tmp_path / "net.keras"), "files")
    first = pin(f"runs:/{run}/{path}", uri)
    assert pin(f"runs:/{run}/{path}", uri) == first
    variables = model / "variables" / "variables.data-00000-of-00001"
    content = bytearray(variables.read_bytes())
    content[-1] ^= 1
    variables.write_bytes(content)
    client.log_artifacts(run, str(model), "saved")
    shutil.copyfile(training.folder / "version-2.keras", tmp_path / "net.keras")
    client.log_artifact(run, str(tmp_path / "net.keras"), "files")
    assert pin(f"runs:/{run}/{path}", uri).digest != first.digest


def test_linked_variables_count(training: _Training, tmp_path: Path) -> None:
    """A SavedModel whose variables are behind a link to a folder is pinned by them; a link that leads back does not matter."""
    path = tmp_path / "model"
    shutil.copytree(training.folder / "saved_model", path)
    (path / "variables").rename(tmp_path / "variables")
    (path / "variables").symlink_to(tmp_path / "variables")
    (path / "assets").mkdir(exist_ok=True)
    (path / "assets" / "back").symlink_to(path)
    first = pin(str(path), "")
    variables = tmp_path / "variables" / "variables.data-00000-of-00001"
    content = bytearray(variables.read_bytes())
    content[-1] ^= 1
    variables.write_bytes(content)
    assert pin(str(path), "").digest != first.digest


@pytest.mark.parametrize(
    ("uri", "original"),
    [
        ("models:/small/1", "version-1.keras"),
        ("models:/small/2", "version-2.keras"),
        ("models:/small@champion", "version-1.keras"),
        ("runs:/{run}/model", "version-2.keras"),
        ("runs:/{second}/export/best", "saved_model"),
        ("runs:/{second}/module", "saved_model"),
    ],
)
def test_the_files_arrive(uri: str, original: str, training: _Training, tmp_path: Path) -> None:
    """What MLflow logged arrives as it was, found by its MLmodel file where there is one."""
    fetch(uri.format(**training.runs), training.uri, tmp_path / "model")
    result, source = find_model(tmp_path / "model"), find_model(training.folder / original)
    assert result.format == source.format
    if result.format == KERAS:
        assert result.path.read_bytes() == source.path.read_bytes()
    else:
        name = "variables/variables.data-00000-of-00001"
        assert (result.path / name).read_bytes() == (source.path / name).read_bytes()


def test_paths_are_copied(training: _Training, tmp_path: Path) -> None:
    """A path's model is copied: a .keras file into a directory, a SavedModel in place of an earlier one."""
    fetch(str(training.folder / "version-1.keras"), "", tmp_path / "keras")
    assert find_model(tmp_path / "keras").format == KERAS
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "old").touch()
    fetch(str(training.folder / "saved_model"), "", tmp_path / "saved")
    assert find_model(tmp_path / "saved").format == SAVED_MODEL
    assert tree_digest(tmp_path / "saved") == tree_digest(training.folder / "saved_model")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/small/9", "model: models:/small/9 cannot be looked up in MLflow at "),
        ("models:/small@nobody", "model: models:/small@nobody cannot be looked up in MLflow at "),
        ("models:/other/1", "model: models:/other/1 cannot be looked up in MLflow at "),
        ("runs:/0123456789abcdef/model", "model: runs:/0123456789abcdef/model cannot be looked up in MLflow at "),
        ("runs:/{run}/nothing", "model: runs:/{run}/nothing names nothing: the run has no files there"),
        ("models:/small", "model: 'models:/small' is not a model URI; allowed are a path, models:/NAME/VERSION,"),
        ("models:/small/latest", "model: 'models:/small/latest' is not a model URI; allowed are a path,"),
        ("s3://bucket/model", "model: 's3://bucket/model' is not a model URI; allowed are a path,"),
    ],
)
def test_what_is_not_there_is_named(uri: str, message: str, training: _Training) -> None:
    """An unknown version, alias, name, run or path, and what is no model URI: one line with the URI."""
    with pytest.raises(ModelError) as caught:
        pin(uri.format(**training.runs), training.uri)
    assert message.format(**training.runs) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("uri", ["models:/small/9", "models:/small@nobody", "runs:/0123456789abcdef/model"])
def test_what_cannot_be_fetched_is_named(uri: str, training: _Training, tmp_path: Path) -> None:
    """A model that is not there when it is fetched, or is gone a moment later: one line, and nothing written."""
    with pytest.raises(ModelError, match="cannot be looked up in MLflow at ") as first:
        fetch(uri, training.uri, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(ModelError, match="cannot be downloaded: ") as second, downloaded(uri, training.uri):
        pass
    for caught in (first, second):
        assert uri in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("uri", ["models:/small/1", "models:/small@champion", "runs:/0123456789abcdef/model"])
@pytest.mark.parametrize(
    "server",
    ["http://me:QQplanted@127.0.0.1:99999", "http://me:QQ/planted@127.0.0.1:9", "http://QQplanted@127.0.0.1:99999"],
)
def test_credentials_of_a_server_are_in_no_message(
    uri: str, server: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever MLflow makes of an address, and repeats in its errors."""
    waiting = Waiting(seconds=0.0)
    acts = (
        lambda: pin(uri, server, waiting),
        lambda: pin_champion(uri, server, waiting),
        lambda: fetch(uri, server, tmp_path / "model", waiting),
        lambda: downloaded(uri, server).__enter__(),
    )
    for act in acts:
        with pytest.raises(ModelError, match="cannot be") as caught:
            act()
        said = "".join([str(caught.value), *capfd.readouterr()])
        assert "QQ" not in said
        assert "planted" not in said


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    """A path that does not exist is refused by both."""
    for act in (lambda: pin(str(tmp_path / "no"), ""), lambda: fetch(str(tmp_path / "no"), "", tmp_path / "out")):
        with pytest.raises(ModelError, match="does not exist"):
            act()
