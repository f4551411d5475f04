"""The watcher's Prometheus metrics."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECOND, _MINUTE, _HOUR = 1.0, 60.0, 3600.0
_LAGS = (5 * _SECOND, 15 * _SECOND, 30 * _SECOND, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 6 * _HOUR)


class Measures:
    """The watcher's metrics, in a registry of their own.

    Attributes:
        registry: Their Prometheus registry.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.seen = self._counter("versions_seen", "Model versions that were new to the watcher and that a rule names.")
        self.submitted = self._counter("runs_submitted", "Runs started.", "rule")
        self.succeeded = self._counter("runs_succeeded", "Runs that ended well.", "rule")
        self.failed = self._counter("runs_failed", "Attempts that failed.", "rule")
        self.given_up = self._counter("versions_given_up", "Versions marked as failed: nothing more is tried.", "rule")
        self.registry_errors = self._counter("registry_errors", "Looks at the registry that failed.")
        self.launcher_errors = self._counter("launcher_errors", "Failures to ask what runs the pipelines.", "launcher")
        self.lag = Histogram(
            "edgequant_watch_lag_seconds",
            "From the creation of a version to the start of its first run.",
            buckets=_LAGS,
            registry=self.registry,
        )
        self.last_poll = self._gauge("last_successful_poll_timestamp_seconds", "When the registry was last looked at.")
        self.running = self._gauge("runs_under_way", "Runs claimed or started, and not ended.")
        self.backlog = self._gauge("versions_waiting", "Selected versions whose run has not begun.")
        self.rules_valid = self._gauge(
            "rules_valid", "1 when RULES.yaml is right as it is now, 0 when older rules hold."
        )

    def expect(self, rules: Iterable[str], launchers: Iterable[str]) -> None:
        """Initializes the counters of these labels to 0: `rate` ignores the first increment of a new time series."""
        for rule in rules:
            for counter in (self.submitted, self.succeeded, self.failed, self.given_up):
                counter.labels(rule)
        for launcher in launchers:
            self.launcher_errors.labels(launcher)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"edgequant_watch_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"edgequant_watch_{name}", text, registry=self.registry)
