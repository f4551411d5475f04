"""Measures the drawing of a sample against the reading it cannot do without, and against the idiomatic Beam pipeline.

Generates TFRecords of 3 KB records of 10 classes, a twentieth of them duplicates, and runs each measurement in a process of
its own, in turn, over several rounds: records per CPU-second (the runner's imports not counted) and the peak of resident
memory. Ratios are taken within a round and are medians over the rounds.

- limit: reads every record and compares the checksums of its length and its payload, and does nothing else.
- idiomatic: ReadFromTFRecord, parse, Sample.FixedSizePerKey, on a part of the records.
- ours: the draw of 500 calibration and 10,000 evaluation examples, plain and stratified by label.
- memory_growth: the peak of ours over all records, as a multiple of that over 20,000.
- two_worker_speedup: wall time with one worker process over that with two, on the same files many times over.

Usage: sampling.py [--records N] [--rounds N] [--repeat N] [--folder DIRECTORY] [--json FILE]
"""

import argparse
import itertools
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import google_crc32c
import numpy as np
from rich.console import Console
from rich.table import Table

SHARDS = 40
PAYLOAD_BYTES = 3000
CLASSES = 10
DUPLICATE_EVERY = 20
CALIBRATION, EVALUATION = 500, 10_000
SMALL = 20_000
IDIOMATIC_SHARDS = 10
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_BUFFER_BYTES = 1 << 20


def masked(data: bytes) -> int:
    """Returns the CRC-32C of data as TFRecords store it."""
    checksum = google_crc32c.value(data)
    return int(((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def generate(folder: Path, records: int) -> None:
    """Writes the shards: an image of random bytes and a label; every twentieth record is the one before it again."""
    from edgequant.sampling.formats.tfrecord import _example_class

    random = np.random.default_rng(17)
    image = bytes(PAYLOAD_BYTES)
    templates = []
    for label in range(CLASSES):
        example = _example_class()()
        example.features.feature["image"].bytes_list.value.append(image)
        example.features.feature["label"].int64_list.value.append(label)
        before, after = example.SerializeToString(deterministic=True).split(image)
        templates.append((before, after))
    numbers = itertools.count()
    for shard in range(SHARDS):
        count = records // SHARDS
        images = random.integers(0, 256, (count, PAYLOAD_BYTES), np.uint8)
        with (folder / f"{shard:03d}.tfrecord").open("wb", _BUFFER_BYTES) as stream:
            record = b""
            for row in images:
                number = next(numbers)
                if number % DUPLICATE_EVERY or not record:
                    before, after = templates[number % CLASSES]
                    payload = before + row.tobytes() + after
                    length = struct.pack("<Q", len(payload))
                    record = length + _FOOTER.pack(masked(length)) + payload + _FOOTER.pack(masked(payload))
                stream.write(record)


def read_only(paths: list[str]) -> int:
    """Reads every record and compares its checksums; returns how many there are."""
    count = 0
    for path in paths:
        with Path(path).open("rb", _BUFFER_BYTES) as stream:
            read = stream.read
            while header := read(_HEADER.size):
                length, length_checksum = _HEADER.unpack(header)
                if masked(header[:8]) != length_checksum:
                    sys.exit(f"{path}: a wrong checksum of a length")
                payload = read(length)
                if masked(payload) != _FOOTER.unpack(read(_FOOTER.size))[0]:
                    sys.exit(f"{path}: a wrong checksum")
                count += 1
    return count


def idiomatic(paths: list[str], *, stratified: bool) -> int:
    """Draws a sample as the guides do; returns how many records were given."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from edgequant.sampling.formats.tfrecord import parse_example

    def parse(data: bytes) -> tuple[int, object]:
        features = parse_example(data)
        return (int(features["label"][0]) if stratified else 0), features

    size = CALIBRATION // CLASSES if stratified else CALIBRATION
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromTFRecord(str(Path(paths[0]).parent / "*.tfrecord"))
            | beam.Map(parse)
            | beam.combiners.Sample.FixedSizePerKey(size)
            | beam.Map(lambda found: print(f"{found[0]}: {len(found[1])}", file=sys.stderr))
        )
    return 0


def ours(paths: list[str], *, stratified: bool, options: list[str]) -> int:
    """Draws both sets' candidates; returns how many records were read."""
    from edgequant.sampling.beam_options import parse_options
    from edgequant.sampling.draw.beam_pipeline import Engine
    from edgequant.sampling.draw.disjoint import split
    from edgequant.sampling.draw.rule import DrawRule
    from edgequant.sampling.draw.selection import EQUAL, FALSE, DrawPlan
    from edgequant.sampling.formats.files import find_files

    plan = DrawPlan(wanted=CALIBRATION, stratify=EQUAL if stratified else FALSE, minimum=1, seed=17)
    rule = DrawRule(keep={}, seed=17, classes="label" if stratified else "")
    with tempfile.TemporaryDirectory() as scratch:
        drawn = split(
            find_files(paths, "calibration"), rule, plan, EVALUATION, Engine(parse_options(options), Path(scratch))
        )
    if len(drawn["evaluation"].pool.lowest) != EVALUATION:
        sys.exit("the sample is short")
    return sum(draw.drawn.records.total() for draw in drawn.values())


def run_one(kind: str, paths: list[str], options: list[str]) -> None:
    """Runs one measurement in this process and prints it as JSON."""
    if kind != "limit":
        import apache_beam  # noqa: F401 - its import is not what is measured

        import edgequant.sampling.draw.beam_pipeline  # noqa: F401
    tasks = {
        "limit": lambda: read_only(paths),
        "idiomatic": lambda: idiomatic(paths, stratified=False),
        "idiomatic_stratified": lambda: idiomatic(paths, stratified=True),
        "ours": lambda: ours(paths, stratified=False, options=options),
        "ours_stratified": lambda: ours(paths, stratified=True, options=options),
    }
    wall, cpu = time.perf_counter(), time.process_time()
    tasks[kind]()
    facts = {
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
        "peak_bytes": _peak_bytes(),
    }
    print(json.dumps(facts))


def _peak_bytes() -> int:
    """Returns the peak of this process's resident memory; `getrusage` also knows that of the process it was forked from."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


def measure(kind: str, paths: list[Path], options: list[str] | None = None) -> dict[str, float]:
    """Runs one measurement in a process of its own."""
    command = [
        sys.executable,
        str(Path(__file__).resolve()),
        "--one",
        kind,
        "--options",
        json.dumps(options or ["--runner=FnApiRunner"]),
    ]
    done = subprocess.run(
        command, input="\n".join(map(str, paths)), capture_output=True, text=True, check=False, env={**os.environ}
    )
    if done.returncode:
        sys.exit(f"{kind} failed:\n{done.stderr[-3000:]}")
    facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return facts


def run_round(shards: list[Path], part: list[Path], records: int) -> dict[str, float]:
    """Returns the rates of every kind, in records per CPU-second, and the peaks of memory in bytes.

    Args:
        shards: All shards.
        part: Those that the idiomatic pipeline reads, in a folder of their own.
        records: How many records all shards hold.
    """
    found: dict[str, float] = {}
    for kind in ("limit", "ours", "ours_stratified", "idiomatic", "idiomatic_stratified"):
        paths = part if kind.startswith("idiomatic") else shards
        facts = measure(kind, paths)
        found[kind] = records * len(paths) / len(shards) / facts["cpu_seconds"]
        found[f"{kind}_peak"] = facts["peak_bytes"]
    return found


def _links(shards: list[Path], folder: Path) -> list[Path]:
    """Returns links to shards in a folder of their own."""
    folder.mkdir()
    paths = [folder / f"{number:04d}.tfrecord" for number in range(len(shards))]
    for path, shard in zip(paths, shards, strict=True):
        path.symlink_to(shard.resolve())
    return paths


def speedup(shards: list[Path], folder: Path, repeat: int) -> float:
    """Returns how much sooner two worker processes are done than one, with the same files under many names."""
    paths = _links(shards * repeat, folder / "links")
    wall = [
        measure(
            "ours",
            paths,
            ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"],
        )["wall_seconds"]
        for workers in (1, 2)
    ]
    print(f"one worker process: {wall[0]:.1f} s, two: {wall[1]:.1f} s, for {repeat} times the records")
    return wall[0] / wall[1]


def main() -> None:
    """Runs the rounds and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=24, help="how many times the records the two workers read")
    parser.add_argument("--folder", type=Path, help="where the shards are, or are written and kept")
    parser.add_argument("--json", type=Path, help="a file to write the figures to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--options", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one, sys.stdin.read().splitlines(), json.loads(arguments.options))
        return
    with tempfile.TemporaryDirectory(prefix="edgequant-") as scratch:
        folder = arguments.folder or Path(scratch) / "shards"
        if not folder.is_dir():
            folder.mkdir(parents=True)
            generate(folder, arguments.records)
        shards = sorted(folder.glob("*.tfrecord"))
        part = _links(shards[:: len(shards) // IDIOMATIC_SHARDS], Path(scratch) / "part")
        rounds = [run_round(shards, part, arguments.records) for _ in range(arguments.rounds)]
        small = measure("ours_stratified", _small(shards, Path(scratch)))["peak_bytes"]
        two = speedup(shards, Path(scratch), arguments.repeat)
    figures = {
        "ratio_to_limit": statistics.median(each["ours"] / each["limit"] for each in rounds),
        "ratio_to_limit_stratified": statistics.median(each["ours_stratified"] / each["limit"] for each in rounds),
        "ratio_to_idiomatic": statistics.median(each["ours"] / each["idiomatic"] for each in rounds),
        "ratio_to_idiomatic_stratified": statistics.median(
            each["ours_stratified"] / each["idiomatic_stratified"] for each in rounds
        ),
        "memory_growth": statistics.median(each["ours_stratified_peak"] for each in rounds) / small,
        "two_worker_speedup": two,
    }
    show(rounds, figures, arguments.records)
    if arguments.json:
        arguments.json.write_text(json.dumps({"records": arguments.records, "rounds": rounds, **figures}, indent=1))


def _small(shards: list[Path], folder: Path) -> list[Path]:
    """Returns files that hold the first records of the shards, all of one size."""
    with shards[0].open("rb") as stream:
        length = _HEADER.unpack(stream.read(_HEADER.size))[0] + _HEADER.size + _FOOTER.size
    left = SMALL * length
    paths = []
    for shard in shards:
        data = shard.read_bytes()[:left]
        paths.append(folder / f"small-{shard.name}")
        paths[-1].write_bytes(data)
        left -= len(data)
        if not left:
            break
    return paths


def show(rounds: list[dict[str, float]], figures: dict[str, float], records: int) -> None:
    """Prints the rates and the ratios."""
    table = Table(title=f"{records:,} records of 3 KB, medians of {len(rounds)} rounds")
    for column in ("what", "records per CPU-second", "peak, MB"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for kind in ("limit", "ours", "ours_stratified", "idiomatic", "idiomatic_stratified"):
        rate = statistics.median(each[kind] for each in rounds)
        peak = statistics.median(each[f"{kind}_peak"] for each in rounds)
        table.add_row(kind, f"{rate:,.0f}", f"{peak / 1e6:,.0f}")
    Console().print(table)
    for name, value in figures.items():
        print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
