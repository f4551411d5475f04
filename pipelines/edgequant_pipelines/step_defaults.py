"""The default resources and timeouts of each step on a cluster."""

from dataclasses import dataclass

# How many variants are evaluated at once.
PARALLELISM = 4
# The names of the pipeline parameters that hold a step's resources, after the step's own.
RESOURCES = ("cpu_request", "cpu_limit", "memory_request", "memory_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The defaults of a step.

    Attributes:
        cpu: The CPU request and limit.
        memory: The memory request and limit.
        timeout_seconds: The maximum lifetime of its pod.
        outside: Whether it accesses MLflow or an object store: then it gets their credentials and is retried, since errors may
            be transient. The other steps are deterministic and would fail again.
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
    # It may wait for a remote Beam job.
    "sample": Step(cpu=("1", "4"), memory=("1Gi", "4Gi"), timeout_seconds=6 * _HOUR, outside=True),
    "convert": Step(cpu=("2", "4"), memory=("4Gi", "8Gi"), timeout_seconds=4 * _HOUR),
    "evaluate": Step(cpu=("1", "2"), memory=("1Gi", "4Gi"), timeout_seconds=_HOUR),
    # Whole CPUs, and limits equal to requests: Kubernetes then gives the pod the QoS class Guaranteed.
    "benchmark": Step(cpu=("2", "2"), memory=("2Gi", "2Gi"), timeout_seconds=_HOUR),
    "validate": Step(cpu=("1", "2"), memory=("1Gi", "4Gi"), timeout_seconds=_HOUR),
    "track": Step(cpu=("250m", "1"), memory=("512Mi", "2Gi"), timeout_seconds=_HOUR, outside=True, cached=False),
}
STEPS = tuple(TABLE)
