"""A real registry, versions in it, and a launcher that keeps its runs in a file."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registered
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracked
from tests.kfp_server import KfpServer, served

from edgequant_pipelines.compilation import CompiledPipeline, CompileOptions, compile_pipeline
from edgequant_pipelines.config import Config
from edgequant_pipelines.kubeflow import connect
from edgequant_pipelines.watching.claims import Claim, claims_of
from edgequant_pipelines.watching.context import WatchContext
from edgequant_pipelines.watching.launchers import kubeflow
from edgequant_pipelines.watching.launchers.base import LaunchedRun, LauncherError, Progress
from edgequant_pipelines.watching.launchers.pool import LauncherPool
from edgequant_pipelines.watching.model_registry import ModelRegistry
from edgequant_pipelines.watching.prometheus import Measures
from edgequant_pipelines.watching.rules.rules import RulesFile
from edgequant_pipelines.watching.watcher import Watcher

CONFIG = {
    "name": "{name}-v{version}",
    "model": "models:/{name}/{version}",
    "examples": {"calibration": "train.npz"},
}


class Ledger:
    """A launcher whose runs are lines of a file: what Kubeflow's database is to the real one.

    Args:
        path: The file.
        fails: The run names whose runs fail, or a function that tells them.
    """

    def __init__(self, path: Path, fails: Callable[[str], bool] = lambda _: False) -> None:
        self.place = str(path)
        self._path = path
        self._fails = fails
        self.silent = False
        self.running = False

    @property
    def names(self) -> list[str]:
        """The name of every run that was ever started, in order."""
        return [json.loads(line)["name"] for line in self._lines()]

    @property
    def configs(self) -> list[dict[str, Any]]:
        """What each run was started with."""
        return [json.loads(line)["config"] for line in self._lines()]

    def _lines(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []

    def check(self) -> None:
        if self.silent:
            raise LauncherError("the ledger does not answer")

    def find(self, run_name: str) -> LaunchedRun | None:
        self.check()
        return self.state(run_name) if run_name in self.names else None

    def submit(self, config: Config, run_name: str) -> LaunchedRun:
        self.check()
        with self._path.open("a") as stream:
            stream.write(json.dumps({"name": run_name, "config": config.model_dump()}) + "\n")
        return LaunchedRun(run_id=run_name, progress=Progress.RUNNING, shown="ledger")

    def state(self, run_id: str) -> LaunchedRun:
        self.check()
        if self.running:
            return LaunchedRun(run_id=run_id, progress=Progress.RUNNING)
        if self._fails(run_id):
            return LaunchedRun(run_id=run_id, progress=Progress.FAILED, reason="the pod is gone")
        return LaunchedRun(run_id=run_id, progress=Progress.SUCCEEDED)

    def close(self) -> None:
        pass


@dataclass
class Scene:
    """A registry with a rules' file beside it.

    Attributes:
        folder: Where everything is.
        uri: MLflow's tracking URI.
        ledger: The launcher.
        said: What the watcher said.
        measures: What it counted.
        now: The time that it reads.
    """

    folder: Path
    uri: str
    ledger: Ledger
    said: list[str] = field(default_factory=list)
    measures: Measures = field(default_factory=Measures)
    now: float = 0.0

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def version(
        self,
        name: str = "digits-cnn",
        *,
        status: str = "FINISHED",
        metrics: dict[str, float] | None = None,
        tags: dict[str, str] | None = None,
        run_tags: dict[str, str] | None = None,
        age_seconds: float = 0.0,
    ) -> str:
        """Makes a model version with a run and a file, and returns its number."""
        client = self.client
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        run = client.create_run("0", tags=run_tags)
        for key, value in (metrics or {}).items():
            client.log_metric(run.info.run_id, key, value)
        if status != "RUNNING":
            client.set_terminated(run.info.run_id, status)
        files = self.folder / "models" / run.info.run_id
        files.mkdir(parents=True)
        (files / "MLmodel").write_text("flavors: {}\n")
        made = client.create_model_version(name, str(files), run.info.run_id, tags=tags)
        self.now = max(self.now, made.creation_timestamp / 1000)
        if age_seconds:
            with closing(sqlite3.connect(self.folder / "mlflow.db")) as database, database:
                database.execute(
                    "UPDATE model_versions SET creation_time = creation_time - ? WHERE name = ? AND version = ?",
                    (int(age_seconds * 1000), name, made.version),
                )
        return str(made.version)

    def rules(self, *rules: dict[str, Any], config: dict[str, Any] | None = None, **settings: Any) -> Path:
        """Writes RULES.yaml and the configuration that its rules name, and returns its path."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, **(config or {})}))
        whole = [{"name": "digits", "registered_model": "digits-*", "config": "config.yaml", **rule} for rule in rules]
        path = self.folder / "RULES.yaml"
        path.write_text(yaml.safe_dump({"rules": whole or [{}], "concurrency": 100, **settings}))
        return path

    def watcher(self, rules: Path | None = None, **other: Any) -> Watcher:
        """Returns a watcher that knows nothing yet."""
        return Watcher(RulesFile(rules or self.folder / "RULES.yaml"), self.surroundings(**other))

    def surroundings(self, **other: Any) -> WatchContext:
        """Returns what a watcher works with here."""
        surroundings: dict[str, Any] = {
            "registry": ModelRegistry(self.uri),
            "launchers": lambda _: self.ledger,
            "measures": self.measures,
            "show": self.said.append,
            "clock": lambda: self.now,
        }
        return WatchContext(**(surroundings | other))

    def claims(self, name: str = "digits-cnn", version: str = "1") -> list[Claim]:
        """Returns the claims that a version's tags hold now."""
        current = ModelRegistry(self.uri).version(name, version)
        return list(claims_of(current)) if current else []

    def value(self, metric: str, **labels: str) -> float:
        """Returns a metric's value."""
        return self.measures.registry.get_sample_value(f"edgequant_watch_{metric}", labels) or 0.0


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps MLflow's settings of the machine from the tests."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory, new_mlflow: Callable[[Path], str]) -> Path:
    """The file of a database without a version."""
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    new_mlflow(path)
    return path


@pytest.fixture(scope="session")
def new_scene() -> Callable[[Path, Path], Scene]:
    """Returns a function that makes a registry in a folder, which begins as a copy of a database."""

    def make(database: Path, folder: Path) -> Scene:
        shutil.copyfile(database, folder / "mlflow.db")
        return Scene(folder=folder, uri=f"sqlite:///{folder / 'mlflow.db'}", ledger=Ledger(folder / "ledger"))

    return make


@pytest.fixture
def scene(new_scene: Callable[[Path, Path], Scene], empty_registry: Path, tmp_path: Path) -> Scene:
    """A registry of one's own, without a version."""
    return new_scene(empty_registry, tmp_path)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls to MLflow's stores, each of which is a request to a server."""
    made: list[str] = []

    def spy(owner: type, name: str) -> None:
        inner = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            made.append(name)
            return inner(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    for owner, names in (
        (
            Registered,
            ["search_model_versions", "search_registered_models", "get_model_version", "set_model_version_tag"],
        ),
        (Tracked, ["search_runs", "search_experiments", "get_run"]),
    ):
        for name in names:
            spy(owner, name)
    return made


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KfpServer]:
    """A single-user installation."""
    for name in ("ENDPOINT", "UI_ENDPOINT", "TOKEN", "SA_TOKEN_PATH"):
        monkeypatch.delenv(f"KF_PIPELINES_{name}", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with served(tmp_path / "kfp.db") as kfp_server:
        yield kfp_server


@pytest.fixture(scope="session")
def compiled() -> CompiledPipeline:
    """What the configurations of these tests compile to, compiled once."""
    return compile_pipeline(CompileOptions(defaults=False))


@pytest.fixture
def on_kubeflow(scene: Scene, compiled: CompiledPipeline, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watcher]:
    """Returns a function that writes rules for a server, or leaves them as they are, and returns a watcher that knows nothing yet."""

    def impatient(*where: str) -> Any:
        return replace(connect(*where), timeout_s=5.0, settle_s=(0.01,))

    monkeypatch.setattr(kubeflow, "connect", impatient)
    monkeypatch.setattr(kubeflow, "compile_for", lambda _: compiled)

    def make(host: str = "", namespace: str = "", **settings: Any) -> Watcher:
        rules = scene.folder / "RULES.yaml"
        if host:
            config = {
                "examples": {"calibration": "s3://bucket/train-*.npz"},
                "tracking": {"uri": "https://mlflow.example.com"},
            }
            rule = {"submit": "kubeflow", "retries": 2, "retry_seconds": 10}
            scene.rules(rule, config=config, kubeflow={"host": host, "namespace": namespace}, **settings)
        # The rules that the watcher reads again are the fleet's, too.
        file = RulesFile(rules)
        fleet = LauncherPool(file, scene.folder, scene.uri)
        return Watcher(file, scene.surroundings(launchers=fleet.launcher))

    return make
