"""The runtime's own benchmark, which others measure against."""

import json
import subprocess
import sys
from pathlib import Path

# Without the rounding of what it reports: to 0.01 ms, which is a part of a small model's time and all of a tiny one's.
_RUNTIMES_OWN = """
import ai_edge_litert.tools.benchmark_litert_model as tool
tool.round = lambda value, digits: value
tool.main()
"""


def runtimes_own_ms(model: Path, runs: int, folder: Path) -> float:
    """Returns the median of `ai_edge_litert.tools.benchmark_litert_model`, one thread, after 50 runs of warm-up.

    Args:
        model: The ``.tflite`` file.
        runs: How many invocations are measured.
        folder: Where it writes its result.
    """
    result = folder / "runtime.json"
    options = ["--num_runs", str(runs), "--warmup_runs", "50", "--num_threads", "1", "--result_json", str(result)]
    command = [sys.executable, "-c", _RUNTIMES_OWN, "--model", str(model), *options]
    subprocess.run(command, check=True, capture_output=True)
    return float(json.loads(result.read_text())["latency"]["median_ms"])
