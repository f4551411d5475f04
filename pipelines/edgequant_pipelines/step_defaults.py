"""What each step of the pipeline gets on a cluster unless the configuration says otherwise."""

from dataclasses import dataclass

# How many variants are evaluated at once.
PARALLELISM = 4
# The names of the pipeline parameters that hold a step's resources, after the step's own.
RESOURCES = ("cpu_request", "cpu_limit", "memory_request", "memory_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step gets.

    Attributes:
        cpu: Its CPU: what it asks for, and its limit.
        memory: Its memory, the same.
        timeout_seconds: How long its pod may live.
        outside: Whether it talks to MLflow or an object store: then it gets their credentials and is retried, since what
            fails there may pass. The others compute the same from the same inputs, so that what failed once fails again.
        cached: Whether KFP may serve it from its cache.
    """

    cpu: tuple[str, str]
    memory: tuple[str, str]
    timeout_seconds: int
    outside: bool = False
    cached: bool = True

    def resources(self) -> dict[str, str]:
        """Returns the step's resources, by the names of their parameters."""
        return dict(zip(RESOURCES, (*self.cpu, *self.memory), strict=True))


_HOUR = 3600
# In the order in which the pipeline runs them, by the names of their parameters.
TABLE = {
    "pin": Step(cpu=("250m", "1"), memory=("512Mi", "2Gi"), timeout_seconds=_HOUR // 2, outside=True, cached=False),
    "fingerprint": Step(
        cpu=("250m", "1"), memory=("512Mi", "2Gi"), timeout_seconds=_HOUR // 2, outside=True, cached=False
    ),
    "resolve": Step(cpu=("250m", "1"), memory=("512Mi", "2Gi"), timeout_seconds=_HOUR, outside=True),
    "describe": Step(cpu=("250m", "1"), memory=("512Mi", "2Gi"), timeout_seconds=_HOUR // 2),
    "champion": Step(cpu=("250m", "1"), memory=("512Mi", "2Gi"), timeout_seconds=_HOUR, outside=True),
    # It may wait for a Beam job that runs elsewhere.
    "sample": Step(cpu=("1", "4"), memory=("1Gi", "4Gi"), timeout_seconds=6 * _HOUR, outside=True),
    "convert": Step(cpu=("2", "4"), memory=("4Gi", "8Gi"), timeout_seconds=4 * _HOUR),
    "evaluate": Step(cpu=("1", "2"), memory=("1Gi", "4Gi"), timeout_seconds=_HOUR),
    # Whole CPUs, and no more than it asks for: Kubernetes then counts the pod as Guaranteed.
    "benchmark": Step(cpu=("2", "2"), memory=("2Gi", "2Gi"), timeout_seconds=_HOUR),
    "validate": Step(cpu=("1", "2"), memory=("1Gi", "4Gi"), timeout_seconds=_HOUR),
    "track": Step(cpu=("250m", "1"), memory=("512Mi", "2Gi"), timeout_seconds=_HOUR, outside=True, cached=False),
}
STEPS = tuple(TABLE)
