"""What a watcher works with."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from edgequant_pipelines.watching.launchers.base import Launcher
from edgequant_pipelines.watching.model_registry import ModelRegistry
from edgequant_pipelines.watching.prometheus import Measures


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchContext:
    """What a watcher works with.

    Attributes:
        registry: The registry.
        launchers: What starts runs, by the name that rules give it.
        measures: What is counted.
        show: Takes a line for people.
        stopping: Tells whether the watcher is to end: nothing more is started.
        clock: Tells the time, in seconds since 1970.
        once: Whether nobody looks again after what is silent now.
    """

    registry: ModelRegistry
    launchers: Callable[[str], Launcher]
    measures: Measures
    show: Callable[[str], None]
    stopping: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.time
    once: bool = False
