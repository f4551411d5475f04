"""The tree of errors.

    EdgequantError            a failure to report to the user, without a stack trace
    ├── ConfigError           the configuration or the command line is wrong
    ├── ModelError            the model cannot be found, read or used
    │   └── NoModelYetError   the registered model, or its alias, does not exist
    ├── ExamplesError         the examples cannot be found, read or turned into model inputs
    ├── ConversionError       the reference could not be converted
    ├── EvaluationError       a model cannot be evaluated on the examples
    ├── ArtifactError         an artifact directory is missing, damaged or of another kind
    └── TrackingError         the results could not be recorded in MLflow

A message states what is wrong, the value, and what is allowed.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class EdgequantError(Exception):
    """A failure to report to the user in one message, without a stack trace."""


class ConfigError(EdgequantError):
    """The configuration or the command line is wrong."""


class ModelError(EdgequantError):
    """The model cannot be found, read or used."""


class NoModelYetError(ModelError):
    """The registered model, or its alias, does not exist; before the first promotion this is expected.

    Args:
        uri: The model's URI.
        server: The MLflow server.
        reason: Which of the two does not exist.
    """

    def __init__(self, uri: str, server: str, reason: str) -> None:
        super().__init__(f"model: {uri} cannot be looked up in MLflow at {server}: {reason}")
        self.reason = reason


class ExamplesError(EdgequantError):
    """The examples cannot be found, read or turned into model inputs."""


class ConversionError(EdgequantError):
    """The reference could not be converted, so no comparison is possible."""


class EvaluationError(EdgequantError):
    """A model cannot be evaluated on the examples."""


class ArtifactError(EdgequantError):
    """An artifact directory is missing, damaged or of another kind."""


class TrackingError(EdgequantError):
    """the results could not be recorded in MLflow."""


# Keys by their former names.
RENAMED = {"baseline": "champion", "max_drop_points_vs_baseline": "max_drop_points_vs_champion"}


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Returns "; it is named 'X' now" for a renamed key, "; did you mean 'X'?" for the nearest allowed word, else ""."""
    allowed = list(allowed)
    if RENAMED.get(word) in allowed:
        return f"; it is named {RENAMED[word]!r} now"
    nearest = get_close_matches(word, allowed, n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""
