"""What starts quantizations and tells what became of them: one small protocol for a laptop and for Kubeflow."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from edgequant.errors import EdgequantError
from edgequant_pipelines.config import Config


class LauncherError(EdgequantError):
    """The launcher cannot be asked now; later it may."""


class ForbiddenRunError(LauncherError):
    """The account may not see a run."""


class UnreadableRunError(EdgequantError):
    """What has become of a run cannot be told, though the launcher may tell it of others."""


class UnansweredError(EdgequantError):
    """A run could not be started though the launcher answers, and may be started all the same, later."""


class Progress(Enum):
    """How far a run is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    # It ended without an end, with the watcher that ran it: the same attempt is started again.
    INTERRUPTED = "interrupted"
    # There is none of that identifier here.
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchedRun:
    """A run.

    Attributes:
        run_id: The launcher's identifier.
        progress: How far it is.
        reason: Why it failed, or "".
        final: Whether another attempt would fail alike.
        outcome: What it found, in a word, where that is known here; "" otherwise.
        shown: Where a person finds it.
    """

    run_id: str
    progress: Progress
    reason: str = ""
    final: bool = False
    outcome: str = ""
    shown: str = ""


class Launcher(Protocol):
    """Starts runs under names that the caller chooses, and finds them again by these."""

    @property
    def place(self) -> str:
        """Where the runs are: what a watcher tells its own runs by from those of one elsewhere."""

    def check(self) -> None:
        """Looks whether runs could be started now.

        Raises:
            LauncherError: They could not.
        """

    def find(self, run_name: str) -> LaunchedRun | None:
        """Returns the run of a name, or None when there is none.

        Raises:
            LauncherError: The launcher cannot be asked.
        """

    def submit(self, config: Config, run_name: str) -> LaunchedRun:
        """Starts a run.

        Raises:
            ConfigError: It would never run.
            LauncherError: The launcher cannot be asked; the run may have been started all the same.
            UnansweredError: The launcher answers, and fails to start this run; it may yet be started all the same.
            EdgequantError: It could not be started this time.
        """

    def state(self, run_id: str) -> LaunchedRun:
        """Returns what has become of a run.

        Raises:
            ForbiddenRunError: The account may not see it.
            LauncherError: The launcher cannot be asked.
            UnreadableRunError: The launcher answers, and cannot tell.
        """

    def close(self) -> None:
        """Ends what cannot go on without the watcher."""
