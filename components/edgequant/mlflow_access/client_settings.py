"""Environment variables for MLflow's client during a recording; set before the import of MLflow, which reads its log level then."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# MLflow's own retries may repeat a request that creates something, and so create a duplicate: see `retries`.
_FORCED = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
# MLflow's own defaults wait for minutes, and fill the log with progress bars and internal messages.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@contextmanager
def client_settings() -> Iterator[None]:
    """Sets the variables of MLflow's client; defaults do not override what the user has set."""
    before = {name: os.environ.get(name) for name in (*_FORCED, *_DEFAULTS)}
    os.environ.update(_FORCED)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        for name, earlier in before.items():
            if earlier is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = earlier
