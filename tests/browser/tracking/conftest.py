"""MLflow servers on which the quantizations of three source models are recorded."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.browser.tracking.postgresql import postgresql, postgresql_programs
from tests.browser.tracking.recorded import ALIAS, EXPERIMENT, REGISTERED, Quantized, Recorded
from tests.mlflow_server import mlflow_server

# The versions of the source model that are quantized on each server.
_VERSIONS = {"sqlite": (1, 2, 3), "postgresql": (2,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """MLflow servers with three source models in each.

    Attributes:
        addresses: Their addresses by the kind of their database.
        examples: The directory of what the models were trained and are evaluated on.
    """

    addresses: dict[str, str]
    examples: Path


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A server for each kind of database that is installed."""
    folder = tmp_path_factory.mktemp("servers")
    programs = postgresql_programs()
    with ExitStack() as stack:
        stores = {"sqlite": "sqlite:///mlflow.db"}
        if programs is not None:
            stores["postgresql"] = stack.enter_context(postgresql(programs))
        found = {kind: stack.enter_context(mlflow_server(folder / kind, store)) for kind, store in stores.items()}
        script = Path(__file__).with_name("training.py")
        _run([str(script), str(folder), *found.values()], folder)
        yield Servers(addresses=found, examples=folder)


@pytest.fixture(scope="session")
def record(
    servers: Servers, lack: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Recorded]:
    """Returns a function that quantizes source models on the server of a kind, the first time it is asked for."""
    made: dict[str, Recorded] = {}

    def quantize(kind: str) -> Recorded:
        if kind not in servers.addresses:
            lack(f"{kind} is not installed: its initdb is neither on the path nor where Debian keeps it")
        if kind not in made:
            folder, address = tmp_path_factory.mktemp(kind), servers.addresses[kind]
            found = tuple(_quantize(folder, servers.examples, address, version) for version in _VERSIONS[kind])
            made[kind] = Recorded(address=address, quantized=found)
        return made[kind]

    return quantize


@pytest.fixture(scope="session")
def recorded(record: Callable[[str], Recorded]) -> Recorded:
    """What is on the server with a SQLite file: three source models, of which the narrowest is rejected."""
    return record("sqlite")


@pytest.fixture(params=list(_VERSIONS))
def everywhere(request: pytest.FixtureRequest, record: Callable[[str], Recorded]) -> Recorded:
    """What is on the server with each kind of database."""
    return record(request.param)


def _quantize(folder: Path, examples: Path, address: str, version: int) -> Quantized:
    """Runs the whole pipeline on a version of the source model."""
    config = {
        "name": EXPERIMENT,
        "model": f"models:/digits/{version}",
        "examples": {
            "calibration": str(examples / "train.npz"),
            "evaluation": str(examples / "test.npz"),
            "label": "digit",
        },
        "sampling": {"calibration": 200, "seed": 17},
        "variants": ["float32", "weights_only", "full_int8"],
        # The narrowest model is so small that what surrounds its weights is more than half of the file.
        "gate": {"max_drop_points": 2.0, "max_size_ratio": 0.5},
        "tracking": {"uri": address, "registered_model": REGISTERED, "alias": ALIAS},
    }
    path = folder / f"digits-{version}.yaml"
    path.write_text(yaml.safe_dump(config))
    work = folder / f"work-{version}"
    _run(["-m", "edgequant_pipelines.cli", "run", str(path), "--work-directory", str(work)], folder, allowed=(0, 3))
    return Quantized(source=f"digits v{version}", result=json.loads((work / "result.json").read_text()))


def _run(arguments: list[str], folder: Path, allowed: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode in allowed, done.stdout + done.stderr
