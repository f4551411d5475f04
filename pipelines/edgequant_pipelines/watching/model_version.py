"""What the registry says of a model version and of the run that made it."""

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
        run_id: The run that made it, or "".
        created: When, in seconds since 1970.
        tags: Its tags.
        ready: Whether MLflow has it whole.
        aliases: Its aliases, when it was asked for by name and number: what a search finds has none.
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
        """What names it in the registry."""
        return self.name, self.version

    @property
    def origin(self) -> str:
        """What tells it from another of its name and number: when it was made, in milliseconds since 1970, and by which run."""
        return f"{round(self.created * 1000)} {self.run_id}".strip()

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """The run that made a model version.

    Attributes:
        status: MLflow's word for its state.
        metrics: The newest value of each metric.
        tags: Its tags.
    """

    status: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str] = field(default_factory=lambda: _NONE)
