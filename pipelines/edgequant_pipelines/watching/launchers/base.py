"""The protocol of launchers, which start runs and report their state, on this machine or on Kubeflow."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from edgequant.errors import EdgequantError
from edgequant_pipelines.config import Config


class LauncherError(EdgequantError):
    """The launcher is temporarily unavailable."""


class ForbiddenRunError(LauncherError):
    """The account may not see a run."""


class UnreadableRunError(EdgequantError):
    """The state of a run cannot be read, though the launcher may report that of others."""


class UnansweredError(EdgequantError):
    """A run could not be started though the launcher answers; the request may still be executed later."""


class Progress(Enum):
    """The state of a run."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    # It ended with its watcher, without a result: the same attempt is started again.
    INTERRUPTED = "interrupted"
    # No run has this identifier.
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchedRun:
    """A run.

    Attributes:
        run_id: The launcher's identifier.
        progress: Its state.
        reason: Why it failed, or "".
        final: Whether a retry would fail with the same error.
        outcome: The outcome of its verdict, if known; "" otherwise.
        shown: Its location, for messages.
    """

    run_id: str
    progress: Progress
    reason: str = ""
    final: bool = False
    outcome: str = ""
    shown: str = ""


class Launcher(Protocol):
    """Starts runs under names that the caller chooses, and finds them by name."""

    @property
    def place(self) -> str:
        """The location of the runs, which distinguishes a watcher's own runs from those at another server."""

    def check(self) -> None:
        """Checks that runs can be started now.

        Raises:
            LauncherError: The launcher is unavailable.
        """

    def find(self, run_name: str) -> LaunchedRun | None:
        """Returns the run of a name, or None.

        Raises:
            LauncherError: The launcher is unavailable.
        """

    def submit(self, config: Config, run_name: str) -> LaunchedRun:
        """Starts a run.

        Raises:
            ConfigError: The configuration can never run.
            LauncherError: The launcher is unavailable; the run may have been started.
            UnansweredError: The launcher answers but fails to start this run; it may still be started.
            EdgequantError: It could not be started this time.
        """

    def state(self, run_id: str) -> LaunchedRun:
        """Returns the state of a run.

        Raises:
            ForbiddenRunError: The account may not see the run.
            LauncherError: The launcher is unavailable.
            UnreadableRunError: The launcher answers, but cannot read the run.
        """

    def close(self) -> None:
        """Ends the runs that cannot continue without the watcher."""
