"""One quantization in a process of its own, with its end on record: ``python -m edgequant_pipelines.watching.launchers.local_run WORK``."""

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
    """Runs the configuration in a work directory, and leaves there how it ended."""
    from edgequant_pipelines.config import load_config
    from edgequant_pipelines.local_runner import forget_steps, run_locally

    end_with_runner()
    os.environ.pop(RUNNER_PID, None)
    try:
        # A run whose watcher was killed ends a moment later than its watcher, which may be back by then.
        with FileLock(work / "run.lock", timeout=_PREDECESSOR_SECONDS):
            result = run_locally(load_config(work / CONFIG), work, cache=True, show=say)
        end = {"outcome": str(result["outcome"]), "reason": "", "wrong_config": False}
    except (EdgequantError, OSError) as error:
        end = {"outcome": "", "reason": describe(error), "wrong_config": isinstance(error, ConfigError)}
    # Whole or not at all, and after everything that matters: a run without it has not ended.
    write_json(work / END, end)
    if end["outcome"]:
        # Nothing is run here again, and the examples alone may take gigabytes each night.
        forget_steps(work)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
