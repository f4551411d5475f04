"""The MLflow tracking URI of a step, which must hold no secret."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, unquote_plus, urlsplit

from edgequant.errors import ConfigError, TrackingError

TRACKING_URI = "MLFLOW_TRACKING_URI"
# Set by the local runner for its steps; as an argument it would be part of the cache keys.
LOCAL_TRACKING_URI = "EDGEQUANT_TRACKING_URI"
ON_CLUSTER = "KUBERNETES_SERVICE_HOST"
_KEY = "tracking.uri"
# Where runs write by default, and the name of MLflow's file there.
WORK_DIRECTORIES, DEMO_DIRECTORY, DATABASE = "edgequant-work", "edgequant-demo", "mlflow.db"
_SQLITE = "sqlite:///"
# A password that is not quoted may hold "/" and "@": it is what follows the first ":" and is not a port, up to the last "@".
_PASSWORD = r"//[^/\s:]*:(?!\d+/)\S*@"  # noqa: S105 - how one looks
_WITH_PASSWORD = re.compile(rf"[^/:]+:(?!///){_PASSWORD}")
# For a database it is a user name; for an HTTP server it may be a token.
_WITH_USER = re.compile(r"https?://[^/\s]*@", re.IGNORECASE)
_CREDENTIALS = re.compile(rf"{_PASSWORD}|//[^/\s]*@")
# Database drivers also accept passwords as options, and proxies tokens. Options that name a file (passfile, sslkey) or a method
# of authentication (require_auth, auth_plugin) are no secrets.
_SENSITIVE = (
    r"pass(?:w|phrase|code)|pwd|secret|token|jwt|credential|signature|(?:access|account|api|auth|private|shared)[_-]?key"
    r"|(?<![a-z])(?<!require_)auth(?!_?(?:mechanism|method|mode|plugin|type)|[a-z])"
    r"|(?<![a-z])(?:code|pass|pw|sas|sig)(?![a-z])|(?<![a-z_-])key(?![a-z_-])"
)
_SENSITIVE_NAME = re.compile(_SENSITIVE, re.IGNORECASE)
# As in ``odbc_connect=UID=me;PWD=…``.
_SENSITIVE_WITHIN = re.compile(rf"(?:{_SENSITIVE})[^=;&]*=", re.IGNORECASE)
_OPTION = re.compile(r"(?<=[?&;#])([^\s=&;#'\"]+)=([^\s&;#'\"]*)")


def check_tracking_uri(key: str, uri: str) -> str:
    """Returns a tracking URI that holds no secret, since a run records it.

    Args:
        key: The name of the setting, for the message.
        uri: The URI.

    Raises:
        ConfigError: It is not a URI, or it holds a password or what may be a token.
    """
    password = _WITH_PASSWORD.match(uri) is not None
    try:
        password = password or urlsplit(uri).password is not None
    except ValueError as error:
        if not password:
            raise ConfigError(f"{key}: {without_credentials(uri)!r} is not a URI ({error})") from error
    option = next((match[1] for match in _OPTION.finditer(uri) if _is_secret(match)), "")
    if password or option or _WITH_USER.match(uri):
        content = "a user, which may be a token"
        if password or option:
            content = "a password" if password else f"a password or a token, {unquote(option)}"
        raise ConfigError(
            f"{key}: holds {content}; give credentials in MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD"
        )
    return uri


def tracking_uri(configured: str, key: str = _KEY, beside: Path | None = None) -> str:
    """Returns the tracking URI to use: the one configured, the runner's, the environment's, or a local database.

    Args:
        configured: The URI of the configuration; "" for none.
        key: The name of the setting, for the message.
        beside: The folder of that database; None for the working directory.

    Raises:
        TrackingError: None is set on a cluster, where MLflow's default is a disk that is deleted with the pod.
        ConfigError: It holds a password.
    """
    if configured := configured or runners_tracking_uri():
        return check_tracking_uri(key, configured)
    uri = check_tracking_uri(TRACKING_URI, os.environ.get(TRACKING_URI, ""))
    if not uri and os.environ.get(ON_CLUSTER):
        raise TrackingError(f"{_KEY} is empty and {TRACKING_URI} is not set; on a cluster one of them is needed")
    return uri or f"sqlite:///{(beside or Path()).resolve() / DATABASE}"


def database_file(uri: str) -> Path | None:
    """Returns the file of a SQLite database, without its options; None for any other tracking URI."""
    if not uri.startswith(_SQLITE):
        return None
    name = uri.removeprefix(_SQLITE).partition("?")[0]
    return Path(name) if name else None


def runners_tracking_uri() -> str:
    """Returns the tracking URI that the local runner set for the step; "" on a cluster, and without a runner."""
    return os.environ.get(LOCAL_TRACKING_URI, "")


def without_credentials(text: str) -> str:
    """Returns a message, such as the error of a request, with users, passwords and tokens removed from its URLs."""
    return _OPTION.sub(_without_secret, _CREDENTIALS.sub("//", text))


def _without_secret(option: re.Match[str]) -> str:
    return f"{option[1]}=***" if _is_secret(option) else option[0]


def _is_secret(option: re.Match[str]) -> bool:
    """Returns whether an option of a URI, ``NAME=VALUE``, has a secret as its value or within it."""
    name, value = unquote_plus(option[1]), unquote_plus(option[2])
    return bool(value) and (_SENSITIVE_NAME.search(name) is not None or _SENSITIVE_WITHIN.search(value) is not None)
