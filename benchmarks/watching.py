"""What watching a registry of many versions costs: requests when nothing happens, and memory and time when all of it is new.

Prints one line of JSON; `blocks` is how many blocks of memory Python holds once all of it is done. Versions are put into the database
at once; the watcher then works through MLflow's client and its SQL store as it would without a server between them. Runs are noted
and end at once, so that what is measured is the watcher.
"""

import argparse
import gc
import json
import resource
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registered
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracked

from edgequant_pipelines.config import Config
from edgequant_pipelines.watching.context import WatchContext
from edgequant_pipelines.watching.launchers.base import LaunchedRun, Progress
from edgequant_pipelines.watching.model_registry import ModelRegistry
from edgequant_pipelines.watching.prometheus import Measures
from edgequant_pipelines.watching.rules.rules import RulesFile
from edgequant_pipelines.watching.watcher import Watcher

_INTERVAL_SECONDS = 30.0
_IDLE_HOURS = 1
_REQUESTS = ("search_", "get_", "set_", "list_")


class Instant:
    """A launcher whose runs end as they begin; it counts them by name."""

    def __init__(self) -> None:
        self.runs: dict[str, int] = {}

    place = "here"

    def check(self) -> None:
        """Answers at once."""

    def find(self, run_name: str) -> LaunchedRun | None:
        """Returns the run of a name."""
        return self.state(run_name) if run_name in self.runs else None

    def submit(self, config: Config, run_name: str) -> LaunchedRun:
        """Counts a run."""
        del config
        self.runs[run_name] = self.runs.get(run_name, 0) + 1
        return self.state(run_name)

    def state(self, run_id: str) -> LaunchedRun:
        """Returns a run that has ended well."""
        return LaunchedRun(run_id=run_id, progress=Progress.SUCCEEDED)

    def close(self) -> None:
        """Does nothing."""


def count_requests() -> list[int]:
    """Lets every call of MLflow's client to its stores be counted in the list's one number."""
    made, inside = [0], [False]

    def spy(owner: type, name: str) -> None:
        inner = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            outermost = not inside[0]
            made[0] += outermost
            inside[0] = True
            try:
                return inner(*arguments, **options)
            finally:
                inside[0] = not outermost

        setattr(owner, name, call)

    for owner in (Registered, Tracked):
        for name in vars(owner):
            if name.startswith(_REQUESTS) and callable(getattr(owner, name)):
                spy(owner, name)
    return made


def fill(folder: Path, uri: str, versions: int) -> float:
    """Puts versions of one finished run into a registry, and returns when the newest was made."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("digits")
    run = client.create_run("0")
    client.set_terminated(run.info.run_id)
    (folder / "model").mkdir()
    (folder / "model" / "MLmodel").write_text("flavors: {}\n")
    made = client.create_model_version("digits", str(folder / "model"), run.info.run_id)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(model_versions)")]
        values = ", ".join({"version": "version + n"}.get(name, name) for name in columns)
        database.execute(
            f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {versions - 1}) "  # noqa: S608
            f"INSERT INTO model_versions ({', '.join(columns)}) SELECT {values} FROM model_versions, c"
        )
    return float(made.creation_timestamp) / 1000


def main(versions: int) -> None:
    """Measures, and prints what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        now = [fill(folder, uri, versions)]
        config = {"name": "{name}-{version}", "model": "models:/{name}/{version}", "examples": {"calibration": "x.npz"}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        rules = {"rules": [{"name": "all", "registered_model": "digits*", "config": "config.yaml"}], "concurrency": 100}
        (folder / "RULES.yaml").write_text(yaml.safe_dump(rules))
        launcher = Instant()
        surroundings = WatchContext(
            registry=ModelRegistry(uri),
            launchers=lambda _: launcher,
            measures=Measures(),
            show=lambda _: None,
            clock=lambda: now[0],
        )
        watcher = Watcher(RulesFile(folder / "RULES.yaml"), surroundings)
        requests = count_requests()
        peaks: list[tuple[int, float]] = []
        begun = time.monotonic()
        while watcher.more or watcher.open or not peaks:
            watcher.poll()
            gc.collect()
            peaks.append((len(launcher.runs), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
        seconds, busy, blocks = time.monotonic() - begun, requests[0], sys.getallocatedblocks()
        now[0] += 3600
        watcher.poll()
        requests[0] = 0
        for _ in range(int(_IDLE_HOURS * 3600 / _INTERVAL_SECONDS)):
            now[0] += _INTERVAL_SECONDS
            watcher.poll()
        tenth = next(peak for runs, peak in peaks if runs >= versions / 10)
        found = {
            "versions": versions,
            "runs": sum(launcher.runs.values()),
            "runs_twice": sum(count - 1 for count in launcher.runs.values()),
            "seconds": round(seconds, 1),
            "requests_per_version": round(busy / versions, 2),
            "peak_mb": round(peaks[-1][1]),
            "memory_growth": round(peaks[-1][1] / tenth, 3),
            "blocks": blocks,
            "requests_per_minute_idle": round(requests[0] / (_IDLE_HOURS * 60), 2),
        }
        print(json.dumps(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=10_000)
    main(parser.parse_args().versions)
