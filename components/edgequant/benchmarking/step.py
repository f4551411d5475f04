"""Benchmarks all variants of a variant set in one process, on real examples."""

import os
import platform
from pathlib import Path

from edgequant.artifacts.benchmark import SCHEMA, Benchmark, Environment
from edgequant.artifacts.directory import new_directory, write_manifest
from edgequant.artifacts.example_set import load_example_set
from edgequant.artifacts.variant_set import load_variant_set
from edgequant.benchmarking.latency import measure_latencies
from edgequant.litert_interpreter import DELEGATE, InterpreterError, Model, runtime_version
from edgequant.steps import say

_EXAMPLES = 16


def benchmark(
    variant_set: Path, evaluation_set: Path, target: Path, *, runs: int = 200, budget_seconds: float = 60.0
) -> None:
    """Measures the latency of every converted variant and writes the benchmark.

    Args:
        variant_set: The directory of the variant set.
        evaluation_set: The directory of the evaluation set; its first examples are the inputs.
        target: The directory to write.
        runs: How many counted runs each variant gets.
        budget_seconds: Runs end early after this time.

    Raises:
        ArtifactError: An input directory is not what it should be.
    """
    variants = load_variant_set(variant_set)
    # The evaluate step has read every byte of this set; here only a few rows are used.
    inputs = load_example_set(evaluation_set, verify=False).inputs
    count = min(_EXAMPLES, len(next(iter(inputs.values()))))
    examples = [{name: values[row] for name, values in inputs.items()} for row in range(count)]
    failures = {}
    paths = {}
    for name in variants.converted:
        try:
            model = Model(variants.model(name))
            for example in examples:
                model.invoke(model.prepare(example))
            paths[name] = variants.model(name)
        except InterpreterError as error:
            failures[name] = str(error)
    environment = _environment()
    latencies = measure_latencies(paths, examples, runs=runs, budget_seconds=budget_seconds)
    digests = {name: variants[name].sha256 for name in variants.converted}
    content = Benchmark(model_sha256=digests, latencies=latencies, failures=failures, environment=environment)
    with new_directory(target) as draft:
        write_manifest(draft, SCHEMA, content)
    for name, reason in failures.items():
        say("benchmark", f"{name}: failed: {reason}")
    for name, latency in latencies.items():
        say("benchmark", f"{name}: p50 {latency.p50_ms:.3f} ms, p90 {latency.p90_ms:.3f} ms over {latency.runs} runs")


def _environment() -> Environment:
    return Environment(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        threads=1,
        delegate=DELEGATE,
        runtime=runtime_version(),
        load_average=round(os.getloadavg()[0], 2),
    )


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
