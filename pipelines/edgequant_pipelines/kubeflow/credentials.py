"""Bearer tokens: from the environment, or from a file that is rotated while it is in use."""

import os
import re
from pathlib import Path
from typing import Any

from kfp.client import ServiceAccountTokenVolumeCredentials

from edgequant.errors import ConfigError, EdgequantError

TOKEN = "KF_PIPELINES_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_PATH = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105
# The default path of a pod's projected token.
_PROJECTED = Path("/var/run/secrets/kubeflow/pipelines/token")
# The characters that a header can hold; a token with others was wrapped or joined with another.
_FINE = re.compile(r"[\x21-\x7e]*")
_WRONG = "holds white space or characters that no token has; give one token alone, on one line"


class TokenFileError(EdgequantError):
    """The token file can no longer be read, is empty, or holds no token."""


class TokenFile(ServiceAccountTokenVolumeCredentials):  # type: ignore[misc]
    """A projected token, read at every request, since the kubelet rotates it.

    Args:
        path: The file.

    Raises:
        ConfigError: The file does not exist, or holds no token.
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
            # KFP's client sends no header for an empty token, and then fails with an unrelated error.
            raise TokenFileError(f"{self._token_path} is empty; one token, on one line, is needed")
        if not _FINE.fullmatch(token):
            raise TokenFileError(f"{self._token_path} {_WRONG}")
        return token


def environment_token() -> str:
    """Returns the token in the environment, or "".

    Raises:
        ConfigError: It is not a valid token; the message does not show it.
    """
    token = os.environ.get(TOKEN, "").strip()
    if not _FINE.fullmatch(token):
        raise ConfigError(f"{TOKEN}: {_WRONG}")
    return token


def token_path() -> Path | None:
    """Returns the file of a projected token, or None."""
    named = os.environ.get(TOKEN_PATH)
    if named:
        return Path(named)
    return _PROJECTED if _PROJECTED.is_file() else None


def credentials(host: str) -> dict[str, Any]:
    """Returns the credentials as keyword arguments of KFP's client.

    Args:
        host: The server's URL, or "".

    Raises:
        ConfigError: The token is invalid, or its file does not exist.
    """
    token = environment_token()
    if token and host:
        # With a token and no host, KFP's client connects to localhost, and ignores the pod's cluster and the kubeconfig.
        return {"existing_token": token}
    path = token_path()
    # In a pod, without a host, the client reads the token by itself; with a host, it must be passed.
    return {"credentials": TokenFile(path)} if path is not None and host else {}


def token_advice() -> str:
    """Returns the source of the token, or how to set one."""
    if os.environ.get(TOKEN):
        return f"{TOKEN} is set: renew it"
    path = token_path()
    return f"it was read from {path}" if path else f"set {TOKEN}, or {TOKEN_PATH} to the file of a projected token"
