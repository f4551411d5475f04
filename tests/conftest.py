"""Real small parts that many tests share: real digits, and a real model trained on them."""

import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.build_cache import cache_folder, cached
from tests.digits_training import SOURCE, train_digits
from tests.selection import is_heavy, read_seconds, write_seconds

_SECONDS = "seconds.json"
# Of the process that reports: how long each file took, setups included.
_taken: defaultdict[str, float] = defaultdict(float)
# Of the process that runs the workers: the seconds as they were when its first worker began.
_read: dict[str, dict[str, float]] = {}


def _seconds(config: pytest.Config) -> dict[str, float]:
    """Returns how long files took last time: as the process that runs the workers read it, which all must order by alike."""
    given = getattr(config, "workerinput", {}).get(_SECONDS)
    return read_seconds(cache_folder() / _SECONDS) if given is None else dict(given)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Gives a worker the seconds: another test run may write them before it reads them."""
    if _SECONDS not in _read:
        _read[_SECONDS] = _seconds(node.config)
    node.workerinput[_SECONDS] = _read[_SECONDS]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the heavy tests, and puts the files that took longest first: no worker is left with a long one at the end."""
    seconds = _seconds(config)
    for item in items:
        if is_heavy(item.path.name, getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.heavy)
    # Within a file, and of files that took the same, the order stays.
    items.sort(key=lambda item: -seconds.get(item.path.name, 0.0))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Adds up how long files take."""
    _taken[Path(report.location[0]).name] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keeps how long files took for the order of the next run, unless only some of their tests ran."""
    whole = not session.config.getoption("keyword") and not any("::" in str(part) for part in session.config.args)
    if whole and not hasattr(session.config, "workerinput"):
        write_seconds(cache_folder() / _SECONDS, _taken)


@pytest.fixture(autouse=True)
def _no_mlflow_server() -> Iterator[None]:
    """Leaves no MLflow server set for the process, which the next test would ask whatever its environment says."""
    yield
    if "mlflow" in sys.modules:
        import mlflow

        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="session")
def new_mlflow() -> Callable[[Path], str]:
    """Returns a function that writes an empty MLflow database and returns its URI: a copy, as MLflow takes a second to make one."""

    def make(folder: Path) -> None:
        from mlflow import MlflowClient

        uri = f"sqlite:///{folder / 'mlflow.db'}"
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        assert len(client.search_experiments()) == 1
        assert len(client.search_registered_models()) == 0

    def copy(path: Path) -> str:
        # The experiment that each database has is beside the process that made it.
        shutil.copyfile(cached("mlflow_database", [], make, str(Path.cwd())) / "mlflow.db", path)
        return f"sqlite:///{path}"

    return copy


@pytest.fixture(scope="session")
def digits() -> Path:
    """What training leaves, to be read only: train.npz and test.npz (pixels, digit), and mlflow.db with models:/digits/1."""
    return cached("digits", [SOURCE], train_digits)


@pytest.fixture(scope="session")
def digits_model(digits: Path) -> Path:
    """The trained model as a .keras file: pixels float32 [N, 8, 8, 1] → class probabilities [N, 10]."""
    return next(digits.rglob("*.keras"))
