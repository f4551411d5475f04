"""The dependencies of a watcher."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from edgequant_pipelines.watching.launchers.base import Launcher
from edgequant_pipelines.watching.model_registry import ModelRegistry
from edgequant_pipelines.watching.prometheus import Measures


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchContext:
    """The dependencies of a watcher.

    Attributes:
        registry: The registry.
        launchers: Returns the launcher of a name.
        measures: The Prometheus metrics.
        show: Prints a line.
        stopping: Returns whether the watcher is stopping, so that nothing more is started.
        clock: Returns the time, in seconds since 1970.
        once: Whether the watcher polls only once, without retries.
    """

    registry: ModelRegistry
    launchers: Callable[[str], Launcher]
    measures: Measures
    show: Callable[[str], None]
    stopping: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.time
    once: bool = False
