"""Tokens that prove who asks: from the environment, or from a file that is replaced while it is in use."""

import os
import re
from pathlib import Path
from typing import Any

from kfp.client import ServiceAccountTokenVolumeCredentials

from edgequant.errors import ConfigError, EdgequantError

TOKEN = "KF_PIPELINES_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_PATH = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105
# Where a pod finds its projected token when the variable is not set.
_PROJECTED = Path("/var/run/secrets/kubeflow/pipelines/token")
# What a header can hold; a token with anything else was cut, wrapped or joined with another.
_FINE = re.compile(r"[\x21-\x7e]*")
_WRONG = "holds white space or characters that no token has; give one token alone, on one line"


class TokenFileError(EdgequantError):
    """The file of a token cannot be read any more, is empty, or holds something else."""


class TokenFile(ServiceAccountTokenVolumeCredentials):  # type: ignore[misc]
    """A projected token, which is read at every request: the kubelet replaces it.

    Args:
        path: The file.

    Raises:
        ConfigError: It is none, or holds no token.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path=str(path))
        if not path.is_file():
            raise ConfigError(f"{TOKEN_PATH}: {path} is not a file")
        try:
            self._get_token()
        except TokenFileError as error:
            raise ConfigError(f"{TOKEN_PATH}: {error}") from error

    def _get_token(self) -> str:
        try:
            token = Path(self._token_path).read_text(encoding="ascii", errors="replace").strip()
        except OSError as error:
            raise TokenFileError(f"{self._token_path} cannot be read ({error.strerror})") from error
        if not token:
            # KFP's client would send no header for it, and trip over that.
            raise TokenFileError(f"{self._token_path} is empty; one token, on one line, is needed")
        if not _FINE.fullmatch(token):
            raise TokenFileError(f"{self._token_path} {_WRONG}")
        return token


def environment_token() -> str:
    """Returns the token of the environment, or "".

    Raises:
        ConfigError: It is none; its value is not said.
    """
    token = os.environ.get(TOKEN, "").strip()
    if not _FINE.fullmatch(token):
        raise ConfigError(f"{TOKEN}: {_WRONG}")
    return token


def token_path() -> Path | None:
    """Returns the file that a projected token is in, or None."""
    named = os.environ.get(TOKEN_PATH)
    if named:
        return Path(named)
    return _PROJECTED if _PROJECTED.is_file() else None


def credentials(host: str) -> dict[str, Any]:
    """Returns what KFP's client is given to prove who asks.

    Args:
        host: The server's URL, or "".

    Raises:
        ConfigError: The token is none, or its file is not there.
    """
    token = environment_token()
    if token and host:
        # Given a token and no host, KFP's client asks localhost, and looks for neither a pod's cluster nor a kubeconfig.
        return {"existing_token": token}
    path = token_path()
    # In a pod, without a host, the client finds the token by itself. With one, it looks for none unless it is told to.
    return {"credentials": TokenFile(path)} if path is not None and host else {}


def token_advice() -> str:
    """Returns where the token came from, or how to give one."""
    if os.environ.get(TOKEN):
        return f"{TOKEN} is set: renew it"
    path = token_path()
    return f"it was read from {path}" if path else f"set {TOKEN}, or {TOKEN_PATH} to the file of a projected token"
