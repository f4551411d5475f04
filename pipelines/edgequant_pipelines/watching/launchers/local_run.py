"""One run in its own process, which records how it ended: ``python -m edgequant_pipelines.watching.launchers.local_run WORK``."""

import os
import sys
from pathlib import Path

from filelock import FileLock

from edgequant.artifacts.directory import write_json
from edgequant.errors import ConfigError, EdgequantError
from edgequant.steps import RUNNER_PID, describe, end_with_runner, say

CONFIG, END = "config.yaml", "end.json"
_PREDECESSOR_SECONDS = 30.0


def main(work: Path) -> None:
    """Runs the configuration in a work directory, and writes there how it ended."""
    from edgequant_pipelines.config import load_config
    from edgequant_pipelines.local_runner import forget_steps, run_locally

    end_with_runner()
    os.environ.pop(RUNNER_PID, None)
    try:
        # A run ends shortly after its killed watcher; a restarted watcher may be faster.
        with FileLock(work / "run.lock", timeout=_PREDECESSOR_SECONDS):
            result = run_locally(load_config(work / CONFIG), work, cache=True, show=say)
        end = {"outcome": str(result["outcome"]), "reason": "", "wrong_config": False}
    except (EdgequantError, OSError) as error:
        end = {"outcome": "", "reason": describe(error), "wrong_config": isinstance(error, ConfigError)}
    # Written atomically and last: without this file, a run has not ended.
    write_json(work / END, end)
    if end["outcome"]:
        # The run is complete, and its intermediate outputs may take gigabytes.
        forget_steps(work)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
