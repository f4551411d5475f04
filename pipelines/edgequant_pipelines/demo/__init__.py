"""The demonstration: a small CNN on real handwritten digits, trained, registered, and ready to be quantized."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edgequant.errors import EdgequantError

# Written last, so that an interrupted training is repeated.
_READY = ".prepared"


class DemoError(EdgequantError):
    """The demonstration's model could not be trained."""


def prepare(directory: Path, show: Callable[[str, str], None]) -> Path:
    """Trains and registers the model if necessary, and returns the configuration to run.

    Args:
        directory: Where everything goes.
        show: Called with "train" and a line of progress.

    Raises:
        DemoError: Training failed.
    """
    config = directory / "digits.yaml"
    if (directory / _READY).is_file():
        show("train", "done before: reused")
        return config
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "edgequant_pipelines.demo.train", str(directory)]
    with (
        (directory / "train.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        for line in process.stdout or ():
            show("train", line.strip())
    if process.returncode:
        raise DemoError(f"training the demonstration's model failed; the log is {directory / 'train.log'}")
    shutil.copyfile(Path(__file__).with_name("digits.yaml"), config)
    (directory / _READY).touch()
    return config
