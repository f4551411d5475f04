"""Model versions and their training runs, as read from the registry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A version of a registered model.

    Attributes:
        name: The registered model.
        version: Its number, as text.
        run_id: The run that created it, or "".
        created: The time of its creation, in seconds since 1970.
        tags: Its tags.
        ready: Whether its status is READY.
        aliases: Its aliases, if it was requested by name and number; MLflow's search returns none.
    """

    name: str
    version: str
    run_id: str
    created: float
    tags: Mapping[str, str] = field(default_factory=lambda: _NONE)
    ready: bool = True
    aliases: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str]:
        """Its key in the registry."""
        return self.name, self.version

    @property
    def origin(self) -> str:
        """The time of its creation in milliseconds since 1970, and its run: they differ between versions of the same name."""
        return f"{round(self.created * 1000)} {self.run_id}".strip()

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """The run that made a model version.

    Attributes:
        status: MLflow's name of its state.
        metrics: The newest value of each metric.
        tags: Its tags.
    """

    status: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str] = field(default_factory=lambda: _NONE)
