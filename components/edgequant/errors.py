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

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches


class EdgequantError(Exception):
    """A failure to report to the user in one message, without a stack trace.

    Attributes:
        mistakes: The single messages, where it stands for several; else empty.
    """

    mistakes: tuple[str, ...] = ()


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


def collected(*checks: Callable[[], object]) -> list[EdgequantError]:
    """Returns the errors of all checks, in their order."""
    errors = []
    for check in checks:
        try:
            check()
        except EdgequantError as error:
            errors.append(error)
    return errors


def together(errors: Sequence[EdgequantError], where: str = "") -> EdgequantError:
    """Returns the error that stands for one or more.

    Several are a `ConfigError` if one of them is, as no retry helps then; else of their common type.

    Args:
        errors: The errors.
        where: What they are about, such as a file, for the beginning of the message.
    """
    prefix = f"{where}: " if where else ""
    kinds = {type(error) for error in errors}
    kind = ConfigError if any(issubclass(known, ConfigError) for known in kinds) else EdgequantError
    if len(kinds) == 1:
        kind = kinds.pop()
    texts = tuple(dict.fromkeys(text for error in errors for text in error.mistakes or (str(error),)))
    if len(texts) == 1:
        return kind(f"{prefix}{texts[0]}")
    several = kind(f"{prefix}{'; '.join(texts)}")
    several.mistakes = texts
    return several


# A shorter word is part of too many others.
_LONG_ENOUGH = 4
# Keys by their former names.
RENAMED = {"baseline": "champion", "max_drop_points_vs_baseline": "max_drop_points_vs_champion"}


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Returns "; it is named 'X' now" for a renamed key, "; did you mean 'X'?" for the nearest allowed word, else ""."""
    allowed = list(allowed)
    if RENAMED.get(word) in allowed:
        return f"; it is named {RENAMED[word]!r} now"
    # Who writes int8 means full_int8 rather than int16x8.
    holding = [name for name in allowed if len(word) >= _LONG_ENOUGH and word in name]
    nearest = holding or get_close_matches(word, allowed, n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""
