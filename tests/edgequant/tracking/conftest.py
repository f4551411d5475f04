"""Results of the digits model, and one that is recorded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.edgequant.tracking.fault_proxy import Proxy, proxy
from tests.mlflow_server import mlflow_server

from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.result import TrackingSettings, write_result
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.gate import Gate
from edgequant.mlflow_access import retries
from edgequant.tracking.step import TrackInputs, track
from edgequant.validation.step import validate

NAME = "digits-tflite"
_START_SECONDS = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A result that the track step recorded.

    Attributes:
        uri: The tracking URI.
        result: The result's directory.
        folder: Where the database and the artifacts are.
    """

    uri: str
    result: Path
    folder: Path


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps MLflow's settings of the machine, and those that a test sets, to the test."""
    for name in (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_REGISTRY_URI",
        "MLFLOW_RUN_ID",
        "MLFLOW_EXPERIMENT_ID",
        "KUBERNETES_SERVICE_HOST",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def recorded(digits_sets: Any, tmp_path_factory: pytest.TempPathFactory, new_mlflow: Callable[[Path], str]) -> Recorded:
    """The digits result in a new database, by the track step."""
    folder = tmp_path_factory.mktemp("recorded")
    uri = new_mlflow(folder / "mlflow.db")
    settings = TrackingSettings(
        uri=uri,
        experiment="digits",
        registered_model=NAME,
        alias="candidate",
        model_uri="models:/digits/3",
        pipeline_run="run-1",
    )
    inputs = TrackInputs(
        variant_set=digits_sets.variant_set,
        verdict=digits_sets.verdict,
        calibration_set=digits_sets.calibration_set,
        evaluation_set=digits_sets.evaluation_set,
    )
    track(settings, inputs, folder / "result")
    return Recorded(uri=uri, result=folder / "result", folder=folder)


@pytest.fixture
def results(digits_sets: Any, tmp_path: Path, new_mlflow: Callable[[Path], str]) -> Callable[..., Path]:
    """Returns a function that writes a result of the digits model, with a verdict or judged by a gate, and returns its directory."""

    def write(name: str = "result", gate: Gate | None = None, verdict: Path | None = None, **settings: Any) -> Path:
        verdict = verdict or digits_sets.verdict
        if gate is not None:
            verdict = tmp_path / f"{name}-verdict"
            validate("digits", "classification", gate, digits_sets.inputs, verdict)
        if "uri" not in settings and not (tmp_path / "mlflow.db").exists():
            new_mlflow(tmp_path / "mlflow.db")
        given: dict[str, Any] = {
            "uri": f"sqlite:///{tmp_path / 'mlflow.db'}",
            "experiment": "digits",
            "registered_model": NAME,
        }
        examples = load_example_set(digits_sets.calibration_set), load_example_set(digits_sets.evaluation_set)
        return write_result(
            tmp_path / name,
            TrackingSettings(**{**given, "alias": "candidate", **settings}),
            load_variant_set(digits_sets.variant_set),
            verdict,
            examples,
        ).path

    return write


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its database, its artifacts and its log."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server(server_folder: Path) -> Iterator[str]:
    """The address of an MLflow server: its tests use experiments and registered models of their own."""
    with mlflow_server(server_folder, "sqlite:///mlflow.db") as address:
        yield address


@pytest.fixture
def before(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy before the server; waits between attempts are short."""
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(retries, "_LONGEST_WAIT_SECONDS", 0.1)
    with proxy(server) as state:
        yield state
