"""Times `edgequant run` on ResNet-8 and CIFAR-10, cold and again, against a plain script that does the same work.

Each round runs the three in turn, each cold one in a new directory; figures are medians over the rounds, and ratios are
taken within a round, so that a machine whose speed drifts touches both sides alike.

Usage: end_to_end.py [--data DIRECTORY] [--rounds N] [--json FILE]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data" / "resnet8_cifar10"
CONFIG = """
name: resnet8-cifar10
model: {data}/saved_model
examples:
  calibration: {data}/train-*.tfrecord
  evaluation: {data}/test-*.tfrecord
  inputs:
    input_1: {{feature: image/encoded, decode: image}}
  label: image/class/label
sampling: {{calibration: 500, evaluation: 10000, stratify: true, seed: 17}}
variants: [float32, float16, weights_only, full_int8, integer_only]
gate: {{max_drop_points: 1.0, max_size_ratio: 0.5}}
tracking: {{uri: "sqlite:///mlflow.db", registered_model: resnet8-tflite, alias: candidate}}
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a command: wall time, and the peak resident memory of its largest process."""

    seconds: float
    peak_bytes: int


def measure(command: list[str], log: Path) -> Measured:
    """Runs a command and measures it; a failing one ends the benchmark with its output."""
    start = time.perf_counter()
    # Python keeps compiled modules, as it does for users, whatever this shell's settings are.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()}")
    return Measured(seconds, usage.ru_maxrss * 1024)


def run_round(data: Path, folder: Path, *, plain_first: bool) -> dict[str, Measured]:
    """Runs the three once, in a new folder; the two cold ones in either order, since the first finds less in memory."""
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(data=data))
    edgequant = [
        str(Path(sys.executable).with_name("edgequant")), "run", str(config), "--work-directory", str(folder / "work"),
    ]  # fmt: skip
    (folder / "plain").mkdir()
    plain = [sys.executable, str(HERE / "plain_script.py"), str(data), str(folder / "plain")]
    commands = {"plain": plain, "cold": edgequant} if plain_first else {"cold": edgequant, "plain": plain}
    return {name: measure(command, folder / f"{name}.log") for name, command in {**commands, "warm": edgequant}.items()}


def help_seconds() -> float:
    """Returns how long `edgequant --help` takes: the median of several runs."""
    command = [str(Path(sys.executable).with_name("edgequant")), "--help"]
    return statistics.median(measure(command, Path(os.devnull)).seconds for _ in range(5))


def figures(rounds: list[dict[str, Measured]]) -> dict[str, float]:
    """Returns the figures by name: medians over rounds; ratios within a round."""
    values: dict[str, float] = {}
    for name in ("cold", "plain", "warm"):
        values[f"{name}_seconds"] = statistics.median(found[name].seconds for found in rounds)
        values[f"{name}_peak_mb"] = statistics.median(found[name].peak_bytes for found in rounds) / 1e6
    for name in ("cold", "warm"):
        values[f"{name}_ratio"] = statistics.median(found[name].seconds / found["plain"].seconds for found in rounds)
    return values


def main() -> None:
    """Runs the rounds and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the resnet8_cifar10 directory")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    if not data.is_dir():
        parser.error(f"--data: {data} does not exist")
    rounds = []
    for number in range(arguments.rounds):
        with tempfile.TemporaryDirectory(prefix="edgequant-benchmark-") as folder:
            rounds.append(run_round(data, Path(folder), plain_first=number % 2 == 1))
        print(
            f"round {number + 1}:",
            *(f"{name} {found.seconds:.1f} s" for name, found in sorted(rounds[-1].items())),
            flush=True,
        )
    values = figures(rounds) | {"help_seconds": help_seconds()}
    table = Table("run", "wall, s", "peak of the largest process, MB", "ratio to the plain script")
    for name, title in (("plain", "plain script"), ("cold", "edgequant, cold"), ("warm", "edgequant, again")):
        ratio = values.get(f"{name}_ratio")
        table.add_row(
            title,
            f"{values[f'{name}_seconds']:.1f}",
            f"{values[f'{name}_peak_mb']:.0f}",
            "1.00" if ratio is None else f"{ratio:.2f}",
        )
    Console().print(table)
    print(f"edgequant --help: {values['help_seconds']:.2f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
