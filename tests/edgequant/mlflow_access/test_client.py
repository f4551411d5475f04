"""The client of a database that is new."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgequant.mlflow_access.client import new_client

# Says when MLflow is loaded, and begins when it is told to.
_CLIENT = """
import sys
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from edgequant.mlflow_access.client import new_client
print("loaded", flush=True)
sys.stdin.readline()
new_client(sys.argv[1]).search_registered_models()
"""


@pytest.mark.long
def test_two_begin_a_database_at_once(tmp_path: Path) -> None:
    """Processes that make its tables at the same moment are one after the other: none fails, and both find all of them."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}?timeout=30"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _CLIENT, uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said[-3000:]
    assert [each.name for each in new_client(uri).search_experiments()] == ["Default"]
