"""Times tracking a result to a local MLflow server, against the script that one would write by hand, and counts requests.

Each round runs both in turn, each in a process of its own against a new server (SQLite, and artifacts through the server). Figures
are medians over the rounds; the ratio is the median of the rounds' own, so that a machine whose speed drifts touches both alike.
A process's time begins before MLflow is imported. Then a logged model is loaded where there is nothing but its requirements: in a
virtual environment made for it, unless one is given.

Usage: tracking.py [--work DIRECTORY] [--rounds N] [--loader PYTHON] [--json FILE]
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml
from rich.console import Console
from rich.table import Table

from edgequant.artifacts.result import load_result
from edgequant.tracking.recording.packaging import requirements
from edgequant.variants import VARIANTS
from edgequant_pipelines.config import load_config
from edgequant_pipelines.demo import prepare
from edgequant_pipelines.local_runner import run_locally
from edgequant_pipelines.run_result import RESULTS

HERE = Path(__file__).resolve().parent
START_SECONDS = 240.0

# What a child does first: it counts every request that leaves it.
COUNT = """
import json, sys, time
import requests
requests_sent = [0]
send = requests.Session.send
def counted(*args, **kwargs):
    requests_sent[0] += 1
    return send(*args, **kwargs)
requests.Session.send = counted
from pathlib import Path
directory, uri = Path(sys.argv[1]), sys.argv[2]
begin = time.perf_counter()
"""
OURS = """
from edgequant.tracking.step import record
record(directory, uri)
"""
PLAIN = """
sys.path.insert(0, sys.argv[3])
from plain_tracking import track
track(directory, uri)
"""
TELL = """
print(json.dumps({"seconds": time.perf_counter() - begin, "requests": requests_sent[0]}))
"""
LOAD = """
import json, sys, time
begin, cpu = time.perf_counter(), time.process_time()
import mlflow.pyfunc
imported = time.perf_counter()
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
found = {"import_seconds": imported - begin, "load_seconds": time.perf_counter() - imported}
found |= {"cpu_seconds": time.process_time() - cpu, "tensorflow": "tensorflow" in sys.modules}
# Not getrusage's: that holds what the process had before it became this program, when it was a copy of the benchmark.
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")]
found["peak_mb"] = int(peak) / 1024
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """One recording: its wall time, and how many HTTP requests it made."""

    seconds: float
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One loading of a logged model in a new process.

    Attributes:
        import_seconds: The wall time of importing MLflow.
        load_seconds: That of downloading and loading the model.
        cpu_seconds: The processor time of both, which other work on the machine touches less.
        peak_mb: The peak resident memory of the process.
        tensorflow: Whether TensorFlow was imported.
    """

    import_seconds: float
    load_seconds: float
    cpu_seconds: float
    peak_mb: float
    tensorflow: bool


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Yields the address of a new MLflow server."""
    folder.mkdir()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    options = ["--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "./artifacts"]
    command = [sys.executable, "-m", "mlflow", "server", *options, "--port", str(port), "--workers", "1"]
    address = f"http://127.0.0.1:{port}"
    # Jobs of MLflow's for generative models, whose workers take long to start.
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True, env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit((folder / "log").read_text())
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address: str) -> bool:
    """Tells whether a server is up."""
    try:
        with urlopen(f"{address}/health", timeout=5) as response:  # noqa: S310 - this benchmark's own server
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def child(script: str, *arguments: str, python: str = sys.executable) -> dict[str, Any]:
    """Returns what a script prints last, as JSON; one that fails ends the benchmark with its output."""
    # Python keeps compiled modules, as it does for users, whatever this shell's settings are.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [python, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def make_result(folder: Path) -> Path:
    """Returns the result of the demonstration's model in six variants."""
    path = prepare(folder / "demo", lambda _, text: print(text))
    config = yaml.safe_load(path.read_text()) | {"variants": list(VARIANTS)}
    path.write_text(yaml.safe_dump(config))
    run_locally(load_config(path), folder / "work", cache=True, show=lambda _, text: print(text))
    return folder / "work" / RESULTS


def new_environment(folder: Path) -> str:
    """Returns the Python of a new virtual environment with a logged model's requirements."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements()], check=True)
    return python


def one_round(result: Path, folder: Path, loader: str, *, plain_first: bool) -> tuple[Tracked, Tracked, Loaded]:
    """Returns what ours and the plain script took, each against a server of its own, and loading ours."""
    folder.mkdir()
    settings = load_result(result).content.settings
    found: dict[str, Tracked] = {}
    loaded: dict[str, Any] = {}
    for name, script in sorted({"ours": OURS, "plain": PLAIN}.items(), reverse=plain_first):
        with server(folder / name) as address:
            values = child(COUNT + script + TELL, str(result), address, str(HERE))
            found[name] = Tracked(seconds=values["seconds"], requests=int(values["requests"]))
            if name == "ours":
                loaded = child(LOAD, address, f"models:/{settings.registered_model}@{settings.alias}", python=loader)
    return found["ours"], found["plain"], Loaded(**loaded)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="a work directory with results; left out: the demonstration's model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--loader",
        help="the Python that loads, of an environment with the model's requirements; left out: of a new one",
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgequant-benchmark-") as name:
        folder = Path(name)
        result = arguments.work / RESULTS if arguments.work else make_result(folder)
        loader = arguments.loader or new_environment(folder / "environment")
        rounds = [
            one_round(result, folder / str(number), loader, plain_first=bool(number % 2))
            for number in range(arguments.rounds)
        ]
    report(rounds, arguments.json)


def report(rounds: list[tuple[Tracked, Tracked, Loaded]], path: Path | None) -> None:
    """Prints the medians, and writes every round to a file."""
    ours, plain, loaded = (list(part) for part in zip(*rounds, strict=True))
    ratio = statistics.median(one.seconds / other.seconds for one, other in zip(ours, plain, strict=True))
    table = Table("tracking six variants", "wall, s", "HTTP requests")
    for name, found in (("plain script", plain), ("edgequant", ours)):
        seconds = statistics.median(one.seconds for one in found)
        table.add_row(name, f"{seconds:.2f}", f"{statistics.median(one.requests for one in found):g}")
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"time_ratio: {ratio:.2f}")
    facts = [asdict(one) for one in loaded]
    medians = {name: statistics.median(float(fact[name]) for fact in facts) for name in facts[0]}
    console.print(
        "load: import mlflow.pyfunc {import_seconds:.2f} s, load_model {load_seconds:.2f} s ({cpu_seconds:.2f} CPU-seconds"
        " for both), {peak_mb:.0f} MB; TensorFlow imported: {imported}".format(**medians, imported=loaded[0].tensorflow)
    )
    if path:
        rows = [{"ours": asdict(a), "plain": asdict(b), "load": asdict(c)} for a, b, c in rounds]
        path.write_text(json.dumps({"time_ratio": ratio, "rounds": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
